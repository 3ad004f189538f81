/**
 * Typed client over the contract: one method a route, requests and replies by the contract's own schemas. Signs each request with
 * a version-2 proof, pays a 402 only through the payer it was given, and never pays while an outcome is open.
 * No `node:` imports, so it runs wherever `fetch` does.
 */

import * as z from "zod";
import {
  ConfirmReply,
  type ConfirmRequest,
  HealthReply,
  PriceReply,
  type PriceRequest,
  Problem,
  UploadReply,
  type UploadRequest,
} from "#contract/api";
import { BillingReply, EventsReply } from "#contract/billing";
import { BrowserCodeReply, type BrowserCodeRequest, BrowserRevokeReply } from "#contract/browser";
import { bytesToHex, sha256Hex, utf8ToBytes } from "#contract/bytes";
import {
  type MandateAddRequest,
  type MandateListRequest,
  type MandateRevokeRequest,
  MandatesReply,
  MandateTermsReply,
  type MandateTermsRequest,
} from "#contract/mandates";
import {
  DeleteReply,
  type DeleteRequest,
  DownloadReply,
  type DownloadRequest,
  ListReply,
  type ListRequest,
  RewrapReply,
  type RewrapRequest,
  StatReply,
} from "#contract/objects";
import { encodeProof, normalisePath, PROOF_HEADER, proofTypedData } from "#contract/proof";
import { PaymentReply, PendingReply, SettleReply, type SettleRequest } from "#contract/settling";
import { StatementReply, StatementSettled } from "#contract/statements";
import { PartsReply, type PartsRequest } from "#contract/upload";
import { parseWallet, type Wallet } from "#contract/wallet";
import { X402_HEADERS } from "#contract/x402";
import { pause } from "./pause.ts";
import { type Held, type Payer, PaymentRefused } from "./pay.ts";
import type { Signer } from "./signer.ts";

export interface ApiOptions {
  readonly baseUrl: string;
  readonly signer: Signer;
  /** Chain of the proof's domain: 8453 or 84532. */
  readonly chainId: number;
  readonly payer?: Payer;
  readonly fetch?: typeof fetch;
  /** Between two questions about an open payment, and how often it is asked. */
  readonly pendingTriesMax?: number;
  readonly onNotice?: (text: string) => void;
  /** Told each presigned URL before anybody uses it; throws where it must not lead. */
  readonly judgeUrl?: (url: string) => void;
  /** What proofs are dated by, until the service says that it is wrong. */
  readonly nowMs?: () => number;
}

const ClockTold = z.object({
  reason: z.enum(["expired_signature", "future_signature"]),
  server_time: z.iso.datetime(),
});

/** A refusal of the service, with everything it said. */
export class ApiError extends Error {
  readonly problem: Problem;
  constructor(problem: Problem) {
    super(`${problem.title}: ${problem.detail}`);
    this.name = "ApiError";
    this.problem = problem;
  }
}

/** Nobody answered, or not in our language. */
export class Unreachable extends Error {
  constructor(url: string, cause: unknown) {
    super(`${url} cannot be reached: ${cause instanceof Error ? (causeOf(cause) ?? cause.message) : String(cause)}`, {
      cause,
    });
    this.name = "Unreachable";
  }
}

/** Sends elsewhere. Proofs and payments are for the service that was configured, so nobody goes there. */
export class Redirected extends Error {
  constructor(origin: string, location: string | null) {
    const to = location !== null && URL.canParse(location, origin) ? new URL(location, origin).origin : "another place";
    super(`${origin} sends this client on to ${to}; nothing was sent there.`);
    this.name = "Redirected";
  }
}

function causeOf(error: Error): string | undefined {
  return error.cause instanceof Error ? error.cause.message : undefined;
}

type In<T extends z.ZodType> = Omit<z.input<T>, "wallet_address">;
export type Send = {
  readonly held?: Held;
  readonly idempotencyKey?: string;
  readonly ticket?: string;
  readonly signal?: AbortSignal;
};

const TRIES_MAX = 4;
/** The service waits up to 25 s for a receipt before it answers "pending". */
const REPLY_MS = 60_000;

export class Api {
  readonly wallet: Wallet;
  readonly #options: ApiOptions;
  /** Of the service's clock before ours, as far as it was told. */
  #aheadMs = 0;

  constructor(options: ApiOptions) {
    const wallet = parseWallet(options.signer.address);
    if (!wallet) throw new Error(`${options.signer.address} is not an address`);
    this.wallet = wallet;
    this.#options = options;
  }

  health(): Promise<HealthReply> {
    return this.#send("GET", "/healthz", undefined, HealthReply, {});
  }
  price(request: In<typeof PriceRequest>, send: Send = {}): Promise<PriceReply> {
    return this.#post("/price-storage", request, PriceReply, send);
  }
  settle(request: In<typeof SettleRequest>, send: Send): Promise<SettleReply> {
    return this.#post("/payment/settle", request, SettleReply, send);
  }
  async upload(request: In<typeof UploadRequest>, send: Send = {}): Promise<UploadReply> {
    const reply = await this.#post("/storage/upload", request, UploadReply, send);
    for (const { url } of reply.plan.targets) this.#options.judgeUrl?.(url);
    return reply;
  }
  async parts(request: In<typeof PartsRequest>, send: Send = {}): Promise<PartsReply> {
    const reply = await this.#post("/storage/upload/parts", request, PartsReply, send);
    for (const { url } of reply.targets) this.#options.judgeUrl?.(url);
    return reply;
  }
  confirm(request: In<typeof ConfirmRequest>, send: Send = {}): Promise<ConfirmReply> {
    return this.#post("/storage/upload/confirm", request, ConfirmReply, send);
  }
  /** How a payment stands: `status_url` of a pending answer, by its id. */
  payment(id: string): Promise<PaymentReply> {
    return this.#send("GET", `/payments/${encodeURIComponent(id)}`, undefined, PaymentReply, {});
  }
  list(request: In<typeof ListRequest> = {}, send: Send = {}): Promise<ListReply> {
    return this.#post("/storage/ls", request, ListReply, send);
  }
  stat(request: In<typeof ListRequest> & { object_key: string }, send: Send = {}): Promise<StatReply> {
    return this.#post("/storage/ls", request, StatReply, send);
  }
  async download(request: In<typeof DownloadRequest>, send: Send = {}): Promise<DownloadReply> {
    const reply = await this.#post("/storage/download", request, DownloadReply, send);
    this.#options.judgeUrl?.(reply.download_url);
    return reply;
  }
  remove(request: In<typeof DeleteRequest>, send: Send = {}): Promise<DeleteReply> {
    return this.#post("/storage/delete", request, DeleteReply, send);
  }
  /** The object's key under another key of the wallet's; its bytes stay. */
  rewrap(request: In<typeof RewrapRequest>, send: Send = {}): Promise<RewrapReply> {
    return this.#post("/storage/rewrap", request, RewrapReply, send);
  }

  /** The next 30 days of all that is due within 30 days, at a frozen price. */
  statement(send: Send = {}): Promise<StatementReply> {
    return this.#post("/billing/statement", {}, StatementReply, send);
  }
  settleStatement(statementId: string, send: Send): Promise<StatementSettled> {
    return this.#post("/payment/settle", { statement_id: statementId }, StatementSettled, send);
  }
  mandateTerms(request: In<typeof MandateTermsRequest>, send: Send = {}): Promise<MandateTermsReply> {
    return this.#post("/mandates/terms", request, MandateTermsReply, send);
  }
  addMandates(request: In<typeof MandateAddRequest>, send: Send = {}): Promise<MandatesReply> {
    return this.#post("/mandates/add", request, MandatesReply, send);
  }
  mandates(request: In<typeof MandateListRequest> = {}, send: Send = {}): Promise<MandatesReply> {
    return this.#post("/mandates/ls", request, MandatesReply, send);
  }
  revokeMandates(request: In<typeof MandateRevokeRequest>, send: Send = {}): Promise<MandatesReply> {
    return this.#post("/mandates/revoke", request, MandatesReply, send);
  }
  /** What is due when, what was paid, credit. Soonest due first, newest payment first; page by page. */
  billing(page: { dueAfter?: string; max?: number } = {}, send: Send = {}): Promise<BillingReply> {
    const query = new URLSearchParams({
      ...(page.dueAfter === undefined ? {} : { due_after: page.dueAfter }),
      ...(page.max === undefined ? {} : { max: String(page.max) }),
    });
    return this.#send("GET", `/billing?${query}`, undefined, BillingReply, send);
  }
  /** What happened to this wallet's objects and payments after event number `after`. */
  events(after: number, send: Send = {}): Promise<EventsReply> {
    return this.#send("GET", `/events?after=${after}`, undefined, EventsReply, send);
  }

  /** A one-use link to the browser view of what this wallet stored. */
  browserCode(request: In<typeof BrowserCodeRequest> = {}, send: Send = {}): Promise<BrowserCodeReply> {
    return this.#post("/storage/ls-web/session", request, BrowserCodeReply, send);
  }
  /** Closes every link and every browser session of this wallet. */
  browserRevoke(send: Send = {}): Promise<BrowserRevokeReply> {
    return this.#post("/storage/ls-web/revoke", {}, BrowserRevokeReply, send);
  }

  #post<T extends z.ZodType>(path: string, body: object, reply: T, send: Send): Promise<z.output<T>> {
    return this.#send("POST", path, { wallet_address: this.wallet, ...body }, reply, send);
  }

  /**
   * Asks, pays once if asked to, and repeats the very same request (with the very same payment) until its outcome is known.
   * A payment of an earlier attempt that is still open is waited for; nobody pays while it is.
   */
  async #send<T extends z.ZodType>(
    method: string,
    path: string,
    body: object | undefined,
    reply: T,
    send: Send,
  ): Promise<z.output<T>> {
    const { payer, pendingTriesMax = 20 } = this.#options;
    const text = body === undefined ? "" : JSON.stringify(body);
    let payment: string | undefined;
    let corrected = false;
    for (let tries = 0; ; tries++) {
      const answer = await this.#retrying(method, path, text, send, payment);
      if (answer.status === 202 || answer.status === 409) {
        if (!(await isPending(answer))) throw new ApiError(await this.#problem(path, answer));
        if (tries >= pendingTriesMax)
          throw new PaymentRefused(
            "pending",
            "The payment is on its way, but its outcome is still open. Run the same command again; it will not be paid twice.",
          );
        await pause(Math.min(Number(answer.headers.get("retry-after") ?? 2), 30) * 1000, send.signal);
        continue;
      }
      if (answer.ok) return this.#parse(path, reply, await answer.json());
      const problem = await this.#problem(path, answer);
      if (!corrected && problem.code === "proof_invalid" && (await this.#correctClock(answer))) {
        corrected = true;
        continue;
      }
      if (problem.code !== "payment_required" || payment !== undefined || !payer || !send.held)
        throw new ApiError(problem);
      payment = await payer.pay(answer.headers.get(X402_HEADERS.required), send.held);
    }
  }

  /** A reply that was lost is asked for again: reads and names are idempotent, and an authorization can settle only once. */
  async #retrying(
    method: string,
    path: string,
    text: string,
    send: Send,
    payment: string | undefined,
  ): Promise<Response> {
    const extra: Record<string, string> = payment === undefined ? {} : { [X402_HEADERS.payment]: payment };
    for (let tries = 0; ; tries++) {
      send.signal?.throwIfAborted();
      try {
        const answer = await this.#once(method, path, text, send, extra);
        if ((answer.status !== 503 && answer.status !== 429) || tries >= TRIES_MAX) return answer;
        if (answer.status === 429 && !(await this.#problem(path, answer)).retryable) return answer;
        await pause(Math.min(Number(answer.headers.get("retry-after") ?? 1), 10) * 1000, send.signal);
      } catch (error) {
        if (tries >= TRIES_MAX || !(error instanceof Unreachable)) throw error;
        await pause(300 * 2 ** tries, send.signal);
      }
    }
  }

  async #once(
    method: string,
    path: string,
    text: string,
    send: Send,
    extra: Record<string, string>,
  ): Promise<Response> {
    const url = new URL(path, this.#options.baseUrl);
    const headers: Record<string, string> = {
      accept: "application/json",
      ...(text === "" ? {} : { "content-type": "application/json" }),
      ...(path === "/healthz" ? {} : { [PROOF_HEADER]: await this.#prove(method, url, text) }),
      ...(send.idempotencyKey === undefined ? {} : { "idempotency-key": send.idempotencyKey }),
      ...(send.ticket === undefined ? {} : { "x-mnemospark-ticket": send.ticket }),
      ...extra,
    };
    let answer: Response;
    try {
      answer = await (this.#options.fetch ?? fetch)(url, {
        method,
        headers,
        redirect: "manual",
        signal: AbortSignal.any([AbortSignal.timeout(REPLY_MS), ...(send.signal === undefined ? [] : [send.signal])]),
        ...(text === "" ? {} : { body: text }),
      });
    } catch (error) {
      send.signal?.throwIfAborted();
      throw new Unreachable(url.origin, error);
    }
    // A browser says only that there was one.
    if (answer.type === "opaqueredirect" || (answer.status >= 300 && answer.status < 400))
      throw new Redirected(url.origin, answer.headers.get("location"));
    return answer;
  }

  /**
   * A proof that is too old or from the future means that our clock differs from the service's; it says what time it is there. No
   * harm in believing it: a proof opens nothing but this service. Payments go by our own clock all the same.
   */
  async #correctClock(answer: Response): Promise<boolean> {
    const told = ClockTold.safeParse(
      await answer
        .clone()
        .json()
        .catch(() => undefined),
    );
    if (!told.success) return false;
    this.#aheadMs = Date.parse(told.data.server_time) - this.#nowMs();
    this.#options.onNotice?.(
      `this machine's clock is ${Math.round(-this.#aheadMs / 1000)} s ahead of the service's; going by the service's`,
    );
    return true;
  }

  #nowMs(): number {
    return this.#options.nowMs?.() ?? Date.now();
  }

  async #prove(method: string, url: URL, text: string): Promise<string> {
    const unsigned = {
      version: "2" as const,
      wallet: this.wallet,
      nonce: `0x${bytesToHex(crypto.getRandomValues(new Uint8Array(32)))}` as const,
      timestampS: Math.floor((this.#nowMs() + this.#aheadMs) / 1000),
      claimed: {
        method,
        path: normalisePath(url.pathname),
        host: url.host,
        query: url.search.slice(1),
        bodyHash: `0x${sha256Hex(utf8ToBytes(text))}`,
      },
    };
    const signature = await this.#options.signer.signTypedData(proofTypedData(unsigned, this.#options.chainId));
    return encodeProof({ ...unsigned, signature });
  }

  #parse<T extends z.ZodType>(path: string, schema: T, json: unknown): z.output<T> {
    const parsed = schema.safeParse(json);
    if (parsed.success) return parsed.data;
    const issue = parsed.error.issues[0];
    throw new Error(`${path} answered something else than its contract: ${issue?.path.join(".")} ${issue?.message}`);
  }

  async #problem(path: string, response: Response): Promise<Problem> {
    const parsed = Problem.safeParse(
      await response
        .clone()
        .json()
        .catch(() => undefined),
    );
    if (parsed.success) return parsed.data;
    throw new Error(`${path} answered ${response.status} and no problem document`);
  }
}

async function isPending(response: Response): Promise<boolean> {
  if (response.status === 202) return PendingReply.safeParse(await response.clone().json()).success;
  if (response.status !== 409) return false;
  const problem = Problem.safeParse(
    await response
      .clone()
      .json()
      .catch(() => undefined),
  );
  return problem.success && problem.data.code === "payment_pending";
}
