/**
 * The service as the world meets it: real chain, strict S3, the real Worker over TCP, and no way in but the public door.
 * One stack for all, because its start costs more than most of the tests.
 */
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
import { afterAll, beforeAll } from "vitest";
import { publishedApi } from "../oldclient/cases.ts";
import { type Live, startLive } from "./stack.ts";
import { billing } from "./suite/billing.ts";
import { ledgers } from "./suite/books.ts";
import { browser } from "./suite/browser.ts";
import { bytes } from "./suite/bytes.ts";
import { crash } from "./suite/crash.ts";
import { inlineUploads } from "./suite/inline.ts";
import { mandates } from "./suite/mandates.ts";
import { money } from "./suite/money.ts";
import { oldClient } from "./suite/old-client.ts";
import { operators } from "./suite/operator.ts";
import { packs } from "./suite/packs.ts";
import { parts } from "./suite/parts.ts";
import { reads } from "./suite/reads.ts";
import { refusals } from "./suite/refusals.ts";
import { renewals } from "./suite/renewals.ts";
import { rewraps } from "./suite/rewraps.ts";
import { statements } from "./suite/statements.ts";
import { stockClients } from "./suite/stock-clients.ts";

const privateKey = generatePrivateKey();
const operator = { ...privateKeyToAccount(privateKey), privateKey };
let started: Live | undefined;
const live = (): Live => started ?? raise("the stack is not up");

function raise(sentence: string): never {
  throw new Error(sentence);
}

beforeAll(async () => {
  started = await startLive({ wallets: 128, edgeVars: { OPERATORS: operator.address } });
});
afterAll(() => started?.stop());

stockClients(live);
oldClient(live);
money(live);
renewals(live);
billing(live);
statements(live);
mandates(live);
bytes(live);
inlineUploads(live);
publishedApi(live);
reads(live);
rewraps(live);
packs(live);
parts(live);
browser(live);
refusals(live);
operators(live, operator);
ledgers(live, operator);
// Last, because the others would be cut off.
crash(live);
