/**
 * A list, as far as rows decide it: which parts of S3 it goes through, and the leases that belong to a page. What is listed is in the
 * order of S3 keys, `agent=<agent>/<object_key>/…`: SQLite compares text by its UTF-8 bytes, as S3 does, so a page of S3 and a page of
 * leases are the same stretch of one line, and the place of the last one shown is a cursor that stays good whatever comes and goes.
 */
import { type Refusal, refuse } from "#contract/errors";
import { INCLUDED_LISTS, S3_CALLS_PER_LIST_MAX } from "#contract/limits";
import type { PaymentRecord } from "./ledger.ts";
import { countLive } from "./orders.ts";
import { type Pack, packNow, paidFor, takeFrom } from "./packs.ts";
import { readyBuckets } from "./plans.ts";
import type { ClaimKey } from "./ports.ts";
import type { ProofUse } from "./proofs.ts";
import { type Leased, type LeaseRow, leasedOf, SELECT_LEASES } from "./reads.ts";
import { DAY_MS } from "./rules/calendar.ts";
import { readMeta, type Tx, writeMeta } from "./tx.ts";

export interface ListScope {
  /** Undefined for all. */
  readonly agentId: string | undefined;
  readonly region: string | undefined;
  /** Of the object key; empty for all. */
  readonly prefix: string;
}

/** A stretch of one bucket. */
export interface Section {
  readonly store: string;
  readonly region: string;
  /** Undefined where nothing was ever planned: then there are leases and no bytes. */
  readonly bucket: string | undefined;
  /** Undefined where the section holds every agent. */
  readonly agentId: string | undefined;
  /** Of the S3 key. */
  readonly prefix: string;
}

export interface ListTaken {
  readonly ok: true;
  readonly sections: Section[];
  /** Undefined where the answer was free. */
  readonly left: { readonly lists: number; readonly untilMs: number } | undefined;
  /** Of the payment that came along, where it bought a pack. */
  readonly paidBy: PaymentRecord | undefined;
  readonly pack: Pack | undefined;
}

/** The month and the pack are used up: another pack could be sold. */
export interface BeyondLists extends Refusal {
  readonly beyond: { readonly wanted: number };
}

/** The same month as a period's, counted from the first call after the last one's end. */
const LIST_MONTH_MS = 30 * DAY_MS;

/** A page debits one call of the wallet's month, the same request again none; a wallet that keeps nothing gets its empty answer free. */
export function takeList(
  tx: Tx,
  proof: ProofUse | undefined,
  scope: ListScope,
  from: Cursor | undefined,
  claimKey?: ClaimKey | undefined,
): ListTaken | BeyondLists {
  const live = countLive(tx);
  if (live === 0) return { ok: true, sections: [], left: undefined, paidBy: undefined, pack: undefined };
  const sections = sectionsOf(tx, scope, from);
  const sinceMs = Number(readMeta(tx, "lists_since_ms") ?? "0");
  const fresh = tx.nowMs - sinceMs >= LIST_MONTH_MS;
  const used = fresh ? 0 : Number(readMeta(tx, "lists_used") ?? "0");
  const included = INCLUDED_LISTS * live;
  const untilMs = (fresh ? tx.nowMs : sinceMs) + LIST_MONTH_MS;
  const taken = (lists: number): ListTaken => ({
    ok: true,
    sections,
    left: { lists, untilMs },
    pack: packNow(tx, "list", ""),
    paidBy: paidFor(tx, claimKey, "list", ""),
  });
  if (debitedBefore(tx, proof)) return taken(Math.max(0, included - used));
  const pack = used >= included ? packNow(tx, "list", "") : undefined;
  if (used >= included && !pack) return { ...usedUp(included, untilMs, tx.nowMs), beyond: { wanted: 1 } };
  if (proof) tx.run("UPDATE proofs SET debited = 'list' WHERE nonce = ?", proof.nonce);
  if (pack) {
    takeFrom(tx, pack, 1);
    return taken(0);
  }
  if (fresh) writeMeta(tx, "lists_since_ms", String(tx.nowMs));
  writeMeta(tx, "lists_used", String(used + 1));
  return taken(included - used - 1);
}

function usedUp(included: number, untilMs: number, nowMs: number): Refusal {
  return refuse("allowance_used", `the ${included} list calls of this month are used up`, {
    facts: { lists_left: 0, allowance_until: new Date(untilMs).toISOString() },
    retryAfterS: Math.ceil((untilMs - nowMs) / 1000),
  });
}

function debitedBefore(tx: Tx, proof: ProofUse | undefined): boolean {
  if (!proof) return false;
  return (
    tx.first<{ debited: string | null }>("SELECT debited FROM proofs WHERE nonce = ?", proof.nonce)?.debited === "list"
  );
}

/** Where the page before ended: everything up to this place was shown. */
export interface Cursor {
  readonly region: string;
  readonly agentId: string | undefined;
  readonly after: string;
}

/** No more of them than a page may ask S3 about, and one to tell that there are more. */
function sectionsOf(tx: Tx, scope: ListScope, from: Cursor | undefined): Section[] {
  // All agents and no prefix are one stretch of the bucket; with a prefix each agent is a stretch of its own.
  const apart = scope.agentId !== undefined || scope.prefix !== "";
  const rows = tx.all<{ region: string; agent_id: string }>(
    `SELECT DISTINCT region, ${apart ? "agent_id" : "'' AS agent_id"} FROM orders WHERE state IN ('paid', 'stored')
       AND (? IS NULL OR region = ?) AND (? IS NULL OR agent_id = ?) AND substr(object_key, 1, length(?)) = ?
       AND (region, ${apart ? "agent_id" : "''"}) >= (?, ?) ORDER BY region, agent_id LIMIT ?`,
    scope.region ?? null,
    scope.region ?? null,
    scope.agentId ?? null,
    scope.agentId ?? null,
    scope.prefix,
    scope.prefix,
    from?.region ?? "",
    from?.agentId ?? "",
    S3_CALLS_PER_LIST_MAX + 1,
  );
  const buckets = new Map(readyBuckets(tx).map((bucket) => [bucket.region, bucket]));
  return rows.map(({ region, agent_id: agentId }) => ({
    store: buckets.get(region)?.store ?? "",
    region,
    bucket: buckets.get(region)?.name,
    agentId: apart ? agentId : undefined,
    prefix: apart ? `agent=${agentId}/${scope.prefix}` : "agent=",
  }));
}

/** What every key of an order begins with, as SQL; the index orders_by_place is made of the same words. */
const PLACE = "'agent=' || orders.agent_id || '/' || orders.object_key || '/'";

/** The leases of a section behind `after`, up to and with `until`, in the order of their keys. */
export function leasesIn(tx: Tx, section: Section, after: string, until: string | undefined, atMost: number): Leased[] {
  const { region, agentId, prefix } = section;
  // "0" follows "/" and ">" follows "=": the first text behind all keys of the agent, or of all agents.
  const end = agentId === undefined ? "agent>" : `agent=${agentId}0`;
  return tx
    .all<LeaseRow>(
      `${SELECT_LEASES} WHERE orders.region = ? AND orders.state IN ('paid', 'stored') AND ${PLACE} > ? AND ${PLACE} >= ?
         AND ${PLACE} < ? AND (? IS NULL OR ${PLACE} <= ?) AND substr(${PLACE}, 1, length(?)) = ? ORDER BY ${PLACE} LIMIT ?`,
      region,
      after,
      prefix,
      end,
      until ?? null,
      until ?? null,
      prefix,
      prefix,
      atMost,
    )
    .map((row) => leasedOf(tx, row));
}

/**
 * Keys that S3 has and no lease elects. What was given up and came back (a PUT that began before its URL died may end long after) is
 * erased again; a plan still open is nobody's concern yet. Answers how many no plan of ours ever named.
 */
export function noteStrays(tx: Tx, keys: readonly string[]): number {
  let unknown = 0;
  for (const key of keys) {
    const plan = tx.first<{ state: string; store: string; region: string; bucket: string | null }>(
      `SELECT plans.state, orders.store, orders.region, orders.bucket FROM plans
         JOIN orders ON orders.order_id = plans.order_id WHERE plans.s3_key = ?`,
      key,
    );
    if (!plan) unknown += 1;
    if (plan?.state !== "gone" || plan.bucket === null) continue;
    tx.run(
      "INSERT OR IGNORE INTO erasures (s3_key, store, region, bucket, next_ms, final_ms) VALUES (?, ?, ?, ?, ?, ?)",
      key,
      plan.store,
      plan.region,
      plan.bucket,
      tx.nowMs,
      tx.nowMs,
    );
  }
  return unknown;
}
