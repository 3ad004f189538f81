/** Values and verbs that the objects' tests share. */
import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { sha256Hex } from "#contract/bytes";
import { parseWallet, type Wallet } from "#contract/wallet";
import { type Authorization, NETWORKS } from "#contract/x402";
import type { KeyUse } from "../../durable/keys.ts";
import type { Claim } from "../../durable/ledger.ts";
import type { Content } from "../../durable/plans.ts";
import { claimKeyOf, type SettlementEnd } from "../../durable/ports.ts";
import type { Wanted } from "../../durable/quotes.ts";
import type { WalletRemote } from "../../worker/flow/ports.ts";
import type { WalletDO } from "./worker.ts";
import { clockOf, worldOf } from "./world.ts";

let serial = 0;

/** 64 hex digits nobody has seen before. */
export function freshHex(): string {
  serial += 1;
  return sha256Hex(`${serial}|${performance.now()}|${Math.random()}`);
}

export function addressOf(hex40: string): Wallet {
  const wallet = parseWallet(`0x${hex40}`);
  if (!wallet) throw new Error(`${hex40} is not 40 hex digits`);
  return wallet;
}

export const PAY_TO = addressOf("00000000000000000000000000000000000000aa");

export function freshWallet(): Wallet {
  return addressOf(freshHex().slice(0, 40));
}

/** A wallet object as the edge sees it. */
export function walletAt(name: string): WalletRemote {
  return env.WALLET.getByName(name) as unknown as WalletRemote;
}

export function wantedOf(over: Partial<Wanted> = {}): Wanted {
  return {
    agentId: "main",
    objectKey: "letters.tar",
    objectId: "letters",
    objectIdHash: "",
    region: "us-east-1",
    sizeMax: 1_000,
    amount: "20000",
    card: "test-card",
    ...over,
  };
}

export function authorizationOf(from: Wallet, over: Partial<Authorization> = {}): Authorization {
  return {
    from,
    to: PAY_TO,
    value: 20_000n,
    validAfterS: 0n,
    validBeforeS: BigInt(Math.floor(clockOf(from).nowMs() / 1000) + 120),
    nonce: `0x${freshHex()}`,
    ...over,
  };
}

export function claimOf(from: Wallet, over: Partial<Claim> = {}, authorization = authorizationOf(from)): Claim {
  return {
    claimKey: claimKeyOf(NETWORKS[84532].caip2, NETWORKS[84532].usdc, authorization),
    authorization,
    signature: `0x${"11".repeat(65)}`,
    fingerprint: "this request",
    fault: undefined,
    ...over,
  };
}

export function settledAt(blockTimeMs: number): SettlementEnd {
  return {
    end: "settled",
    proof: {
      txHash: `0x${freshHex()}`,
      blockNumber: 7n,
      blockTimeMs,
      gasUsed: 86_000n,
      effectiveGasPrice: 1_000_000_000n,
    },
  };
}

export const UNKNOWN: SettlementEnd = { end: "unknown", txHash: undefined };

export function refusedAs(leftUs: boolean): SettlementEnd {
  return { end: "refused", reason: "a_reason", detail: "a sentence", leftUs };
}

export function contentOf(over: Partial<Content> = {}): Content {
  return { lengthBytes: 900, sha256: "ab".repeat(32), wrappedDek: undefined, ...over };
}

/** Fails the test where a refusal or another step came instead of what the story needs. */
export function must<T, U extends T>(value: T, is: (value: T) => value is U): U {
  if (!is(value)) throw new Error(`not what the story needs: ${JSON.stringify(value, show)}`);
  return value;
}

function show(_: string, value: unknown): unknown {
  return typeof value === "bigint" ? value.toString() : value;
}

type Ok<T> = Extract<T, { ok: true }>;

export function good<T extends { ok: boolean }>(value: T): Ok<T> {
  return must(value, (each): each is T & Ok<T> => each.ok);
}

/** Buys by a bare payment and settles it now. */
export async function buy(wallet: Wallet, over: Partial<Wanted> = {}, identifier?: KeyUse) {
  const claim = claimOf(wallet);
  const purchase = { wanted: wantedOf(over) };
  const begun = good(await walletAt(wallet).beginPayment(undefined, claim, purchase, undefined, identifier));
  const settled = settledAt(Math.floor(clockOf(wallet).nowMs() / 1000) * 1000);
  await walletAt(wallet).finishPayment(claim.claimKey, settled);
  return { claim, orderId: begun.payment.orderId };
}

/** A plan of the order, its bucket made on the way. */
export async function planOf(
  wallet: Wallet,
  orderId: string,
  content: Content,
  asker: "wallet" | "holder" | "payment" = "wallet",
): Promise<Awaited<ReturnType<ReturnType<typeof walletAt>["plan"]>>> {
  const step = await walletAt(wallet).plan(undefined, { orderId }, content, asker, undefined, undefined);
  if (!step.ok || step.step === "put") return step;
  if (step.step === "open") await walletAt(wallet).finishParts(orderId, step.plan.plan, `upload of ${step.place.key}`);
  else await walletAt(wallet).finishBucket(step.bucket, "ready");
  return planOf(wallet, orderId, content, asker);
}

export async function putPlanOf(wallet: Wallet, orderId: string, content: Content) {
  const step = good(await planOf(wallet, orderId, content));
  if (step.step !== "put") throw new Error("the bucket is ready, so the next step is to PUT");
  return step;
}

/** Bought, planned and confirmed. */
export async function store(wallet: Wallet, over: Partial<Wanted> = {}, content = contentOf()) {
  const { orderId, claim } = await buy(wallet, over);
  const { plan, place } = await putPlanOf(wallet, orderId, content);
  good(await walletAt(wallet).finishConfirm(orderId, plan.plan));
  return { orderId, claim, plan, place };
}

export function alarmOf(name: string): Promise<number | null> {
  return runInDurableObject(env.WALLET.getByName(name), (_, state) => state.storage.getAlarm());
}

export function sqlOf<T extends Record<string, SqlStorageValue>>(name: string, query: string): Promise<T[]> {
  return runInDurableObject(env.WALLET.getByName(name), (_, state) => state.storage.sql.exec<T>(query).toArray());
}

export function evict(name: string): Promise<void> {
  return evictDurableObject(env.WALLET.getByName(name));
}

/** Moves the wallet's clock and runs each alarm that falls due on the way, in order; answers how many ran. */
export async function advance(name: string, ms: number): Promise<number> {
  const world = worldOf(name);
  const now = () => clockOf(name).nowMs();
  const target = now() + ms;
  for (let ran = 0; ran < 1_000; ran++) {
    const at = await alarmOf(name);
    // An alarm in this world's past was set with a pause, which the object counts from the wall's clock.
    const due = at === null ? Infinity : at > now() ? at : ran === 0 ? now() : now() + 5_000;
    if (due > target) {
      world.aheadMs += Math.max(0, target - now());
      return ran;
    }
    world.aheadMs += Math.max(0, due - now());
    await runDurableObjectAlarm(env.WALLET.getByName(name));
  }
  throw new Error("the alarm comes back without end");
}

/**
 * What a method throws, asked inside the object: a rejected call over RPC is reported by the runner a second time, as nobody's.
 */
export async function thrownBy(name: string, work: (wallet: WalletDO) => unknown): Promise<string> {
  return runInDurableObject(env.WALLET.getByName(name), (wallet) => {
    try {
      return `nothing, it answered ${JSON.stringify(work(wallet), show)}`;
    } catch (error) {
      return String(error);
    }
  });
}
