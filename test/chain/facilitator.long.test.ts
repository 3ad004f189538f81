/** The whole edge with a facilitator and no relayer: real Worker, the reference facilitator, real chain with two-second blocks. */
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { transfersFrom } from "../live/chain.ts";
import { ask } from "../live/door.ts";
import { buy, contentOf, uploadBody } from "../live/shop.ts";
import { type Live, startLive } from "../live/stack.ts";
import { takePort } from "../stack/ports.ts";
import { type Family, startFamily } from "../stack/processes.ts";
import { edgeInputs } from "../stack/settings.ts";
import { workerPlan } from "../stack/wrangler.ts";
import { type FacilitatorServer, openFacilitatorServer } from "./facilitator-server.ts";

let live: Live;
let family: Family;
let facilitator: FacilitatorServer;
beforeAll(async () => {
  [live, family] = await Promise.all([startLive(), startFamily()]);
  facilitator = await openFacilitatorServer(live.stack);
}, 120_000);
afterAll(async () => {
  await family?.stop();
  await facilitator?.close();
  await live?.stop();
});

/** One more edge beside the stack's own, with a memory of its own. */
async function startEdge(name: string, vars: Record<string, string>, withRelayers: boolean): Promise<string> {
  const { keys, urls, chain, paths } = live.stack;
  const inputs = edgeInputs(keys, urls, chain);
  const { RELAYERS, ...rest } = inputs.vars;
  const port = await takePort("edge", 0);
  const url = `http://127.0.0.1:${port}`;
  const settings = {
    name,
    config: fileURLToPath(new URL("../../wrangler.toml", import.meta.url).href),
    port,
    persistTo: `${paths.edge}-${name}`,
    vars: { ...rest, ...(withRelayers && RELAYERS ? { RELAYERS } : {}), PUBLIC_URL: url, ...vars },
    secrets: inputs.secrets,
  };
  await family.start(workerPlan(settings, paths));
  return url;
}

describe("an edge that settles by a facilitator", () => {
  test("sells an upload, once for the same payment, also when the facilitator's answer is lost", async () => {
    const edge = await startEdge("facilitated", { FACILITATOR_URL: facilitator.url }, false);
    for (const mood of ["honest", "cut"] as const) {
      facilitator.mood = mood;
      const buyer = live.wallet();
      const { said, asked } = await buy(edge, buyer, `by-facilitator-${mood}`, contentOf(`bytes, ${mood}`));
      expect(said.status, JSON.stringify(said.json)).toBe(200);
      expect((await ask(edge, asked)).status).toBe(200);
      expect(await transfersFrom(live.stack, buyer.address)).toHaveLength(1);
    }
  });

  test("answers 402 with the facilitator's reason when /verify says no", async () => {
    const edge = await startEdge("refusing", { FACILITATOR_URL: facilitator.url }, false);
    facilitator.verdict = { isValid: false, invalidReason: "sanctioned" };
    const { said } = await buy(edge, live.wallet(), "never", contentOf("never"));
    facilitator.verdict = undefined;
    expect(said.status).toBe(402);
    expect(said.json).toMatchObject({ reason: "sanctioned" });
  });
});

describe("an edge that was told of both ways to settle, or of none", () => {
  test.each([
    ["both", { FACILITATOR_URL: "http://127.0.0.1:9" }, true],
    ["none", {}, false],
  ] as const)("%s: sells nothing", async (name, vars, withRelayers) => {
    const edge = await startEdge(name, vars, withRelayers);
    const said = await ask(edge, { path: "/storage/upload", body: uploadBody("x", contentOf("x")) });
    expect(said.status).toBeGreaterThanOrEqual(500);
  });
});
