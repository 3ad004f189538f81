/** Attacks on payment through the public door: a real chain, real USDC, real relayer. What the chain moved is what counts. */
import { afterAll, beforeAll, describe, vi } from "vitest";
import { bindings } from "./attacks/bindings.ts";
import { garbageEverywhere } from "./attacks/garbage.ts";
import { Gate } from "./attacks/gate.ts";
import { keys } from "./attacks/keys.ts";
import { outages } from "./attacks/outages.ts";
import { signatures } from "./attacks/signatures.ts";
import { type Live, startLive } from "./stack.ts";

// They mostly wait for the next block.
vi.setConfig({ maxConcurrency: 20 });

let started: { live: Live; gate: Gate } | undefined;
const up = () => started ?? raise("the stack is not up");
const live = () => up().live;

function raise(sentence: string): never {
  throw new Error(sentence);
}

beforeAll(async () => {
  const gate = await Gate.open();
  const opened = await startLive({ edgeVars: { RPC_URLS: gate.url } });
  gate.target = opened.stack.urls.chain;
  started = { live: opened, gate };
});
afterAll(async () => {
  await started?.live.stop();
  await started?.gate.close();
});

describe.concurrent("by a buyer", () => {
  bindings(live);
  keys(live);
  signatures(live);
});
garbageEverywhere(live);
// Last, because the others would be cut off.
outages(live, () => up().gate);
