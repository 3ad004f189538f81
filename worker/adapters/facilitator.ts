/**
 * The Chain port over any x402 facilitator (GET /supported, POST /verify, POST /settle). Its word is never proof: whatever it
 * answers, and whether it answers at all, the chain decides who has paid.
 *
 * Nothing is remembered here. The ledger says who is `first` to ask for a claim; that caller alone may be told "refused" by
 * /verify, and only while nobody else may call /settle yet. Everybody else looks at the chain, and submits again only after the
 * first can no longer be at it. Once handed over, an authorization ends by proof, or by a finalized chain that rules it out.
 */
import * as z from "zod";
import { PAYMENT_TIMEOUT_S } from "#contract/limits";
import { formatMicroUsdc } from "#contract/money";
import type { Network } from "#contract/x402";
import type {
  Chain,
  ChainRpc,
  ClaimKey,
  Clock,
  Recheck,
  SettlementEnd,
  SettlementJob,
  TransferProof,
} from "../../durable/ports.ts";

export interface FacilitatorOptions {
  readonly url: string;
  readonly network: Network;
  readonly rpc: ChainRpc;
  readonly clock: Clock;
  /** Names what is paid for, as far as a facilitator needs to know. */
  readonly resourceUrl: string;
  /** A revert's words as an x402 reason. */
  reasonOf(revert: string): string;
  pause(ms: number): Promise<void>;
}

const SUPPORTED_TIMEOUT_MS = 5_000;
const SUPPORTED_FOR_MS = 600_000;
const VERIFY_TIMEOUT_MS = 8_000;
const SETTLE_TIMEOUT_MS = 60_000;
const POLL_MS = 1_000;
/** The first asker refuses or submits within this long of the claim, or not at all … */
const FIRST_WITHIN_MS = 20_000;
/** … and nobody else submits before this, so a claim that was refused is submitted by nobody. */
const AGAIN_AFTER_MS = 30_000;
/** A failure is believed only by the chain: two blocks and a little, for a transfer that landed all the same. */
const LINGER_MS = 5_000;
/** An authorization this close to its end would not land. */
const LAST_SUBMIT_S = 6n;

const Supported = z.object({
  kinds: z.array(z.object({ x402Version: z.number(), scheme: z.string(), network: z.string() })),
});
const Verified = z.object({
  isValid: z.boolean(),
  invalidReason: z.string().optional(),
  invalidMessage: z.string().optional(),
});
const Settled = z.object({
  success: z.boolean(),
  errorReason: z.string().optional(),
  transaction: z.string().optional(),
});

/** What came back from /settle, for hints only. */
interface Submission {
  txHash: `0x${string}` | undefined;
  failedMs: number | undefined;
}

export function openFacilitator(options: FacilitatorOptions): Chain & { ready(): Promise<boolean> } {
  return new Facilitator(options);
}

class Facilitator implements Chain {
  ready(): Promise<boolean> {
    return this.#http.supports();
  }

  async headMs(): Promise<number> {
    return Number((await this.#options.rpc.head("finalized")).timeS) * 1000;
  }

  readonly #options: FacilitatorOptions;
  readonly #http: ReturnType<typeof httpOf>;
  /** Claims with a /settle under way, and until when at the latest: a request that was cut off never tells. */
  readonly #submitting = new Map<ClaimKey, number>();

  constructor(options: FacilitatorOptions) {
    this.#options = options;
    this.#http = httpOf(options);
  }

  async settle(job: SettlementJob, waitMs: number): Promise<SettlementEnd> {
    const deadlineMs = this.#nowMs() + waitMs;
    if (this.#isFirst(job)) {
      const end = await this.#vet(job);
      // Too late to be the only one: whatever was said, others may have submitted it since.
      if (end) return end.end === "settled" || this.#isFirst(job) ? end : { end: "unknown", txHash: undefined };
    } else {
      const end = await this.#endOf(job).catch(() => undefined);
      if (end) return end;
      if (job.ask === "look")
        return refused("authorization_void", "given up before; watched until it cannot land", true);
      const used = await this.#options.rpc.authorizationUsed(job.authorization, "latest").catch(() => true);
      if (used) return this.#watch(job, deadlineMs, undefined);
    }
    return this.#watch(job, deadlineMs, this.#maySubmit(job) ? this.#submit(job) : undefined);
  }

  async recheck(job: SettlementJob, seen: TransferProof): Promise<Recheck> {
    const { rpc } = this.#options;
    try {
      const [receipt] = await rpc.receipts([seen.txHash]);
      const there = receipt?.succeeded ? await receipt.transferOf(job.authorization) : undefined;
      const proof = there ?? (await this.#look(job));
      if (!proof) return { end: "vanished" };
      const head = await rpc.head("finalized");
      return { end: head.number >= proof.blockNumber ? "final" : "standing", proof };
    } catch {
      return { end: "unknown" };
    }
  }

  /** Our own checks, then the facilitator's: everything that can be known before /settle. */
  async #vet(job: SettlementJob): Promise<SettlementEnd | undefined> {
    const { rpc, network, reasonOf } = this.#options;
    try {
      const fault = await rpc.simulate(job.authorization, job.signature, job.authorization.to);
      if (fault !== undefined) {
        // Somebody may have submitted it for us in this very moment; then it has paid.
        const proof = await this.#look(job);
        return proof ? { end: "settled", proof } : refused(reasonOf(fault), fault, false);
      }
    } catch (error) {
      return refused("settlement_unavailable", String(error), false);
    }
    if (!(await this.#http.supports()))
      return refused("settlement_unavailable", `the facilitator does not settle exact on ${network.caip2}`, false);
    const said = await this.#http.post("/verify", job, Verified, VERIFY_TIMEOUT_MS);
    if (said?.isValid !== false) return undefined;
    // The signature is in other hands now: no longer as if it had never left us.
    const proof = await this.#look(job).catch(() => undefined);
    if (proof) return { end: "settled", proof };
    const reason = (said.invalidReason ?? "invalid_payment").slice(0, 100);
    return refused(reason, (said.invalidMessage ?? `the facilitator refuses it: ${reason}`).slice(0, 300), true);
  }

  /** Ruled out for good: at a finalized block its window is over or its nonce is gone, and no transfer was seen. */
  async #endOf(job: SettlementJob): Promise<SettlementEnd | undefined> {
    const { rpc } = this.#options;
    const [head, used] = await Promise.all([
      rpc.head("finalized"),
      rpc.authorizationUsed(job.authorization, "finalized"),
    ]);
    // After those two: a transfer they include cannot be missed.
    const proof = await this.#look(job);
    if (proof) return { end: "settled", proof };
    if (used)
      return refused("invalid_exact_evm_nonce_already_used", "the nonce was used or cancelled without paying us", true);
    if (head.timeS > job.authorization.validBeforeS)
      return refused("expired", "the authorization's window closed before it landed", true);
    return undefined;
  }

  #submit(job: SettlementJob): Submission {
    const submission: Submission = { txHash: undefined, failedMs: undefined };
    this.#submitting.set(job.claimKey, this.#nowMs() + SETTLE_TIMEOUT_MS);
    void this.#http
      .post("/settle", job, Settled, SETTLE_TIMEOUT_MS)
      .then((said) => {
        if (/^0x[0-9a-fA-F]{64}$/.test(said?.transaction ?? "")) submission.txHash = said?.transaction as `0x${string}`;
        // No answer leaves it open for as long as the caller waits; a "no" only shortens the wait.
        if (said && !said.success && said.errorReason !== "settlement_pending") submission.failedMs = this.#nowMs();
      })
      .finally(() => this.#submitting.delete(job.claimKey));
    return submission;
  }

  async #watch(job: SettlementJob, deadlineMs: number, submission: Submission | undefined): Promise<SettlementEnd> {
    for (;;) {
      const proof = await this.#look(job).catch(() => undefined);
      if (proof) return { end: "settled", proof };
      const leftMs = deadlineMs - this.#nowMs();
      const failedMs = submission?.failedMs;
      if (leftMs <= 0 || (failedMs !== undefined && this.#nowMs() - failedMs > LINGER_MS))
        return { end: "unknown", txHash: submission?.txHash };
      await this.#options.pause(Math.min(POLL_MS, leftMs));
    }
  }

  #maySubmit(job: SettlementJob): boolean {
    if ((this.#submitting.get(job.claimKey) ?? 0) > this.#nowMs()) return false;
    if (!this.#isFirst(job) && this.#nowMs() - job.claimedMs < AGAIN_AFTER_MS) return false;
    return job.authorization.validBeforeS > BigInt(Math.floor(this.#nowMs() / 1000)) + LAST_SUBMIT_S;
  }

  #isFirst(job: SettlementJob): boolean {
    return job.ask === "first" && this.#nowMs() - job.claimedMs < FIRST_WITHIN_MS;
  }

  #look(job: SettlementJob): Promise<TransferProof | undefined> {
    return this.#options.rpc.findTransfer(job.authorization, job.claimedMs);
  }

  #nowMs(): number {
    return this.#options.clock.nowMs();
  }
}

function refused(reason: string, detail: string, leftUs: boolean): SettlementEnd {
  return { end: "refused", reason, detail, leftUs };
}

/** Undefined is "no answer": refused connections, cuts, timeouts, and anything that is not the JSON wanted. */
function httpOf({ url, network, clock, resourceUrl }: FacilitatorOptions) {
  const base = url.replace(/\/$/, "");
  let supportedUntilMs = 0;

  async function ask<T>(
    path: string,
    schema: z.ZodType<T>,
    init: RequestInit,
    timeoutMs: number,
  ): Promise<T | undefined> {
    try {
      const signal = AbortSignal.timeout(timeoutMs);
      const response = await fetch(base + path, { ...init, redirect: "manual", signal });
      // Some answer 4xx or 5xx with the very same body.
      const parsed = schema.safeParse(await response.json());
      return parsed.success ? parsed.data : undefined;
    } catch {
      return undefined;
    }
  }

  return {
    async supports(): Promise<boolean> {
      if (supportedUntilMs > clock.nowMs()) return true;
      const said = await ask("/supported", Supported, { method: "GET" }, SUPPORTED_TIMEOUT_MS);
      const ours = said?.kinds.some(
        (kind) => kind.x402Version === 2 && kind.scheme === "exact" && kind.network === network.caip2,
      );
      if (ours) supportedUntilMs = clock.nowMs() + SUPPORTED_FOR_MS;
      return ours === true;
    },
    post<T>(path: "/verify" | "/settle", job: SettlementJob, schema: z.ZodType<T>, timeoutMs: number) {
      const headers = { "content-type": "application/json" };
      const body = JSON.stringify(requestOf(network, resourceUrl, job));
      return ask(path, schema, { method: "POST", headers, body }, timeoutMs);
    },
  };
}

/** Always v2, whatever the payer spoke: scheme, token and domain come from our own table. */
function requestOf(network: Network, resourceUrl: string, { authorization, signature }: SettlementJob) {
  const { from, to, value, validAfterS, validBeforeS, nonce } = authorization;
  const paymentRequirements = {
    scheme: "exact",
    network: network.caip2,
    amount: formatMicroUsdc(value),
    asset: network.usdc,
    payTo: to,
    maxTimeoutSeconds: PAYMENT_TIMEOUT_S,
    extra: { name: network.domainName, version: network.domainVersion },
  };
  const payload = {
    signature,
    authorization: {
      from,
      to,
      value: formatMicroUsdc(value),
      validAfter: validAfterS.toString(),
      validBefore: validBeforeS.toString(),
      nonce,
    },
  };
  return {
    x402Version: 2,
    paymentPayload: { x402Version: 2, resource: { url: resourceUrl }, accepted: paymentRequirements, payload },
    paymentRequirements,
  };
}
