/** A URL for one object, or for a part of it: short-lived, straight to S3, and debited before it exists. */

import { DOWNLOAD_URL_TTL_DEFAULT_S } from "#contract/limits";
import { type DownloadReply, DownloadRequest } from "#contract/objects";
import { debitOf } from "#rules/allowance";
import { endsAfterMs } from "#rules/calendar";
import { priceOfDownload } from "#rules/pricing";
import type { BeyondDownload, DownloadAsk } from "../../durable/downloads.ts";
import { answer, type Call, type Outcome, readArguments } from "./call.ts";
import { attachment } from "./filename.ts";
import { identified, READERS } from "./identity.ts";
import { withPack } from "./pack.ts";
import type { Ports } from "./ports.ts";
import { checksumOf } from "./presign.ts";
import { nextAmounts, placeOf } from "./stat.ts";
import type { Who } from "./who.ts";

export async function download(ports: Ports, call: Call): Promise<Outcome> {
  const asked = readArguments(DownloadRequest, call);
  if (!asked.ok) return asked;
  const { value } = asked;
  const who = await identified(ports, call, value.wallet_address, READERS);
  if (!who.ok) return who;
  const expiresInS = value.expires_in_seconds ?? DOWNLOAD_URL_TTL_DEFAULT_S;
  const ask = {
    agentId: value.agent_id,
    objectKey: value.object_key,
    range: value.range,
    downloadId: value.download_id,
  };
  const taken = await takeOrBuy(ports, call, who, ask);
  if (!taken.ok) return taken.outcome;
  const { order, content, span, allowance, pack } = taken.taken;
  const disposition = attachment(order.objectKey);
  const { url, headers } = await ports.store.signGet({
    ...placeOf(taken.taken, content),
    expiresInS,
    span,
    disposition,
  });
  const paidThroughMs = order.paidThroughMs ?? 0;
  const next = (await nextAmounts(ports, order.region))(content.lengthBytes);
  const reply: DownloadReply = {
    download_url: url,
    download_headers: headers,
    object_key: order.objectKey,
    agent_id: order.agentId,
    expires_in_seconds: expiresInS,
    expires_at: new Date(ports.clock.nowMs() + expiresInS * 1000).toISOString(),
    order_id: order.orderId,
    size_bytes: content.lengthBytes,
    ...(span === undefined ? {} : { range: span }),
    content_sha256: content.sha256,
    checksum: checksumOf(content),
    ...(content.wrappedDek === undefined ? {} : { wrapped_dek: content.wrappedDek }),
    paid_through: new Date(paidThroughMs).toISOString(),
    delete_after: new Date(endsAfterMs(order.state, paidThroughMs)).toISOString(),
    ...(next === undefined ? {} : { next_amount: next }),
    downloads_left: allowance.downloadsLeft,
    download_bytes_left: allowance.bytesLeft,
    allowance_until: new Date(allowance.untilMs).toISOString(),
    ...(pack ? { pack_bytes_left: pack.left, pack_until: new Date(pack.untilMs).toISOString() } : {}),
  };
  return answer(reply, taken.headers);
}

/** Within the allowance; beyond it by a pack, which is bought if a payment came along. */
function takeOrBuy(ports: Ports, call: Call, who: Who, ask: DownloadAsk) {
  const wallet = ports.wallet(who.wallet);
  return withPack(ports, call, who, {
    take: (claimKey) => wallet.takeDownload(who.proof, { ...ask, claimKey }),
    sale: ({ orderId, region, sizeBytes, wanted }: BeyondDownload["beyond"]) => ({
      pack: { kind: "download", orderId, units: debitOf(sizeBytes), wanted },
      region,
      price: (rates, policy) => priceOfDownload(BigInt(sizeBytes), rates, policy),
      what: `one more download of ${ask.objectKey}`,
      fields: {
        object_key: ask.objectKey,
        agent_id: ask.agentId,
        ...(ask.range ? { range: `${ask.range.first ?? ""}-${ask.range.last ?? ""}` } : {}),
      },
    }),
  });
}
