/** The local proxy against whoever else can reach a loopback port: web pages, rebinding names, other users, old callers. */
import { mkdir, readFile, stat, symlink, writeFile } from "node:fs/promises";
import * as http from "node:http";
import { join } from "node:path";
import { generatePrivateKey } from "viem/accounts";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import type { Core } from "../../client-plugin/core.ts";
import { explain } from "../../client-plugin/faults.ts";
import { probeProxy } from "../../client-plugin/proxy/client.ts";
import { type RunningProxy, startProxy } from "../../client-plugin/proxy/proxy.ts";
import { openClient } from "../demo/client.ts";
import { scratch } from "./fixture.ts";
import { PAYEE, type Service, startService } from "./service.ts";

const room = scratch();
let service: Service;
let core: Core;
let proxy: RunningProxy;
let token: string;

const open = (name: string, config: Record<string, unknown>) =>
  openClient({
    edgeUrl: service.url,
    chainUrl: "http://127.0.0.1:9",
    key: generatePrivateKey(),
    home: join(room, name),
    payTo: PAYEE,
    config,
  });

beforeAll(async () => {
  service = await startService();
  core = await open("home", { proxyPort: 0 });
  proxy = await startProxy({ core });
  token = (await readFile(join(room, "home", "proxy.token"), "utf8")).trim();
});
afterAll(async () => {
  await proxy.close();
  core.close();
  await service.close();
});

interface Say {
  readonly method?: string;
  readonly path?: string;
  readonly headers?: Record<string, string | undefined>;
  readonly body?: string;
}

/** By hand: `fetch` would not send a foreign Host. */
function say({ method = "POST", path = "/v1/tools/mnemospark_status", headers = {}, body = "{}" }: Say) {
  const all: Record<string, string | undefined> = {
    "content-type": "application/json",
    authorization: `Bearer ${token}`,
    host: `127.0.0.1:${proxy.at}`,
    ...headers,
  };
  const sent = Object.fromEntries(
    Object.entries(all).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
  return new Promise<{ status: number; code: string }>((resolve, reject) => {
    const request = http.request({ host: "127.0.0.1", port: proxy.at, method, path, headers: sent }, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (piece: string) => {
        text += piece;
      });
      response.on("end", () =>
        resolve({ status: response.statusCode ?? 0, code: (JSON.parse(text) as { code?: string }).code ?? "" }),
      );
    });
    request.on("error", reject);
    request.end(method === "GET" ? undefined : body);
  });
}

describe("the proxy", () => {
  test.each<[string, Say, number, string]>([
    ["a page of another origin", { headers: { origin: "https://evil.example" } }, 403, "foreign_origin"],
    ["a page of its own origin", { headers: { origin: "http://127.0.0.1" } }, 403, "foreign_origin"],
    ["a sandboxed page", { headers: { origin: "null" } }, 403, "foreign_origin"],
    ["a page's form", { headers: { "sec-fetch-site": "cross-site" } }, 403, "foreign_origin"],
    ["a name that was rebound", { headers: { host: "evil.example" } }, 403, "wrong_host"],
    ["a name that begins like it", { headers: { host: "127.0.0.1.evil.example" } }, 403, "wrong_host"],
    ["another port", { headers: { host: "127.0.0.1:1" } }, 403, "wrong_host"],
    ["text/plain", { headers: { "content-type": "text/plain" } }, 415, "media_type"],
    ["a form", { headers: { "content-type": "application/x-www-form-urlencoded" } }, 415, "media_type"],
    ["a type that begins like JSON", { headers: { "content-type": "application/json-seq" } }, 415, "media_type"],
    ["no type", { headers: { "content-type": undefined } }, 415, "media_type"],
    ["no token", { headers: { authorization: undefined } }, 401, "unauthorized"],
    ["another token", { headers: { authorization: `Bearer ${"0".repeat(64)}` } }, 401, "unauthorized"],
    ["half of the token", { headers: { authorization: "Bearer 0" } }, 401, "unauthorized"],
    ["the token as basic", { headers: { authorization: "Basic x" } }, 401, "unauthorized"],
    ["a body that is no JSON", { body: "{" }, 400, "bad_arguments"],
    ["arguments that are none", { body: '{"everything":true}' }, 400, "bad_arguments"],
    ["a tool that is none", { path: "/v1/tools/mnemospark_spend" }, 400, "unknown_tool"],
    ["a path that is none", { path: "/v1/wallet/key" }, 404, ""],
    ["GET where something is done", { method: "GET" }, 405, ""],
    [
      "the old route without the token",
      { path: "/mnemospark/storage/delete", headers: { authorization: undefined } },
      401,
      "unauthorized",
    ],
    [
      "another wallet's name",
      { path: "/mnemospark/storage/ls", body: `{"wallet_address":"0x${"12".repeat(20)}"}` },
      403,
      "wallet_proof_invalid",
    ],
  ])("refuses %s", async (_, what, status, code) => {
    const before = service.asked.length;
    expect(await say(what)).toEqual({ status, code });
    expect(service.asked.length).toBe(before);
  });

  test("lets its owner in, and tells strangers only that it is there", async () => {
    expect((await say({})).status).toBe(200);
    expect((await say({ headers: { host: `localhost:${proxy.at}` } })).status).toBe(200);
    const health = await fetch(`http://127.0.0.1:${proxy.at}/health`);
    expect(await health.json()).toEqual({ status: "ok", service: "mnemospark" });
    expect((await stat(join(room, "home", "proxy.token"))).mode & 0o777).toBe(0o600);
  });

  test("refuses a body without end", async () => {
    const result = await say({ body: `{"path":"${"x".repeat(9_000_000)}"}` }).catch(() => ({
      status: 413,
      code: "body_too_large",
    }));
    expect(result).toEqual({ status: 413, code: "body_too_large" });
  });

  test("says who has its port", async () => {
    const second = await open("second", { proxyPort: proxy.at });
    onTestFinished(() => second.close());
    expect(await startProxy({ core: second }).catch((error: unknown) => explain(error))).toMatchObject({
      code: "port_taken",
      message: expect.stringContaining("another mnemospark proxy"),
    });
  });

  test("listens on a Unix socket of the owner's, and takes over one that was left behind", async () => {
    const socket = join(room, "s");
    const own = await open("socket", { proxySocket: socket });
    onTestFinished(() => own.close());
    // A path that a process which died left behind.
    await new Promise<void>((resolve) => {
      const dead = http.createServer().listen(socket, () => dead.close(() => resolve()));
    });
    const listening = await startProxy({ core: own });
    expect((await stat(socket)).mode & 0o777).toBe(0o600);
    expect(await probeProxy(own.settings)).toBe("ours");
    await listening.close();
    expect(await probeProxy(own.settings)).toBe("nobody");
  });

  test("does not take a token that others could have written", async () => {
    const home = join(room, "linked");
    await mkdir(home, { mode: 0o700 });
    await writeFile(join(room, "planted"), "0".repeat(64));
    await symlink(join(room, "planted"), join(home, "proxy.token"));
    const own = await open("linked", { proxyPort: 0 });
    onTestFinished(() => own.close());
    expect(await startProxy({ core: own }).catch((error: unknown) => explain(error).code)).toBe("key_not_a_file");
  });
});
