/**
 * `npm run test:openclaw`: the packed plugin in a real OpenClaw gateway, against the whole local stack, with money that moves.
 * Install, slash commands, agent tools through a scripted model, approvals, hot reload, restart, uninstall. Exit 0 only when all
 * of it held; where it cannot run it says so loudly, and that nothing was proven.
 */
import { randomBytes } from "node:crypto";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startStack } from "../stack/stack.ts";
import { freePort, Gateway } from "./gateway.ts";
import { openclawDirectory } from "./install.ts";
import { elsewhere, installing, leaving, reloading, SECRET, surviving } from "./living.ts";
import { startModel } from "./model.ts";
import { aboveTheCap, byAgent, byHand, secretsKept } from "./trading.ts";
import type { World } from "./world.ts";

const found = openclawDirectory();
if ("reason" in found) {
  console.error(`\n*** test:openclaw did NOT run; the plugin is not proven here: ${found.reason} ***\n`);
  process.exit(0);
}

const startedAtMs = Date.now();
const room = await mkdtemp(join(tmpdir(), "openclaw-test-"));
const undo: (() => Promise<unknown>)[] = [() => rm(room, { recursive: true, force: true, maxRetries: 5 })];

async function main(directory: string): Promise<void> {
  const stack = await startStack({
    stateDirectory: join(room, "stack"),
    ports: { edge: 0, s3: 0, chain: 0, secrets: 0 },
  });
  undo.push(() => stack.stop());
  const model = await startModel();
  undo.push(() => model.close());
  const proxyPort = await freePort();
  const plugin = {
    baseUrl: stack.urls.edge,
    rpcUrl: stack.urls.chain,
    network: "base-sepolia",
    proxyPort,
    capPerCall: "0.50",
  };
  const host = await Gateway.create({
    openclaw: directory,
    home: join(room, "home"),
    plugin,
    modelPort: model.port,
    variables: { [SECRET.name]: SECRET.key },
  });
  undo.push(() => host.stop("SIGKILL"));
  const original = randomBytes(300_000);
  await writeFile(join(host.workspace, "memory.bin"), original);
  const world: World = {
    room,
    host,
    model,
    stack,
    proxyPort,
    original,
    tarball: "",
    address: "0x",
    balance: () => stack.chain.usdcBalance(world.address),
  };
  await installing(world, directory);
  await byHand(world);
  await byAgent(world);
  await aboveTheCap(world);
  await reloading(world);
  await surviving(world);
  await elsewhere(world);
  await secretsKept(world);
  await leaving(world);
}

let failed = false;
try {
  await main(found.directory);
} catch (error) {
  failed = true;
  console.error(error);
  console.error((await readFile(join(room, "home", "gateway.out.log"), "utf8").catch(() => "")).slice(-6000));
} finally {
  for (const each of undo.reverse()) await each().catch((error: unknown) => console.error(error));
}
console.log(`test:openclaw ${failed ? "FAILED" : "passed"} in ${Math.round((Date.now() - startedAtMs) / 1000)} s`);
process.exit(failed ? 1 : 0);
