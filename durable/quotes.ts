/** Quotes: a price held for one hour for one named object of one wallet. Written once, never changed, except by being bought. */
import { type Refusal, refuse } from "#contract/errors";
import { OPEN_QUOTES_PER_WALLET_MAX, QUOTE_TTL_S } from "#contract/limits";
import type { Tx } from "./tx.ts";

/** What is bought: the right to keep up to `sizeMax` bytes under one name in one region. */
export interface Wanted {
  readonly agentId: string;
  readonly objectKey: string;
  readonly objectId: string;
  readonly objectIdHash: string;
  readonly region: string;
  readonly sizeMax: number;
  /** Decimal micro-USDC. */
  readonly amount: string;
  /** Rate card version. */
  readonly card: string;
}

export interface Quote extends Wanted {
  readonly quoteId: string;
  readonly expiresMs: number;
  readonly orderId: string | undefined;
}

export function insertQuote(tx: Tx, wanted: Wanted): { ok: true; quote: Quote } | Refusal {
  const open = tx.first<{ n: number }>(
    "SELECT count(*) AS n FROM quotes WHERE order_id IS NULL AND expires_ms > ?",
    tx.nowMs,
  );
  if ((open?.n ?? 0) >= OPEN_QUOTES_PER_WALLET_MAX)
    return refuse("too_many_requests", `${OPEN_QUOTES_PER_WALLET_MAX} quotes are open already; use one of them`, {
      retryAfterS: 60,
    });
  // A quote that nobody bought has no history worth keeping.
  tx.run("DELETE FROM quotes WHERE order_id IS NULL AND expires_ms < ?", tx.nowMs - 24 * 3_600_000);
  const quote = { ...wanted, quoteId: tx.newId("quote"), expiresMs: tx.nowMs + QUOTE_TTL_S * 1000, orderId: undefined };
  tx.run(
    `INSERT INTO quotes (quote_id, agent_id, object_key, object_id, object_id_hash, region, size_max, amount, card,
       created_ms, expires_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    quote.quoteId,
    wanted.agentId,
    wanted.objectKey,
    wanted.objectId,
    wanted.objectIdHash,
    wanted.region,
    wanted.sizeMax,
    wanted.amount,
    wanted.card,
    tx.nowMs,
    quote.expiresMs,
  );
  return { ok: true, quote };
}

type QuoteRow = {
  quote_id: string;
  agent_id: string;
  object_key: string;
  object_id: string;
  object_id_hash: string;
  region: string;
  size_max: number;
  amount: string;
  card: string;
  expires_ms: number;
  order_id: string | null;
};

export function findQuote(tx: Tx, quoteId: string): Quote | undefined {
  const row = tx.first<QuoteRow>("SELECT * FROM quotes WHERE quote_id = ?", quoteId);
  return (
    row && {
      quoteId: row.quote_id,
      agentId: row.agent_id,
      objectKey: row.object_key,
      objectId: row.object_id,
      objectIdHash: row.object_id_hash,
      region: row.region,
      sizeMax: row.size_max,
      amount: row.amount,
      card: row.card,
      expiresMs: row.expires_ms,
      orderId: row.order_id ?? undefined,
    }
  );
}

export function linkQuote(tx: Tx, quoteId: string, orderId: string | null): void {
  tx.run("UPDATE quotes SET order_id = ? WHERE quote_id = ?", orderId, quoteId);
}
