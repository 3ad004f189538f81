/** A wallet's bucket: made once whoever asks, its own or nobody's, with every setting, and nothing paid where none can be made. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { makeBucket, send } from "../s3/client.ts";
import { alice, bob } from "../s3/subject.ts";
import { bucketOf, configOf, freshWallet, type Shelf, startShelf, wordFor } from "./shelf.ts";

const KINDS = [
  { kind: "aws" as const, legacyUsEast1: false },
  { kind: "aws" as const, legacyUsEast1: true },
  { kind: "other" as const, legacyUsEast1: false },
];

describe.each(KINDS)(
  "a bucket on a store of kind $kind, us-east-1 as of old: $legacyUsEast1",
  ({ kind, legacyUsEast1 }) => {
    let shelf: Shelf;
    beforeAll(async () => {
      shelf = await startShelf({ door: { legacyUsEast1 }, config: { kind } });
    });
    beforeEach(() => {
      shelf.between = undefined;
      shelf.asked.length = 0;
    });
    afterAll(() => shelf.close());

    const tagOf = async (name: string) => {
      const text = await (await send(shelf.subject, `/${name}?tagging`)).text();
      return /<Key>mnemospark:wallet<\/Key><Value>(.*?)<\/Value>/.exec(text)?.[1];
    };
    const read = async (name: string, setting: string) => (await send(shelf.subject, `/${name}?${setting}`)).text();

    it("is tagged with the full address and has all settings", async () => {
      const bucket = bucketOf(freshWallet());
      expect(await shelf.store.ensureBucket(bucket)).toEqual({ end: "ready" });
      expect(await tagOf(bucket.name)).toBe(bucket.wallet);
      expect(await read(bucket.name, "tagging")).toContain("<Key>mnemospark:cost</Key>");
      expect((await read(bucket.name, "publicAccessBlock")).match(/>true</g)).toHaveLength(4);
      expect(await read(bucket.name, "ownershipControls")).toContain("BucketOwnerEnforced");
      const policy = JSON.parse(await read(bucket.name, "policy"));
      expect(policy.Statement[0]).toMatchObject({
        Effect: "Deny",
        Condition: { StringNotEquals: { "aws:PrincipalAccount": alice.accountId } },
      });
      expect(await read(bucket.name, "lifecycle")).toContain("<DaysAfterInitiation>35</DaysAfterInitiation>");
      expect(await read(bucket.name, "cors")).toContain("<AllowedMethod>PUT</AllowedMethod>");
    });

    it("asked for again is the same bucket", async () => {
      const bucket = bucketOf(freshWallet());
      expect(await shelf.store.ensureBucket(bucket)).toEqual({ end: "ready" });
      expect(await shelf.store.ensureBucket({ ...bucket, intended: true })).toEqual({ end: "ready" });
      expect(shelf.asked.filter((word) => word === "PUT 200")).toHaveLength(1);
    });

    it("two first payments at once make one bucket", async () => {
      const bucket = bucketOf(freshWallet());
      // Both look before either creates.
      let looks = 0;
      let release = () => {};
      const bothLooked = new Promise<void>((resolve) => {
        release = resolve;
      });
      shelf.between = async (request, server) => {
        const answer = await server(request);
        if (wordFor(request) !== "GET tagging" || answer.status !== 404 || looks >= 2) return answer;
        looks += 1;
        if (looks === 2) release();
        await bothLooked;
        return answer;
      };
      const ends = await Promise.all([
        shelf.store.ensureBucket(bucket),
        shelf.another().ensureBucket({ ...bucket, intended: true }),
      ]);
      expect(ends).toEqual([{ end: "ready" }, { end: "ready" }]);
      expect(await tagOf(bucket.name)).toBe(bucket.wallet);
    });

    it("of somebody else is taken: 403 is never absent, and nothing is created", async () => {
      const name = await makeBucket(shelf.subject, { account: bob });
      shelf.asked.length = 0;
      expect(await shelf.store.ensureBucket(bucketOf(freshWallet(), { name }))).toEqual({ end: "taken" });
      expect(shelf.asked).toEqual(["GET tagging 403"]);
    });

    it("that somebody else makes between our look and our creation is taken", async () => {
      const bucket = bucketOf(freshWallet());
      shelf.between = async (request, server) => {
        if (wordFor(request) === "PUT") {
          shelf.between = undefined;
          await send(shelf.subject, `/${bucket.name}`, { method: "PUT", account: bob });
        }
        return server(request);
      };
      expect(await shelf.store.ensureBucket(bucket)).toEqual({ end: "taken" });
    });

    it("whose tag names another wallet (a collided hash) is taken", async () => {
      const bucket = bucketOf(freshWallet());
      await shelf.store.ensureBucket(bucket);
      const collided = { ...bucket, wallet: freshWallet(), intended: true };
      expect(await shelf.store.ensureBucket(collided)).toEqual({ end: "taken" });
      expect(await tagOf(bucket.name)).toBe(bucket.wallet);
    });

    it("that a wallet of the same hash makes between our look and our creation is taken", async () => {
      const bucket = bucketOf(freshWallet());
      const other = { ...bucket, wallet: freshWallet() };
      shelf.between = async (request, server) => {
        if (wordFor(request) === "PUT") {
          shelf.between = undefined;
          await shelf.another().ensureBucket(other);
        }
        return server(request);
      };
      expect(await shelf.store.ensureBucket(bucket)).toEqual({ end: "taken" });
      expect(await tagOf(bucket.name)).toBe(other.wallet);
    });

    it("of our account that says nothing is never taken unless it was intended and is empty", async () => {
      const name = await makeBucket(shelf.subject);
      const bucket = bucketOf(freshWallet(), { name });
      expect(await shelf.store.ensureBucket(bucket)).toEqual({ end: "taken" });
      await send(shelf.subject, `/${name}/report.pdf`, { method: "PUT", body: "the operator's own" });
      expect(await shelf.store.ensureBucket({ ...bucket, intended: true })).toEqual({ end: "taken" });
      expect(await tagOf(name)).toBeUndefined();
      await send(shelf.subject, `/${name}/report.pdf`, { method: "DELETE" });
      expect(await shelf.store.ensureBucket({ ...bucket, intended: true })).toEqual({ end: "ready" });
      expect(await tagOf(name)).toBe(bucket.wallet);
    });

    it("made before a crash is finished after it, at whatever step the crash was", async () => {
      const crashes = ["PUT", "PUT tagging", "PUT publicAccessBlock", "PUT policy", "PUT cors"].map((step) => ({
        step,
        bucket: bucketOf(freshWallet()),
      }));
      let up = false;
      shelf.between = async (request, server) => {
        const answer = await server(request);
        const name = new URL(request.url).pathname.split("/")[1];
        const crash = crashes.find(({ bucket }) => bucket.name === name);
        // It was done, and nobody hears of it.
        return !up && wordFor(request) === crash?.step ? new Response(null, { status: 500 }) : answer;
      };
      const first = await Promise.all(crashes.map(({ bucket }) => shelf.another().ensureBucket(bucket)));
      expect(first.map(({ end }) => end)).toEqual(crashes.map(() => "unknown"));
      up = true;
      for (const { bucket } of crashes) {
        expect(await shelf.another().ensureBucket({ ...bucket, intended: true })).toEqual({ end: "ready" });
        expect(await tagOf(bucket.name)).toBe(bucket.wallet);
        expect(await read(bucket.name, "cors")).toContain("CORSRule");
      }
    });

    it("above the account's quota is unknown, and nobody new is sold a place for ten minutes", async () => {
      const store = shelf.another();
      expect(await store.room({ store: "s3" })).toBe(true);
      shelf.between = async (request, server) =>
        wordFor(request) === "PUT" ? errorOf(400, "TooManyBuckets") : server(request);
      const end = await store.ensureBucket(bucketOf(freshWallet()));
      expect(end).toMatchObject({ end: "unknown", detail: expect.stringContaining("TooManyBuckets") });
      expect(await store.room({ store: "s3" })).toBe(false);
      shelf.nowMs += 601_000;
      expect(await store.room({ store: "s3" })).toBe(true);
    });
  },
);

describe("a bucket on a store that takes its time", () => {
  let shelf: Shelf;
  beforeEach(async () => {
    shelf = await startShelf();
  });
  afterEach(() => shelf.close());

  it("not visible right after its creation is waited for", async () => {
    const bucket = bucketOf(freshWallet());
    const unseen = new Map([
      ["PUT tagging", 2],
      ["PUT publicAccessBlock", 1],
      ["PUT cors", 1],
    ]);
    let created = false;
    shelf.between = async (request, server) => {
      const word = wordFor(request);
      const left = unseen.get(word) ?? 0;
      unseen.set(word, left - 1);
      if ((created && word === "GET tagging") || left > 0) return errorOf(404, "NoSuchBucket");
      if (word === "PUT") created = true;
      return server(request);
    };
    expect(await shelf.store.ensureBucket(bucket)).toEqual({ end: "ready" });
    shelf.between = undefined;
    expect(await shelf.another().ensureBucket(bucket)).toEqual({ end: "ready" });
  });

  it("that stays invisible is unknown, not taken and not ready", async () => {
    shelf.between = async (request, server) =>
      wordFor(request) === "PUT" ? server(request) : errorOf(404, "NoSuchBucket");
    expect(await shelf.store.ensureBucket(bucketOf(freshWallet()))).toMatchObject({ end: "unknown" });
  });

  it("set up by two at once is tried again (409 OperationAborted)", async () => {
    let aborted = 0;
    shelf.between = async (request, server) => {
      if (wordFor(request) === "PUT policy" && aborted++ < 2) return errorOf(409, "OperationAborted");
      return server(request);
    };
    expect(await shelf.store.ensureBucket(bucketOf(freshWallet()))).toEqual({ end: "ready" });
  });

  it("that the store cannot be asked about is unknown", async () => {
    shelf.between = async () => errorOf(503, "SlowDown");
    expect(await shelf.store.ensureBucket(bucketOf(freshWallet()))).toMatchObject({ end: "unknown" });
  });
});

describe("room for new wallets", () => {
  it("ends when less than a twentieth of the configured quota is free", async () => {
    const shelf = await startShelf();
    const roomOf = (bucketQuota: number) => shelf.another({ bucketQuota }).room({ store: "s3" });
    for (let made = 0; made < 19; made++) await makeBucket(shelf.subject);
    expect(await roomOf(20)).toBe(true);
    await makeBucket(shelf.subject);
    expect(await roomOf(20)).toBe(false);
    expect(await roomOf(21)).toBe(false);
    expect(await roomOf(22)).toBe(true);
    await shelf.close();
  });

  it("is counted once in ten minutes, and is not known while the store cannot be asked", async () => {
    const shelf = await startShelf({ config: { bucketQuota: 2 } });
    const { store } = shelf;
    expect(await store.room({ store: "s3" })).toBe(true);
    await makeBucket(shelf.subject);
    await makeBucket(shelf.subject);
    expect(await store.room({ store: "s3" })).toBe(true);
    shelf.nowMs += 601_000;
    expect(await store.room({ store: "s3" })).toBe(false);
    shelf.nowMs += 601_000;
    shelf.between = async () => errorOf(503, "SlowDown");
    expect(await store.room({ store: "s3" })).toContain("503");
    await shelf.close();
  });

  it("counts only one's own account's buckets", async () => {
    const shelf = await startShelf();
    await makeBucket(shelf.subject, { account: bob });
    const bobs = shelf.another({ ...configOf(shelf.subject.origin, bob), bucketQuota: 1 });
    expect(await bobs.room({ store: "s3" })).toBe(false);
    expect(await shelf.another({ bucketQuota: 1 }).room({ store: "s3" })).toBe(true);
    await shelf.close();
  });
});

function errorOf(status: number, code: string): Response {
  return new Response(`<Error><Code>${code}</Code></Error>`, { status });
}
