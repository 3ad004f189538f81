/** What a wallet keeps: list, look at one, download, delete. Sizes come from S3, terms from the leases. */

import {
  type DeleteReply,
  DeleteRequest,
  type DownloadReply,
  DownloadRequest,
  type ListedObject,
  type ListReply,
  ListRequest,
  type StatReply,
} from "#contract/api";
import { base64ToJson, bytesToBase64 } from "#contract/base64";
import { utf8ToBytes } from "#contract/bytes";
import { refuse } from "#contract/errors";
import { DOWNLOAD_URL_TTL_DEFAULT_S } from "#contract/limits";
import { bucketName, type Wallet } from "#contract/wallet";
import { deleteAfterMs } from "#rules/calendar";
import type { Leased } from "../../durable/reads.ts";
import { answer, type Call, type Outcome, readArguments } from "./call.ts";
import { identified, READERS } from "./identity.ts";
import type { Ports } from "./ports.ts";
import { proven, type Who } from "./who.ts";

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
  const taken = await ports.wallet(who.wallet).takeList(who.proof);
  if (!taken.ok) return taken;
  const buckets = taken.buckets.filter((bucket) => region === undefined || bucket.region === region);
  const from = cursor ? buckets.findIndex((bucket) => bucket.name === cursor.bucket) : 0;
  if (cursor && from < 0) return refuse("malformed", "continuation_token: its bucket is not in this list");
  const bucket = buckets[from];
  const name = bucket?.name ?? bucketName(who.wallet, region ?? ports.policy.defaultRegion, ports.policy.defaultRegion);
  if (!bucket) return answer(listReply(name, [], undefined));
  const page = await ports.store.list({
    ...bucket,
    bucket: bucket.name,
    prefix: prefixOf(value.agent_id, value.prefix),
    maxKeys: value.max_keys,
    token: cursor?.token,
  });
  if (page.end === "refused") return refuse("malformed", `continuation_token: S3 says ${page.detail}`);
  if (page.end === "unknown")
    return refuse("storage_unavailable", `the list cannot be read now (${page.detail})`, { retryAfterS: 5 });
  const leases = await ports.wallet(who.wallet).leasesOf(page.entries.map((entry) => entry.key));
  const byKey = new Map(leases.map((lease) => [lease.plan.s3Key, lease]));
  // Bytes that no lease elects (a superseded content, a plan never confirmed) are nobody's object.
  const objects = page.entries.flatMap((entry) => {
    const lease = byKey.get(entry.key);
    return lease ? [listed(lease, entry.sizeBytes, entry.lastModified)] : [];
  });
  const next = buckets[from + 1];
  const resume = page.token !== undefined ? { bucket: bucket.name, token: page.token } : next && { bucket: next.name };
  return answer(listReply(name, objects, resume));
}

function listReply(bucket: string, objects: ListedObject[], resume: object | undefined): ListReply {
  return {
    success: true,
    list_mode: true,
    bucket,
    objects,
    is_truncated: resume !== undefined,
    next_continuation_token: resume === undefined ? null : bytesToBase64(utf8ToBytes(JSON.stringify(resume))),
  };
}

function prefixOf(agentId: string, prefix: string | undefined): string {
  // `*` lists every agent; a name prefix then has nothing to hold on to.
  return agentId === "*" ? "agent=" : `agent=${agentId}/${prefix ?? ""}`;
}

function readCursor(token: string | undefined): { bucket: string; token?: string } | "bad" | undefined {
  if (token === undefined) return undefined;
  const json = base64ToJson(token) as { bucket?: unknown; token?: unknown } | undefined;
  if (typeof json?.bucket !== "string") return "bad";
  return { bucket: json.bucket, ...(typeof json.token === "string" ? { token: json.token } : {}) };
}

async function stat(ports: Ports, who: Who, value: ListRequest, objectKey: string): Promise<Outcome> {
  if (value.agent_id === "*") return refuse("malformed", "agent_id: one object is one agent's; name the agent");
  const found = await ports.wallet(who.wallet).stat(who.proof, value.agent_id, objectKey);
  if (!found.ok) return found;
  const place = placeOf(found);
  const seen = await ports.store.look(place);
  if (seen.end === "unknown")
    return refuse("storage_unavailable", `S3 cannot be asked now (${seen.detail})`, { retryAfterS: 5 });
  if (seen.end === "absent")
    return refuse("object_not_found", "the lease is there, the bytes are not; tell the operator");
  const reply: StatReply = {
    success: true,
    ...listed(found, seen.lengthBytes, new Date(found.order.paidMs ?? 0).toISOString()),
  };
  return answer(reply);
}

function listed({ order, plan, payment }: Leased, sizeBytes: number, lastModified: string): ListedObject {
  const paidThroughMs = order.paidThroughMs ?? 0;
  return {
    key: order.objectKey,
    size_bytes: sizeBytes,
    last_modified: lastModified,
    agent_id: order.agentId,
    order_id: order.orderId,
    state: order.state,
    region: order.region,
    bucket: order.bucket ?? "",
    content_sha256: plan.sha256,
    ...(plan.wrappedDek === undefined ? {} : { wrapped_dek: plan.wrappedDek }),
    paid_through: new Date(paidThroughMs).toISOString(),
    delete_after: new Date(deleteAfterMs(paidThroughMs)).toISOString(),
    amount: order.amount,
    trans_id: payment.txHash ?? "",
  };
}

function placeOf({ order, plan }: Leased) {
  return { store: order.store, region: order.region, bucket: order.bucket ?? "", key: plan.s3Key };
}

export async function download(ports: Ports, call: Call): Promise<Outcome> {
  const asked = readArguments(DownloadRequest, call);
  if (!asked.ok) return asked;
  const { value } = asked;
  const who = await identified(ports, call, value.wallet_address, READERS);
  if (!who.ok) return who;
  const taken = await ports.wallet(who.wallet).takeDownload(who.proof, value.agent_id, value.object_key);
  if (!taken.ok) return taken;
  const expiresInS = value.expires_in_seconds ?? DOWNLOAD_URL_TTL_DEFAULT_S;
  const { order, plan } = taken;
  const reply: DownloadReply = {
    download_url: await ports.store.signGet(placeOf(taken), expiresInS),
    object_key: order.objectKey,
    expires_in_seconds: expiresInS,
    order_id: order.orderId,
    size_bytes: plan.lengthBytes,
    content_sha256: plan.sha256,
    ...(plan.wrappedDek === undefined ? {} : { wrapped_dek: plan.wrappedDek }),
    paid_through: new Date(order.paidThroughMs ?? 0).toISOString(),
    downloads_left: taken.downloadsLeft,
  };
  return answer(reply);
}

/** `delete` is a word of the language. The name is free at once; the bytes go now, and once more when no URL can bring them back. */
export async function remove(ports: Ports, call: Call): Promise<Outcome> {
  const asked = readArguments(DeleteRequest, call);
  if (!asked.ok) return asked;
  const { value } = asked;
  const who = await proven(ports, call, value.wallet_address);
  if (!who.ok) return who;
  const wallet = ports.wallet(who.wallet);
  const begun = await wallet.beginDelete(who.proof, value.agent_id, value.object_key);
  if (!begun.ok) return begun;
  // A store that does not answer costs nothing here: the tombstone is written and the alarm erases.
  for (const place of begun.places)
    await wallet.finishErase(place.key, (await ports.store.erase(place)).end === "done");
  const reply: DeleteReply = {
    success: true,
    key: begun.order.objectKey,
    bucket: begun.order.bucket ?? bucketNameOf(ports, who.wallet, begun.order.region),
    bucket_deleted: false,
    order_id: begun.order.orderId,
  };
  return answer(reply);
}

function bucketNameOf(ports: Ports, wallet: Wallet, region: string): string {
  return bucketName(wallet, region, ports.policy.defaultRegion);
}
