import { describe, expect, it } from "vitest";
import { REPLACEMENT_IDLE_DAYS, UPLOAD_URL_TTL_S } from "#contract/limits";
import { compositeSha256 } from "#contract/parts";
import { DAY_MS } from "#rules/calendar";
import {
  advance,
  buy,
  contentOf,
  evict,
  freshHex,
  freshWallet,
  good,
  putPlanOf,
  sqlOf,
  store,
  walletAt,
} from "./fixture.ts";
import { clockOf, worldOf } from "./world.ts";

const MIB = 1024 ** 2;
const SIZE = 25 * MIB;
const inParts = (over = {}) => contentOf({ lengthBytes: SIZE, sha256: freshHex(), partBytes: 10 * MIB, ...over });
const hashes = [freshHex(), freshHex(), freshHex()];
const pins = hashes.map((sha256, index) => ({ part: index + 1, sha256 }));

async function begun(content = inParts()) {
  const wallet = freshWallet();
  const { orderId } = await buy(wallet, { sizeMax: SIZE });
  const step = await putPlanOf(wallet, orderId, content);
  const pin = (some: typeof pins, asker: "wallet" | "holder" = "holder") =>
    walletAt(wallet).pinParts(undefined, orderId, step.plan.plan, some, asker);
  return { wallet, orderId, content, step, pin };
}

describe("a content in parts", () => {
  it("has one upload for all who ask, the first that was written down", async () => {
    const wallet = freshWallet();
    const { orderId } = await buy(wallet, { sizeMax: SIZE });
    const content = inParts();
    const { plan } = await putPlanOf(wallet, orderId, content);
    const second = await walletAt(wallet).finishParts(orderId, plan.plan, "another upload");
    expect(second.uploadId).toBe(plan.uploadId);
    await evict(wallet);
    expect((await putPlanOf(wallet, orderId, content)).plan.uploadId).toBe(plan.uploadId);
  });

  it("asks for an upload until one is written down, and again when S3 has lost it", async () => {
    const { wallet, orderId, content, step } = await begun();
    const ask = () => walletAt(wallet).plan(undefined, { orderId }, content, "wallet", undefined, undefined);
    await walletAt(wallet).forgetParts(orderId, step.plan.plan, "some other upload");
    expect(good(await ask()).step).toBe("put");
    await walletAt(wallet).forgetParts(orderId, step.plan.plan, step.plan.uploadId ?? "");
    for (let n = 0; n < 2; n++) expect(good(await ask()).step).toBe("open");
    await walletAt(wallet).finishParts(orderId, step.plan.plan, "the new one");
    expect(good(await ask())).toMatchObject({ step: "put", plan: { uploadId: "the new one", plan: step.plan.plan } });
  });

  it("keeps each part's hash as it was announced, and has no part beyond its length", async () => {
    const { pin } = await begun();
    good(await pin(pins.slice(0, 2)));
    good(await pin(pins.slice(0, 2)));
    expect(await pin([{ part: 2, sha256: freshHex() }])).toMatchObject({ code: "bytes_mismatch" });
    expect(await pin([{ part: 4, sha256: freshHex() }])).toMatchObject({ code: "size_out_of_range" });
    // All or none: the good part beside the bad one was not taken down.
    expect(
      await pin([
        { part: 3, sha256: freshHex() },
        { part: 9, sha256: freshHex() },
      ]),
    ).toMatchObject({ ok: false });
    good(await pin(pins));
  });

  it("is no larger than what was paid for, in whatever parts", async () => {
    const wallet = freshWallet();
    const { orderId } = await buy(wallet, { sizeMax: SIZE });
    const ask = (content: ReturnType<typeof inParts>) =>
      walletAt(wallet).plan(undefined, { orderId }, content, "wallet", undefined, undefined);
    expect(await ask(inParts({ lengthBytes: SIZE + 1 }))).toMatchObject({ code: "size_out_of_range" });
  });

  it("goes on in the parts it has when the size was not chosen, and starts anew when another was", async () => {
    const { wallet, orderId, content, step } = await begun();
    const same = await putPlanOf(wallet, orderId, { ...content, partBytes: 16 * MIB, anyPartBytes: true });
    expect(same.plan).toMatchObject({ plan: step.plan.plan, partBytes: 10 * MIB });
    const other = await putPlanOf(wallet, orderId, { ...content, partBytes: 5 * MIB });
    expect(other.plan.plan).toBe(step.plan.plan + 1);
    const { partBytes: _, ...whole } = content;
    expect((await putPlanOf(wallet, orderId, whole)).plan.partBytes).toBeUndefined();
  });

  it("gives up the parts of the content before it, so that no order keeps two", async () => {
    const { wallet, orderId, step, pin } = await begun();
    good(await pin(pins));
    await putPlanOf(wallet, orderId, inParts());
    expect(await pin(pins)).toMatchObject({ code: "plan_gone" });
    const [row] = await sqlOf<{ parts: number; s3_key: string; final_ms: number }>(wallet, "SELECT * FROM erasures");
    expect(row).toMatchObject({ s3_key: step.place.key, parts: 1 });
    const places: unknown[] = [];
    worldOf(wallet).erase = async (place) => {
      places.push(place);
      return { end: "done" };
    };
    await advance(wallet, 3_600_000);
    expect(places).toEqual([step.place, step.place]);
    expect(step.place.parts).toBe(true);
    expect(await sqlOf(wallet, "SELECT * FROM erasures")).toEqual([]);
    expect(await sqlOf(wallet, `SELECT * FROM parts WHERE plan = ${step.plan.plan}`)).toEqual([]);
  });

  it("is stored under the composite of what was announced, and only when all of it was", async () => {
    const { wallet, orderId, step, pin } = await begun();
    good(await pin(pins.slice(1)));
    expect(await walletAt(wallet).finishConfirm(orderId, step.plan.plan)).toMatchObject({ code: "bytes_not_found" });
    good(await pin(pins));
    const { plan } = good(await walletAt(wallet).finishConfirm(orderId, step.plan.plan));
    expect(plan).toMatchObject({ state: "stored", composite: compositeSha256(hashes) });
    expect(await sqlOf(wallet, "SELECT * FROM parts")).toEqual([]);
  });

  it("that would replace a stored one is the wallet's alone, and is given up when nobody asks about it", async () => {
    const wallet = freshWallet();
    const { orderId } = await store(wallet, { sizeMax: SIZE });
    const { plan, place } = await putPlanOf(wallet, orderId, inParts());
    const pin = (asker: "wallet" | "holder") => walletAt(wallet).pinParts(undefined, orderId, plan.plan, pins, asker);
    expect(await pin("holder")).toMatchObject({ code: "object_key_exists" });
    good(await pin("wallet"));
    worldOf(wallet).assemble = async () => ({ end: "incomplete", missing: [2] });
    await advance(wallet, (REPLACEMENT_IDLE_DAYS - 1) * DAY_MS);
    good(await pin("wallet"));
    await advance(wallet, (REPLACEMENT_IDLE_DAYS + 3) * DAY_MS);
    expect(await pin("wallet")).toMatchObject({ code: "plan_gone" });
    expect(worldOf(wallet).erased.map(({ key }) => key)).toContain(place.key);
  });
});

describe("bytes nobody confirmed", () => {
  const soon = (UPLOAD_URL_TTL_S + 120) * 1000;

  it("are found by the alarm after the last URL has died: the order is stored", async () => {
    const wallet = freshWallet();
    const { orderId } = await buy(wallet);
    const content = contentOf();
    const { plan, place } = await putPlanOf(wallet, orderId, content);
    const looked: number[] = [];
    worldOf(wallet).look = async ({ key }) => {
      looked.push(clockOf(wallet).nowMs());
      return key === place.key
        ? { end: "found", lengthBytes: content.lengthBytes, sha256Hex: content.sha256 }
        : { end: "absent" };
    };
    const untilMs = plan.urlUntilMs;
    await advance(wallet, soon);
    expect(looked).toHaveLength(1);
    expect(looked[0]).toBeGreaterThan(untilMs);
    const { order } = good(await walletAt(wallet).readOrder(undefined, { orderId }));
    expect(order).toMatchObject({ state: "stored", storedPlan: plan.plan });
    await advance(wallet, 10 * DAY_MS);
    expect(looked).toHaveLength(1);
  });

  it("of parts are put together by the alarm", async () => {
    const { wallet, orderId, step, pin } = await begun();
    good(await pin(pins));
    const asked: unknown[] = [];
    worldOf(wallet).assemble = async (upload, parts) => {
      asked.push([upload.uploadId, parts]);
      const composite = { sha256Hex: compositeSha256(hashes), parts: 3 };
      return { end: "found", lengthBytes: SIZE, sha256Hex: undefined, composite };
    };
    await advance(wallet, soon);
    const lengths = [10 * MIB, 10 * MIB, 5 * MIB];
    const announced = hashes.map((sha256Hex, at) => ({ part: at + 1, lengthBytes: lengths[at], sha256Hex }));
    expect(asked).toEqual([[step.plan.uploadId, announced]]);
    expect(good(await walletAt(wallet).readOrder(undefined, { orderId })).order.state).toBe("stored");
  });

  it("that are other bytes go, and the entitlement stays", async () => {
    const wallet = freshWallet();
    const { orderId } = await buy(wallet);
    const { place } = await putPlanOf(wallet, orderId, contentOf());
    worldOf(wallet).look = async () => ({ end: "found", lengthBytes: 7, sha256Hex: undefined });
    await advance(wallet, 2 * soon);
    expect(worldOf(wallet).erased.map(({ key }) => key)).toContain(place.key);
    const { order } = good(await walletAt(wallet).readOrder(undefined, { orderId }));
    expect(order).toMatchObject({ state: "paid", storedPlan: undefined });
    good(await putPlanOf(wallet, orderId, contentOf()));
  });

  it("are looked for ever more rarely while S3 does not answer or has nothing, and found when they come", async () => {
    const wallet = freshWallet();
    const { orderId } = await buy(wallet);
    const content = contentOf();
    await putPlanOf(wallet, orderId, content);
    let looks = 0;
    worldOf(wallet).look = async () => {
      looks += 1;
      if (looks % 2 === 0) throw new Error("no route");
      return { end: "absent" };
    };
    await advance(wallet, DAY_MS);
    expect(looks).toBeGreaterThan(3);
    expect(looks).toBeLessThan(10);
    worldOf(wallet).look = async () => ({ end: "found", lengthBytes: content.lengthBytes, sha256Hex: content.sha256 });
    await advance(wallet, DAY_MS);
    expect(good(await walletAt(wallet).readOrder(undefined, { orderId })).order.state).toBe("stored");
  });

  it("of a deleted order are not looked for", async () => {
    const wallet = freshWallet();
    const { orderId } = await buy(wallet);
    await putPlanOf(wallet, orderId, contentOf());
    let looks = 0;
    worldOf(wallet).look = async () => {
      looks += 1;
      return { end: "absent" };
    };
    good(await walletAt(wallet).beginDelete(undefined, "main", "letters.tar"));
    await advance(wallet, 3 * DAY_MS);
    expect(looks).toBe(0);
  });
});
