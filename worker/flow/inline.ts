/**
 * `mode: "inline"`: the bytes come in the request and go on to S3, as the published client sends what is small. The only bytes that
 * pass through here; so a large body is read only from a wallet that has paid for room, and no more of it than it has paid for.
 */
import type { UploadFailedReply, UploadRequest } from "#contract/api";
import { bytesToHex } from "#contract/bytes";
import { type Refusal, refuse } from "#contract/errors";
import { INLINE_BYTES_MAX, JSON_BODY_BYTES_MAX } from "#contract/limits";
import { decodeProof, PROOF_HEADER } from "#contract/proof";
import { answer, type Call, type Outcome } from "./call.ts";
import { confirmPlans } from "./confirm.ts";
import type { Ports } from "./ports.ts";
import { orderFacts, type PlanAsk, planned } from "./presign.ts";
import { provenOrTicketed, TICKET_HEADER } from "./who.ts";

/** What came before the body, with the body's hash taken at its word until the body is here. */
export type Head = Omit<Call, "body" | "bodyHash">;

/** How large a body this caller may send, judged by the headers alone: a body is memory, and only who has paid gets any. */
export async function inlineRoom(ports: Ports, head: Head): Promise<{ ok: true; bytesMax: number } | Refusal> {
  if (head.header(PROOF_HEADER) === null && head.header(TICKET_HEADER) === null)
    return refuse(
      "body_too_large",
      `the body is larger than ${JSON_BODY_BYTES_MAX} bytes; file bytes go to the upload URL, or inline with the proof of a wallet that has paid for them`,
    );
  const claimed = decodeProof(head.header(PROOF_HEADER) ?? "")?.claimed.bodyHash;
  const call: Call = { ...head, body: new Uint8Array(), bodyHash: (claimed ?? "0x") as `0x${string}` };
  const who = await provenOrTicketed(ports, call, undefined);
  if (!who.ok) return who;
  const paid = await ports.wallet(who.wallet).largestRoom();
  if (paid === 0)
    return refuse("not_paid", "no room of this wallet is paid for; settle the quote first, then send the bytes");
  const room = Math.min(paid, INLINE_BYTES_MAX);
  return { ok: true, bytesMax: Math.ceil(room / 3) * 4 + JSON_BODY_BYTES_MAX };
}

/** An upload whose content is known: as it was announced, or as it came. */
export type SizedUpload = Omit<UploadRequest, "ciphertext"> & {
  readonly content_length_bytes: number;
  readonly content_sha256: string;
  /** Only inline. */
  readonly bytes: Uint8Array | undefined;
};

export async function sized(request: UploadRequest): Promise<{ ok: true; value: SizedUpload } | Refusal> {
  const { ciphertext, ...value } = request;
  const { content_length_bytes: length, content_sha256: sha256 } = value;
  if (ciphertext === undefined) {
    if (length === undefined || sha256 === undefined) throw new Error("invariant: the schema wants length and hash");
    return { ok: true, value: { ...value, content_length_bytes: length, content_sha256: sha256, bytes: undefined } };
  }
  const bytes = decode(ciphertext);
  if (bytes === undefined) return refuse("malformed", "ciphertext: wanted standard base64");
  const came = bytesToHex(new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)));
  if (length !== undefined && length !== bytes.length)
    return refuse("malformed", `ciphertext has ${bytes.length} bytes; content_length_bytes says ${length}`);
  if (sha256 !== undefined && sha256 !== came)
    return refuse("malformed", `ciphertext has SHA-256 ${came}; content_sha256 says ${sha256}`);
  return { ok: true, value: { ...value, content_length_bytes: bytes.length, content_sha256: came, bytes } };
}

/** Megabytes, so: no pattern over the text and no callback a byte (compare contract/base64.ts). What is lost is seen by the hash. */
function decode(base64: string): Uint8Array<ArrayBuffer> | undefined {
  try {
    const binary = atob(base64);
    const bytes = new Uint8Array(binary.length);
    for (let at = 0; at < binary.length; at++) bytes[at] = binary.charCodeAt(at);
    return bytes.length === 0 ? undefined : bytes;
  } catch {
    return undefined;
  }
}

/** Stored and confirmed at once. What was paid is answered 207 when the store fails: the same request again finishes it. */
export async function storeInline(
  ports: Ports,
  ask: PlanAsk,
  bytes: Uint8Array,
  headers: Record<string, string>,
): Promise<Outcome> {
  const step = await planned(ports, ask);
  if (!step.ok) return step.code === "storage_unavailable" ? failed(ports, ask, step, headers) : { ...step, headers };
  const { order, plan, place } = step;
  if (plan.state !== "stored") {
    const put = await ports.store.put({ ...place, ...contentOf(plan) }, bytes);
    if (put.end === "unknown") return failed(ports, ask, refuse("storage_unavailable", put.detail), headers);
  }
  const confirmed = await confirmPlans(ports, ask.wallet, { orderId: order.orderId }, plan.plan);
  if (confirmed.ok) return answer(confirmed.reply, headers);
  return confirmed.code === "storage_unavailable" ? failed(ports, ask, confirmed, headers) : { ...confirmed, headers };
}

function contentOf({
  lengthBytes,
  sha256,
  wrappedDek,
}: {
  lengthBytes: number;
  sha256: string;
  wrappedDek: string | undefined;
}) {
  return { lengthBytes, sha256Hex: sha256, wrappedDek };
}

/** The published client reads `upload_failed` and sends the very same request twice more, a second apart. */
async function failed(ports: Ports, ask: PlanAsk, why: Refusal, headers: Record<string, string>): Promise<Outcome> {
  const found = await ports.wallet(ask.wallet).readOrder(undefined, ask.ref);
  if (!found.ok) return { ...why, headers };
  const reply: UploadFailedReply = {
    ...orderFacts(ports, ask.wallet, found.order, found.payment?.txHash),
    upload_failed: true,
    error: "S3 upload failed after payment settlement. Retry the upload.",
    message: `the bytes could not be stored now (${why.detail}); what was paid stays paid`,
  };
  return answer(reply, { "retry-after": "1", ...headers }, 207);
}
