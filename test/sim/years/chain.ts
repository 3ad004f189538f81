/**
 * The chain for histories of years, at the Chain port: an authorization lands once, in its window; now and then its outcome is not
 * known for a while, is refused, lands though it was refused, or a reorg takes it for good before it is final.
 */

import type { Wallet } from "#contract/wallet";
import type { Authorization } from "#contract/x402";
import type { Recheck, SettlementEnd, SettlementJob, TransferProof } from "../../../durable/ports.ts";
import type { Random } from "../random.ts";
import type { Time } from "../time.ts";

interface Transfer {
  readonly authorization: Authorization;
  readonly proof: TransferProof;
}

/** What will become of an authorization; drawn when it is first seen. */
interface Fate {
  readonly end: "lands" | "unsent" | "void" | "void, lands";
  /** Nothing is said before this. */
  readonly knownMs: number;
  readonly reorgMs: number | undefined;
  readonly forGood: boolean;
  /** What the simulation before the broadcast said; an end is an end. */
  readonly unfit: SettlementEnd | undefined;
}

const FINAL_MS = 1_500_000;

export class YearChain {
  readonly transfers = new Map<string, Transfer>();
  /** Neither relayer nor RPC can be reached: nothing is sent, nothing is told. */
  down = false;
  /** Told of every attempt to send. */
  onSend: ((job: SettlementJob) => void) | undefined;
  /** Nonces that their owners have cancelled (EIP-3009 `cancelAuthorization`). */
  readonly #cancelled = new Set<string>();
  /** When a wallet had nothing. */
  readonly #poor: { readonly wallet: Wallet; readonly fromMs: number; readonly toMs: number }[] = [];
  readonly #claims = new Map<string, Set<string>>();
  /** Claims whose transfer a reorg took, once. */
  readonly #taken = new Set<string>();
  readonly #fates = new Map<string, Fate>();
  readonly #time: Time;
  readonly #random: Random;

  readonly #slow: number;

  constructor(time: Time, random: Random, slow: number) {
    this.#slow = slow;
    this.#time = time;
    this.#random = random;
  }

  cancel(wallet: Wallet, nonce: string): void {
    this.#cancelled.add(`${wallet}|${nonce}`);
  }

  broke(wallet: Wallet, fromMs: number, toMs: number): void {
    this.#poor.push({ wallet, fromMs, toMs });
  }

  /** Between these, was there always money, and was the authorization good? */
  wouldPay(wallet: Wallet, nonce: string, fromMs: number, toMs: number): boolean {
    const poor = this.#poor.some((each) => each.wallet === wallet && each.fromMs < toMs && each.toMs > fromMs);
    return !poor && !this.#cancelled.has(`${wallet}|${nonce}`);
  }

  /** Everything that ever went from this wallet to us and stayed. */
  sentBy(wallet: Wallet): bigint {
    let sum = 0n;
    for (const claim of this.#claims.get(wallet) ?? []) sum += this.transfers.get(claim)?.authorization.value ?? 0n;
    return sum;
  }

  settle(job: SettlementJob): SettlementEnd {
    if (job.ask !== "look") this.onSend?.(job);
    if (this.down) return { end: "unknown", txHash: undefined };
    const key = `${job.claimKey}|${job.attempt}`;
    const known = this.#fates.get(key);
    if (!known && job.ask === "look") return this.#look(job) ?? refused(true);
    const fate = known ?? this.#draw(job);
    this.#fates.set(key, fate);
    if (fate.unfit) return fate.unfit;
    const { nowMs } = this.#time;
    const landed = this.#look(job);
    if (landed) return landed;
    if (nowMs < fate.knownMs) return { end: "unknown", txHash: undefined };
    if (fate.end === "unsent") return refused(false);
    const gone = this.#taken.has(job.claimKey) && fate.forGood;
    // Sent, and then there was no money any more, or the nonce was burnt.
    if (this.#unfit(job)) {
      this.#fates.set(key, { ...fate, end: "void" });
      return refused(true);
    }
    const closed = BigInt(Math.floor(nowMs / 1000)) >= job.authorization.validBeforeS;
    if (gone || fate.end === "void" || (fate.end === "void, lands" && job.ask !== "look") || (closed && !known))
      return refused(true);
    const proof = this.#proof(Math.min(nowMs, Number(job.authorization.validBeforeS) * 1000 - 1_000));
    this.transfers.set(job.claimKey, { authorization: job.authorization, proof });
    const { from } = job.authorization;
    this.#claims.set(from, (this.#claims.get(from) ?? new Set()).add(job.claimKey));
    return { end: "settled", proof };
  }

  /** What a simulation of the transfer says, and the chain after it. */
  #unfit({ authorization: { from, nonce, validAfterS } }: SettlementJob): SettlementEnd | undefined {
    const { nowMs } = this.#time;
    const said = (reason: string): SettlementEnd => ({ end: "refused", reason, detail: "simulated", leftUs: false });
    if (this.#cancelled.has(`${from}|${nonce}`)) return said("invalid_exact_evm_nonce_already_used");
    // Block time trails by up to two seconds.
    if (Number(validAfterS) * 1000 >= nowMs) return said("invalid_exact_evm_payload_authorization_valid_after");
    return this.wouldPay(from, nonce, nowMs, nowMs + 1) ? undefined : said("insufficient_funds");
  }

  recheck({ claimKey, attempt }: SettlementJob): Recheck {
    if (this.down) return { end: "unknown" };
    const transfer = this.transfers.get(claimKey);
    const fate = this.#fates.get(`${claimKey}|${attempt}`);
    const { nowMs } = this.#time;
    if (!transfer) return { end: "vanished" };
    const reorgMs = fate?.reorgMs ?? 0;
    if (reorgMs > 0 && nowMs >= reorgMs && !this.#taken.has(claimKey)) {
      this.#taken.add(claimKey);
      this.transfers.delete(claimKey);
      return { end: "vanished" };
    }
    if (reorgMs > nowMs || nowMs - transfer.proof.blockTimeMs < FINAL_MS)
      return { end: "standing", proof: transfer.proof };
    return { end: "final", proof: transfer.proof };
  }

  #look({ claimKey }: SettlementJob): SettlementEnd | undefined {
    const transfer = this.transfers.get(claimKey);
    return transfer && { end: "settled", proof: transfer.proof };
  }

  #draw(job: SettlementJob): Fate {
    const { nowMs } = this.#time;
    const dice = this.#random.next();
    const end = dice < 0.96 ? "lands" : dice < 0.98 ? "unsent" : dice < 0.99 ? "void" : "void, lands";
    // Mostly for minutes; now and then endpoints do not agree for hours, while an object's end comes.
    const late = this.#random.chance(this.#slow)
      ? this.#random.between(1_000, this.#random.pick([900_000, 900_000, 10_800_000]))
      : 0;
    const reorg = end === "lands" && this.#random.chance(0.004);
    return {
      end,
      knownMs: nowMs + late,
      reorgMs: reorg ? nowMs + late + this.#random.between(1_000, 600_000) : undefined,
      forGood: this.#random.chance(0.5),
      unfit: this.#unfit(job),
    };
  }

  #proof(atMs: number): TransferProof {
    const blockTimeMs = Math.floor(atMs / 2_000) * 2_000;
    return {
      txHash: `0x${this.#random.hex(32)}`,
      blockNumber: BigInt(blockTimeMs / 2_000),
      blockTimeMs,
      gasUsed: 86_000n,
      effectiveGasPrice: 1_000n,
    };
  }
}

function refused(leftUs: boolean): SettlementEnd {
  return { end: "refused", reason: "refused_by_chance", detail: "it did not land", leftUs };
}
