/** The edge in the simulator: the real verbs over the real objects, every request an isolate of its own that may die. */
import { sha256Hex, utf8ToBytes } from "#contract/bytes";
import { REFUSALS } from "#contract/errors";
import { parseWallet, type Wallet } from "#contract/wallet";
import { networkOf } from "#contract/x402";
import { dispatch, type LaneRemote } from "../../durable/dispatch.ts";
import type { Policy } from "../../durable/ports.ts";
import { openRates } from "../../worker/adapters/rate-card.ts";
import { openSeals } from "../../worker/adapters/seals.ts";
import { openTickets } from "../../worker/adapters/tickets.ts";
import type { Call, Outcome } from "../../worker/flow/call.ts";
import { confirm } from "../../worker/flow/confirm.ts";
import { addMandates, mandateTerms, revokeMandates } from "../../worker/flow/mandates.ts";
import type { Ports, WalletRemote } from "../../worker/flow/ports.ts";
import { quote } from "../../worker/flow/quote.ts";
import { remove } from "../../worker/flow/remove.ts";
import { settle } from "../../worker/flow/settle.ts";
import { statement } from "../../worker/flow/statement.ts";
import { upload } from "../../worker/flow/upload.ts";
import type { Actor, Io } from "./actor.ts";
import type { SimS3 } from "./bucket.ts";
import type { Time } from "./time.ts";

const network = networkOf(84532);
if (!network) throw new Error("invariant: Base Sepolia is served");
export const NETWORK = network;

const VERBS: Record<string, (ports: Ports, call: Call) => Promise<Outcome>> = {
  "/price-storage": quote,
  "/payment/settle": settle,
  "/billing/statement": statement,
  "/storage/upload": upload,
  "/storage/upload/confirm": confirm,
  "/storage/delete": remove,
  "/mandates/terms": mandateTerms,
  "/mandates/add": addMandates,
  "/mandates/revoke": revokeMandates,
};

export interface Reply {
  readonly status: number;
  readonly code: string;
  // What a client would parse; the simulator trusts its own edge for shapes.
  readonly body: Record<string, unknown>;
  readonly headers: Readonly<Record<string, string>>;
}

export interface EdgeParts {
  readonly time: Time;
  /** What the service's clock says, where that is not the time. */
  readonly clock?: { nowMs(): number };
  readonly io: Io;
  readonly s3: SimS3;
  readonly policy: Policy;
  /** When the service was there; histories of hours need none. */
  readonly pulse?: Ports["pulse"];
  readonly lanes: readonly Wallet[];
  callWallet(actor: Actor, wallet: Wallet, method: string, args: unknown[]): Promise<unknown>;
  callLane(actor: Actor, lane: Wallet, method: string, args: unknown[]): Promise<unknown>;
}

/** In the simulator a signature names its signer in the first 20 bytes. */
export function signAs(wallet: Wallet, salt: string): `0x${string}` {
  return `0x${wallet.slice(2)}${salt.padEnd(90, "0").slice(0, 90)}`;
}

export function chainFor(actor: Actor, parts: Pick<EdgeParts, "lanes" | "callLane" | "time">) {
  const laneOf = (lane: Wallet): LaneRemote => ({
    settle: (job, waitMs) => parts.callLane(actor, lane, "settle", [job, waitMs]) as never,
    recheck: (job, seen) => parts.callLane(actor, lane, "recheck", [job, seen]) as never,
  });
  return dispatch(parts.lanes, laneOf, async () => parts.time.nowMs);
}

let requests = 0;

/** Sends a request; rejects when the request or its reply was lost. */
export async function send(
  parts: EdgeParts,
  path: string,
  body: object,
  headers: Record<string, string>,
): Promise<Reply> {
  requests += 1;
  const isolate: Actor = { alive: true, name: `request ${requests}` };
  const died = new Promise<never>((_, reject) => {
    isolate.onDeath = () => parts.time.at(parts.time.nowMs + 50, () => reject(new Error("connection reset")));
  });
  const timeout = parts.time.after(60_000).then(() => Promise.reject(new Error("client gave up")));
  died.catch(() => undefined);
  timeout.catch(() => undefined);
  return Promise.race([handle(parts, isolate, path, body, headers), died, timeout]);
}

async function handle(
  parts: EdgeParts,
  isolate: Actor,
  path: string,
  body: object,
  headers: Record<string, string>,
): Promise<Reply> {
  await parts.io.do(isolate, "request", () => undefined);
  const bytes = utf8ToBytes(JSON.stringify(body));
  const call: Call = {
    method: "POST",
    path,
    query: "",
    host: "edge.sim",
    body: bytes,
    bodyHash: `0x${sha256Hex(bytes)}`,
    header: (name) => (name === "content-type" ? "application/json" : (headers[name] ?? null)),
  };
  const verb = VERBS[path];
  if (!verb) throw new Error(`no verb for ${path}`);
  let outcome: Outcome;
  try {
    outcome = await verb(portsFor(parts, isolate), call);
  } catch (error) {
    if (String(error).includes("invariant")) throw new Broken(String(error));
    outcome = { ok: false, code: "internal", detail: String(error) };
  }
  await parts.io.do(isolate, "response", () => undefined);
  if (outcome.ok)
    return {
      status: outcome.status,
      code: "",
      body: outcome.body as Record<string, unknown>,
      headers: outcome.headers,
    };
  const { status } = REFUSALS[outcome.code];
  return {
    status,
    code: outcome.code,
    body: { detail: outcome.detail, ...outcome.facts, ...outcome.body },
    headers: outcome.headers ?? {},
  };
}

/** An invariant of the shipped code itself broke. */
export class Broken extends Error {}

const nobodyAsks = async () => {
  throw new Broken("no operator is in this world");
};

function portsFor(parts: EdgeParts, actor: Actor): Ports {
  return {
    clock: parts.clock ?? { nowMs: () => parts.time.nowMs },
    chain: chainFor(actor, parts),
    store: parts.s3.storeFor(actor, parts.io),
    rates: openRates({ anyAge: true }),
    pulse: parts.pulse ?? { read: async () => ({ beats: {}, gaps: [] }) },
    policy: parts.policy,
    network: NETWORK,
    operators: [],
    registries: [],
    shelf: { state: nobodyAsks, refresh: nobodyAsks },
    storeOrigins: [],
    publicUrl: "https://edge.sim",
    tickets: openTickets("11".repeat(32)),
    wallet: (address) =>
      new Proxy(
        {},
        {
          get:
            (_, method) =>
            (...args: unknown[]) =>
              parts.callWallet(actor, address, String(method), args),
        },
      ) as WalletRemote,
    signerOf: (_, signature) => parseWallet(signature.slice(0, 42)),
    signerOfText: (_, signature) => parseWallet(signature.slice(0, 42)),
    contractSigned: async () => false,
    seals: openSeals("11".repeat(32)),
    receipts: undefined,
  };
}

export function nonceOf(random: { hex(bytes: number): string }): `0x${string}` {
  return `0x${random.hex(32)}`;
}
