/** The client on a poor line: what is safe is tried again, what is not is asked for anew, and it says what it does. */
import { randomBytes } from "node:crypto";
import { mkdtemp, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type DownloadJob, type DownloadState, download } from "../../client-plugin/download.ts";
import { type Uploaded, type UploadJob, upload } from "../../client-plugin/upload.ts";
import { startNodeServer } from "../s3/node-server.ts";
import type { Subject } from "../s3/subject.ts";
import { type Content, type Counter, hashOf, openCounter } from "./counter.ts";
import { type Fault, startToxicProxy, type ToxicProxy } from "./proxy.ts";

const MIB = 1024 ** 2;
const PART = 5 * MIB;
const SIZE = 2 * PART + MIB;
const SMALL = MIB;
const ALL = `bytes=0-${MIB * 64 - 1}`;

let directory = "";
/** What is sent; the parts of a small object would be none. */
let bytes: Buffer;
let large: Buffer;
let path = "";
let s3: Subject;
let skewMs = 0;
let proxy: ToxicProxy;
let counter: Counter;
let notices: string[];

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "toxic-test-"));
  large = randomBytes(SIZE);
  s3 = await startNodeServer({ now: () => Date.now() + skewMs });
});
afterAll(async () => {
  await s3.close();
  await rm(directory, { recursive: true, force: true });
});
async function sealed(content: Buffer): Promise<void> {
  bytes = content;
  path = join(directory, `sealed-${content.length}`);
  await writeFile(path, content);
}

beforeEach(async () => {
  skewMs = 0;
  notices = [];
  proxy = await startToxicProxy(() => s3.origin);
  counter = openCounter(proxy.origin);
});
afterEach(() => proxy.close());

const inParts = (): Content => ({ sealedBytes: SIZE, sha256: hashOf(bytes), partBytes: PART });
const whole = (): Content => ({ sealedBytes: bytes.length, sha256: hashOf(bytes) });
const isPart = (request: { method?: string | undefined; url?: string | undefined }) =>
  request.method === "PUT" && /partNumber=/.test(request.url ?? "");
const partsSent = () => proxy.passed.filter((each) => isPart(each) && each.fault === undefined).length;
const numberOf = (url: string | undefined) => Number(/partNumber=(\d+)/.exec(url ?? "")?.[1]);

function send(content: Content, more: Partial<UploadJob> = {}): Promise<Uploaded> {
  return upload({
    source: { path, sealedBytes: content.sealedBytes },
    asks: { plan: () => counter.plan(content), parts: (plan, parts) => counter.parts(plan, parts) },
    onNotice: (text) => notices.push(text),
    firstPauseMs: 5,
    ...more,
  });
}

/** The first so many requests that `of` names meet the fault, then the line is good. */
function first(times: number, fault: Fault, of: (request: { method?: string; url?: string }) => boolean = isPart) {
  let left = times;
  proxy.judge = (request) => {
    if (left === 0 || !of(request as { method?: string; url?: string })) return undefined;
    left -= 1;
    return fault;
  };
}

async function isStored(): Promise<void> {
  expect((await counter.confirm()).end).toBe("found");
  proxy.judge = () => undefined;
  const { download_url: url, download_headers: headers } = await counter.download(whole(), ALL);
  expect(hashOf(new Uint8Array(await (await fetch(url, { headers })).arrayBuffer()))).toBe(hashOf(bytes));
}

describe("an upload in parts", () => {
  beforeEach(() => sealed(large));

  test("survives SlowDown, 500, a cut in mid-PUT, a lost answer, a dead line and a bucket not known everywhere, and says so", async () => {
    const faults: readonly [Fault, RegExp][] = [
      [{ kind: "slow-down" }, /SlowDown; trying again in/],
      [{ kind: "error", status: 500, code: "InternalError" }, /InternalError; trying again/],
      [{ kind: "cut-request", afterBytes: MIB / 2 }, /broke off/],
      [{ kind: "lose-answer" }, /broke off/],
      [{ kind: "down" }, /broke off/],
      [{ kind: "error", status: 404, code: "NoSuchBucket" }, /NoSuchBucket/],
    ];
    let met = 0;
    proxy.judge = (request) => (isPart(request) ? faults[met++]?.[0] : undefined);
    expect(await send(inParts())).toMatchObject({ sentBytes: SIZE, skippedBytes: 0 });
    expect(notices).toHaveLength(faults.length);
    for (const [, says] of faults) expect(notices.some((notice) => says.test(notice))).toBe(true);
    expect(partsSent()).toBe(3);
    await isStored();
  });

  test("survives a slow line", async () => {
    proxy.judge = (request) => (isPart(request) ? { kind: "slow", pauseMs: 1 } : undefined);
    await send(inParts());
    expect(notices).toEqual([]);
    await isStored();
  });

  test("asks for another URL when one has expired", async () => {
    let left = 2;
    proxy.judge = (request) => {
      if (isPart(request)) skewMs = left-- > 0 ? 901_000 : 0;
      return undefined;
    };
    // One after the other: the clock is one for all.
    await send(inParts(), { parallel: 1 });
    expect(notices.filter((text) => text.includes("AccessDenied"))).toHaveLength(2);
    expect(counter.asked.parts).toBe(3);
    await isStored();
  });

  test("stopped and begun again sends only what S3 has not", async () => {
    const stop = new AbortController();
    let parts = 0;
    proxy.judge = (request) => {
      if (isPart(request) && ++parts === 3) stop.abort(new Error("switched off"));
      return undefined;
    };
    await expect(send(inParts(), { signal: stop.signal, parallel: 1 })).rejects.toThrow("switched off");
    proxy.judge = () => undefined;
    await proxy.quiet();
    const before = proxy.passed.length;
    const held = (await counter.plan(inParts())).plan.multipart?.stored ?? [];
    const { skippedBytes } = await send(inParts());
    const sent = proxy.passed
      .slice(before)
      .filter(isPart)
      .map(({ url }) => numberOf(url));
    expect(sent.filter((part) => held.includes(part))).toEqual([]);
    expect(sent.length + held.length).toBe(3);
    expect(held.length).toBeGreaterThan(1);
    expect(skippedBytes).toBeGreaterThanOrEqual(held.length * MIB);
    await isStored();
    expect(await send(inParts())).toMatchObject({ sentBytes: 0, skippedBytes: SIZE });
  });

  test("begins anew when its upload was ended behind its back", async () => {
    let parts = 0;
    proxy.judge = (request) => {
      if (isPart(request) && ++parts === 2) void counter.abort();
      return parts === 2 && isPart(request) ? { kind: "slow", pauseMs: 3 } : undefined;
    };
    await send(inParts());
    expect(notices.some((text) => text.includes("not open any more"))).toBe(true);
    await isStored();
  });

  test("gives up on a line that is dead, and on what no repetition mends", async () => {
    first(1_000, { kind: "down" });
    await expect(send(inParts(), { tries: 4 })).rejects.toThrow(/broke off/);
    first(1_000, { kind: "error", status: 403, code: "SignatureDoesNotMatch" });
    await expect(send(inParts())).rejects.toThrow("SignatureDoesNotMatch");
    expect(notices.filter((text) => text.includes("SignatureDoesNotMatch"))).toEqual([]);
  });
});

describe("an upload in one PUT", () => {
  beforeEach(() => sealed(randomBytes(SMALL)));
  const isPut = ({ method }: { method?: string }) => method === "PUT";
  const afterBucket = (fault: Fault, times: number) => {
    let left = times;
    proxy.judge = (request) =>
      isPut(request as { method?: string }) && /order\.1/.test(request.url ?? "") && left-- > 0 ? fault : undefined;
  };

  test("survives a cut, and an answer that was lost: the key is written once", async () => {
    afterBucket({ kind: "cut-request", afterBytes: MIB / 4 }, 2);
    expect(await send(whole())).toMatchObject({ sentBytes: SMALL });
    await isStored();
    counter = openCounter(proxy.origin);
    afterBucket({ kind: "lose-answer" }, 1);
    expect(await send(whole())).toMatchObject({ sentBytes: 0, skippedBytes: SMALL });
    await isStored();
  });

  test.each([901_000, -3_600_000])(
    "takes another URL where S3's clock is %d ms from ours for a while",
    async (skew) => {
      let left = 2;
      proxy.judge = (request) => {
        if (request.method === "PUT" && /order/.test(request.url ?? "")) skewMs = left-- > 0 ? skew : 0;
        else skewMs = 0;
        return undefined;
      };
      await send(whole());
      expect(notices.filter((text) => text.includes("AccessDenied"))).toHaveLength(2);
      expect(counter.asked.plan).toBe(3);
      await isStored();
    },
  );
});

describe("a download", () => {
  let partial = "";
  let states: DownloadState[];
  const bring = (more: Partial<DownloadJob> = {}) =>
    download({
      partial,
      ask: (range) => counter.download(whole(), range),
      onState: (state) => void states.push(state),
      onNotice: (text) => notices.push(text),
      firstPauseMs: 5,
      ...more,
    });
  const gets = () =>
    proxy.passed.filter(
      ({ method, url, headers }) =>
        method === "GET" && /order\.1\?/.test(url) && headers["user-agent"] === "mnemospark-client",
    );
  const arrived = async () => expect(hashOf(await readFile(partial))).toBe(hashOf(bytes));

  beforeEach(async () => {
    await sealed(randomBytes(SMALL));
    await send(whole());
    partial = join(directory, `part-${randomBytes(4).toString("hex")}`);
    states = [];
    notices = [];
  });

  test("cut in mid-GET goes on from the byte it has, by a URL for what is missing", async () => {
    let cuts = 3;
    proxy.judge = ({ method }) =>
      method === "GET" && cuts-- > 0 ? { kind: "cut-answer", afterBytes: MIB / 4 } : undefined;
    await bring();
    await arrived();
    expect(counter.asked.download).toBe(4);
    const ranges = gets().map(({ headers }) => headers.range);
    expect(ranges[0]).toBe(`bytes=0-${SMALL - 1}`);
    expect(ranges.slice(1)).toHaveLength(3);
    for (const range of ranges.slice(1)) expect(range).toMatch(/^bytes=\d{5,}-1048575$/);
    expect(gets()[3]?.headers["if-match"]).toMatch(/^"/);
    expect(notices.filter((text) => text.startsWith("going on from byte"))).toHaveLength(3);
  });

  test("begun again by another process asks for the rest only, by a URL signed for the rest when the first is dead", async () => {
    const stop = new AbortController();
    const onProgress = (done: number) => done >= 700_000 && stop.abort(new Error("switched off"));
    await expect(bring({ signal: stop.signal, onProgress })).rejects.toThrow("switched off");
    await truncate(partial, 700_000);
    const state = states.at(-1);
    if (!state) throw new Error("no state was told");
    await bring({ state: { ...state, urlExpiresMs: Date.now() } });
    await arrived();
    expect(counter.asked.download).toBe(2);
    expect(gets().at(-1)?.headers.range).toBe(`bytes=${700_000}-${SMALL - 1}`);
  });

  test("takes a new URL for one that S3 calls expired", async () => {
    counter.ttlS = 60;
    let gone = false;
    proxy.judge = ({ method }) => {
      if (method !== "GET" || gone) return undefined;
      gone = true;
      skewMs = 61_000;
      return { kind: "cut-answer", afterBytes: MIB / 2 };
    };
    counter.download = ((ask) => async (content: Content, range: string) => {
      if (gone) counter.ttlS = 3_000;
      return ask(content, range);
    })(counter.download);
    await bring();
    await arrived();
  });

  test("starts over when the object is another one now", async () => {
    const stop = new AbortController();
    await writeFile(partial, randomBytes(MIB / 2));
    const reply = await counter.download(whole(), `bytes=${MIB / 2}-${SMALL - 1}`);
    const window = { first: MIB / 2, last: SMALL - 1 };
    const state: DownloadState = {
      url: reply.download_url,
      urlExpiresMs: Date.now() + 60_000,
      headers: reply.download_headers,
      window,
      debited: { ...window, untilMs: Date.now() + 3_600_000 },
      etag: '"another"',
      sizeBytes: SMALL,
      sha256: hashOf(bytes),
      wrappedDek: null,
      paidThrough: "",
      downloadsLeft: 1,
      bytesLeft: 2 * SMALL,
    };
    await bring({ state, signal: stop.signal });
    await arrived();
    expect(notices).toContain("starting over from the first byte");
    await writeFile(partial, randomBytes(MIB / 2));
    await bring({ state: { ...state, etag: null, urlExpiresMs: 0, sha256: "ab".repeat(32) } });
    await arrived();
    expect(notices).toContain("the object was replaced meanwhile");
  });

  test("survives SlowDown and an outage, and gives up on a line that brings nothing", async () => {
    const isGet = ({ method }: { method?: string }) => method === "GET";
    first(2, { kind: "slow-down" }, isGet);
    await bring();
    await arrived();
    await rm(partial);
    first(2, { kind: "down" }, isGet);
    await bring();
    await arrived();
    await rm(partial);
    first(1_000, { kind: "cut-answer", afterBytes: 0 }, isGet);
    await expect(bring({ tries: 3 })).rejects.toThrow(/broke off/);
  });
});
