/** The x402 extensions through the public door of a running edge: sign-in, identifiers, status, receipts, discovery. */
import { afterAll, beforeAll } from "vitest";
import { payments } from "./extensions/payments.ts";
import { signIn } from "./extensions/sign-in.ts";
import { type Live, startLive } from "./stack.ts";

let started: Live | undefined;
const live = (): Live => started ?? raise("the stack is not up");

function raise(sentence: string): never {
  throw new Error(sentence);
}

beforeAll(async () => {
  started = await startLive();
});
afterAll(() => started?.stop());

signIn(live);
payments(live);
