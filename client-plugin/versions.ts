/**
 * Which content of a name is the newest. Each content is sealed for a version of its name, one above every version that this machine
 * knows and one above what the service holds now; only a holder of the wallet's key can make a version. So what is offered is either
 * what is known, or newer and from another machine of the owner's, or refused.
 */
import type { DownloadReply } from "#contract/objects";
import { parseWrappedDek, unwrapStanza } from "./envelope/kek.ts";
import { EnvelopeError } from "./envelope/refusal.ts";
import { Fault } from "./faults.ts";
import type { Session } from "./session.ts";
import type { KnownContent } from "./state/catalogue.ts";

/** The service is asked for a moment only: what this machine knows by itself is mostly all there is to know. */
const ASK_MS = 10_000;

export interface Named {
  readonly agentId: string;
  readonly objectKey: string;
}

/** The version that a wrapped key was made for, if a holder of the wallet's key made it for this name; undefined for anything else. */
export async function versionOf(
  session: Session,
  { agentId, objectKey }: Named,
  wrappedDek: string | undefined,
): Promise<number | undefined> {
  if (wrappedDek === undefined) return undefined;
  try {
    const context = session.context(agentId, objectKey);
    return (await unwrapStanza(parseWrappedDek(wrappedDek), session.keys.lookup, context)).version;
  } catch (error) {
    if (error instanceof EnvelopeError) return undefined;
    throw error;
  }
}

/** For the next content under this name. */
export async function nextVersion(session: Session, named: Named, signal: AbortSignal): Promise<number> {
  const { agentId, objectKey } = named;
  const known = session.catalogue.known(agentId, objectKey)?.version ?? 0;
  // Another machine may have replaced it. Not to be had, or not there: then what is known here decides.
  const there = await session.api
    .stat(
      { object_key: objectKey, agent_id: agentId },
      { signal: AbortSignal.any([signal, AbortSignal.timeout(ASK_MS)]) },
    )
    .then(
      (object) => versionOf(session, named, object.wrapped_dek),
      () => undefined,
    );
  signal.throwIfAborted();
  return 1 + Math.max(known, there ?? 0);
}

/** Before anything is downloaded. @throws Fault `rolled_back`, `other_content` */
export async function judgeOffer(
  session: Session,
  named: Named,
  reply: Pick<DownloadReply, "content_sha256" | "wrapped_dek">,
): Promise<void> {
  const known = session.catalogue.known(named.agentId, named.objectKey);
  if (known === undefined || isKnown(known, reply.content_sha256)) return;
  judgeVersion(known, await versionOf(session, named, reply.wrapped_dek), reply.content_sha256);
}

/** By the version that the object itself proved. @throws Fault `rolled_back`, `other_content` */
export function judgeOpened(session: Session, named: Named, sha256: string, version: number): void {
  const known = session.catalogue.known(named.agentId, named.objectKey);
  if (known !== undefined && !isKnown(known, sha256)) judgeVersion(known, version, sha256);
}

/** What was opened, whole, is what this machine knows of the name from now on. */
export function learnOpened(
  session: Session,
  { agentId, objectKey }: Named,
  { sha256, sizeBytes }: { readonly sha256: string; readonly sizeBytes: number },
  version: number,
): void {
  if (session.catalogue.find(agentId, objectKey)?.sha256 === sha256) return;
  const atMs = Date.now();
  session.catalogue.learn({ agentId, objectKey, version, sha256, sealedBytes: sizeBytes, deleted: false, atMs });
}

function isKnown(known: KnownContent, sha256: string): boolean {
  return !known.deleted && known.sha256 === sha256;
}

function judgeVersion(known: KnownContent, version: number | undefined, sha256: string): void {
  if (version !== undefined && version > known.version) return;
  if (known.deleted || (version !== undefined && version < known.version)) {
    const what = known.deleted ? "was deleted" : `is at version ${known.version} for this machine`;
    throw new Fault(
      "rolled_back",
      `The service offers ${version === undefined ? "a content" : `version ${version}`} of ${known.objectKey}, which ${what}: it was rolled back.`,
      { next: "Nothing was opened. To take the older content all the same, fetch it with --accept-changed." },
    );
  }
  throw new Fault(
    "other_content",
    `The service offers other content for ${known.objectKey} than this machine knows (${sha256.slice(0, 12)}…, not ${known.sha256.slice(0, 12)}…).`,
    {
      next: "If two machines of yours stored it at the same time, fetch it with --accept-changed; else it was swapped.",
    },
  );
}
