/**
 * One gas payer, one nonce lane. Two wallets that settle at once share the relayer's account, so its nonce needs an object of its
 * own. The signed transaction and its hash are written before anything is sent; what was sent is settled, void, or asked about again.
 *
 * A job is `queued` (never left us; may be dropped), `sent` (a signed transaction exists), `settled`, or `void` (left us, did not
 * pay, will not be sent again; a proof that shows up later still counts).
 */
import { DurableObject } from "cloudflare:workers";
import { parseWallet, type Wallet } from "#contract/wallet";
import { packAuthorization, unpackAuthorization } from "./payments.ts";
import type { ChainRpc, ClaimKey, Clock, Secrets, SettlementEnd, SettlementJob, TransferProof } from "./ports.ts";
import { migrateRelayer } from "./schema.ts";
import { addressOf, signTransaction, type Unsigned } from "./sign.ts";

export interface RelayerPorts {
  readonly clock: Clock;
  readonly rpc: ChainRpc;
  readonly secrets: Secrets;
  /** Where this relayer's key lies. */
  readonly secretId: string;
  /** Fees above this are not paid; the payment waits or is refused unsent. */
  readonly feeCeilingWei: bigint;
  /** The transaction that lands an authorization. */
  build(job: SettlementJob, nonce: number, fees: Fees): Unsigned;
}

export interface Fees {
  readonly maxFeePerGas: bigint;
  readonly maxPriorityFeePerGas: bigint;
}

type JobState = "queued" | "sent" | "settled" | "void";
type JobRow = {
  claim_key: string;
  authorization: string;
  signature: string;
  state: string;
  accepted_ms: number;
  from_block: string | null;
  proof: string | null;
  reason: string | null;
  detail: string | null;
};
type SlotRow = { hash: string; claim_key: string; raw: string; signed_ms: number };

const POLL_MS = 400;
/** A transaction nobody has seen for this long is handed to the node again; the same bytes, so it cannot pay twice. */
const RESEND_AFTER_MS = 6_000;
const REVIEW_MS = 10_000;

export abstract class RelayerObject<Env = unknown> extends DurableObject<Env> {
  /** The sockets of the relayer with this address; opened once. */
  protected abstract openPorts(address: Wallet): RelayerPorts;
  #ports: RelayerPorts | undefined;
  #key: `0x${string}` | undefined;
  readonly #dispatching = new Map<ClaimKey, Promise<void>>();
  #watching: Promise<void> | undefined;
  #watchers = 0;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    migrateRelayer(ctx.storage);
    ctx.blockConcurrencyWhile(async () => {
      if ((await ctx.storage.getAlarm()) === null) this.#rearm();
    });
  }

  /** Idempotent by claim key: asks again, never pays again. Waits at most `waitMs` for an end. */
  async settle(job: SettlementJob, waitMs: number): Promise<SettlementEnd> {
    const deadlineMs = this.#world().clock.nowMs() + waitMs;
    this.#accept(job);
    if (this.#stateOf(job.claimKey) === "void") await this.#lookForProof(job.claimKey);
    if (this.#stateOf(job.claimKey) === "queued") await this.#dispatchOnce(job.claimKey);
    if (this.#stateOf(job.claimKey) === "sent") await this.#waitFor(job.claimKey, deadlineMs);
    return this.#endOf(job.claimKey);
  }

  override async alarm(): Promise<void> {
    try {
      if (this.#jobs("sent").length > 0) await this.#look(true);
    } catch (error) {
      console.error(JSON.stringify({ code: "relayer_review_failed", detail: String(error) }));
    } finally {
      this.#rearm();
    }
  }

  #accept(job: SettlementJob): void {
    this.ctx.storage.sql.exec(
      "INSERT OR IGNORE INTO jobs (claim_key, authorization, signature, state, accepted_ms) VALUES (?, ?, ?, 'queued', ?)",
      job.claimKey,
      packAuthorization(job.authorization),
      job.signature,
      this.#world().clock.nowMs(),
    );
  }

  /** Many callers may ask for one claim; one of them sends. */
  #dispatchOnce(claimKey: ClaimKey): Promise<void> {
    const running = this.#dispatching.get(claimKey);
    if (running) return running;
    const started = this.#dispatch(claimKey)
      // Nothing was signed, so nothing left us: the claim may be dropped and tried again.
      .catch((error: unknown) => this.#drop(claimKey, "settlement_unavailable", String(error)))
      .finally(() => this.#dispatching.delete(claimKey));
    this.#dispatching.set(claimKey, started);
    return started;
  }

  async #dispatch(claimKey: ClaimKey): Promise<void> {
    const { rpc } = this.#world();
    const job = this.#job(claimKey);
    if (!job) return;
    const address = this.#address();
    const [head, fault] = await Promise.all([
      rpc.head("latest"),
      rpc.simulate(job.authorization, job.signature, address),
    ]);
    this.ctx.storage.sql.exec(
      "UPDATE jobs SET from_block = coalesce(from_block, ?) WHERE claim_key = ?",
      head.number.toString(),
      claimKey,
    );
    if (fault !== undefined) {
      // Somebody may have submitted it for us in this very moment; then it has paid.
      await this.#lookForProof(claimKey);
      if (this.#stateOf(claimKey) === "queued") this.#drop(claimKey, faultReason(fault), fault);
      return;
    }
    const [key, fees, count, balanceWei] = await Promise.all([
      this.#relayerKey(address),
      rpc.fees(),
      rpc.transactionCount(address),
      rpc.balanceWei(address),
    ]);
    if (fees.maxFeePerGas > this.#world().feeCeilingWei)
      throw new Error(`gas costs ${fees.maxFeePerGas} wei, above the ceiling of ${this.#world().feeCeilingWei}`);
    if (balanceWei < fees.maxFeePerGas * 200_000n) throw new Error("the relayer is out of gas money");
    const raw = this.#sign(job, key, fees, count);
    // The answer does not matter: whether it was taken, only the chain says; the watcher sends the same bytes again.
    if (raw !== undefined) await rpc.send(raw).catch(() => undefined);
  }

  /** Takes the next nonce, signs, and writes both down: one synchronous transaction. */
  #sign(job: SettlementJob, key: `0x${string}`, fees: Fees, chainCount: number): `0x${string}` | undefined {
    const { storage } = this.ctx;
    return storage.transactionSync(() => {
      if (this.#stateOf(job.claimKey) !== "queued") return undefined;
      const kept = storage.sql.exec<{ value: string }>("SELECT value FROM meta WHERE key = 'next_nonce'").toArray()[0];
      const nonce = Math.max(Number(kept?.value ?? 0), chainCount);
      const { raw, hash } = signTransaction(this.#world().build(job, nonce, fees), key);
      storage.sql.exec(
        "INSERT INTO slots (hash, nonce, claim_key, raw, signed_ms, max_fee) VALUES (?, ?, ?, ?, ?, ?)",
        hash,
        nonce,
        job.claimKey,
        raw,
        this.#world().clock.nowMs(),
        fees.maxFeePerGas.toString(),
      );
      storage.sql.exec("UPDATE jobs SET state = 'sent', nonce = ? WHERE claim_key = ?", nonce, job.claimKey);
      storage.sql.exec(
        "INSERT INTO meta (key, value) VALUES ('next_nonce', ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        String(nonce + 1),
      );
      this.#rearm();
      return raw;
    });
  }

  async #waitFor(claimKey: ClaimKey, deadlineMs: number): Promise<void> {
    this.#watchers += 1;
    try {
      while (this.#stateOf(claimKey) === "sent" && this.#world().clock.nowMs() < deadlineMs) {
        this.#watching ??= this.#watchOnce().finally(() => {
          this.#watching = undefined;
        });
        await this.#watching;
      }
    } finally {
      this.#watchers -= 1;
    }
  }

  /** One look at everything that is under way, shared by all who wait. */
  async #watchOnce(): Promise<void> {
    try {
      await this.#look(false);
    } catch {
      // An endpoint that does not answer makes the outcome unknown for longer, nothing else.
    }
    if (this.#jobs("sent").length > 0) await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }

  async #look(finality: boolean): Promise<void> {
    const slots = this.ctx.storage.sql
      .exec<SlotRow>("SELECT slots.* FROM slots JOIN jobs USING (claim_key) WHERE jobs.state = 'sent' LIMIT 200")
      .toArray();
    const receipts = await this.#world().rpc.receipts(slots.map((slot) => slot.hash as `0x${string}`));
    for (const [index, slot] of slots.entries()) {
      const receipt = receipts[index];
      const job = this.#job(slot.claim_key);
      if (!job) continue;
      if (receipt) {
        const proof = receipt.succeeded ? await receipt.transferOf(job.authorization) : undefined;
        if (proof) this.#settled(job.claimKey, proof);
        else await this.#notOurs(job);
      } else {
        if (this.#world().clock.nowMs() - slot.signed_ms > RESEND_AFTER_MS)
          await this.#world()
            .rpc.send(slot.raw as `0x${string}`)
            .catch(() => undefined);
        if (finality) await this.#expire(job);
      }
    }
  }

  /** Our transaction is on chain and did not pay: somebody else's may have, or the nonce is burnt. */
  async #notOurs(job: SettlementJob): Promise<void> {
    await this.#lookForProof(job.claimKey);
    if (this.#stateOf(job.claimKey) !== "sent") return;
    const used = await this.#world().rpc.authorizationUsed(job.authorization, "latest");
    this.#void(
      job.claimKey,
      used ? "invalid_exact_evm_nonce_already_used" : "invalid_exact_evm_transaction_failed",
      used ? "the authorization's nonce was used or cancelled without paying us" : "the transfer reverted on chain",
    );
  }

  /** Unused and past its window at a finalized block: it can never land any more. */
  async #expire(job: SettlementJob): Promise<void> {
    const head = await this.#world().rpc.head("finalized");
    if (head.timeS <= job.authorization.validBeforeS) return;
    await this.#lookForProof(job.claimKey);
    if (this.#stateOf(job.claimKey) === "sent")
      this.#void(job.claimKey, "expired", "the authorization's window closed before it landed");
  }

  async #lookForProof(claimKey: ClaimKey): Promise<void> {
    const row = this.#row(claimKey);
    if (!row || row.from_block === null) return;
    const proof = await this.#world().rpc.findTransfer(unpackAuthorization(row.authorization), BigInt(row.from_block));
    if (proof) this.#settled(claimKey, proof);
  }

  #settled(claimKey: ClaimKey, proof: TransferProof): void {
    this.ctx.storage.sql.exec(
      "UPDATE jobs SET state = 'settled', proof = ? WHERE claim_key = ?",
      JSON.stringify(proof, (_, value) => (typeof value === "bigint" ? value.toString() : value)),
      claimKey,
    );
  }

  #void(claimKey: ClaimKey, reason: string, detail: string): void {
    this.ctx.storage.sql.exec(
      "UPDATE jobs SET state = 'void', reason = ?, detail = ? WHERE claim_key = ? AND state = 'sent'",
      reason,
      detail,
      claimKey,
    );
  }

  readonly #dropped = new Map<ClaimKey, { reason: string; detail: string }>();

  /** Forgets a job that never left us; who waits for it learns why. */
  #drop(claimKey: ClaimKey, reason: string, detail: string): void {
    if (this.#stateOf(claimKey) !== "queued") return;
    this.ctx.storage.sql.exec("DELETE FROM jobs WHERE claim_key = ? AND state = 'queued'", claimKey);
    this.#dropped.set(claimKey, { reason, detail });
    if (this.#dropped.size > 1_000) this.#dropped.delete(this.#dropped.keys().next().value ?? "");
  }

  #endOf(claimKey: ClaimKey): SettlementEnd {
    const row = this.#row(claimKey);
    if (!row) {
      const why = this.#dropped.get(claimKey) ?? { reason: "settlement_unavailable", detail: "the job was withdrawn" };
      return { end: "refused", ...why, leftUs: false };
    }
    if (row.state === "settled" && row.proof !== null) return { end: "settled", proof: unpackProof(row.proof) };
    if (row.state === "void")
      return { end: "refused", reason: row.reason ?? "void", detail: row.detail ?? "", leftUs: true };
    const hash = this.ctx.storage.sql
      .exec<{ hash: string }>("SELECT hash FROM slots WHERE claim_key = ? ORDER BY signed_ms DESC LIMIT 1", claimKey)
      .toArray()[0]?.hash;
    return { end: "unknown", txHash: hash as `0x${string}` | undefined };
  }

  #row(claimKey: ClaimKey): JobRow | undefined {
    return this.ctx.storage.sql.exec<JobRow>("SELECT * FROM jobs WHERE claim_key = ?", claimKey).toArray()[0];
  }

  #job(claimKey: ClaimKey): SettlementJob | undefined {
    const row = this.#row(claimKey);
    return (
      row && {
        claimKey,
        authorization: unpackAuthorization(row.authorization),
        signature: row.signature as `0x${string}`,
        claimedMs: row.accepted_ms,
      }
    );
  }

  #jobs(state: JobState): { claim_key: string }[] {
    return this.ctx.storage.sql
      .exec<{ claim_key: string }>("SELECT claim_key FROM jobs WHERE state = ? LIMIT 200", state)
      .toArray();
  }

  #stateOf(claimKey: ClaimKey): JobState | undefined {
    return this.#row(claimKey)?.state as JobState | undefined;
  }

  async #relayerKey(address: Wallet): Promise<`0x${string}`> {
    this.#key ??= await this.#world().secrets.relayerKey(this.#world().secretId);
    const holder = addressOf(this.#key);
    if (holder !== address) {
      this.#key = undefined;
      throw new Error(`the secret ${this.#world().secretId} is not the key of relayer ${address}`);
    }
    return this.#key;
  }

  #world(): RelayerPorts {
    this.#ports ??= this.openPorts(this.#address());
    return this.#ports;
  }

  #address(): Wallet {
    const { storage } = this.ctx;
    const kept = storage.sql
      .exec<{ value: string }>("SELECT value FROM meta WHERE key = 'address'")
      .toArray()[0]?.value;
    const address = parseWallet(kept ?? this.ctx.id.name);
    if (!address) throw new Error("invariant: a relayer object is named by its address");
    if (kept === undefined) storage.sql.exec("INSERT INTO meta (key, value) VALUES ('address', ?)", address);
    return address;
  }

  /** As long as something is under way, look again soon. */
  #rearm(): void {
    if (this.#jobs("sent").length > 0) void this.ctx.storage.setAlarm(Date.now() + REVIEW_MS);
  }
}

function unpackProof(text: string): TransferProof {
  const raw = JSON.parse(text) as Record<keyof TransferProof, string | number>;
  return {
    txHash: raw.txHash as `0x${string}`,
    blockNumber: BigInt(raw.blockNumber),
    blockTimeMs: Number(raw.blockTimeMs),
    gasUsed: BigInt(raw.gasUsed),
    effectiveGasPrice: BigInt(raw.effectiveGasPrice),
  };
}

/** The token's own revert strings (FiatTokenV2_2, EIP3009.sol), in the x402 reference's words. */
function faultReason(fault: string): string {
  if (/used or canceled/i.test(fault)) return "invalid_exact_evm_nonce_already_used";
  if (/exceeds balance/i.test(fault)) return "invalid_exact_evm_insufficient_balance";
  if (/invalid signature/i.test(fault)) return "invalid_exact_evm_signature";
  if (/not yet valid/i.test(fault)) return "invalid_exact_evm_payload_authorization_valid_after";
  if (/expired/i.test(fault)) return "invalid_exact_evm_payload_authorization_valid_before";
  return "invalid_exact_evm_transaction_simulation_failed";
}
