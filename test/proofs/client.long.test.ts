/** The small form of `npm run proof:client`, and the local proxy on the whole stack: the built package, real money, real kills. */
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { killedProxy, oldCaller, startProxyProgram, storeAndFetch } from "./http-agent.ts";
import { oneDownload, oneUpload, twoAtOnce } from "./kills.ts";
import { fill, type Machine, startMachine } from "./machine.ts";

let machine: Machine;
beforeAll(async () => {
  machine = await startMachine();
}, 180_000);
afterAll(() => machine.stop());

test("one upload and one download, each killed again and again, are one payment and one download", {
  timeout: 240_000,
}, async () => {
  const source = await fill(join(machine.room, "source.bin"), 80);
  machine.line.bytesPerSecond = 20_000_000;
  await twoAtOnce(machine, source, "both");
  const name = await oneUpload(machine, source, 3, 2_500);
  await oneDownload(machine, name, source, 4, 1_200);
  machine.line.bytesPerSecond = Number.POSITIVE_INFINITY;
});

test("an HTTP agent stores and fetches with one request each and holds no key", { timeout: 120_000 }, async () => {
  const proxy = await startProxyProgram(machine, { MNEMOSPARK_PROXY_PORT: "0" });
  const content = await storeAndFetch(machine, proxy, "over-tcp.bin");
  await oldCaller(machine, proxy, { name: "over-tcp.bin", content });
  await proxy.end("SIGTERM");
  const socket = join(machine.room, "agent.sock");
  await killedProxy(machine, { MNEMOSPARK_PROXY_SOCKET: socket });
  const second = await startProxyProgram(machine, { MNEMOSPARK_PROXY_SOCKET: socket });
  expect(second.at).toBe(socket);
  expect((await stat(socket)).mode & 0o777).toBe(0o600);
  await storeAndFetch(machine, second, "over-socket.bin");
  await second.end("SIGTERM");
});
