/**
 * Opens an age file as it arrives (a chunk of its own: the library is larger than the rest of the page). Each 64 KiB are released
 * only after their tag has verified; that none is missing is proven by the last, so a consumer keeps nothing until the stream has ended.
 */
import { Decrypter } from "age-encryption";
import type { OpenContext } from "#contract/sealing";
import { Unopened } from "./fault.ts";
import { kekIdentity } from "./kek.ts";
import type { Key } from "./key.ts";

/** @throws Unopened; and the stream errors with it */
export async function openAge(
  sealed: ReadableStream<Uint8Array>,
  key: Key,
  wrappedDek: string,
  context: OpenContext,
): Promise<ReadableStream<Uint8Array>> {
  const decrypter = new Decrypter();
  try {
    decrypter.addIdentity(key.kind === "kek" ? kekIdentity(key, wrappedDek, context) : key.identity);
  } catch (cause) {
    throw new Unopened("The recovery key is mistyped.", { cause });
  }
  try {
    return saying(await decrypter.decrypt(sealed));
  } catch (cause) {
    throw sentenceOf(cause, "This key does not open the object, or its beginning was altered.");
  }
}

/** The library's words are for programmers. */
function saying(plain: ReadableStream<Uint8Array>): ReadableStream<Uint8Array> {
  const reader = plain.getReader();
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        const { done, value } = await reader.read();
        if (done) controller.close();
        else controller.enqueue(value);
      } catch (cause) {
        controller.error(sentenceOf(cause, "The object is damaged, cut or reordered: a part of it does not verify."));
      }
    },
    cancel: (reason) => reader.cancel(reason),
  });
}

/** What the transfer says is left as it is. */
function sentenceOf(cause: unknown, sentence: string): Error {
  return cause instanceof Unopened ? cause : new Unopened(`${sentence} Nothing was released.`, { cause });
}
