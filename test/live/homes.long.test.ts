/**
 * Two machines of one owner: two homes with one wallet and one recovery kit see and restore the same objects, and what happens on one
 * (a replacement, a rotation of keys) leaves the other able to read. Then a machine that lost everything, brought back by the kit
 * file, by the words, and one object by the words alone. Through the built command line against the whole stack.
 */
import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { createServer, request as httpRequest } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { buildPackage } from "../../client-plugin/build.ts";
import { scratch } from "../plugin/fixture.ts";
import { type Stack, startStack } from "../stack/stack.ts";
import { transfersFrom } from "./chain.ts";

const room = scratch();
const dist = join(room, "dist");
const words = join(room, "words.txt");
const passphrase = join(room, "passphrase.txt");
let stack: Stack;
/** Everything that any command wrote. */
let said = "";

beforeAll(async () => {
  const ports = { edge: 0, s3: 0, chain: 0, secrets: 0, pricing: 0 };
  [stack] = await Promise.all([startStack({ stateDirectory: join(room, "stack"), ports }), buildPackage(dist)]);
  writeFileSync(passphrase, "correct horse battery staple\n");
}, 120_000);
afterAll(() => stack?.stop());

interface Home {
  readonly path: string;
  /** The answer's facts; throws with the refusal's code and sentence. */
  run(...words: string[]): Promise<Record<string, unknown>>;
}

function homeAt(name: string, edgeUrl = stack.urls.edge): Home {
  const path = join(room, name);
  mkdirSync(path, { mode: 0o700 });
  const env = {
    PATH: process.env["PATH"] ?? "",
    HOME: path,
    NODE_NO_WARNINGS: "1",
    MNEMOSPARK_HOME: join(path, "mnemospark"),
    MNEMOSPARK_BACKEND_API_BASE_URL: edgeUrl,
    MNEMOSPARK_RPC_URL: stack.urls.chain,
    MNEMOSPARK_NETWORK: "base-sepolia",
  };
  const run: Home["run"] = (...args) =>
    new Promise((resolve, reject) => {
      execFile(
        process.execPath,
        [join(dist, "cli.js"), ...args, "--json"],
        { env, cwd: path },
        (failed, stdout, stderr) => {
          said += stdout + stderr;
          const answer = JSON.parse(stdout || "{}") as Record<string, unknown>;
          const error = answer["error"] as { code: string; message: string; next: string } | undefined;
          if (failed || error) reject(new Error(error ? `${error.code}: ${error.message} ${error.next}` : stderr));
          else resolve(answer);
        },
      );
    });
  return { path, run };
}

interface Listed {
  readonly key: string;
  readonly content_sha256: string;
  readonly wrapped_dek: string;
  readonly paid_through: string;
}

async function listed(home: Home): Promise<Listed[]> {
  const { objects } = await home.run("ls");
  return (objects as Listed[]).toSorted((a, b) => a.key.localeCompare(b.key));
}

const kidIn = ({ wrapped_dek }: Listed) => Buffer.from(wrapped_dek, "base64").toString("latin1").split(" ")[2];
const versionIn = ({ wrapped_dek }: Listed) =>
  Number(/ (\d{9})\n/.exec(Buffer.from(wrapped_dek, "base64").toString())?.[1]);

/** Downloads under a name of its own, and compares. */
let serial = 0;
async function sees(home: Home, key: string, wanted: Uint8Array, ...more: string[]): Promise<void> {
  const to = join(room, `back-${serial++}`);
  await home.run("download", key, `to:${to}`, ...more);
  expect(Buffer.from(wanted).equals(readFileSync(to)), `${key} at ${home.path}`).toBe(true);
}

async function store(home: Home, key: string, content: Uint8Array): Promise<void> {
  const path = join(home.path, `${key}.bin`);
  writeFileSync(path, content);
  await home.run("upload", path, `name:${key}`);
}

/**
 * A service that goes back in time for one name: it answers today's question with what it answered before, and hands out the bytes of
 * that day. Everything else goes through.
 */
async function timeMachine(name: string): Promise<{ url: string; back: () => void; close: () => void }> {
  let kept: { reply: string; bytes: Buffer } | undefined;
  let isBack = false;
  const edge = new URL(stack.urls.edge);
  const server = createServer((request, response) => {
    const pieces: Buffer[] = [];
    request.on("data", (piece: Buffer) => pieces.push(piece));
    request.on("end", async () => {
      if (request.url === "/old") return void response.end(kept?.bytes);
      const body = Buffer.concat(pieces);
      const isIt = request.url === "/storage/download" && body.includes(`"object_key":"${name}"`);
      const headers = { "content-type": "application/json" };
      if (isIt && isBack && kept) {
        const reply = { ...JSON.parse(kept.reply), download_url: `${url}/old`, download_headers: {}, range: undefined };
        return void response.writeHead(200, headers).end(JSON.stringify(reply));
      }
      const to = { host: edge.hostname, port: edge.port, path: request.url, method: request.method };
      const forwarded = httpRequest(
        { ...to, headers: { ...request.headers, "accept-encoding": "identity" } },
        async (answer) => {
          const text: Buffer[] = [];
          for await (const piece of answer) text.push(piece as Buffer);
          const reply = Buffer.concat(text).toString();
          if (isIt && !isBack) {
            const { download_url, download_headers } = JSON.parse(reply);
            kept = {
              reply,
              bytes: Buffer.from(await (await fetch(download_url, { headers: download_headers })).arrayBuffer()),
            };
          }
          response.writeHead(answer.statusCode ?? 500, answer.headers).end(reply);
        },
      );
      forwarded.end(body);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const back = () => {
    isBack = true;
  };
  const close = () => {
    server.closeAllConnections();
    server.close();
  };
  return { url, back, close };
}

test.concurrent("what another machine wrote is in the sealed catalogue: an older content is refused by a machine that never saw the newer", {
  timeout: 180_000,
}, async () => {
  const [older, newer] = [randomBytes(3_000), randomBytes(2_000)];
  const honest = homeAt("honest");
  const created = (await honest.run("wallet", "create"))["wallet"] as { address: `0x${string}` };
  await stack.chain.fund(created.address, 1_000_000n);
  await store(honest, "notes", older);
  const asked = (await honest.run("catalogue", "on")) as { amount: string };
  expect(Number(asked.amount)).toBeGreaterThan(0);
  await expect(honest.run("catalogue", "on", "max:0.000001")).rejects.toThrow("price_above_max");
  expect(await honest.run("catalogue", "on", "max:1")).toEqual({ catalogue: "on", amount: asked.amount });
  const kit = join(room, "catalogue-kit.age");
  await honest.run("keys", "kit", `file:${kit}`, `passphrase-file:${passphrase}`, "with-wallet");

  // The other machine reads through a service that will lie to it; what it fetches first is the truth.
  const lying = await timeMachine("notes");
  try {
    const other = homeAt("other", lying.url);
    await other.run("keys", "restore", kit, `passphrase-file:${passphrase}`);
    await sees(other, "notes", older);
    expect(await other.run("catalogue")).toMatchObject({ catalogue: "on", names: 2 });
    await store(honest, "notes", newer);
    expect(["current", "written"]).toContain((await honest.run("catalogue", "sync"))["end"]);
    lying.back();
    await expect(sees(other, "notes", older)).rejects.toThrow(
      "rolled_back: The service offers version 1 of notes, which is at version 2 for this machine: it was rolled back.",
    );

    // Two write at once: neither loses what the other knows.
    await store(other, "of the other", older);
    await store(honest, "of the honest", newer);
    await Promise.all([honest.run("catalogue", "sync"), other.run("catalogue", "sync")]);
    await honest.run("catalogue", "sync");
    await other.run("catalogue", "sync");
    await honest.run("catalogue", "sync");
    for (const home of [honest, other])
      expect(await home.run("catalogue")).toMatchObject({ names: 4, unwritten: false });
    await sees(honest, "of the other", older);
    const objects = await honest.run("ls", "--all");
    expect(objects["objects"]).toHaveLength(4);
  } finally {
    lying.close();
  }
});

test.concurrent("two homes, one wallet, one kit; a rotation on one; a home that was lost", {
  timeout: 180_000,
}, async () => {
  const [one, two, three] = [randomBytes(100_000), randomBytes(1), randomBytes(70_000)];
  const first = homeAt("first");
  const created = (await first.run("wallet", "create"))["wallet"] as { address: `0x${string}` };
  await stack.chain.fund(created.address, 1_000_000n);
  expect(JSON.stringify(await first.run("doctor"))).not.toContain("no recovery kit");
  await store(first, "early", two);
  expect(JSON.stringify(await first.run("doctor"))).toContain("There is no recovery kit");
  await first.run("keys", "kit", `print:${words}`);
  expect(statSync(words).mode & 0o777).toBe(0o600);
  const kit = join(room, "kit.age");
  await first.run("keys", "kit", `file:${kit}`, `passphrase-file:${passphrase}`, "with-wallet");
  expect(statSync(kit).mode & 0o777).toBe(0o600);
  await expect(first.run("keys", "kit", `file:${kit}`, `passphrase-file:${passphrase}`)).rejects.toThrow(
    "already exists",
  );
  await expect(first.run("keys", "kit")).rejects.toThrow("words_exist");
  await store(first, "one", one);

  // Another machine, from the kit file: the same list, the same bytes; what it stores the first one takes for newer.
  const second = homeAt("second");
  await expect(second.run("keys", "restore", kit, `passphrase-file:${words}`)).rejects.toThrow("does not open");
  expect(await second.run("keys", "restore", kit, `passphrase-file:${passphrase}`)).toMatchObject({
    wallet: created.address.toLowerCase(),
    importedWallet: true,
  });
  expect(await listed(second)).toEqual(await listed(first));
  await sees(second, "one", one);
  await sees(second, "early", two);
  await store(second, "one", three);
  expect((await listed(first)).map(versionIn)).toEqual([1, 2]);
  await sees(first, "one", three);

  // The first machine rotates: every record changes, no object does, and both go on reading.
  const before = await listed(first);
  const { rotated } = (await first.run("keys", "rotate")) as { rotated: { kid: string; before: string } };
  expect(rotated).toMatchObject({ rewrapped: 2, already: 0, left: [] });
  const after = await listed(second);
  expect(before.map(kidIn)).toEqual([rotated.before, rotated.before]);
  expect(after.map(kidIn)).toEqual([rotated.kid, rotated.kid]);
  expect(after.map(({ content_sha256 }) => content_sha256)).toEqual(before.map(({ content_sha256 }) => content_sha256));
  await sees(first, "early", two);
  await sees(second, "early", two);
  await store(first, "late", one);
  await expect(second.run("download", "late", `to:${join(room, "never")}`)).rejects.toThrow("not on this machine");
  expect(JSON.stringify(await first.run("keys"))).not.toContain("no recovery kit");
  const newer = join(room, "newer.age");
  await first.run("keys", "kit", `file:${newer}`, `passphrase-file:${passphrase}`);
  await second.run("keys", "restore", newer, `passphrase-file:${passphrase}`);
  expect(await second.run("keys")).toMatchObject({ kid: rotated.kid });
  await sees(second, "late", one);

  // A machine that lost everything but the wallet's key and the words.
  const walletKey = join(room, "wallet.key");
  await first.run("wallet", "export", `file:${walletKey}`);
  await store(second, "last", one);
  const third = homeAt("third");
  await third.run("wallet", "import", walletKey);
  await third.run("keys", "recover", "last", `to:${join(room, "recovered")}`, `words-file:${words}`);
  expect(readFileSync(join(room, "recovered")).equals(one)).toBe(true);
  const restored = await third.run("keys", "restore", `words-file:${words}`);
  // What was stored before there were words is not sealed for them.
  expect(restored).toMatchObject({ reclaimed: 3, left: [{ name: "main/early" }] });
  await sees(third, "one", three);
  await sees(third, "last", one);

  // Whatever was replaced, rotated, restored and recovered: each object was paid for once.
  expect(await transfersFrom(stack, created.address)).toHaveLength(4);

  const page = readFileSync(words, "utf8");
  const secret = /AGE-SECRET-KEY-1\w+/.exec(page)?.[0] ?? "no key on the page";
  const list = [...page.matchAll(/\d+ ([a-z]+)/g)].map((match) => match[1]);
  expect(list).toHaveLength(24);
  expect(said).not.toContain(secret);
  expect(said).not.toContain(list.slice(0, 2).join(" "));
  expect(said).not.toContain(readFileSync(walletKey, "utf8").trim());
});
