/**
 * Lists what a wallet keeps, a page at a time. Which objects there are, leases say; how much each of them is, S3 says. Both are read
 * along the same line of keys and laid over each other: bytes that no lease elects are nobody's object, and a lease whose bytes a page
 * of S3 does not show is looked at by itself before anything is said about it.
 */

import { base64ToJson, jsonToBase64 } from "#contract/base64";
import { type Refusal, refuse } from "#contract/errors";
import { PACK_LISTS, S3_CALLS_PER_LIST_MAX, S3_LOOKS_PER_LIST_MAX } from "#contract/limits";
import { type ListedObject, type ListReply, ListRequest } from "#contract/objects";
import { bucketName, isAgentId, type Wallet } from "#contract/wallet";
import { priceOfLists } from "#rules/pricing";
import type { BeyondLists, Cursor, ListTaken, Section } from "../../durable/lists.ts";
import type { StoredEntry } from "../../durable/ports.ts";
import type { Leased } from "../../durable/reads.ts";
import { answer, type Call, type Outcome, readArguments } from "./call.ts";
import { identified, READERS } from "./identity.ts";
import { withPack } from "./pack.ts";
import type { Ports } from "./ports.ts";
import { listed, look, nextAmounts, plansPrefix, stat } from "./stat.ts";

export async function list(ports: Ports, call: Call): Promise<Outcome> {
  const asked = readArguments(ListRequest, call);
  if (!asked.ok) return asked;
  const { value } = asked;
  const who = await identified(ports, call, value.wallet_address, READERS);
  if (!who.ok) return who;
  if (value.object_key !== undefined) return stat(ports, who, value, value.object_key);
  const region = value.region ?? value.location;
  if (region !== undefined && !ports.policy.regions.includes(region))
    return refuse("region_unknown", `${region} is not sold here; sold are ${ports.policy.regions.join(", ")}`);
  const cursor = readCursor(value.continuation_token);
  if (cursor === "bad") return refuse("malformed", "continuation_token: not one of ours");
  if (cursor && region !== undefined && cursor.region !== region)
    return refuse("malformed", `continuation_token: it continues in ${cursor.region}, the request asks for ${region}`);
  const agentId = value.agent_id === "*" ? undefined : value.agent_id;
  const scope = { agentId, region, prefix: value.prefix ?? "" };
  const bought = await withPack(ports, call, who, {
    take: (claimKey) => ports.wallet(who.wallet).takeList(who.proof, scope, cursor, claimKey),
    sale: ({ wanted }: BeyondLists["beyond"]) => ({
      pack: { kind: "list", orderId: "", units: PACK_LISTS, wanted },
      region: ports.policy.defaultRegion,
      price: (rates, policy) => priceOfLists(BigInt(PACK_LISTS), rates, policy),
      what: `${PACK_LISTS} more list calls`,
      fields: { lists: String(PACK_LISTS) },
    }),
  });
  if (!bought.ok) return bought.outcome;
  const { taken, headers } = bought;
  const page = await pageOf(ports, who.wallet, taken.sections, cursor, value.max_keys);
  // The call is paid for all the same; the same request again costs nothing more.
  if (!page.ok) return { ...page, headers };
  const { defaultRegion } = ports.policy;
  const bucket = taken.sections[0]?.bucket ?? bucketName(who.wallet, region ?? defaultRegion, defaultRegion);
  return answer(replyOf(bucket, page, taken), headers);
}

function replyOf(bucket: string, { objects, next }: Page, { left, pack }: ListTaken): ListReply {
  return {
    success: true,
    list_mode: true,
    bucket,
    objects,
    is_truncated: next !== undefined,
    next_continuation_token: next === undefined ? null : jsonToBase64(next),
    ...(left ? { lists_left: left.lists, allowance_until: new Date(left.untilMs).toISOString() } : {}),
    ...(pack ? { pack_lists_left: pack.left, pack_until: new Date(pack.untilMs).toISOString() } : {}),
  };
}

/** The token is a place in the list and no secret: with another wallet's proof it is a place in that wallet's list. */
function readCursor(token: string | undefined): Cursor | "bad" | undefined {
  if (token === undefined) return undefined;
  const json = base64ToJson(token) as Partial<Record<keyof Cursor, unknown>> | undefined;
  const { region, agentId, after } = json ?? {};
  if (typeof region !== "string" || typeof after !== "string" || !after.isWellFormed()) return "bad";
  if (agentId !== undefined && (typeof agentId !== "string" || !isAgentId(agentId))) return "bad";
  return { region, agentId, after };
}

interface Page {
  readonly objects: ListedObject[];
  readonly next: Cursor | undefined;
}

async function pageOf(
  ports: Ports,
  wallet: Wallet,
  sections: readonly Section[],
  cursor: Cursor | undefined,
  maxKeys: number,
): Promise<({ ok: true } & Page) | Refusal> {
  const objects: ListedObject[] = [];
  for (const [index, section] of sections.entries()) {
    const { region, agentId } = section;
    const begun = cursor !== undefined && cursor.region === region && cursor.agentId === agentId;
    const after = begun ? cursor.after : "";
    if (index === S3_CALLS_PER_LIST_MAX || objects.length >= maxKeys)
      return { ok: true, objects, next: { region, agentId, after } };
    const stretch = await stretchOf(ports, wallet, section, after, maxKeys - objects.length);
    if (!stretch.ok) return stretch;
    objects.push(...stretch.objects);
    if (stretch.next !== undefined) return { ok: true, objects, next: { region, agentId, after: stretch.next } };
  }
  return { ok: true, objects, next: undefined };
}

async function stretchOf(ports: Ports, wallet: Wallet, section: Section, after: string, room: number) {
  const stored = await storedIn(ports, section, after, room);
  if (!stored.ok) return stored;
  const { entries, until } = stored;
  const entryAt = indexed(entries);
  const leases = await ports.wallet(wallet).leasesIn(section, after, until, room + 1);
  // One lease more than fits tells that there is another page; so does one look too many.
  const isHidden = ({ content }: Leased) => content !== undefined && !entryAt.has(content.s3Key);
  const tooMany = leases.filter(isHidden)[S3_LOOKS_PER_LIST_MAX];
  const shown = leases.slice(0, Math.min(room, tooMany ? leases.indexOf(tooMany) : leases.length));
  const nextAmount = await nextAmounts(ports, section.region);
  const objects: ListedObject[] = [];
  const named = new Set<string>();
  const seen = await Promise.all(
    shown.map((lease) =>
      isHidden(lease) ? look(ports, ports.wallet(wallet), lease) : { ok: true as const, lease, bytes: undefined },
    ),
  );
  for (const each of seen) {
    if (!each.ok) return each;
    if (!each.lease) continue;
    const entry = each.bytes ? undefined : entryAt.get(each.lease.content?.s3Key ?? plansPrefix(each.lease));
    if (entry) named.add(entry.key);
    objects.push(listed(each.lease, each.bytes ?? entry, nextAmount));
  }
  const last = shown.at(-1);
  const cut = shown.length < leases.length && last !== undefined;
  if (!cut) await reportStrays(ports, wallet, section, entries, named);
  return { ok: true as const, objects, next: cut ? behind(last) : until };
}

/** A page of S3, and the key it goes up to where there are more. */
async function storedIn(ports: Ports, { store, region, bucket, prefix }: Section, after: string, room: number) {
  const nothing: { ok: true; entries: StoredEntry[]; until: string | undefined } = {
    ok: true,
    entries: [],
    until: undefined,
  };
  if (bucket === undefined) return nothing;
  const startAfter = after === "" ? undefined : after;
  const page = await ports.store.list({ store, region, bucket, prefix, maxKeys: room, startAfter });
  if (page.end === "refused") return refuse("malformed", `continuation_token: S3 says ${page.detail}`);
  if (page.end === "unknown")
    return refuse("storage_unavailable", `the list cannot be read now (${page.detail})`, { retryAfterS: 5 });
  return { ok: true as const, entries: page.entries, until: page.truncated ? page.entries.at(-1)?.key : undefined };
}

/** Entries by their key and, without the plan's number, by their order: the newest content that somebody has PUT. */
function indexed(entries: readonly StoredEntry[]): Map<string, StoredEntry> {
  return new Map(
    entries.flatMap((entry) => [
      [entry.key.slice(0, entry.key.lastIndexOf(".") + 1), entry] as const,
      [entry.key, entry] as const,
    ]),
  );
}

/** Behind every key of this lease and before those of any other: "~" follows every hex digit. */
function behind({ order }: Leased): string {
  return `agent=${order.agentId}/${order.objectKey}/~`;
}

async function reportStrays(
  ports: Ports,
  wallet: Wallet,
  section: Section,
  entries: readonly StoredEntry[],
  named: ReadonlySet<string>,
): Promise<void> {
  const strays = entries.filter((entry) => !named.has(entry.key)).map((entry) => entry.key);
  if (strays.length === 0) return;
  const unknown = await ports.wallet(wallet).noteStrays(strays);
  if (unknown > 0)
    console.warn(
      JSON.stringify({ code: "unleased_bytes", bucket: section.bucket, objects: unknown, first: strays[0] }),
    );
}
