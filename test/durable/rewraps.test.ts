import { describe, expect, it } from "vitest";
import { REWRAPS_PER_CONTENT_MAX } from "#contract/limits";
import type { Wallet } from "#contract/wallet";
import {
  contentOf,
  freshHex,
  freshWallet,
  good,
  planOf,
  putPlanOf,
  sqlOf,
  store,
  walletAt,
  wantedOf,
} from "./fixture.ts";

const NAME = wantedOf().objectKey;
const FIRST = "Zmlyc3Q=";
const SECOND = "c2Vjb25k";
const content = contentOf({ wrappedDek: FIRST });

const rewrap = (wallet: Wallet, replaces: string, wrappedDek: string, objectKey = NAME) =>
  walletAt(wallet).rewrap(undefined, { agentId: "main", objectKey, replaces, wrappedDek });
const inForce = async (wallet: Wallet) =>
  good(await walletAt(wallet).stat(undefined, "main", NAME)).content?.wrappedDek;

describe("another wrapped key for the same bytes", () => {
  it("is what everybody is answered from then on, and an event", async () => {
    const wallet = freshWallet();
    await store(wallet, {}, content);
    expect(good(await rewrap(wallet, FIRST, SECOND)).content.wrappedDek).toBe(SECOND);
    expect(await inForce(wallet)).toBe(SECOND);
    const taken = good(
      await walletAt(wallet).takeDownload(undefined, { agentId: "main", objectKey: NAME, range: undefined }),
    );
    expect(taken.content.wrappedDek).toBe(SECOND);
    const { events } = good(await walletAt(wallet).events(undefined, 0, 100));
    expect(events.filter(({ kind }) => kind === "key.rewrapped")).toHaveLength(1);
  });

  it("may be told twice, and is refused to whoever names a key that is not in force", async () => {
    const wallet = freshWallet();
    await store(wallet, {}, content);
    good(await rewrap(wallet, FIRST, SECOND));
    good(await rewrap(wallet, FIRST, SECOND));
    expect(await rewrap(wallet, FIRST, "dGhpcmQ=")).toMatchObject({ ok: false, code: "wrapped_dek_changed" });
    expect(await inForce(wallet)).toBe(SECOND);
    expect(await sqlOf(wallet, "SELECT 1 FROM journal WHERE kind = 'key.rewrapped'")).toHaveLength(1);
  });

  it("of two at once exactly one counts", async () => {
    const wallet = freshWallet();
    await store(wallet, {}, content);
    const ends = await Promise.all(["QQ==", "Qg==", "Qw=="].map((each) => rewrap(wallet, FIRST, each)));
    expect(ends.filter(({ ok }) => ok)).toHaveLength(1);
  });

  it("goes with its content: another content brings its own, and the old one's changes nothing", async () => {
    const wallet = freshWallet();
    const { orderId } = await store(wallet, {}, content);
    good(await rewrap(wallet, FIRST, SECOND));
    const next = contentOf({ sha256: freshHex(), wrappedDek: "bmV4dA==" });
    const { plan } = await putPlanOf(wallet, orderId, next);
    good(await walletAt(wallet).finishConfirm(orderId, plan.plan));
    expect(await inForce(wallet)).toBe("bmV4dA==");
    expect(await rewrap(wallet, SECOND, "dGhpcmQ=")).toMatchObject({ code: "wrapped_dek_changed" });
  });

  it("leaves the same content the same content: whoever asks for its plan again has nothing to send", async () => {
    const wallet = freshWallet();
    const { orderId, plan } = await store(wallet, {}, content);
    good(await rewrap(wallet, FIRST, SECOND));
    expect(good(await planOf(wallet, orderId, content))).toMatchObject({ plan: { plan: plan.plan, state: "stored" } });
  });

  it("is refused for what is not there, and when it was replaced too often", async () => {
    const wallet = freshWallet();
    await store(wallet, {}, content);
    expect(await rewrap(wallet, FIRST, SECOND, "other")).toMatchObject({ code: "object_not_found" });
    await sqlOf(wallet, `UPDATE plans SET rewraps = ${REWRAPS_PER_CONTENT_MAX}`);
    expect(await rewrap(wallet, FIRST, SECOND)).toMatchObject({ code: "rewraps_used" });
    expect(await inForce(wallet)).toBe(FIRST);
  });
});
