/** The store that forgets: for tests in process. Same promises as the R2 one, kept in two maps. */
import { md5 } from "@noble/hashes/legacy.js";
import { bytesToHex } from "@noble/hashes/utils.js";
import { compareUtf8 } from "./order.ts";
import type { BlobWrite, RecordSummary, RecordWrite, S3Store, StoredRecord } from "./store.ts";
import { chunksOf, concat } from "./stream.ts";

interface MemoryRecord extends StoredRecord {
  readonly summary: string;
}

export function memoryStore(): S3Store {
  const records = new Map<string, MemoryRecord>();
  const blobs = new Map<string, Uint8Array>();
  let writes = 0;

  async function write({ name, text, summary, expected }: RecordWrite): Promise<boolean> {
    const current = records.get(name);
    if (expected === "absent" && current !== undefined) return false;
    if (expected !== "absent" && expected !== "any" && current?.version !== expected) return false;
    writes += 1;
    records.set(name, { text, summary, version: String(writes) });
    return true;
  }

  async function* scan(prefix: string, after = ""): AsyncGenerator<RecordSummary> {
    const names = [...records.keys()].filter((name) => name.startsWith(prefix) && compareUtf8(name, after) > 0);
    names.sort(compareUtf8);
    for (const name of names) {
      const record = records.get(name);
      if (record !== undefined) yield { name, summary: record.summary };
    }
  }

  async function writeBlob({ id, body, sizeBytes }: BlobWrite): Promise<{ md5: string }> {
    const hash = md5.create();
    const chunks: Uint8Array[] = [];
    let received = 0;
    for await (const chunk of chunksOf(body)) {
      hash.update(chunk);
      chunks.push(chunk);
      received += chunk.length;
    }
    if (received !== sizeBytes) throw new Error(`blob ${id}: ${received} bytes came, ${sizeBytes} were announced`);
    blobs.set(id, concat(chunks));
    return { md5: bytesToHex(hash.digest()) };
  }

  return {
    read: async (name) => records.get(name),
    write,
    remove: async (name) => {
      records.delete(name);
    },
    scan,
    writeBlob,
    readBlob: async (id, offset, length) => {
      const blob = blobs.get(id)?.slice(offset, offset + length);
      if (blob === undefined) return undefined;
      return new ReadableStream<Uint8Array>({
        start(controller) {
          controller.enqueue(blob);
          controller.close();
        },
      });
    },
    removeBlobs: async (ids) => {
      for (const id of ids) blobs.delete(id);
    },
    sized: (body) => body,
  };
}
