/**
 * The warning that stands until it is made good: what could not be renewed, what is missing where, and when it is deleted. Kept in the
 * journal's file, so that every face and every process shows the same one.
 */
import { GRACE_DAYS } from "#contract/limits";
import { formatDollars } from "#contract/money";
import type { Core } from "./core.ts";
import type { FaultFacts } from "./faults.ts";
import type { Session } from "./session.ts";

export interface EndingObject {
  readonly agentId: string;
  readonly objectKey: string;
  /** Micro-USDC of its next period, where it was told. */
  readonly amount?: string;
  /** ISO time: the end of what is paid. */
  readonly from: string;
}

export interface RenewalWarning {
  readonly code: string;
  /** Everything in one sentence or two. */
  readonly message: string;
  readonly next: string;
  /** The wallet that should pay. */
  readonly address: string;
  /** Micro-USDC to be sent there; null where money is not what is missing, or the balance cannot be read. */
  readonly missing: string | null;
  /** ISO time: the first of them is deleted after it. Null where nobody knows which objects. */
  readonly deleteAfter: string | null;
  /** The first of them, by their end. */
  readonly objects: readonly EndingObject[];
  readonly count: number;
  readonly at: string;
}

const SHOWN_MAX = 20;
const DAY_MS = 86_400_000;

/** Undefined where nothing is known to end soon and what failed may pass by itself: being offline for an hour is no news. */
export async function raiseWarning(
  core: Core,
  fault: FaultFacts,
  unpaid: readonly EndingObject[],
  nowMs: number,
): Promise<RenewalWarning | undefined> {
  const session = await core.session();
  const objects = (unpaid.length > 0 ? unpaid : endingHere(session, nowMs))
    .map(({ agentId, objectKey, amount, from }) => ({ agentId, objectKey, from, ...(amount && { amount }) }))
    .sort((a, b) => a.from.localeCompare(b.from));
  if (objects.length === 0 && fault.retryable) return undefined;
  const { address } = session.wallet;
  const balance = await core.balance().then(
    ({ microUsdc }) => microUsdc,
    () => undefined,
  );
  const needed = objects.reduce((sum, { amount }) => sum + BigInt(amount ?? "0"), 0n);
  const missing =
    fault.code === "insufficient_balance" && balance !== undefined && needed > balance ? needed - balance : 0n;
  const first = objects[0];
  const deleteAfter = first && new Date(Date.parse(first.from) + GRACE_DAYS * DAY_MS).toISOString();
  const sentences = [
    first === undefined
      ? `Renewals could not be paid: ${fault.message}`
      : `${namesOf(objects)} could not be renewed: ${fault.message}`,
    ...(missing === 0n
      ? []
      : [`${formatDollars(missing)} USDC are missing: send them on ${core.settings.network.label} to ${address}.`]),
    ...(deleteAfter === undefined
      ? []
      : [`Unless it is paid, ${JSON.stringify(first?.objectKey)} is deleted after ${deleteAfter}.`]),
  ];
  const warning: RenewalWarning = {
    code: fault.code,
    message: sentences.join(" "),
    next: fault.next,
    address,
    missing: missing === 0n ? null : missing.toString(),
    deleteAfter: deleteAfter ?? null,
    objects: objects.slice(0, SHOWN_MAX),
    count: objects.length,
    at: new Date(nowMs).toISOString(),
  };
  core.pins.replace(pinOf(core), JSON.stringify(warning));
  core.log.activity("renewals.warning", {
    code: fault.code,
    objects: objects.length,
    deleteAfter: deleteAfter ?? null,
  });
  return warning;
}

export function clearWarning(core: Core): void {
  if (core.pins.read(pinOf(core))) core.pins.replace(pinOf(core), "");
}

/** Undefined when all is well. What was renewed meanwhile, one by one, is no part of it any more. */
export async function standingWarning(core: Core): Promise<RenewalWarning | undefined> {
  const text = core.pins.read(pinOf(core));
  if (!text) return undefined;
  const warning = JSON.parse(text) as RenewalWarning;
  const session = await core.session();
  if (warning.address !== session.wallet.address) return undefined;
  const isUnpaid = ({ agentId, objectKey, from }: EndingObject) =>
    (session.catalogue.find(agentId, objectKey)?.paidThrough ?? from) <= from;
  return warning.count === 0 || warning.objects.some(isUnpaid) ? warning : undefined;
}

/** Where the service could not be asked: what this machine remembers. */
function endingHere(session: Session, nowMs: number): EndingObject[] {
  const soon = new Date(nowMs + 3 * DAY_MS).toISOString();
  return session.catalogue
    .list()
    .filter(({ paidThrough }) => paidThrough <= soon)
    .map(({ agentId, objectKey, paidThrough }) => ({ agentId, objectKey, from: paidThrough }));
}

function namesOf(objects: readonly EndingObject[]): string {
  const named = objects.slice(0, 3).map(({ objectKey }) => JSON.stringify(objectKey));
  const more = objects.length - named.length;
  return `${named.join(", ")}${more > 0 ? ` and ${more} more` : ""}`;
}

/** One service, one warning. */
function pinOf(core: Core): string {
  return `renewals warning ${core.settings.baseUrl}`;
}
