/**
 * One gas payer, one nonce lane. Two wallets that settle at once share the relayer's account, so its nonce needs an object of its
 * own. The signed transaction and its hash are written before anything is sent; what left us is settled, void, or asked about again.
 *
 * Payments that wait together go together (Multicall3, 45,000 gas each instead of 86,000); a payer with code goes alone, because a
 * contract can burn the gas of its neighbours. What a transaction did is read from the token's logs, never from its status.
 */
import { DurableObject } from "cloudflare:workers";
import { parseWallet, type Wallet } from "#contract/wallet";
import { bumped, type Fees } from "#rules/fees";
import { type Job, Lane } from "./lane.ts";
import type { RelayerPorts } from "./lane-ports.ts";
import type { ChainRpc, ClaimKey, Recheck, SettlementEnd, SettlementJob, TransferProof } from "./ports.ts";
import { canSend, isBelieved } from "./readiness.ts";
import { migrateRelayer } from "./schema.ts";
import { addressOf, signTransaction } from "./sign.ts";
import { vet } from "./vet.ts";

const POLL_MS = 400;
/** Handed to the node again after this long without a receipt: the same bytes, so it cannot pay twice. */
const RESEND_AFTER_MS = 6_000;
/** Replaced by a dearer version after this long. */
const STUCK_AFTER_MS = 20_000;
const REVIEW_MS = 10_000;
const BATCH_MAX = 50;
/** Nonces in flight; more would only queue at the node. */
const OPEN_SLOTS_MAX = 16;
/** Gas money a lane must have for one more transaction, in units of gas. */
const GAS_RESERVE = 200_000n;
/** So many transactions before the money is gone, the operator reads about it with every one of them. */
const GAS_WARNING = 200n;

export abstract class RelayerObject<Env = unknown> extends DurableObject<Env> {
  /** The sockets of the relayer with this address; opened once. */
  protected abstract openPorts(address: Wallet): RelayerPorts;
  #ports: RelayerPorts | undefined;
  #key: `0x${string}` | undefined;
  readonly #lane: Lane;
  #pumping: Promise<void> | undefined;
  #watching: Promise<void> | undefined;
  /** When the alarm is set for; in the past: not set. */
  #alarmMs = 0;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    migrateRelayer(ctx.storage);
    this.#lane = new Lane(ctx.storage.sql);
    ctx.blockConcurrencyWhile(async () => {
      this.#alarmMs = (await ctx.storage.getAlarm()) ?? 0;
      this.#rearm();
    });
  }

  /** Idempotent by claim key: asks again, never pays again. Waits at most `waitMs` for an end. */
  async settle(job: SettlementJob, waitMs: number): Promise<SettlementEnd> {
    const deadlineMs = this.#world().clock.nowMs() + waitMs;
    // A claim that was given up is looked for and never sent, whether this lane has heard of it or not.
    if (job.ask === "look" && this.#state(job.claimKey) !== "sent") return this.#lookAt(job);
    this.#lane.accept(job);
    for (;;) {
      const state = this.#state(job.claimKey);
      if (state !== "queued" && state !== "sent") break;
      if (state === "queued") await this.#pump();
      else await this.#watch();
      if (this.#world().clock.nowMs() >= deadlineMs) break;
      // The slots are full, or fees are above the ceiling: let what is under way get on.
      if (state === "queued" && this.#state(job.claimKey) === "queued") await this.#watch();
    }
    return this.#endOf(job.claimKey);
  }

  async #lookAt(job: SettlementJob): Promise<SettlementEnd> {
    try {
      const proof = await this.#world().rpc.findTransfer(job.authorization, job.claimedMs);
      if (proof && (await isBelieved(this.#world(), job, proof))) return { end: "settled", proof };
    } catch {
      return { end: "unknown", txHash: undefined };
    }
    const known = this.#lane.job(job.claimKey);
    const { reason, detail } = known ?? {
      reason: "void",
      detail: "the claim was given up, and no transfer of it is known",
    };
    return { end: "refused", reason, detail, leftUs: known?.left ?? false };
  }

  /** Is a transfer that was seen still there, and can it no longer go away? */
  async recheck(job: SettlementJob, seen: TransferProof): Promise<Recheck> {
    const { rpc } = this.#world();
    try {
      const [receipt] = await rpc.receipts([seen.txHash]);
      const there = receipt?.succeeded ? await receipt.transferOf(job.authorization) : undefined;
      const proof = there ?? (await rpc.findTransfer(job.authorization, job.claimedMs));
      if (!proof) {
        this.#lane.reopen(job.claimKey);
        this.#rearm();
        return { end: "vanished" };
      }
      if (this.#state(job.claimKey) === "settled") this.#lane.settled(job.claimKey, proof);
      const head = await rpc.head("finalized");
      return { end: head.number >= proof.blockNumber ? "final" : "standing", proof };
    } catch {
      return { end: "unknown" };
    }
  }

  override async alarm(): Promise<void> {
    this.#alarmMs = 0;
    try {
      if (this.#lane.count("queued") > 0) await this.#pump();
      await this.#look(true);
    } catch (error) {
      console.error(JSON.stringify({ code: "relayer_review_failed", detail: String(error) }));
    } finally {
      this.#rearm();
    }
  }

  /** Sends what waits; whoever comes while it runs is part of the next turn, which is how batches come about. */
  #pump(): Promise<void> {
    this.#pumping ??= this.#pumpOnce().finally(() => {
      this.#pumping = undefined;
    });
    return this.#pumping;
  }

  async #pumpOnce(): Promise<void> {
    if (this.#lane.openNonces().length >= OPEN_SLOTS_MAX) return;
    const queued = this.#lane.jobs("queued", BATCH_MAX);
    try {
      const ready = await this.#vet(queued);
      if (ready.length > 0) await this.#send(ready);
    } catch (error) {
      // Nothing was signed in this turn: what never left us is given back, what did leave waits for the next turn.
      for (const job of queued)
        this.#lane.giveBack(
          job.claimKey,
          "settlement_unavailable",
          error instanceof Error ? error.message : String(error),
        );
    }
  }

  /** Those that may be sent now; the others are given up or given back. */
  async #vet(queued: readonly Job[]): Promise<Job[]> {
    const { rpc, clock } = this.#world();
    const nowS = BigInt(Math.floor(clock.nowMs() / 1000));
    const promisedBy = (payer: string) => this.#lane.promisedBy(payer);
    const ready: Job[] = [];
    for (const vetted of await vet(queued, rpc, this.#address(), nowS, promisedBy)) {
      const { job } = vetted;
      if (vetted.verdict === "unknown") this.#lane.giveBack(job.claimKey, "settlement_unavailable", vetted.detail);
      else if (vetted.verdict === "later") continue;
      else if (vetted.verdict === "ready") {
        if (vetted.alone) this.#lane.goesAlone(job.claimKey);
        ready.push({ ...job, alone: vetted.alone });
      } else if (!vetted.maybePaid || !(await this.#lookForProof(job))) this.#giveUp(job, vetted.reason, vetted.detail);
    }
    return ready;
  }

  async #send(ready: readonly Job[]): Promise<void> {
    const { rpc } = this.#world();
    const address = this.#address();
    const [key, fees, count, balanceWei] = await Promise.all([
      this.#relayerKey(address),
      rpc.fees(),
      rpc.transactionCount(address, "pending"),
      rpc.balanceWei(address),
    ]);
    const { feeCeilingWei } = this.#world();
    if (fees.maxFeePerGas > feeCeilingWei)
      throw new Error(`gas costs ${fees.maxFeePerGas} wei, above the ceiling of ${feeCeilingWei}`);
    if (balanceWei < fees.maxFeePerGas * GAS_RESERVE * GAS_WARNING)
      console.warn(JSON.stringify({ code: "relayer_low", address, balance_wei: balanceWei.toString() }));
    if (balanceWei < fees.maxFeePerGas * GAS_RESERVE) throw new Error("the relayer is out of gas money");
    const together = ready.filter((job) => !job.alone);
    const groups = [
      ...ready.filter((job) => job.alone).map((job) => [job]),
      ...(together.length > 0 ? [together] : []),
    ];
    // In the order of their nonces, one after the other: a node may refuse a nonce that leaves a gap.
    for (const group of groups.slice(0, OPEN_SLOTS_MAX)) {
      const raw = this.#sign(group, key, fees, count);
      // Whether a node took it only the chain says; the watcher sends the same bytes again.
      if (raw !== undefined) await rpc.send(raw).catch(() => undefined);
    }
  }

  /** Takes the next nonce, signs, and writes both down: one synchronous transaction. */
  #sign(group: readonly Job[], key: `0x${string}`, fees: Fees, chainCount: number): `0x${string}` | undefined {
    return this.ctx.storage.transactionSync(() => {
      const jobs = group.filter((job) => this.#state(job.claimKey) === "queued");
      const [first] = jobs;
      if (!first) return undefined;
      const nonce = this.#lane.nextNonce(chainCount);
      const { build } = this.#world();
      const unsigned = jobs.length === 1 ? build.pay(first, nonce, fees) : build.batch(jobs, nonce, fees);
      const signed = signTransaction(unsigned, key);
      this.#lane.write(
        { ...signed, nonce, carries: jobs.length === 1 ? "pay" : "batch", fees, signedMs: this.#world().clock.nowMs() },
        jobs.map((job) => job.claimKey),
      );
      this.#rearm();
      return signed.raw;
    });
  }

  /** One look at everything under way, shared by all who wait. */
  #watch(): Promise<void> {
    this.#watching ??= this.#watchOnce().finally(() => {
      this.#watching = undefined;
    });
    return this.#watching;
  }

  async #watchOnce(): Promise<void> {
    // An endpoint that does not answer makes the outcome unknown for longer, nothing else.
    await this.#look(false).catch(() => undefined);
    if (this.#lane.count("sent") + this.#lane.count("queued") > 0) await this.#world().pause(POLL_MS);
  }

  async #look(review: boolean): Promise<void> {
    // A reorg may have taken a transaction that was done with; until it is sent again, every later nonce waits behind the gap.
    if (review) this.#lane.reopenFrom(await this.#world().rpc.transactionCount(this.#address(), "latest"));
    const nonces = this.#lane.openNonces();
    const versions = nonces.flatMap((nonce) => this.#lane.versions(nonce));
    const receipts = await this.#world().rpc.receipts(versions.map((version) => version.hash));
    for (const nonce of nonces) {
      const at = versions.findIndex((version, index) => version.nonce === nonce && receipts[index] !== undefined);
      const version = versions[at];
      const receipt = receipts[at];
      try {
        if (version && receipt) await this.#mined(nonce, version.carries, receipt);
        else await this.#unmined(nonce, review);
      } catch (error) {
        // Endpoints that contradict each other about one transfer say nothing about the next.
        console.error(JSON.stringify({ code: "relayer_slot_unjudged", nonce, detail: String(error) }));
      }
    }
  }

  async #mined(
    nonce: number,
    carries: string,
    receipt: NonNullable<Awaited<ReturnType<ChainRpc["receipts"]>>[number]>,
  ): Promise<void> {
    for (const job of this.#lane.jobsOf(nonce)) {
      const proof = receipt.succeeded ? await receipt.transferOf(job.authorization) : undefined;
      if (proof) await this.#believe(job, proof);
      else await this.#notCarried(job, carries);
    }
    if (this.#lane.jobsOf(nonce).length === 0) this.#lane.close(nonce);
  }

  /** The transaction is on chain and this job's transfer is not in it: somebody else's may be, or the authorization is burnt. */
  async #notCarried(job: Job, carries: string): Promise<void> {
    if (await this.#lookForProof(job)) return;
    const used = await this.#world().rpc.authorizationUsed(job.authorization, "latest");
    if (used)
      this.#lane.voided(
        job.claimKey,
        "invalid_exact_evm_nonce_already_used",
        "the authorization's nonce was used or cancelled without paying us",
      );
    // A batch or a freed nonce says nothing about this one: it is tried again by itself.
    else if (carries !== "pay" && job.tries < 3) this.#lane.requeue(job.claimKey);
    else this.#lane.voided(job.claimKey, "invalid_exact_evm_transaction_failed", "the transfer reverted on chain");
  }

  async #unmined(nonce: number, review: boolean): Promise<void> {
    const { rpc, clock } = this.#world();
    const [newest] = this.#lane.versions(nonce);
    if (!newest) return;
    const ageMs = clock.nowMs() - newest.signedMs;
    if (ageMs > RESEND_AFTER_MS) await rpc.send(newest.raw).catch(() => undefined);
    if (ageMs > STUCK_AFTER_MS) await this.#replace(nonce);
    if (!review) return;
    for (const job of this.#lane.jobsOf(nonce)) await this.#expire(job);
    await this.#passed(nonce);
  }

  /** A dearer version under the same nonce: the same payment, or, above the ceiling, a transfer of nothing that frees it. */
  async #replace(nonce: number): Promise<void> {
    const { rpc, clock, feeCeilingWei, build } = this.#world();
    const address = this.#address();
    if ((await rpc.transactionCount(address, "latest")) > nonce) return;
    const [key, market] = await Promise.all([this.#relayerKey(address), rpc.fees()]);
    const raw = this.ctx.storage.transactionSync(() => {
      // Closed by another look while the fees were on their way: opened again it would wait for nobody.
      if (!this.#lane.isOpen(nonce)) return undefined;
      const [newest] = this.#lane.versions(nonce);
      if (!newest || clock.nowMs() - newest.signedMs <= STUCK_AFTER_MS) return undefined;
      // Offered enough already: something else holds it up, and a dearer version would only be dearer.
      if (newest.fees.maxFeePerGas >= market.maxFeePerGas) return undefined;
      const fees = bumped(newest.fees, market);
      const jobs = this.#lane.jobsOf(nonce);
      const [first] = jobs;
      const cancels = !first || fees.maxFeePerGas > feeCeilingWei;
      const carries = cancels ? ("cancel" as const) : jobs.length === 1 ? ("pay" as const) : ("batch" as const);
      const unsigned =
        carries === "cancel" || !first
          ? build.cancel(address, nonce, fees)
          : carries === "pay"
            ? build.pay(first, nonce, fees)
            : build.batch(jobs, nonce, fees);
      const signed = signTransaction(unsigned, key);
      this.#lane.write({ ...signed, nonce, carries, fees, signedMs: clock.nowMs() }, []);
      return signed.raw;
    });
    if (raw !== undefined) await rpc.send(raw).catch(() => undefined);
  }

  /** Unused and past its window at a finalized block: it can never land any more. */
  async #expire(job: Job): Promise<void> {
    const head = await this.#world().rpc.head("finalized");
    if (head.timeS <= job.authorization.validBeforeS) return;
    if (!(await this.#lookForProof(job)))
      this.#lane.voided(job.claimKey, "expired", "the authorization's window closed before it landed");
  }

  /** The chain is past this nonce for good and shows none of our versions: something else took it. */
  async #passed(nonce: number): Promise<void> {
    if ((await this.#world().rpc.transactionCount(this.#address(), "finalized")) <= nonce) return;
    for (const job of this.#lane.jobsOf(nonce)) await this.#notCarried(job, "batch");
    if (this.#lane.jobsOf(nonce).length === 0) this.#lane.close(nonce);
  }

  async #lookForProof(job: SettlementJob): Promise<boolean> {
    const proof = await this.#world().rpc.findTransfer(job.authorization, job.claimedMs);
    if (proof) await this.#believe(job, proof);
    return proof !== undefined;
  }

  async #believe(job: SettlementJob, proof: TransferProof): Promise<void> {
    if (await isBelieved(this.#world(), job, proof)) this.#lane.settled(job.claimKey, proof);
  }

  /** This authorization will not do: forgotten if it never left us, void (and watched by its wallet) if it did. */
  #giveUp(job: Job, reason: string, detail: string): void {
    if (job.left) this.#lane.voided(job.claimKey, reason, detail);
    else this.#lane.giveBack(job.claimKey, reason, detail);
  }

  #endOf(claimKey: ClaimKey): SettlementEnd {
    const job = this.#lane.job(claimKey);
    if (!job) throw new Error(`invariant: ${claimKey} was taken on and is gone`);
    if (job.state === "returned") return { end: "refused", reason: job.reason, detail: job.detail, leftUs: false };
    if (job.state === "settled" && job.proof) return { end: "settled", proof: job.proof };
    if (job.state === "void") return { end: "refused", reason: job.reason, detail: job.detail, leftUs: true };
    const newest = job.nonce === undefined ? undefined : this.#lane.versions(job.nonce)[0];
    return { end: "unknown", txHash: newest?.hash };
  }

  #state(claimKey: ClaimKey): Job["state"] | undefined {
    return this.#lane.job(claimKey)?.state;
  }

  /** Could a payment be sent now: is there a key, gas money, and a market below the ceiling? */
  ready(): Promise<boolean> {
    return canSend(this.#world(), this.#address(), GAS_RESERVE, (address) => this.#relayerKey(address));
  }

  async #relayerKey(address: Wallet): Promise<`0x${string}`> {
    const { secrets, secretId } = this.#world();
    this.#key ??= await secrets.relayerKey(secretId);
    if (addressOf(this.#key) !== address) {
      this.#key = undefined;
      throw new Error(`the secret ${secretId} is not the key of relayer ${address}`);
    }
    return this.#key;
  }

  #world(): RelayerPorts {
    this.#ports ??= this.openPorts(this.#address());
    return this.#ports;
  }

  /** Named by its address; written down at first sight, because an alarm may wake an object without its name. */
  #address(): Wallet {
    const { sql } = this.ctx.storage;
    const kept = sql.exec<{ value: string }>("SELECT value FROM meta WHERE key = 'address'").toArray()[0]?.value;
    const address = parseWallet(kept ?? this.ctx.id.name);
    // Another spelling would be another object, and two lanes would take the same nonces.
    if (!address || address !== (this.ctx.id.name ?? address))
      throw new Error("invariant: a relayer object is named by its lower-case address");
    if (kept === undefined) sql.exec("INSERT INTO meta (key, value) VALUES ('address', ?)", address);
    return address;
  }

  /** As long as something is under way, look again soon; whoever comes after never puts off the look at those before. */
  #rearm(): void {
    const busy = this.#lane.openNonces().length > 0 || this.#lane.count("queued") > 0;
    if (!busy || this.#alarmMs > Date.now()) return;
    this.#alarmMs = Date.now() + REVIEW_MS;
    void this.ctx.storage.setAlarm(this.#alarmMs);
  }
}
