/** A download: debited before its URL exists, because a URL that was issued can be used. */
import { type Refusal, refuse } from "#contract/errors";
import { DOWNLOAD_REPEAT_S } from "#contract/limits";
import { bytesUsed, debitOf, periodEndMs } from "#rules/allowance";
import { type AskedRange, type ByteSpan, spanOf } from "#rules/range";
import type { PaymentRecord } from "./ledger.ts";
import type { Order } from "./orders.ts";
import { type Pack, packNow, paidFor, rememberServed, servedBefore, takeFrom } from "./packs.ts";
import type { ClaimKey } from "./ports.ts";
import type { ProofUse } from "./proofs.ts";
import { type Leased, type StoredContent, statObject } from "./reads.ts";
import type { Tx } from "./tx.ts";

export interface DownloadAsk {
  readonly agentId: string;
  readonly objectKey: string;
  /** The whole object without it. */
  readonly range: AskedRange | undefined;
  /** The reader's name for this download: what it was debited for is not debited again, for a while. */
  readonly downloadId?: string | undefined;
  /** Of a payment that came along, whether or not it is known. */
  readonly claimKey?: ClaimKey | undefined;
}

export type Taken =
  | ({
      ok: true;
      span: ByteSpan | undefined;
      /** Of the payment that came along, where it bought this. */
      paidBy: PaymentRecord | undefined;
      pack: Pack | undefined;
    } & Leased & { content: StoredContent })
  | BeyondDownload
  | Refusal;

/** The allowance and the pack together are not enough: what could be sold. */
export interface BeyondDownload extends Refusal {
  readonly beyond: {
    readonly orderId: string;
    readonly region: string;
    readonly sizeBytes: number;
    readonly wanted: number;
  };
}

export function takeDownload(tx: Tx, proof: ProofUse | undefined, ask: DownloadAsk): Taken {
  const found = statObject(tx, ask.agentId, ask.objectKey);
  if (!found.ok) return found;
  const { order, content } = found;
  if (!content) return refuse("object_not_found", `${JSON.stringify(ask.objectKey)} is paid for and not uploaded yet`);
  const span = ask.range && spanOf(ask.range, content.lengthBytes);
  if (ask.range && !span)
    return refuse("range_not_satisfiable", `the object has ${content.lengthBytes} bytes; none is in the range asked`, {
      facts: { size_bytes: content.lengthBytes },
    });
  const bytes = span ? span.last - span.first + 1 : content.lengthBytes;
  const stored = `${order.orderId}.${content.plan}`;
  const what = `${stored} ${span?.first ?? 0}+${bytes}`;
  const asked = { content: stored, first: span?.first ?? 0, last: (span?.first ?? 0) + bytes - 1 };
  const given =
    debitedBefore(tx, proof, what) || servedBefore(tx, ask.claimKey, what) || namedBefore(tx, ask.downloadId, asked);
  if (!given) {
    const left = found.allowance.bytesLeft - debitOf(bytes);
    const pack = left < 0 ? packNow(tx, "download", order.orderId) : undefined;
    if (left < 0 && (pack?.left ?? 0) < -left) {
      const { orderId, region } = order;
      const beyond = { orderId, region, sizeBytes: content.lengthBytes, wanted: -left };
      return { ...used(found, bytes, tx.nowMs), beyond };
    }
    debit(tx, order, debitOf(bytes) + Math.min(0, left));
    if (pack) takeFrom(tx, pack, -left);
    if (proof) tx.run("UPDATE proofs SET debited = ? WHERE nonce = ?", what, proof.nonce);
    rememberServed(tx, ask.claimKey, what);
    rememberNamed(tx, ask.downloadId, asked);
    tx.record("download.taken", { order_id: order.orderId, bytes, left: Math.max(0, left) });
  }
  const after = statObject(tx, ask.agentId, ask.objectKey);
  if (!after.ok) return after;
  const pack = packNow(tx, "download", order.orderId);
  return { ...after, content, span, pack, paidBy: paidFor(tx, ask.claimKey, "download", order.orderId) };
}

/** A reply that was lost is asked for again with the same proof, and then debits nothing. */
function debitedBefore(tx: Tx, proof: ProofUse | undefined, what: string): boolean {
  if (!proof) return false;
  return (
    tx.first<{ debited: string | null }>("SELECT debited FROM proofs WHERE nonce = ?", proof.nonce)?.debited === what
  );
}

interface Asked extends ByteSpan {
  /** Order and plan. */
  readonly content: string;
}

/** A download that broke off or whose process died: what it was debited for, or a part of that, once more. */
function namedBefore(tx: Tx, downloadId: string | undefined, { content, first, last }: Asked): boolean {
  if (downloadId === undefined) return false;
  const row = tx.first(
    "SELECT 1 FROM downloads WHERE download_id = ? AND content = ? AND first <= ? AND last >= ? AND until_ms > ? LIMIT 1",
    downloadId,
    content,
    first,
    last,
    tx.nowMs,
  );
  return row !== undefined;
}

/** From the debit on: asking again does not make it last longer. */
function rememberNamed(tx: Tx, downloadId: string | undefined, { content, first, last }: Asked): void {
  if (downloadId === undefined) return;
  tx.run("DELETE FROM downloads WHERE until_ms <= ?", tx.nowMs);
  tx.run(
    "INSERT OR REPLACE INTO downloads (download_id, content, first, last, until_ms) VALUES (?, ?, ?, ?, ?)",
    downloadId,
    content,
    first,
    last,
    tx.nowMs + DOWNLOAD_REPEAT_S * 1000,
  );
}

function debit(tx: Tx, order: Order, bytes: number): void {
  const reads = { ...order, paidThroughMs: order.paidThroughMs ?? 0 };
  tx.run(
    "UPDATE orders SET read_bytes = ?, read_period_ms = ? WHERE order_id = ?",
    bytesUsed(reads, tx.nowMs) + bytes,
    periodEndMs(reads.paidThroughMs, tx.nowMs),
    order.orderId,
  );
}

function used({ order, allowance: left }: Leased, bytes: number, nowMs: number): Refusal {
  const until = new Date(left.untilMs).toISOString();
  return refuse(
    "allowance_used",
    `the downloads of this paid period are used up: ${bytes} bytes asked, ${left.bytesLeft} left until ${until}`,
    {
      facts: {
        order_id: order.orderId,
        downloads_left: left.downloadsLeft,
        download_bytes_left: left.bytesLeft,
        allowance_until: until,
      },
      ...(left.untilMs > nowMs ? { retryAfterS: Math.ceil((left.untilMs - nowMs) / 1000) } : {}),
    },
  );
}
