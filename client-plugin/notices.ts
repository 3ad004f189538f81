/**
 * What the service has to tell about this wallet (`GET /events`): read where it was left off, and of all that only what its owner should
 * know, as a sentence. Each is shown once in the gateway's log, and once to whoever asks how things stand.
 */
import type { EventsReply } from "#contract/billing";
import { formatDollars, parseMicroUsdc } from "#contract/money";
import type { Core } from "./core.ts";
import type { Session } from "./session.ts";

/** Where a notice is shown: the gateway's log, or the answer to a person or an agent. */
export type Shown = "log" | "status";

type Event = EventsReply["events"][number];
interface Notice {
  readonly number: number;
  readonly at: string;
  readonly text: string;
}

/** A machine that never asked is not told what happened a year ago. */
const OLD_MS = 7 * 86_400_000;
const KEPT_MAX = 50;
const PAGES_MAX = 100;

/** New sentences for this place, oldest first. A service that cannot be asked is no news here. */
export async function newNotices(core: Core, shown: Shown): Promise<string[]> {
  const session = await core.session();
  const pin = `notices ${core.settings.baseUrl} ${session.wallet.address}`;
  await poll(core, session, pin).catch(() => undefined);
  const seenPin = `${pin} ${shown}`;
  const seen = Number(core.pins.read(seenPin) ?? 0);
  const fresh = kept(core, pin).filter(({ number }) => number > seen);
  const last = fresh.at(-1);
  if (last !== undefined) core.pins.replace(seenPin, String(last.number));
  return fresh.map(({ at, text }) => `${at.slice(0, 10)}: ${text}`);
}

async function poll(core: Core, session: Session, pin: string): Promise<void> {
  const lastPin = `${pin} last`;
  const isFirst = core.pins.read(lastPin) === undefined;
  const renewalsOff = core.pins.read("renewals") === "off";
  for (let page = 0; page < PAGES_MAX; page++) {
    const after = Number(core.pins.read(lastPin) ?? 0);
    const { events, last, more } = await session.api.events(after);
    const news = events.flatMap((event) => {
      const isOld = isFirst && Date.now() - Date.parse(event.at) > OLD_MS;
      const text = isOld ? undefined : sentenceOf(event, session, renewalsOff);
      return text === undefined ? [] : [{ number: event.number, at: event.at, text }];
    });
    // The notices first: died in between, they are read again and known by their numbers.
    if (news.length > 0) keep(core, pin, news);
    core.pins.replace(lastPin, String(Math.max(after, last)));
    if (!more) return;
  }
}

function kept(core: Core, pin: string): Notice[] {
  return JSON.parse(core.pins.read(pin) ?? "[]") as Notice[];
}

function keep(core: Core, pin: string, news: readonly Notice[]): void {
  const before = kept(core, pin);
  const known = before.at(-1)?.number ?? 0;
  core.pins.replace(pin, JSON.stringify([...before, ...news.filter(({ number }) => number > known)].slice(-KEPT_MAX)));
}

/** Undefined for what is as it should be. */
export function sentenceOf(
  { kind, data }: Event,
  session: Pick<Session, "catalogue">,
  renewalsOff: boolean,
): string | undefined {
  const text = (name: string) => (typeof data[name] === "string" ? data[name] : undefined);
  const orderId = text("order_id");
  const known = session.catalogue.list().find((each) => each.orderId === orderId);
  const object = JSON.stringify(text("object_key") ?? known?.objectKey ?? orderId ?? "an object");
  const why = text("reason") === undefined ? "" : ` (${plain(text("reason") ?? "")})`;
  const period = data["period"] === undefined ? "" : ` for period ${data["period"]}`;
  if (kind.startsWith("warning.")) {
    if (isSeenTo(kind, data, known?.paidThrough, renewalsOff)) return undefined;
    return plain(text("message") ?? `${kind} ${object}`);
  }
  switch (kind) {
    case "mandate.unpaid":
      return `the mandate${period} of ${object} did not pay${why}. It is tried again every hour until the object is deleted; the wallet may be short of USDC.`;
    case "mandate.failed":
      return `the mandate${period} of ${object} failed for good${why}. The object has to be renewed otherwise.`;
    case "order.lapsed":
      return `${object} was not paid for and has been deleted.`;
    case "order.unserved":
      return `${object} was paid and could not be stored; the money is wallet credit.`;
    case "order.reversed":
      return `a reorganisation of the chain took a payment of ${object} back; it is paid for a shorter time.`;
    case "payment.vanished":
      return "a payment was taken back by a reorganisation of the chain; it is sent again.";
    case "renewal.homeless":
      return `a renewal of ${object} was paid after it was gone; the money becomes wallet credit.`;
    case "credit.added": {
      const amount = parseMicroUsdc(text("amount") ?? "");
      return amount === undefined
        ? undefined
        : `${formatDollars(amount)} became wallet credit; it is spent before anything else.`;
    }
    default:
      return undefined;
  }
}

/** Paid since, as far as this machine knows; or paid by itself when its time comes. */
function isSeenTo(kind: string, data: Event["data"], paidThrough: string | undefined, renewalsOff: boolean): boolean {
  const until = data["paid_through"];
  if (typeof until === "string" && paidThrough !== undefined && paidThrough > until) return true;
  const isMandated = data["mandate"] === true;
  if (kind === "warning.unpaid") return isMandated;
  // What was paid and never sent has no grace: both times are one. No renewal helps it.
  return kind === "warning.due_soon" && until !== data["delete_after"] && (isMandated || !renewalsOff);
}

/** Somebody else's words, shown to people and models: one line, not long, nothing that steers a terminal. */
function plain(message: string): string {
  return message.replace(/[\p{C}\s]+/gu, " ").slice(0, 300);
}
