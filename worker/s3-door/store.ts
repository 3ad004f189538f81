/**
 * The socket between the S3 dialect and whatever keeps the bytes: named records with compare-and-swap, and nameless blobs.
 *
 * Why so little: every S3 rule (buckets, conditions, multipart, listing) is then written once, above this line, and two
 * stores cannot disagree about it. An object is first a blob nobody can see, then one record that points at it; the
 * record's compare-and-swap is the only moment at which anything becomes visible, so a body that is cut short, fails its
 * checksum or loses a race stores nothing, even when the checksum arrives last (HTTP trailers).
 */

/** A record as read: its text and the version to name in the next compare-and-swap. */
export interface StoredRecord {
  readonly text: string;
  readonly version: string;
}

/** What `scan` gives for each record, without opening it. */
export interface RecordSummary {
  readonly name: string;
  readonly summary: string;
}

export interface RecordWrite {
  /** Up to 1,200 bytes of UTF-8: a 1,024-byte S3 key plus the dialect's own prefix. */
  readonly name: string;
  readonly text: string;
  /** At most a few hundred bytes: what a listing shows. */
  readonly summary: string;
  /** Version the record must have now, "absent", or "any". */
  readonly expected: string | "absent" | "any";
}

export interface BlobWrite {
  readonly id: string;
  readonly body: ReadableStream<Uint8Array>;
  /** Exact length; the store rejects when the stream ends early or runs over. */
  readonly sizeBytes: number;
}

export interface S3Store {
  read(name: string): Promise<StoredRecord | undefined>;
  /** False when `expected` no longer holds; nothing is written then. */
  write(record: RecordWrite): Promise<boolean>;
  remove(name: string): Promise<void>;
  /** Records whose name starts with `prefix` and sorts after `after`, in UTF-8 byte order (the order S3 lists in). */
  scan(prefix: string, after?: string): AsyncIterable<RecordSummary>;
  /** Keeps a whole blob or nothing; answers with its MD5 in hex, which is S3's ETag. */
  writeBlob(blob: BlobWrite): Promise<{ readonly md5: string }>;
  /** `length` is at least 1 and the range lies inside the blob. Undefined when the blob is gone. */
  readBlob(id: string, offset: number, length: number): Promise<ReadableStream<Uint8Array> | undefined>;
  removeBlobs(ids: readonly string[]): Promise<void>;
  /** The same bytes in a stream whose length the runtime knows: workerd sends no Content-Length for any other. */
  sized(body: ReadableStream<Uint8Array>, sizeBytes: number): ReadableStream<Uint8Array>;
}
