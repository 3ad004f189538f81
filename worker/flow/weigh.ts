/**
 * How much of a statement's objects there is, as S3 lists them: by pages, because a thousand HEADs are a thousand requests. A page
 * begins right before the first object that is not weighed yet, so stretches that nobody asks about are skipped.
 */
import { bytesToHex, utf8ToBytes } from "#contract/bytes";
import { type Refusal, refuse } from "#contract/errors";
import { LIST_KEYS_MAX, STATEMENT_S3_PAGES_MAX } from "#contract/limits";
import type { Store } from "../../durable/ports.ts";
import type { DueLine } from "../../durable/statements.ts";

export interface Scales {
  readonly ok: true;
  /** Bytes by S3 key; what S3 does not list is not in it. */
  readonly sizes: ReadonlyMap<string, number>;
  /** Of these S3 was asked; fewer than all where the pages came to their end. */
  readonly asked: readonly DueLine[];
}

export async function weigh(store: Pick<Store, "list">, due: readonly DueLine[]): Promise<Scales | Refusal> {
  const sizes = new Map<string, number>();
  const asked: DueLine[] = [];
  let pages = 0;
  for (const lines of byBucket(due)) {
    // S3 orders keys by their UTF-8 bytes, JavaScript strings by UTF-16.
    const sorted = lines
      .map((line) => ({ line, place: bytesToHex(utf8ToBytes(line.s3Key)) }))
      .sort((one, other) => (one.place < other.place ? -1 : 1))
      .map(({ line }) => line);
    for (let at = 0; at < sorted.length; ) {
      const first = sorted[at];
      if (!first || pages === STATEMENT_S3_PAGES_MAX) return { ok: true, sizes, asked };
      pages += 1;
      const { store: name, region, bucket, s3Key } = first;
      const where = { store: name, region, bucket, prefix: "agent=", maxKeys: LIST_KEYS_MAX };
      const page = await store.list({ ...where, startAfter: s3Key.slice(0, -1) });
      if (page.end !== "done")
        return refuse("storage_unavailable", `S3 cannot be asked now how much is stored (${page.detail})`, {
          retryAfterS: 5,
        });
      const listed = new Map(page.entries.map(({ key, sizeBytes }) => [key, sizeBytes]));
      const last = page.truncated
        ? Math.max(
            at,
            sorted.findLastIndex((line) => listed.has(line.s3Key)),
          )
        : sorted.length - 1;
      for (const line of sorted.slice(at, last + 1)) {
        asked.push(line);
        const bytes = listed.get(line.s3Key);
        if (bytes !== undefined) sizes.set(line.s3Key, bytes);
      }
      at = last + 1;
    }
  }
  return { ok: true, sizes, asked };
}

function byBucket(due: readonly DueLine[]): Iterable<DueLine[]> {
  const buckets = new Map<string, DueLine[]>();
  for (const line of due) {
    const name = `${line.store} ${line.bucket}`;
    const lines = buckets.get(name);
    if (lines) lines.push(line);
    else buckets.set(name, [line]);
  }
  return buckets.values();
}
