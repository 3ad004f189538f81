/**
 * One wallet, one queue. Every RPC method is one synchronous transaction: it decides and remembers, and never waits for anybody
 * (an await inside would let another call in between: input gates guard storage, not `fetch`). The I/O happens between two calls,
 * at the edge or in the alarm: begin, I/O, finish.
 */
import { DurableObject } from "cloudflare:workers";
import { type Refusal, refuse } from "#contract/errors";
import { type Agenda, type AgendaAsk, agenda } from "./agenda.ts";
import { billing, eventsAfter, type Mark } from "./billing.ts";
import { type BrowserStep, browse } from "./browser.ts";
import { boughtBefore, type Purchase } from "./catalogue.ts";
import { beginConfirm, discardPlan, finishConfirm, type ToConfirm } from "./confirm.ts";
import { type Spent, spendKeyed } from "./credit.ts";
import { beginDelete, type Deleting } from "./deletes.ts";
import { type DownloadAsk, type Taken, takeDownload } from "./downloads.ts";
import { type Emptied, finishEmptied } from "./emptied.ts";
import { apart, dueErrands } from "./errands.ts";
import { type Book, type BookAsk, book } from "./export.ts";
import { finishRecheck, finishReopened } from "./finality.ts";
import { finishForecast } from "./forecasts.ts";
import { beginKeyed } from "./identified.ts";
import { type KeyUse, underKey } from "./keys.ts";
import { finishDue, type Now, type Seen } from "./lapses.ts";
import { type Claim, findPayment } from "./ledger.ts";
import { type Cursor, type ListScope, leasesIn, noteStrays, type Section, takeList } from "./lists.ts";
import { beginMandates, finishMandate, type MandateStep, type MandateStepped, mandateStep } from "./mandating.ts";
import { walletNamed } from "./naming.ts";
import { findLive, findOrder, largestRoom, type Order, rename } from "./orders.ts";
import { finishParts, forgetParts, pinParts } from "./parts.ts";
import { type Finished, finishPayment } from "./payments.ts";
import type { Pin } from "./pins.ts";
import { type Planned, planFor } from "./planning.ts";
import {
  type Asker,
  type BucketTry,
  type Content,
  finishBucket,
  finishErasure,
  hasBucket,
  type Plan,
} from "./plans.ts";
import type { ClaimKey, Forecast, ForecastAsk, Recheck, Removed, SettlementEnd } from "./ports.ts";
import { bindProof, type ProofUse } from "./proofs.ts";
import type { Begun } from "./purposes.ts";
import { findQuote, insertQuote, type Quote, type Wanted } from "./quotes.ts";
import { statObject } from "./reads.ts";
import { type OrderRef, resolveOrder } from "./refs.ts";
import { beginRenewal, type RenewalStep, type RenewalWanted } from "./renewing.ts";
import { type Rewrap, type Rewrapped, rewrap } from "./rewraps.ts";
import { answerDue, type Due, dueIn, heard, toTell, unheard } from "./roll.ts";
import { migrateWallet } from "./schema.ts";
import type { Sought } from "./seek.ts";
import { type StatementStep, type StatementStepped, statementStep } from "./statements.ts";
import { paymentStatus } from "./status.ts";
import { sweep } from "./sweep.ts";
import { openTx, type Tx } from "./tx.ts";
import { finishLook, type Look } from "./unconfirmed.ts";
import { finishUnserved, type Unserved } from "./unserved.ts";
import type { WalletPorts } from "./wallet-ports.ts";
import { giveWarnings } from "./warnings.ts";

export type { WalletPorts };

export abstract class WalletObject<Env = unknown> extends DurableObject<Env> {
  /** The sockets to the world; opened once, at the first call that needs them. */
  protected abstract openPorts(): WalletPorts;
  #opened: WalletPorts | undefined;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    migrateWallet(ctx.storage);
    // Alarms can be lost (six failed runs and the platform forgets one); an object that wakes for any reason looks itself.
    ctx.blockConcurrencyWhile(async () => {
      if ((await ctx.storage.getAlarm()) === null) this.#rearm();
    });
  }

  /** Binds a proof to its request and does nothing else: a 402 probe writes only this. */
  prove(proof: ProofUse): { ok: true } | Refusal {
    return this.#transact((tx) => bindProof(tx, proof) ?? { ok: true });
  }

  quote(proof: ProofUse | undefined, wanted: Wanted): { ok: true; quote: Quote } | Refusal {
    return this.#transact((tx) => bindProof(tx, proof) ?? insertQuote(tx, wanted));
  }

  /** A quote, and the order it became if it was bought. */
  readQuote(
    proof: ProofUse | undefined,
    quoteId: string,
  ): { ok: true; quote: Quote; order: Order | undefined } | Refusal {
    return this.#transact((tx) => {
      const refused = bindProof(tx, proof);
      if (refused) return refused;
      const quote = findQuote(tx, quoteId);
      if (!quote) return refuse("quote_not_found", "no such quote of this wallet");
      const order =
        quote.orderId === undefined ? findLive(tx, quote.agentId, quote.objectKey) : findOrder(tx, quote.orderId);
      return { ok: true, quote, order };
    });
  }

  /** The order that a purchase would be an alias of, if there is one. */
  bought(proof: ProofUse | undefined, wanted: Wanted): { ok: true; order: Order | undefined } | Refusal {
    return this.#transact((tx) => bindProof(tx, proof) ?? boughtBefore(tx, wanted));
  }

  /** `identifier` is the payer's own name for the payment (x402 `payment-identifier`). */
  beginPayment(
    proof: ProofUse | undefined,
    claim: Claim,
    purchase: Purchase,
    key: KeyUse | undefined,
    identifier?: KeyUse,
  ): Begun {
    return this.#transact((tx) => bindProof(tx, proof) ?? beginKeyed(tx, claim, purchase, key, identifier));
  }

  finishPayment(claimKey: ClaimKey, end: SettlementEnd, attempt?: number): Finished {
    return this.#transact((tx) => {
      const payment = findPayment(tx, claimKey);
      return payment?.state === "reopened"
        ? finishReopened(tx, payment, end)
        : finishPayment(tx, claimKey, end, attempt);
    });
  }

  /** What a renewal is for, before its price is known. */
  beginRenewal(proof: ProofUse, wanted: RenewalWanted): RenewalStep {
    return this.#transact((tx) => bindProof(tx, proof) ?? beginRenewal(tx, wanted));
  }

  statement(proof: ProofUse | undefined, step: StatementStep): StatementStepped {
    return this.#transact((tx) => bindProof(tx, proof) ?? statementStep(tx, step));
  }

  book(proof: ProofUse | undefined, ask: BookAsk): Book | Refusal {
    return this.#transact((tx) => bindProof(tx, proof) ?? book(tx, ask));
  }

  /** Buys with the wallet's credit if it covers the price; the caller has proven to be the wallet. */
  spendCredit(proof: ProofUse, purchase: Purchase, key: KeyUse | undefined): Spent {
    return this.#transact((tx) => bindProof(tx, proof) ?? spendKeyed(tx, purchase, key));
  }

  finishRecheck(claimKey: ClaimKey, recheck: Recheck): void {
    this.#transact((tx) => finishRecheck(tx, claimKey, recheck));
  }

  /** How a payment stands; for a ticket only its own order's. */
  readPayment(proof: ProofUse | undefined, paymentId: string, ofOrder: string | undefined) {
    return this.#transact((tx) => bindProof(tx, proof) ?? paymentStatus(tx, paymentId, ofOrder));
  }

  /** The order behind a reference, with the payment that bought it; what a repeated settle answers. */
  readOrder(proof: ProofUse | undefined, ref: OrderRef) {
    return this.#transact((tx) => {
      const refused = bindProof(tx, proof);
      if (refused) return refused;
      const order = resolveOrder(tx, ref);
      if (!order.ok) return order;
      return { ok: true as const, order: order.order, payment: findPayment(tx, order.order.claimKey ?? "") };
    });
  }

  /** The largest object that this wallet has paid room for; 0 when it has paid for none. */
  largestRoom(): number {
    return this.#transact(largestRoom);
  }

  /** The next step towards a URL: make the bucket, or PUT. */
  plan(
    proof: ProofUse | undefined,
    ref: OrderRef,
    content: Content,
    asker: Asker,
    key: KeyUse | undefined,
    objectKey: string | undefined,
  ): Planned {
    const plan = (tx: Tx): Planned => {
      const found = resolveOrder(tx, ref);
      if (!found.ok) return found;
      const named = rename(tx, found.order, objectKey ?? found.order.objectKey);
      return named.ok ? planFor(tx, named.order, content, asker, this.#ports().policy) : named;
    };
    return this.#transact((tx) => bindProof(tx, proof) ?? underKey(tx, key, () => plan(tx)));
  }

  /** Whether serving a purchase in this region would take a new bucket; `claimKey`: unless it is that of a payment known already. */
  isNewTo(region: string, claimKey: ClaimKey | undefined): boolean {
    return this.#transact((tx) => {
      const known = claimKey !== undefined && findPayment(tx, claimKey) !== undefined;
      return !known && !hasBucket(tx, region, this.#ports().policy);
    });
  }

  finishBucket(bucket: BucketTry, end: "ready" | "taken"): void {
    this.#transact((tx) => finishBucket(tx, bucket, end));
  }

  /** An upload for the plan's parts is open in S3; answers the one that counts, which may be an earlier one. */
  finishParts(orderId: string, plan: number, uploadId: string) {
    return this.#transact((tx) => finishParts(tx, orderId, plan, uploadId));
  }

  /** S3 knows the upload no more, and no object came of it. */
  forgetParts(orderId: string, plan: number, uploadId: string): void {
    this.#transact((tx) => forgetParts(tx, orderId, plan, uploadId));
  }

  /** Parts are announced, each with its hash: their URLs may be signed. */
  pinParts(proof: ProofUse | undefined, orderId: string, plan: number, pins: readonly Pin[], asker: Asker) {
    return this.#transact((tx) => bindProof(tx, proof) ?? pinParts(tx, orderId, plan, pins, asker));
  }

  /** What confirm has to look for: the order's plans, newest first. */
  beginConfirm(proof: ProofUse | undefined, ref: OrderRef): ({ ok: true } & ToConfirm) | Refusal {
    return this.#transact((tx) => bindProof(tx, proof) ?? beginConfirm(tx, ref));
  }

  /** S3 was seen to hold exactly this plan's bytes. */
  finishConfirm(orderId: string, plan: number): { ok: true; order: Order; plan: Plan } | Refusal {
    return this.#transact((tx) => finishConfirm(tx, orderId, plan));
  }

  /** S3 holds something else under this plan's key: it goes, the entitlement stays. */
  discardPlan(orderId: string, plan: number): void {
    this.#transact((tx) => discardPlan(tx, orderId, plan));
  }

  stat(proof: ProofUse | undefined, agentId: string, objectKey: string) {
    return this.#transact((tx) => bindProof(tx, proof) ?? statObject(tx, agentId, objectKey));
  }

  takeList(proof: ProofUse | undefined, scope: ListScope, from: Cursor | undefined, claimKey?: ClaimKey) {
    return this.#transact((tx) => bindProof(tx, proof) ?? takeList(tx, proof, scope, from, claimKey));
  }

  leasesIn(section: Section, after: string, until: string | undefined, atMost: number) {
    return this.#transact((tx) => leasesIn(tx, section, after, until, atMost));
  }

  noteStrays(keys: readonly string[]): number {
    return this.#transact((tx) => noteStrays(tx, keys));
  }

  takeDownload(proof: ProofUse | undefined, ask: DownloadAsk): Taken {
    return this.#transact((tx) => bindProof(tx, proof) ?? takeDownload(tx, proof, ask));
  }

  beginDelete(proof: ProofUse | undefined, agentId: string, objectKey: string): Deleting {
    return this.#transact((tx) => bindProof(tx, proof) ?? beginDelete(tx, agentId, objectKey));
  }

  rewrap(proof: ProofUse | undefined, ask: Rewrap): Rewrapped {
    return this.#transact((tx) => bindProof(tx, proof) ?? rewrap(tx, ask));
  }

  finishErase(key: string, erased: boolean): void {
    this.#transact((tx) => finishErasure(tx, key, erased));
  }

  finishLook(look: Look, end: Sought): void {
    this.#transact((tx) => finishLook(tx, look, end));
  }

  finishUnserved(unserved: Unserved, end: "ready" | "taken" | "unknown"): void {
    this.#transact((tx) => finishUnserved(tx, unserved, end));
  }

  finishEmptied(bucket: Emptied, removed: Removed): void {
    this.#transact((tx) => finishEmptied(tx, bucket, removed));
  }

  /** Codes and sessions of the browser view. */
  browser(proof: ProofUse | undefined, step: BrowserStep) {
    return this.#transact((tx) => bindProof(tx, proof) ?? browse(tx, step));
  }

  finishForecast(ask: ForecastAsk, forecast: Forecast): void {
    this.#transact((tx) => finishForecast(tx, ask, forecast));
  }

  finishDue(orderId: string, seen: Seen, now: Now): void {
    this.#transact((tx) => finishDue(tx, orderId, seen, now));
  }

  billing(proof: ProofUse | undefined, atMost: number, dueAfter: Mark | undefined, paidBefore: Mark | undefined) {
    return this.#transact((tx) => bindProof(tx, proof) ?? billing(tx, atMost, dueAfter, paidBefore));
  }

  events(proof: ProofUse | undefined, after: number, atMost: number) {
    return this.#transact((tx) => bindProof(tx, proof) ?? eventsAfter(tx, after, atMost));
  }

  /** What the alarm would do, and when; changes nothing. */
  agenda(ask: AgendaAsk): Agenda {
    return this.#transact((tx) => agenda(tx, ask));
  }

  /** Called by the registry when this wallet seems overdue: an alarm that was lost is set again. */
  async wake(): Promise<Due> {
    const { storage } = this.ctx;
    const dueMs = dueIn(storage.sql);
    const alarmMs = await storage.getAlarm();
    const lost = alarmMs === null || alarmMs < Date.now() - 60_000;
    if (dueMs !== null && lost) void storage.setAlarm(Math.max(dueMs, Date.now()));
    return answerDue(storage.sql, dueMs);
  }

  /** Renewals signed beforehand: what one would be for, handing them over, showing them, taking them back. */
  mandates(proof: ProofUse | undefined, step: MandateStep): MandateStepped {
    return this.#transact((tx) => bindProof(tx, proof) ?? mandateStep(tx, step));
  }

  finishMandate(claimKey: ClaimKey): void {
    this.#transact((tx) => finishMandate(tx, claimKey));
  }

  override async alarm(): Promise<void> {
    // Never throws: after six failed runs the platform would forget the alarm, and with it the wallet.
    try {
      await sweep(this, this.#ports(), () => this.#due());
    } catch (error) {
      console.error(JSON.stringify({ code: "sweep_failed", detail: String(error) }));
    }
    try {
      const untold = unheard(this.ctx.storage.sql);
      if (untold) await this.#tell(untold);
      this.#rearm(5_000);
    } catch (error) {
      console.error(JSON.stringify({ code: "rearm_failed", detail: String(error) }));
    }
  }

  /** Should this fail, the alarm tells it again. */
  async #tell(due: Due): Promise<void> {
    try {
      await this.#ports().registry.put(this.#wallet(), due);
      heard(this.ctx.storage.sql, due.seq);
    } catch (error) {
      console.error(JSON.stringify({ code: "registry_unanswered", detail: String(error) }));
    }
  }

  #due() {
    const { policy } = this.#ports();
    // Each in a transaction of its own: mandates pay before anything is overdue, and nobody is erased unwarned.
    const mandates = apart("mandates", () => this.#transact((tx) => beginMandates(tx, 20)), []);
    apart("warnings", () => this.#transact((tx) => giveWarnings(tx, 200)), undefined);
    return { owner: this.#wallet(), mandates, ...dueErrands((work) => this.#transact(work), policy) };
  }

  #transact<T>(work: (tx: Tx) => T): T {
    const { storage } = this.ctx;
    return storage.transactionSync(() => {
      const done = work(openTx(storage.sql, this.#wallet(), this.#ports().clock.nowMs()));
      this.#rearm();
      return done;
    });
  }

  #ports(): WalletPorts {
    this.#opened ??= this.openPorts();
    return this.#opened;
  }

  #wallet() {
    return walletNamed(this.ctx.storage.sql, this.ctx.id.name);
  }

  /** The only place that sets the alarm: the earliest deadline in the rows, not sooner than `pauseMs` from now. */
  #rearm(pauseMs = 0): void {
    const { storage } = this.ctx;
    const due = dueIn(storage.sql);
    const untold = toTell(storage.sql, due);
    if (untold) this.ctx.waitUntil(this.#tell(untold));
    if (due === null) return;
    void storage.setAlarm(Math.max(due, Date.now() + pauseMs));
  }
}
