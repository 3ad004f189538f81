/** Whoever else can reach the client: web pages, other programs, other users of this machine, and the agent itself. */
import { execFile } from "node:child_process";
import { chmod, link, mkdir, readFile, symlink, writeFile } from "node:fs/promises";
import * as http from "node:http";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Core } from "../../../client-plugin/core.ts";
import { type RunningProxy, startProxy } from "../../../client-plugin/proxy/proxy.ts";
import { runTool } from "../../../client-plugin/tools/tools.ts";
import { scratch } from "../fixture.ts";
import { type Service, startService } from "../service.ts";
import { newClient } from "./client.ts";
import { attack } from "./table.ts";

const room = scratch();
let service: Service;
let core: Core;
let home: string;
let proxy: RunningProxy;
let onSocket: RunningProxy;
let socketCore: Core;
let token: string;

beforeAll(async () => {
  service = await startService();
  ({ core, home } = await newClient(service, room, { config: { proxyPort: 0 } }));
  proxy = await startProxy({ core });
  token = (await readFile(join(home, "proxy.token"), "utf8")).trim();
  ({ core: socketCore } = await newClient(service, room, { config: { proxySocket: join(room, "s") } }));
  onSocket = await startProxy({ core: socketCore });
});
afterAll(async () => {
  await Promise.all([proxy.close(), onSocket.close()]);
  core.close();
  socketCore.close();
  await service.close();
});

type Headers = Record<string, string | undefined>;

/** By hand: `fetch` would not send a foreign Host. */
function say(headers: Headers): Promise<{ status: number; message: string }> {
  const all: Headers = {
    host: `127.0.0.1:${proxy.at}`,
    "content-type": "application/json",
    authorization: `Bearer ${token}`,
    ...headers,
  };
  const sent = Object.fromEntries(Object.entries(all).filter((entry): entry is [string, string] => !!entry[1]));
  const path = "/v1/tools/mnemospark_status";
  return new Promise((resolve, reject) => {
    const request = http.request({ host: "127.0.0.1", port: proxy.at, method: "POST", path, headers: sent });
    request.on("error", reject).on("response", (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (piece: string) => {
        text += piece;
      });
      response.on("end", () =>
        resolve({
          status: response.statusCode ?? 0,
          message: (JSON.parse(text) as { message?: string }).message ?? "",
        }),
      );
    });
    request.end("{}");
  });
}

const turned = async (headers: Headers, status: number) => {
  const answer = await say(headers);
  expect(answer.status).toBe(status);
  return answer.message;
};

describe("at the proxy's door", () => {
  attack("A web page of another origin", () => turned({ origin: "https://evil.example" }, 403));
  attack("A name that was rebound to this machine", () => turned({ host: "evil.example" }, 403));
  attack("A form, or text/plain", () => turned({ "content-type": "text/plain" }, 415));
  attack("A caller without the token", () => turned({ authorization: undefined }, 401));
  attack("A caller with another token", () => turned({ authorization: `Bearer ${"0".repeat(64)}` }, 401));
});

const NOBODY = 65_534;

/** Runs as another user: it becomes one itself, so that it needs no way into the folder this program is in. */
async function asNobody(script: string, ...args: readonly string[]): Promise<string> {
  const become = `process.setgroups([]); process.setgid(${NOBODY}); process.setuid(${NOBODY}); process.chdir("/");`;
  const { stdout } = await promisify(execFile)(process.execPath, ["-e", `${become}${script}`, ...args]);
  return stdout;
}

const READ = `const out = [];
for (const path of process.argv.slice(1)) try { require("fs").readFileSync(path); out.push("READ " + path); } catch (error) { out.push(error.message); }
console.log(out.join("\\n"));`;
const KNOCK = `const [socketPath] = process.argv.slice(1);
require("http").get({ socketPath, path: "/health" }, () => console.log("ANSWERED")).on("error", (error) => console.log(error.message));`;
const CALL = `const [url] = process.argv.slice(1);
fetch(url, { method: "POST", headers: { "content-type": "application/json" }, body: "{}" }).then(async (r) => console.log(await r.text()));`;

describe("as another user of this machine", () => {
  if (process.getuid?.() !== 0) {
    console.error("\n*** not root: nobody else can be played here, so other users are NOT tried ***\n");
    return;
  }

  /** Only the client's own modes keep anybody out. */
  beforeAll(() => chmod(room, 0o755));

  attack("Another user reads token, keys or journal", async () => {
    const keys = await (await core.session()).keys.current();
    expect(keys.kid).not.toBe("");
    const names = ["proxy.token", "keys", "journal.db", "logs/activity.jsonl", "object.log"];
    const said = (await asNobody(READ, ...names.map((name) => join(home, name)))).trim().split("\n");
    for (const line of said) expect(line).toMatch(/^EACCES/);
    // Also where somebody opened the directory: each file keeps itself.
    await chmod(home, 0o755);
    const each = ["proxy.token", "journal.db"].map((name) => join(home, name));
    const still = (await asNobody(READ, ...each)).trim().split("\n");
    await chmod(home, 0o700);
    for (const line of still) expect(line).toMatch(/^EACCES/);
    return said[0] ?? "";
  });
  attack("Another user knocks at the socket", () => asNobody(KNOCK, join(room, "s")));
  attack("Another user calls the port", () =>
    asNobody(CALL, `http://127.0.0.1:${proxy.at}/v1/tools/mnemospark_status`),
  );
});

describe("as the agent", () => {
  const workspace = join(room, "workspace");
  const quoted = async (path: string, from: string | undefined = workspace) => {
    const before = service.asked.length;
    const result = await runTool("mnemospark_quote", { path }, { core, workspace: from });
    expect(service.asked.length).toBe(before);
    return result.ok ? "nothing was refused" : result.error.message;
  };

  beforeAll(async () => {
    await mkdir(join(workspace, "deep", "er"), { recursive: true });
    await writeFile(join(room, "outside"), "");
    await symlink(join(room, "outside"), join(workspace, "link"));
    await core.session().then(({ keys }) => keys.current());
  });

  attack("The agent leaves its workspace by ..", () => quoted("../outside"));
  attack("The agent leaves its workspace by a link", () => quoted("link"));
  attack("The agent names the client's own directory", async () => {
    for (const path of [home, join(home, "keys"), room]) expect(await quoted(path)).not.toMatch(/^nothing/);
    return quoted(join(home, "proxy.token"));
  });
  attack("The agent names a key by a hard link", async () => {
    await link(join(home, "proxy.token"), join(workspace, "deep", "er", "x"));
    expect(await quoted("deep/er/x")).toMatch(/hard link/);
    return quoted(".");
  });
  attack("The agent names BlockRun's wallet", async () => {
    await mkdir(join(home, "blockrun"));
    const { core: other, home: elsewhere } = await newClient(service, room, { config: { home: join(room, "inner") } });
    await mkdir(join(elsewhere, "blockrun"));
    await writeFile(join(elsewhere, "blockrun", "wallet.key"), "0");
    const ask = { path: join(elsewhere, "blockrun", "wallet.key") };
    const result = await runTool("mnemospark_quote", ask, { core: other, workspace: undefined });
    other.close();
    return result.ok ? "nothing was refused" : result.error.message;
  });

  test("a name that only begins with two dots is inside", async () => {
    await mkdir(join(workspace, "..data"));
    const result = await runTool("mnemospark_quote", { path: "..data" }, { core, workspace });
    expect(result.ok).toBe(true);
  });
});
