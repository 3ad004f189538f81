/** `npm run dev` as a person runs it, over trivial Workers: it starts, remembers, refuses clearly and leaves nothing behind. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Address } from "viem";
import { expect, onTestFinished, test } from "vitest";
import * as z from "zod";
import { chainClient } from "../stack/chain/client.ts";
import { usdcAbi } from "../stack/chain/usdc.ts";
import { isRunning, scratchDirectory, until } from "./scratch.ts";

const dev = fileURLToPath(new URL("../stack/dev.ts", import.meta.url));

const readySchema = z.object({
  ready: z.literal(true),
  urls: z.object({ edge: z.url(), s3: z.url(), chain: z.url(), secrets: z.url(), pricing: z.url() }),
  chainIdentity: z.string(),
  usdc: z.custom<Address>(),
  wallet: z.object({ address: z.custom<Address>(), keyFile: z.string() }),
  relayerAddress: z.custom<Address>(),
  payTo: z.string(),
  stateDirectory: z.string(),
});

/** A Worker that counts its visits in a Durable Object and shows what it was told. */
function trivialWorker(directory: string): string {
  if (existsSync(directory)) return join(directory, "wrangler.toml"); // A running wrangler watches it: left alone.
  mkdirSync(directory, { recursive: true });
  writeFileSync(
    join(directory, "index.ts"),
    `import { DurableObject } from "cloudflare:workers";
     export class Visits extends DurableObject {
       count() { const kv = this.ctx.storage.kv; kv.put("n", (kv.get("n") ?? 0) + 1); return kv.get("n"); }
     }
     export default { async fetch(request, { VISITS, ...told }) {
       const visits = new URL(request.url).pathname === "/visit" ? await VISITS.getByName("all").count() : undefined;
       return Response.json({ visits, told });
     } };`,
  );
  writeFileSync(
    join(directory, "wrangler.toml"),
    `name = "trivial"
     main = "index.ts"
     compatibility_date = "2026-10-01"
     [[durable_objects.bindings]]
     name = "VISITS"
     class_name = "Visits"
     [exports.Visits]
     type = "durable-object"
     storage = "sqlite"`,
  );
  return join(directory, "wrangler.toml");
}

interface Run {
  readonly process: ChildProcess;
  output(): string;
  ready(): Promise<z.infer<typeof readySchema>>;
  end(): Promise<number | null>;
}

function start(directory: string, ...flags: string[]): Run {
  const config = trivialWorker(join(directory, "trivial"));
  const workers = ["--edge-config", config, "--s3-config", config];
  const args = [
    "--no-warnings",
    dev,
    "--state",
    join(directory, "state"),
    ...workers,
    "--json",
    "--port-base",
    "0",
    ...flags,
  ];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"] });
  onTestFinished(() => void child.kill("SIGKILL"));
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => (output += chunk));
  const ended = once(child, "exit").then(([code]) => (typeof code === "number" ? code : null));
  return {
    process: child,
    output: () => output,
    ready: async () => {
      await until("the stack is ready or has ended", () => output.includes("\n") || child.exitCode !== null, 40_000);
      return readySchema.parse(JSON.parse(output.split("\n")[0] ?? ""));
    },
    end: () => ended,
  };
}

/** Every process of this machine whose command line names this test's directory. */
function belongingTo(directory: string): number[] {
  const { stdout } = spawnSync("ps", ["-eo", "pid=,args=", "-ww"], { encoding: "utf8" });
  const numbers = stdout.split("\n").filter((line) => line.includes(directory));
  return numbers.map((line) => Number(line.trim().split(" ")[0])).filter(isRunning);
}

const visit = async (edge: string) =>
  z
    .object({ visits: z.number(), told: z.record(z.string(), z.string()) })
    .parse(await (await fetch(`${edge}/visit`)).json());

const usdcOf = (ready: z.infer<typeof readySchema>) =>
  chainClient(ready.urls.chain).readContract({
    address: ready.usdc,
    abi: usdcAbi,
    functionName: "balanceOf",
    args: [ready.wallet.address],
  });

test("a second start finds the data of the first; Ctrl-C leaves nothing running", { timeout: 120_000 }, async () => {
  const directory = scratchDirectory();
  const first = start(directory);
  const one = await first.ready();
  const { told } = await visit(one.urls.edge);
  expect(told).toMatchObject({
    CHAIN_ID: "84532",
    CHAIN_IDENTITY: one.chainIdentity,
    RPC_URLS: one.urls.chain,
    PUBLIC_URL: one.urls.edge,
    S3_ENDPOINT: one.urls.s3,
    SECRETS_ENDPOINT: one.urls.secrets,
    PRICING_ENDPOINT: one.urls.pricing,
    PAY_TO: one.payTo,
    RELAYERS: `${one.relayerAddress}=mnemospark/relayer-private-key`,
  });
  expect(told["TICKET_KEY"]).toMatch(/^[0-9a-f]{64}$/);
  expect(await usdcOf(one)).toBe(100_000_000n);
  expect(await chainClient(one.urls.chain).getBalance({ address: one.wallet.address })).toBe(0n);

  const rival = start(directory);
  expect(await rival.end(), rival.output()).toBe(1);
  expect(rival.output()).toContain(`Another local stack (process ${first.process.pid}) is using`);

  first.process.kill("SIGINT");
  expect(await first.end(), first.output()).toBe(0);
  await until("nothing is left", () => belongingTo(directory).length === 0);
  const keys = readFileSync(one.wallet.keyFile, "utf8");

  const second = start(directory);
  const two = await second.ready();
  expect(two).toMatchObject({ chainIdentity: one.chainIdentity, wallet: one.wallet, payTo: one.payTo });
  expect(readFileSync(two.wallet.keyFile, "utf8")).toBe(keys);
  expect((await visit(two.urls.edge)).visits).toBe(2);
  expect(await usdcOf(two)).toBe(100_000_000n);

  second.process.kill("SIGKILL");
  const third = start(directory);
  const three = await third.ready();
  expect(three.chainIdentity).toBe(one.chainIdentity);
  expect((await visit(three.urls.edge)).visits).toBe(3);
  third.process.kill("SIGTERM");
  expect(await third.end(), third.output()).toBe(0);
  await until("nothing is left", () => belongingTo(directory).length === 0);

  rmSync(join(one.stateDirectory, "chain"), { recursive: true });
  const lost = start(directory);
  expect(await lost.end(), lost.output()).toBe(1);
  expect(lost.output()).toMatch(/The local chain was lost: .* --reset/);

  const anew = start(directory, "--reset");
  const four = await anew.ready();
  expect(four.chainIdentity).not.toBe(one.chainIdentity);
  expect((await visit(four.urls.edge)).visits).toBe(1);
  anew.process.kill("SIGINT");
  expect(await anew.end(), anew.output()).toBe(0);
});

test("a part that dies stops the whole, by name", { timeout: 60_000 }, async () => {
  const directory = scratchDirectory();
  const run = start(directory);
  await run.ready();
  const chain = belongingTo(join(directory, "state", "chain")).at(0);
  if (chain === undefined) throw new Error("no chain is running");
  process.kill(chain, "SIGKILL");
  expect(await run.end(), run.output()).toBe(1);
  expect(run.output()).toContain("chain ended by SIGKILL, which nobody asked for.\nchain | ");
  await until("nothing is left", () => belongingTo(directory).length === 0);
});

test("Ctrl-C during the start leaves nothing running", { timeout: 60_000 }, async () => {
  const directory = scratchDirectory();
  const run = start(directory);
  await until("the chain is up", () => belongingTo(join(directory, "state", "chain")).length > 0);
  run.process.kill("SIGINT");
  expect(await run.end(), run.output()).toBe(0);
  await until("nothing is left", () => belongingTo(directory).length === 0);
});

test("a taken port is a clear error", { timeout: 60_000 }, async () => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void server.close());
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  const run = start(scratchDirectory(), "--edge-port", String(port));
  expect(await run.end(), run.output()).toBe(1);
  expect(run.output().trim()).toBe(
    `Port ${port} is taken by another program, and the edge wants it. Choose another with --edge-port.`,
  );
});
