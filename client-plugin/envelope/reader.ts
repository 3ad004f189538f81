/**
 * Cuts an async stream of arbitrary pieces into lines and fixed blocks.
 * age has a textual header and 64 KiB chunks; networks and disks deliver neither, so both directions read through this.
 * Holds one piece at a time and copies only where a block straddles two pieces.
 */
import { EnvelopeError } from "./refusal.ts";

const NEWLINE = 0x0a;
const EMPTY = new Uint8Array(0);

export class ByteReader {
  readonly #iterator: AsyncIterator<Uint8Array>;
  #held: Uint8Array = EMPTY;
  #drained = false;

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#iterator = source[Symbol.asyncIterator]();
  }

  /** True when no byte is left. Pulls from the source, and so tells a last chunk from one that has a successor. */
  async ended(): Promise<boolean> {
    return this.#held.length === 0 && !(await this.#pull());
  }

  /** Up to `size` bytes; fewer only at the end of the source, none when it is exhausted. */
  async block(size: number): Promise<Uint8Array> {
    if (this.#held.length >= size) return this.#take(size);
    if (await this.ended()) return EMPTY;
    if (this.#held.length >= size) return this.#take(size);

    const block = new Uint8Array(size);
    let filled = 0;
    while (filled < size && !(await this.ended())) {
      const part = this.#take(Math.min(size - filled, this.#held.length));
      block.set(part, filled);
      filled += part.length;
    }
    return block.subarray(0, filled);
  }

  /**
   * One line with its newline.
   * @throws EnvelopeError `bad_header` if no newline comes within `maxBytes`.
   */
  async line(maxBytes: number): Promise<Uint8Array> {
    const parts: Uint8Array[] = [];
    let total = 0;
    while (!(await this.ended())) {
      const at = this.#held.indexOf(NEWLINE);
      const part = this.#take(at < 0 ? this.#held.length : at + 1);
      parts.push(part);
      total += part.length;
      if (total > maxBytes) break;
      if (at >= 0) return parts.length === 1 ? part : Buffer.concat(parts, total);
    }
    throw new EnvelopeError("bad_header", "The object ends, or runs on too long, inside its header.");
  }

  /** Lets the source release what it holds (a file handle, a socket) when reading stops early. */
  async close(): Promise<void> {
    if (!this.#drained) await this.#iterator.return?.();
    this.#drained = true;
  }

  async #pull(): Promise<boolean> {
    while (!this.#drained) {
      const step = await this.#iterator.next();
      if (step.done) this.#drained = true;
      else if (step.value.length > 0) {
        this.#held = step.value;
        return true;
      }
    }
    return false;
  }

  #take(size: number): Uint8Array {
    const part = this.#held.subarray(0, size);
    this.#held = this.#held.subarray(size);
    return part;
  }
}
