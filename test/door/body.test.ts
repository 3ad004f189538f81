/** A body is read once, within its limit and its time. */
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { BODY_READ_MAX_MS, JSON_BODY_BYTES_MAX } from "#contract/limits";
import { readCall } from "../../worker/door.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** Sent in pieces and without a length, as a stream is. */
function streamed(pieces: readonly Uint8Array[], ends = true): Request {
  const left = [...pieces];
  const body = new ReadableStream<Uint8Array>({
    pull: (to) => {
      const piece = left.shift();
      if (piece) to.enqueue(piece);
      else if (ends) to.close();
    },
  });
  return new Request("https://edge.test/storage/ls?a=b", { method: "POST", body, duplex: "half" } as RequestInit);
}

const piecesOf = (count: number, each: number) => Array.from({ length: count }, (_, n) => new Uint8Array(each).fill(n));

test("A body in pieces is put together, whatever their sizes", async () => {
  const pieces = [new Uint8Array(1), ...piecesOf(7, 1023), ...piecesOf(3, 9000), new Uint8Array(0)];
  const read = await readCall(streamed(pieces));
  if (!read.ok) throw new Error(read.detail);
  expect(Buffer.from(read.call.body)).toEqual(Buffer.concat(pieces));
  expect(read.call).toMatchObject({ method: "POST", path: "/storage/ls", query: "a=b", host: "edge.test" });
});

test("A body of exactly the limit is read, one byte more is not", async () => {
  expect(await readCall(streamed(piecesOf(64, JSON_BODY_BYTES_MAX / 64)))).toMatchObject({ ok: true });
  const over = streamed([...piecesOf(64, JSON_BODY_BYTES_MAX / 64), new Uint8Array(1)]);
  expect(await readCall(over)).toMatchObject({ ok: false, code: "body_too_large" });
  const declared = { method: "POST", body: "x", headers: { "content-length": String(JSON_BODY_BYTES_MAX + 1) } };
  expect(await readCall(new Request("https://edge.test/", declared))).toMatchObject({ code: "body_too_large" });
});

test("A body that does not end is given up in time", async () => {
  const reading = readCall(streamed([new Uint8Array(10)], false));
  await vi.advanceTimersByTimeAsync(BODY_READ_MAX_MS + 1);
  expect(await reading).toMatchObject({ ok: false, code: "body_too_slow" });
});
