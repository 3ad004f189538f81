/** Operations as they are lived through: cancelled, met by a second process, over sources that change and places that are taken. */
import { randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";
import { mkdir, readdir, readFile, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { generatePrivateKey } from "viem/accounts";
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from "vitest";
import type { Core } from "../../client-plugin/core.ts";
import { explain } from "../../client-plugin/faults.ts";
import { openClient } from "../demo/client.ts";
import { type Depot, startDepot } from "./depot.ts";
import { scratch } from "./fixture.ts";
import { PAYEE } from "./service.ts";

const room = scratch();
let depot: Depot;
let core: Core;
let home: string;
let source: string;
let content: Buffer;
let place: string;
let key: `0x${string}`;

const open = () => openClient({ edgeUrl: depot.service.url, chainUrl: "http://127.0.0.1:9", key, home, payTo: PAYEE });

beforeEach(async () => {
  const own = join(room, randomBytes(4).toString("hex"));
  await mkdir(own);
  [home, source, place] = [join(own, "home"), join(own, "notes.bin"), join(own, "place")];
  await mkdir(place);
  content = randomBytes(1_500_000);
  await writeFile(source, content);
  key = generatePrivateKey();
  depot = await startDepot();
  core = await open();
});
afterEach(async () => {
  core.close();
  await depot.close();
});

const store = (more: Partial<Parameters<Core["store"]>[0]> = {}) => core.store({ path: source, ...more });
const fetchTo = (destination: string, more: Partial<Parameters<Core["fetch"]>[0]> = {}) =>
  core.fetch({ objectKey: "notes.bin", destination, ...more });
const refusedBy = (work: Promise<unknown>) =>
  work.then(
    () => "nothing",
    (error: unknown) => explain(error).code,
  );
const workLeft = () => readdir(join(home, "operations")).catch(() => []);

test("what was stored comes back, and nothing temporary stays", async () => {
  const stored = await store();
  expect(stored).toMatchObject({ state: "stored", order: { orderId: "order_1" } });
  const fetched = await fetchTo(join(place, "back.bin"));
  expect(fetched).toMatchObject({ kind: "file", files: 1, contentBytes: content.length });
  expect(await readFile(join(place, "back.bin"))).toEqual(content);
  expect(await workLeft()).toEqual([]);
  expect(await readdir(place)).toEqual(["back.bin"]);
  expect(depot.payments()).toBe(1);
  const [asked] = depot.asked("/storage/download");
  expect(asked).toMatchObject({ expires_in_seconds: 60, range: "bytes=0-67108863", download_id: fetched.operationId });
});

describe("cancelled", () => {
  /** The next step does not begin; a long one ends within seconds. */
  const cancelAt = (step: string) => {
    let asked = false;
    return (at: string) => {
      const [operation] = core.operations.list({ openOnly: true, limit: 1 });
      if (at !== step || asked || !operation) return;
      asked = true;
      core.operations.requestCancel(operation.id);
    };
  };

  test.each(["seal", "price", "pay", "upload"])(
    "while it is at %s, a store ends there, and the same call goes on",
    async (step) => {
      if (step === "upload")
        depot.line.judge = ({ method }) => (method === "PUT" ? { kind: "slow", pauseMs: 400 } : undefined);
      expect(await refusedBy(store({ onStep: cancelAt(step) }))).toBe("cancelled");
      expect(core.operations.list({ limit: 1 })[0]).toMatchObject({ state: "cancelled", running: false });
      expect(await workLeft()).toEqual([]);
      depot.line.judge = () => undefined;
      expect(await store()).toMatchObject({ state: "stored" });
      expect(depot.payments()).toBe(1);
    },
  );

  test.each(["download", "open"])("while it is at %s, a fetch leaves nothing at the destination", async (step) => {
    await store();
    const destination = join(place, "back.bin");
    if (step === "download")
      depot.line.judge = ({ method }) => (method === "GET" ? { kind: "slow", pauseMs: 400 } : undefined);
    expect(await refusedBy(fetchTo(destination, { onStep: cancelAt(step) }))).toBe("cancelled");
    expect(await readdir(place)).toEqual([]);
    expect(await workLeft()).toEqual([]);
    depot.line.judge = () => undefined;
    await fetchTo(destination);
    expect(await readFile(destination)).toEqual(content);
  });

  test("with nobody at work, it takes away what a killed one left beside the destination", async () => {
    await store();
    const operation = await core.beginFetch({ objectKey: "notes.bin", destination: join(place, "back.bin") });
    // As a kill in the middle of opening leaves it.
    await mkdir(join(place, `.mnemospark-${operation.id}`, "tree"), { recursive: true });
    await mkdir(join(home, "operations", operation.id), { recursive: true });
    expect((await core.cancel(operation)).state).toBe("cancelled");
    expect(await readdir(place)).toEqual([]);
    expect(await workLeft()).toEqual([]);
  });
});

test("two at the same operation: one works, the other is told who", async () => {
  const second = await open();
  onTestFinished(() => second.close());
  depot.line.judge = ({ method }) => (method === "PUT" ? { kind: "slow", pauseMs: 50 } : undefined);
  let met: Promise<string> | undefined;
  const onStep = (step: string) => {
    if (step === "upload") met ??= refusedBy(second.store({ path: source }));
  };
  expect(await store({ onStep })).toMatchObject({ state: "stored" });
  expect(await met).toBe("operation_running");
  expect(depot.payments()).toBe(1);
});

test("the same call again, while the first is still at it, waits for the same end", async () => {
  let first: Promise<unknown> | undefined;
  const again = new Promise((resolve) => {
    const onStep = (step: string, done: number) => {
      if (step === "upload" && done > 0) resolve(store());
    };
    depot.line.judge = ({ method }) => (method === "PUT" ? { kind: "slow", pauseMs: 20 } : undefined);
    first = store({ onStep });
  });
  expect(await again).toEqual(await first);
  expect(depot.payments()).toBe(1);
  expect(depot.asked("/storage/upload")).toHaveLength(2);
  const back = join(place, "back.bin");
  const [one, other] = await Promise.all([fetchTo(back), fetchTo(back)]);
  expect(one).toEqual(other);
  expect(depot.asked("/storage/download")).toHaveLength(1);
});

function seize(by: Core, id: string): void {
  const journal = new DatabaseSync(join(home, "journal.db"));
  journal.exec("UPDATE operations SET lease_until_ms = 0");
  journal.close();
  by.operations.take(id);
}

test("work that another process has taken over is left to it", async () => {
  const second = await open();
  onTestFinished(() => second.close());
  depot.line.judge = ({ method }) => (method === "PUT" ? { kind: "slow", pauseMs: 300 } : undefined);
  // As after a long sleep of the machine: the lease has run out, and somebody else was faster.
  const overtaken = (step: string, done: number) => {
    const [operation] = core.operations.list({ openOnly: true, limit: 1 });
    if (step === "upload" && done > 0 && operation) seize(second, operation.id);
  };
  expect(await refusedBy(store({ onStep: overtaken }))).toBe("operation_running");
  expect(core.operations.list({ limit: 1 })[0]).toMatchObject({ state: "open", running: true });
  depot.line.judge = () => undefined;
  expect(await workLeft()).toHaveLength(1);
});

describe("a source that changes", () => {
  test("while it is sealed is refused, paid is nothing, and the next call takes it as it is then", async () => {
    const grow = (step: string, done: number) => {
      if (step === "seal" && done > 0) writeFileSync(source, randomBytes(3_000_000));
    };
    expect(await refusedBy(store({ onStep: grow }))).toBe("changed");
    expect(depot.payments()).toBe(0);
    content = await readFile(source);
    await store();
    await fetchTo(join(place, "back.bin"));
    expect(await readFile(join(place, "back.bin"))).toEqual(content);
  });

  test("while it is sent is stored as it was sealed", async () => {
    const onStep = (step: string) => {
      if (step === "upload") writeFileSync(source, "other");
    };
    await store({ onStep });
    await fetchTo(join(place, "back.bin"));
    expect(await readFile(join(place, "back.bin"))).toEqual(content);
  });

  test("is gone: the sealed file goes on being sent", async () => {
    depot.line.judge = ({ method }) =>
      method === "PUT" ? { kind: "error", status: 403, code: "SignatureDoesNotMatch" } : undefined;
    expect(await refusedBy(store())).toBe("transfer");
    await writeFile(source, "");
    depot.line.judge = () => undefined;
    await store();
    await fetchTo(join(place, "back.bin"));
    expect(await readFile(join(place, "back.bin"))).toEqual(content);
    expect(depot.payments()).toBe(1);
  });
});

test("the sealed file stays until the service has seen the stored bytes", async () => {
  const { answer } = depot.service.lies;
  let left: string[] = [];
  let confirms = 0;
  depot.service.lies.answer = async (asked) => {
    if (asked.path === "/storage/upload/confirm" && confirms++ === 0) {
      left = await readdir(join(home, "operations", (await workLeft())[0] ?? ""));
      return { status: 200, body: {} };
    }
    return answer?.(asked);
  };
  expect(await refusedBy(store())).toBe("internal");
  expect(left).toEqual(["object.age"]);
  expect(await workLeft()).toHaveLength(1);
  const puts = depot.line.passed.filter(({ method, url }) => method === "PUT" && url.includes("order.")).length;
  await store();
  expect(await workLeft()).toEqual([]);
  // What S3 had was not sent again.
  expect(depot.line.passed.filter(({ method, url }) => method === "PUT" && url.includes("order."))).toHaveLength(puts);
});

describe("the destination", () => {
  beforeEach(() => store());
  const askedFor = () => depot.asked("/storage/download").length;

  test("is made where it is missing", async () => {
    await fetchTo(join(place, "a", "b", "back.bin"));
    expect(await readFile(join(place, "a", "b", "back.bin"))).toEqual(content);
  });

  test("that is a directory takes the file under its own name, empty or not", async () => {
    expect(await fetchTo(place)).toMatchObject({ path: join(place, "notes.bin") });
    await mkdir(join(place, "full"));
    await writeFile(join(place, "full", "other"), "");
    expect(await fetchTo(join(place, "full"))).toMatchObject({ path: join(place, "full", "notes.bin") });
  });

  test.each<[string, (at: string) => Promise<unknown>, string]>([
    ["that is taken", (at) => writeFile(at, "mine"), "destination_exists"],
    ["that is a link", (at) => symlink("/nowhere", at), "destination_exists"],
  ])("%s is refused before anything is downloaded", async (_, take, code) => {
    const at = join(place, "back.bin");
    await take(at);
    expect(await refusedBy(fetchTo(at))).toBe(code);
    expect(askedFor()).toBe(0);
    expect(await readdir(place)).toEqual(["back.bin"]);
  });

  test("below a file is refused with a sentence before anything is downloaded", async () => {
    const refused = await fetchTo(join(source, "back.bin")).catch(explain);
    expect(refused).toMatchObject({
      code: "destination_refused",
      message: `Nothing can be written to ${source}: a part of the path is a file.`,
    });
    expect(askedFor()).toBe(0);
  });

  test("is replaced only when that was asked", async () => {
    const at = join(place, "back.bin");
    await writeFile(at, "mine");
    await fetchTo(at, { overwrite: true });
    expect(await readFile(at)).toEqual(content);
    await mkdir(join(place, "notes.bin"));
    expect(await refusedBy(fetchTo(place))).toBe("destination_exists");
    expect(await readdir(place)).toEqual(["back.bin", "notes.bin"]);
  });
});

describe("the logs", () => {
  test("tell the life of an object, are private and are rotated", async () => {
    await store();
    const log = join(home, "object.log");
    const events = (await readFile(log, "utf8")).trim().split("\n");
    expect(events.map((line) => (JSON.parse(line) as { event: string }).event)).toEqual(["quoted", "paid", "stored"]);
    await writeFile(log, "x".repeat(10 * 1024 ** 2));
    await fetchTo(join(place, "back.bin"));
    expect((await stat(log)).size).toBeLessThan(1_000);
    expect((await stat(`${log}.1`)).size).toBe(10 * 1024 ** 2);
    for (const path of [log, `${log}.1`, join(home, "journal.db")]) expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect((await stat(join(home, "logs"))).mode & 0o777).toBe(0o700);
    core.log.activity("seen", { what: "x" });
    expect((await stat(join(home, "logs", "activity.jsonl"))).mode & 0o777).toBe(0o600);
  });
});
