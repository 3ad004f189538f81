/** S3: write-once keys by signed URL, with outages. Also the judge of what is erased. */
import type { BytesIn, Looked, ObjectPlace, PutContent, PutTarget, Store } from "../../durable/ports.ts";
import type { Actor, Io } from "./actor.ts";
import type { Time } from "./time.ts";

interface Url {
  readonly key: string;
  readonly lengthBytes: number;
  readonly sha256Hex: string;
  readonly untilMs: number;
}

const notHere = async (): Promise<never> => {
  throw new Error("the simulator has no parts");
};
const NO_PARTS = {
  beginParts: notHere,
  signPart: notHere,
  listParts: notHere,
  assemble: notHere,
  abortParts: notHere,
};

export class SimS3 {
  readonly buckets = new Map<string, string>();
  readonly objects = new Map<string, { lengthBytes: number; sha256Hex: string }>();
  /** What plans promised, whether or not it was ever PUT. */
  readonly announced = new Map<string, { lengthBytes: number; sha256Hex: string }>();
  /** In which bucket a key is. */
  readonly #bucketOf = new Map<string, string>();
  readonly #time: Time;
  onErase: ((key: string) => void) | undefined;

  constructor(time: Time) {
    this.#time = time;
  }

  /** A client's PUT: straight here, nobody in between. */
  put(url: string): "stored" | "exists" | "refused" {
    const asked = JSON.parse(url) as Url;
    if (this.#time.nowMs > asked.untilMs) return "refused";
    if (!this.buckets.has(this.#bucketOf.get(asked.key) ?? "")) return "refused";
    if (this.objects.has(asked.key)) return "exists";
    this.objects.set(asked.key, { lengthBytes: asked.lengthBytes, sha256Hex: asked.sha256Hex });
    return "stored";
  }

  /** HEAD. */
  look(key: string): Looked {
    const object = this.objects.get(key);
    return object ? { end: "found", ...object } : { end: "absent" };
  }

  #announce({ bucket, key, lengthBytes, sha256Hex }: PutContent): object {
    this.#bucketOf.set(key, bucket);
    this.announced.set(key, { lengthBytes, sha256Hex });
    return {};
  }

  storeFor(actor: Actor, io: Io): Store & BytesIn {
    const ask = async <T>(what: string, effect: () => T): Promise<T | undefined> => {
      try {
        return await io.do(actor, `s3 ${what}`, effect);
      } catch {
        return undefined;
      }
    };
    const unknown = { end: "unknown", detail: "S3 did not answer" } as const;
    return {
      ensureBucket: async ({ name, wallet }) =>
        (await ask("bucket", () => {
          const owner = this.buckets.get(name) ?? wallet;
          this.buckets.set(name, owner);
          return { end: owner === wallet ? ("ready" as const) : ("taken" as const) };
        })) ?? unknown,
      removeBucket: async ({ name }) =>
        (await ask("remove bucket", () => {
          const keys = [...this.objects.keys()].filter((key) => this.#bucketOf.get(key) === name);
          if (keys.length > 0) return { end: "occupied" as const, keys };
          this.buckets.delete(name);
          return { end: "gone" as const };
        })) ?? unknown,
      room: async () => true,
      signPut: async (target: PutTarget) => ({
        ...this.#announce(target),
        url: JSON.stringify({
          key: target.key,
          lengthBytes: target.lengthBytes,
          sha256Hex: target.sha256Hex,
          untilMs: this.#time.nowMs + target.expiresInS * 1000,
        } satisfies Url),
        headers: {},
      }),
      put: async (content) =>
        (await ask("put", () => {
          this.#announce(content);
          const { key, lengthBytes, sha256Hex } = content;
          if (!this.objects.has(key)) this.objects.set(key, { lengthBytes, sha256Hex });
          return { end: "done" as const };
        })) ?? unknown,
      signGet: async ({ key }) => ({ url: key, headers: {} }),
      look: async ({ key }: ObjectPlace) => (await ask("look", () => this.look(key))) ?? unknown,
      // The simulator's clients send one PUT; parts are tried on the real thing.
      ...NO_PARTS,
      erase: async ({ key }) =>
        (await ask("erase", () => {
          this.onErase?.(key);
          this.objects.delete(key);
          return { end: "done" as const };
        })) ?? unknown,
      // All of a bucket is one page here; keys are plain enough that JavaScript sorts them as S3 does.
      list: async ({ bucket, startAfter = "" }) =>
        (await ask("list", () => {
          const keys = [...this.objects.keys()].filter((key) => this.#bucketOf.get(key) === bucket && key > startAfter);
          const entries = keys.sort().map((key) => {
            const sizeBytes = this.objects.get(key)?.lengthBytes ?? 0;
            return { key, sizeBytes, lastModified: "" };
          });
          return { end: "done" as const, entries, truncated: false };
        })) ?? unknown,
    };
  }
}
