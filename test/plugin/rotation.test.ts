/** Keys as their owner meets them: what is shown where, and a rotation that dies at every request. */
import { existsSync, readFileSync, statSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Person } from "../../client-plugin/commands/command.ts";
import { runCommand } from "../../client-plugin/commands/index.ts";
import type { Core } from "../../client-plugin/core.ts";
import { parseWrappedDek } from "../../client-plugin/envelope/kek.ts";
import { seal } from "../../client-plugin/envelope/seal.ts";
import { explain } from "../../client-plugin/faults.ts";
import { olderKids } from "../../client-plugin/keys.ts";
import { beginRotate, type Rotated, runRotate } from "../../client-plugin/operations/rotate.ts";
import { newClient } from "./attacks/client.ts";
import { pieces, scratch } from "./fixture.ts";
import { type Asked, problem, type Service, startService } from "./service.ts";

const room = scratch();
let service: Service;
let core: Core;
beforeAll(async () => {
  service = await startService();
});
beforeEach(async () => {
  ({ core } = await newClient(service, room, { lies: { answer } }));
});
afterAll(() => service.close());

/** What the service has on record, and the request that is cut off before or after it was carried out. */
let records: Map<string, string>;
let cut: { at: number; done: boolean } | undefined;
let calls = 0;

function answer({ path, body }: Asked) {
  const cutNow = ["/storage/ls", "/storage/rewrap"].includes(path) && calls++ === cut?.at;
  if (cutNow && !cut?.done) return "hang up" as const;
  const said = carryOut(path, body);
  return cutNow ? ("hang up" as const) : said;
}

function carryOut(path: string, body: Record<string, unknown>) {
  if (path === "/storage/ls") return { status: 200, body: list() };
  if (path !== "/storage/rewrap") return undefined;
  const key = String(body["object_key"]);
  if (records.get(key) !== body["wrapped_dek"]) {
    if (records.get(key) !== body["replaces"]) return problem(409, "wrapped_dek_changed");
    records.set(key, String(body["wrapped_dek"]));
  }
  const facts = { object_key: key, agent_id: "main", order_id: "o", content_sha256: "" };
  return { status: 200, body: { success: true, ...facts, wrapped_dek: body["wrapped_dek"] } };
}

function list() {
  const day = new Date().toISOString();
  const objects = [...records].map(([key, wrapped_dek]) => ({
    key,
    size_bytes: 1,
    size: "",
    last_modified: day,
    agent_id: "main",
    order_id: "o",
    state: "stored",
    region: "",
    bucket: "",
    content_sha256: "",
    wrapped_dek,
    size_bytes_max: 1,
    paid_through: day,
    delete_after: day,
    amount: "1",
    downloads_left: 3,
    download_bytes_left: 3,
    trans_id: "",
  }));
  return { success: true, list_mode: true, bucket: "", objects, is_truncated: false, next_continuation_token: null };
}

const kidOn = (record: string | undefined) => parseWrappedDek(record ?? "").args[0];

async function storedHere(): Promise<void> {
  const session = await core.session();
  const { kek } = await session.keys.current();
  const sealed = (name: string) =>
    seal({ source: pieces(new Uint8Array(1)), kek, context: { ...session.context("main", name), version: 2 } })
      .wrappedDek;
  records = new Map(["a", "b", "c"].map((name) => [name, sealed(name)]));
}

const place = async () => ({ dir: core.settings.home, wallet: (await core.session()).wallet.address });

describe("a rotation", () => {
  // Four requests: the list, and one for each object. Each is lost before it arrived, or its reply is.
  const deaths = [0, 1, 2, 3].flatMap((at) => [true, false].map((done) => ({ at, done })));
  test.each(deaths)("that dies at request $at (carried out: $done) makes one key, and goes on", async (death) => {
    await storedHere();
    const { kid: before } = await (await core.session()).keys.current();
    [cut, calls] = [death, 0];
    const stop = new AbortController();
    const first = await beginRotate(core, true);
    const dying = runRotate(core, first, { signal: stop.signal });
    // The client would ask again by itself; this one is killed instead.
    while (calls <= death.at) await new Promise((resolve) => setTimeout(resolve, 2));
    stop.abort(new Error("killed"));
    await dying.catch(() => undefined);
    cut = undefined;
    const again = await beginRotate(core, true);
    expect(again.id).toBe(first.id);
    const done = (await core.resume(again)) as Rotated;
    const { kid } = await (await core.session()).keys.current();
    expect(done).toMatchObject({ kid, before, left: [] });
    expect([...records.values()].map(kidOn)).toEqual([kid, kid, kid]);
    expect(await olderKids(await place())).toEqual([before]);
  });

  test("leaves what it cannot open, and says so; a service that answers an older content's key is not helped", async () => {
    await storedHere();
    const session = await core.session();
    const stranger = seal({
      source: pieces(new Uint8Array(1)),
      kek: new Uint8Array(32),
      context: { ...session.context("main", "b"), version: 1 },
    });
    records.set("b", stranger.wrappedDek);
    const known = { agentId: "main", objectKey: "c", version: 3, sha256: "", sealedBytes: 1, deleted: false, atMs: 1 };
    session.catalogue.learn(known);
    const done = await runRotate(core, await beginRotate(core, true), {});
    expect(done).toMatchObject({ rewrapped: 1, already: 0 });
    expect(done.left).toEqual([
      { name: "main/b", why: expect.stringContaining("not on this machine") },
      { name: "main/c", why: "the service answers the key of version 2; 3 is known" },
    ]);
    const left = await beginRotate(core, false);
    const context = { core, call: (line: string) => line, background: () => {}, isChat: true };
    const { data } = await runCommand(context, ["keys", "rotate"]);
    expect(core.operations.find(left.id)?.state).toBe("done");
    expect(data).toMatchObject({ rotated: { before: done.kid, rewrapped: 1 } });
    const rest = await runRotate(core, await beginRotate(core, false), {});
    expect(rest).toMatchObject({ before: undefined, rewrapped: 0, already: 1 });
  });
});

describe("recovery words", () => {
  const shown: string[] = [];
  /** Writes down what is shown, and types back what is asked for. */
  const person = (typed: (word: string) => string): Person => ({
    show: (text) => void shown.push(text),
    async ask(question) {
      const number = Number(/word (\d+)/.exec(question)?.[1]);
      return typed(new RegExp(`^ *${number}\\. (\\w+)$`, "m").exec(shown.join("\n"))?.[1] ?? "");
    },
  });
  const run = async (words: string[], more: { person?: Person; isChat?: boolean } = {}) => {
    const call = (line: string) => line;
    const answer = await runCommand({ core, call, background: () => {}, isChat: more.isChat ?? false, ...more }, words);
    return `${answer.text}\n${JSON.stringify(answer.data)}`;
  };
  const refusedIn = (words: string[], more: Parameters<typeof run>[1]) =>
    run(words, more).then(
      (text) => `nothing was refused: ${text}`,
      (error: unknown) => `${explain(error).code} ${explain(error).next}`,
    );
  beforeEach(() => {
    shown.length = 0;
  });

  test("are shown to a person, asked back, and are in no answer", async () => {
    const answer = await run(["keys", "kit"], { person: person((word) => ` ${word.toUpperCase()} `) });
    const words = [...shown.join("\n").matchAll(/^ *\d+\. (\w+)$/gm)].map((match) => match[1] ?? "");
    expect(words).toHaveLength(24);
    expect(answer).not.toContain(words.slice(0, 2).join(" "));
    expect(words.filter((word) => new RegExp(`\\b${word}\\b`).test(answer)).length).toBeLessThan(6);
    expect(answer).not.toContain("AGE-SECRET");
    expect((await core.session()).settings.recovery).toBeUndefined();
    expect(answer).toContain((await (await core.session()).recovery()) ?? "no recipient");
  });

  test("that were not written down are void", async () => {
    expect(await refusedIn(["keys", "kit"], { person: person(() => "abandon") })).toMatch(/^words_unconfirmed/);
    expect(await (await core.session()).recovery()).toBeUndefined();
  });

  test.each([
    ["keys kit"],
    ["cloud keys kit"],
    ["wallet keys kit file:/nowhere/kit.age"],
    ["keys restore"],
    ["keys recover notes"],
  ])("in a chat `%s` is refused, and says what to type where", async (line) => {
    expect(await refusedIn(line.split(" "), { isChat: true })).toMatch(
      /^person_wanted .*(?:terminal|`mnemospark keys)/,
    );
    expect(existsSync("/nowhere")).toBe(false);
  });

  test("go to a private file from a chat, too, and come back from it", async () => {
    const path = join(core.settings.home, "words.txt");
    const answer = await run(["keys", "kit", `print:${path}`], { isChat: true });
    const page = readFileSync(path, "utf8");
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(page).toMatch(/^#[\s\S]*\nAGE-SECRET-KEY-1[0-9A-Z]+\n$/);
    expect(answer).not.toContain("AGE-SECRET");
    await expect(run(["keys", "kit", `print:${path}`, "new-words:true"])).rejects.toThrow("already exists");
    const words = join(core.settings.home, "typed.txt");
    await writeFile(words, [...page.matchAll(/\d+ ([a-z]+)/g)].map((match) => match[1]).join("\n"));
    records = new Map();
    cut = undefined;
    expect(await run(["keys", "restore", `words-file:${words}`])).toContain('"reclaimed":0');
  });

  test("can be made anew; the recipient before is remembered", async () => {
    const made = person((word) => word);
    await run(["keys", "kit"], { person: made });
    const before = await (await core.session()).recovery();
    expect(await refusedIn(["keys", "kit"], { person: made })).toMatch(/^words_exist/);
    shown.length = 0;
    await run(["keys", "kit", "new-words:true"], { person: made });
    expect(await (await core.session()).recovery()).not.toBe(before);
  });
});

test("keys are exported to a private file, and printed nowhere", async () => {
  const { kid, kek } = await (await core.session()).keys.current();
  const path = join(core.settings.home, "out.key");
  const context = { core, call: (line: string) => line, background: () => {}, isChat: true };
  const answer = await runCommand(context, ["keys", "export", `file:${path}`]);
  expect(readFileSync(path).equals(kek)).toBe(true);
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(answer.data).toEqual({ kid, file: path });
  await expect(runCommand(context, ["keys", "export", `file:${path}`])).rejects.toThrow("already exists");
  await expect(runCommand(context, ["keys", "export", "kid:0123456789abcdef"])).rejects.toThrow("no key");
});
