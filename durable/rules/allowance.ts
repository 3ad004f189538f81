/**
 * What a paid period lets its holder read. The allowance is bytes, because bytes are what the included egress was priced by: N
 * downloads of the room that was paid for. A part of the object debits that part, so a download that broke off is resumed at the cost
 * of the rest.
 */
import { DOWNLOAD_DEBIT_BYTES_MIN, INCLUDED_DOWNLOADS, PERIOD_DAYS } from "#contract/limits";
import { DAY_MS } from "./calendar.ts";

const PERIOD_MS = PERIOD_DAYS * DAY_MS;

/**
 * The end of the period that holds now, which also names the period. Counted backwards from `paidThroughMs`, so that a period paid
 * ahead begins when it is due; in the grace days the last one goes on.
 */
export function periodEndMs(paidThroughMs: number, nowMs: number): number {
  const ahead = Math.max(0, Math.ceil((paidThroughMs - nowMs) / PERIOD_MS) - 1);
  return paidThroughMs - ahead * PERIOD_MS;
}

export interface Reads {
  /** Room that was paid for, bytes. */
  readonly sizeMax: number;
  readonly paidThroughMs: number;
  /** Debited so far in the period that ends at `readPeriodMs`; undefined when nothing ever was. */
  readonly readBytes: number;
  readonly readPeriodMs: number | undefined;
}

/** Bytes that may still be fetched in the period that holds now. */
export function bytesLeft(reads: Reads, nowMs: number): number {
  return Math.max(0, INCLUDED_DOWNLOADS * debitOf(reads.sizeMax) - bytesUsed(reads, nowMs));
}

export function bytesUsed(reads: Reads, nowMs: number): number {
  // A period that ends earlier than the one debited is that one, shortened by a reorg: its reads stay used.
  const samePeriod = reads.readPeriodMs === undefined || reads.readPeriodMs >= periodEndMs(reads.paidThroughMs, nowMs);
  return samePeriod ? reads.readBytes : 0;
}

/** What a URL for so many bytes debits: a request has its price even when it fetches one byte. */
export function debitOf(bytes: number): number {
  return Math.max(bytes, DOWNLOAD_DEBIT_BYTES_MIN);
}

/** Whole downloads of an object in so many bytes. */
export function downloadsIn(bytes: number, sizeBytes: number): number {
  return Math.floor(bytes / debitOf(sizeBytes));
}
