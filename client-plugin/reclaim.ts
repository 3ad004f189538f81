/**
 * Back from the recovery words alone, on a machine that has the wallet and none of its keys: each object's own header gives its key to
 * the recovery identity, and the service records it under this machine's key. From then on everyday reading works again. The words
 * are held in memory while it runs and written nowhere; cut off anywhere, it is simply done again.
 */
import type { ListedObject } from "#contract/objects";
import { ApiError } from "./api.ts";
import type { Core } from "./core.ts";
import { readHeader } from "./envelope/header.ts";
import { parseWrappedDek } from "./envelope/kek.ts";
import { isLegacyDek } from "./envelope/legacy.ts";
import { ByteReader } from "./envelope/reader.ts";
import { EnvelopeError } from "./envelope/refusal.ts";
import { rewrapRecovered } from "./envelope/rewrap.ts";
import type { Session } from "./session.ts";
import { get } from "./transfer.ts";

export interface Reclaimed {
  readonly reclaimed: number;
  /** Openable here before. */
  readonly already: number;
  readonly left: readonly { readonly name: string; readonly why: string }[];
}

/** Our own header is under 400 bytes. Asked for by range, it debits next to nothing of the allowance. */
const HEADER_BYTES = 1024;
const URL_TTL_S = 60;

export async function reclaim(core: Core, identity: string, signal?: AbortSignal): Promise<Reclaimed> {
  const session = await core.session();
  const left: { name: string; why: string }[] = [];
  let reclaimed = 0;
  let already = 0;
  for (const object of await core.list({ agentId: "*" })) {
    signal?.throwIfAborted();
    if (object.state !== "stored") continue;
    const end = await reclaimOne(session, object, identity, signal);
    if (end === "already") already += 1;
    else if (end === "reclaimed") reclaimed += 1;
    else left.push({ name: `${object.agent_id}/${object.key}`, why: end.why });
  }
  return { reclaimed, already, left };
}

async function reclaimOne(
  session: Session,
  { agent_id, key: object_key, wrapped_dek: replaces }: ListedObject,
  identity: string,
  signal: AbortSignal | undefined,
): Promise<"already" | "reclaimed" | { readonly why: string }> {
  if (replaces === undefined || isLegacyDek(replaces)) return { why: "it was not sealed by this client" };
  try {
    const kid = parseWrappedDek(replaces).args[0] ?? "";
    if ((await session.keys.lookup(kid)) !== undefined) return "already";
    const header = await headerOf(session, agent_id, object_key, signal);
    const { kek } = await session.keys.current();
    const context = session.context(agent_id, object_key);
    const made = rewrapRecovered({ header, identity, context, kek });
    const send = signal === undefined ? {} : { signal };
    await session.api.rewrap({ agent_id, object_key, replaces, wrapped_dek: made.wrappedDek }, send);
    return "reclaimed";
  } catch (error) {
    // Nothing that is wrong with one object keeps the others back; what is wrong with the line does.
    if (error instanceof EnvelopeError || (error instanceof ApiError && !error.problem.retryable))
      return { why: error.message };
    throw error;
  }
}

async function headerOf(session: Session, agent_id: string, object_key: string, signal: AbortSignal | undefined) {
  const range = `bytes=0-${HEADER_BYTES - 1}`;
  const send = signal === undefined ? {} : { signal };
  const reply = await session.api.download({ agent_id, object_key, range, expires_in_seconds: URL_TTL_S }, send);
  const { bytes } = await get({
    url: reply.download_url,
    headers: reply.download_headers,
    from: 0,
    etag: undefined,
    signal,
  });
  const reader = new ByteReader(bytes);
  try {
    return await readHeader(reader);
  } finally {
    await reader.close();
  }
}
