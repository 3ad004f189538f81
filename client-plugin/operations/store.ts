/**
 * Storing, as steps that survive: seal, price, pay, send, confirm. Each step first looks whether an earlier run did it. What a
 * crash can leave behind is a temporary sealed file, an authorization that the ledger knows, bytes under a write-once key: all
 * of it is found again, none of it is paid or sent twice. The object is sealed before it is paid for, so the length and the hash
 * that are paid for are the ones that will be sent.
 */
import { mkdir, open, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import type { ConfirmReply, PriceReply, UploadReply } from "#contract/api";
import { sha256Hex } from "#contract/bytes";
import { formatDollars, parseMicroUsdc } from "#contract/money";
import { ApiError } from "../api.ts";
import { type ArchivePlan, packArchive, planArchive } from "../archive/pack.ts";
import { sealToFile } from "../envelope/files.ts";
import { Fault } from "../faults.ts";
import type { Session } from "../session.ts";
import { type Operation, purchaseOf } from "../state/operations.ts";
import { nextVersion } from "../versions.ts";
import { refuseFull } from "./room.ts";
import type { Running } from "./runner.ts";
import { type ContentAsk, send, shapeOf } from "./send.ts";

/** The journal's facts of a store; each is written before the step that relies on it. */
export interface StoreFacts {
  readonly path: string;
  readonly region: string;
  /** Micro-USDC; nothing above it is paid. */
  readonly maxAmount?: string | null;
  /** A price that was asked before, by this wallet. */
  readonly quoteId?: string | null;
  /** Stop here and wait to be called again. */
  readonly until?: "seal" | "price" | null;
  readonly sealed?: SealedFacts | null;
  readonly quote?: { readonly quoteId: string; readonly amount: string; readonly expiresMs: number } | null;
  readonly order?: { readonly orderId: string; readonly amount: string; readonly transId: string } | null;
}

export interface SealedFacts {
  readonly sealedBytes: number;
  readonly sha256: string;
  readonly wrappedDek: string;
  /** Which content of its name it is; absent where a version was not yet counted. */
  readonly version?: number;
  readonly plainBytes: number;
  readonly plainSha256: string;
  readonly files: number;
  readonly contentBytes: number;
  readonly warnings: readonly string[];
}

/** What a finished store says. Sizes in bytes, amounts micro-USDC. */
export interface Stored {
  readonly operationId: string;
  readonly objectKey: string;
  readonly agentId: string;
  readonly state: "sealed" | "quoted" | "stored";
  readonly source: string;
  readonly sealed: SealedFacts;
  readonly quote?: NonNullable<StoreFacts["quote"]>;
  readonly order?: NonNullable<StoreFacts["order"]>;
  readonly stored?: {
    readonly bucket: string;
    readonly region: string;
    readonly s3Key: string;
    readonly paidThrough: string;
    readonly host: string;
    /** The service's signed word, where it gives one. */
    readonly receipt?: ConfirmReply["receipt"];
  };
}

export interface StoreWork {
  readonly session: Session;
  readonly operation: Operation;
  readonly running: Running;
  /** Asked with the price in hand when it is above a cap: a person's yes to exactly this. */
  readonly approve?: ((price: { amount: bigint; reason: string }) => Promise<boolean>) | undefined;
}

export async function runStore(work: StoreWork): Promise<{ result: Stored; parked?: boolean }> {
  const { operation, session } = work;
  const { objectKey, agentId } = operation;
  let facts = operation.facts as unknown as StoreFacts;
  const base = { operationId: operation.id, objectKey, agentId, source: facts.path };

  const sealed = await sealStep(work, facts);
  facts = { ...facts, sealed };
  if (facts.until === "seal") return { result: { ...base, state: "sealed", sealed }, parked: true };

  const quote = facts.order ? facts.quote : await priceStep(work, facts, sealed);
  facts = { ...facts, quote: quote ?? null };
  if (facts.until === "price" && quote) return { result: { ...base, state: "quoted", sealed, quote }, parked: true };

  const upload = await buyStep(work, facts, sealed);
  const order = { orderId: upload.order_id, amount: upload.amount, transId: upload.trans_id };
  const { confirmed, host } = await sendStep(work, upload, sealed);
  session.catalogue.put({
    agentId,
    objectKey,
    orderId: order.orderId,
    region: confirmed.location,
    sealedBytes: sealed.sealedBytes,
    version: sealed.version ?? 1,
    sha256: sealed.sha256,
    plainSha256: sealed.plainSha256,
    source: facts.path,
    paidThrough: confirmed.paid_through,
    storedMs: Date.now(),
  });
  session.log.object("stored", { object: objectKey, agent: agentId, order: order.orderId, bytes: sealed.sealedBytes });
  const stored = {
    bucket: confirmed.bucket_name,
    region: confirmed.location,
    s3Key: confirmed.s3_key,
    paidThrough: confirmed.paid_through,
    host,
    ...(confirmed.receipt === undefined ? {} : { receipt: confirmed.receipt }),
  };
  return { result: { ...base, state: "stored", sealed, ...(quote ? { quote } : {}), order, stored } };
}

/**
 * Temporary files of one operation: private, and removed when the journal says that it has ended. Of a store that is when the service
 * has seen length and hash of what lies in S3.
 */
export function workDirectory(session: Session, operationId: string): string {
  return join(session.settings.home, "operations", operationId);
}

function sealedPath(session: Session, operationId: string): string {
  return join(workDirectory(session, operationId), "object.age");
}

async function sealStep({ session, operation, running }: StoreWork, facts: StoreFacts): Promise<SealedFacts> {
  const path = sealedPath(session, operation.id);
  if (facts.sealed) {
    const found = await stat(path).catch(() => undefined);
    if (found?.size === facts.sealed.sealedBytes) return facts.sealed;
  }
  // Forget what was sealed before it is made again: another file has another hash.
  running.begin("seal", { sealed: null });
  await rm(workDirectory(session, operation.id), { recursive: true, force: true });
  await mkdir(workDirectory(session, operation.id), { recursive: true, mode: 0o700 });
  const plan = await planArchive(facts.path);
  await refuseFull(workDirectory(session, operation.id), plan.archiveBytes, `Sealing ${facts.path}`);
  const sealed = await sealArchive(session, operation, running, plan, path);
  if (facts.order && facts.quote) refuseGrown(session, facts.quote.quoteId, sealed.sealedBytes);
  running.begin("seal", { sealed });
  return sealed;
}

async function sealArchive(
  session: Session,
  operation: Operation,
  running: Running,
  plan: ArchivePlan,
  path: string,
): Promise<SealedFacts> {
  const version = await nextVersion(session, operation, running.signal);
  const { kek } = await session.keys.current();
  const sealed = await sealToFile({
    source: cancellable(packArchive(plan), running.signal),
    kek,
    context: { ...session.context(operation.agentId, operation.objectKey), version },
    recovery: await session.recovery(),
    onProgress: (done) => running.progress("seal", done, plan.archiveBytes),
    path,
  });
  // The journal will say that these bytes are on the disk; so they must be.
  const handle = await open(path, "r");
  await handle.sync().finally(() => handle.close());
  return {
    sealedBytes: sealed.sealedBytes,
    sha256: sealed.sha256Hex,
    wrappedDek: sealed.wrappedDek,
    version,
    plainBytes: sealed.plainBytes,
    plainSha256: sealed.plainSha256Hex,
    files: plan.files,
    contentBytes: plan.contentBytes,
    warnings: plan.warnings.map((warning) => `${warning.path} ${warning.message}`),
  };
}

async function* cancellable(source: AsyncIterable<Uint8Array>, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  for await (const piece of source) {
    signal.throwIfAborted();
    yield piece;
  }
}

function refuseGrown(session: Session, quoteId: string, sealedBytes: number): void {
  const held = session.catalogue.quote(quoteId);
  if (held === undefined || sealedBytes <= held.sizeBytesMax) return;
  throw new Fault("source_grew", `The source now needs ${sealedBytes} bytes; room for ${held.sizeBytesMax} was paid.`, {
    next: "Make it smaller again, or store it under another name.",
  });
}

type Quote = NonNullable<StoreFacts["quote"]>;

async function priceStep(
  { session, operation, running }: StoreWork,
  facts: StoreFacts,
  sealed: SealedFacts,
): Promise<Quote> {
  const held = facts.quote ?? heldQuote(session, operation, facts);
  // A quote that ends while the payment is on its way is honoured by the service; one that ended before is asked anew.
  if (held && held.expiresMs > Date.now() + 60_000 && fits(session, held.quoteId, sealed)) {
    if (!facts.quote) running.begin("price", { quote: held });
    return held;
  }
  running.begin("price");
  const price = await session.price(
    {
      objectKey: operation.objectKey,
      agentId: operation.agentId,
      sizeBytes: sealed.sealedBytes,
      region: facts.region,
      path: facts.path,
    },
    running.signal,
  );
  const quote = quoteOf(price);
  running.begin("price", { quote });
  return quote;
}

export function quoteOf(price: PriceReply): Quote {
  return { quoteId: price.quote_id, amount: price.amount, expiresMs: Date.parse(price.expires_at) };
}

function heldQuote(session: Session, operation: Operation, facts: StoreFacts): Quote | undefined {
  if (!facts.quoteId) return undefined;
  const held = session.catalogue.quote(facts.quoteId);
  if (held === undefined)
    throw new Fault("quote_not_found", `There is no quote ${facts.quoteId} of this wallet here.`, {
      next: "Ask for a price again.",
    });
  if (held.objectKey !== operation.objectKey || held.agentId !== operation.agentId)
    throw new Fault("quote_mismatch", `The quote is for ${held.agentId}/${held.objectKey}.`);
  return { quoteId: held.quoteId, amount: held.amount, expiresMs: held.expiresMs };
}

function fits(session: Session, quoteId: string, sealed: SealedFacts): boolean {
  return sealed.sealedBytes <= (session.catalogue.quote(quoteId)?.sizeBytesMax ?? 0);
}

/** The order and a plan to send by: bought now, or bought before and asked for again. */
async function buyStep(work: StoreWork, facts: StoreFacts, sealed: SealedFacts): Promise<UploadReply> {
  const { session, operation, running } = work;
  const content = { ...contentAsk(operation, sealed), ...shapeOf(sealed.sealedBytes) };
  if (facts.order) return session.api.upload({ order_id: facts.order.orderId, ...content }, { signal: running.signal });
  const quote = facts.quote;
  if (!quote) throw new Error("invariant: what is bought has a price");
  const amountMax = await agreedAmount(work, facts, quote);
  // One key per purchase, the same on every retry: this content under this quote. Both are in the journal.
  const idempotencyKey = sha256Hex(`${quote.quoteId}|${sealed.sha256}`);
  running.begin("pay", { idempotencyKey });
  const upload = await session.api.upload(
    { quote_id: quote.quoteId, ...content },
    { held: { amountMax, purchase: purchaseOf(operation) }, idempotencyKey, signal: running.signal },
  );
  session.paid(purchaseOf(operation), upload.trans_id);
  const order = { orderId: upload.order_id, amount: upload.amount, transId: upload.trans_id };
  running.begin("pay", { order });
  session.log.object("paid", {
    object: operation.objectKey,
    agent: operation.agentId,
    amount: upload.amount,
    tx: upload.trans_id,
  });
  return upload;
}

function contentAsk(operation: Operation, sealed: SealedFacts): ContentAsk {
  return {
    agent_id: operation.agentId,
    object_key: operation.objectKey,
    content_length_bytes: sealed.sealedBytes,
    content_sha256: sealed.sha256,
    wrapped_dek: sealed.wrappedDek,
  };
}

async function agreedAmount(work: StoreWork, facts: StoreFacts, quote: Quote): Promise<bigint> {
  const amount = parseMicroUsdc(quote.amount);
  if (amount === undefined) throw new Fault("price_malformed", `The quoted amount ${quote.amount} is no amount.`);
  const most = facts.maxAmount ? parseMicroUsdc(facts.maxAmount) : undefined;
  if (most !== undefined && amount > most)
    throw new Fault(
      "price_above_max",
      `The price is ${formatDollars(amount)}; at most ${formatDollars(most)} was agreed. Nothing was paid.`,
      {
        next: "Agree to more, or store less.",
      },
    );
  await work.session.clearToPay(purchaseOf(work.operation), amount, work.approve);
  return amount;
}

async function sendStep(
  { session, operation, running }: StoreWork,
  upload: UploadReply,
  sealed: SealedFacts,
): Promise<{ confirmed: ConfirmReply; host: string }> {
  running.begin("upload");
  const { host, plan } = await send({
    session,
    orderId: upload.order_id,
    content: contentAsk(operation, sealed),
    upload,
    path: sealedPath(session, operation.id),
    signal: running.signal,
    onProgress: (done) => running.progress("upload", done, sealed.sealedBytes),
  });
  running.begin("confirm");
  const confirmed = await session.api
    .confirm({ order_id: upload.order_id, plan }, { signal: running.signal })
    .catch((error: unknown) => {
      // The room is paid; the bytes go again under a new plan when this is called again.
      if (
        error instanceof ApiError &&
        (error.problem.code === "bytes_mismatch" || error.problem.code === "bytes_not_found")
      )
        throw new Fault(error.problem.code, error.problem.detail, {
          retryable: true,
          next: "The same call sends the bytes again.",
        });
      throw error;
    });
  if (confirmed.content_sha256 !== sealed.sha256 || confirmed.size_bytes !== sealed.sealedBytes)
    throw new Fault("confirmed_other_bytes", "The service confirmed other bytes than were sent.", { retryable: true });
  return { confirmed, host };
}
