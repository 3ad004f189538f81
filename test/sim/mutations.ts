/**
 * Known bugs, put back one at a time. Each was in somebody's payment path, some in an earlier version of ours; a simulator that does
 * not find them has gone blind. `seed` is a history that finds it.
 */
import { Lane } from "../../durable/lane.ts";
import type { SettlementEnd, TransferProof } from "../../durable/ports.ts";
import { WalletObject } from "../../durable/wallet.ts";
import { SimS3 } from "./bucket.ts";
import type { Mutation } from "./world.ts";

export interface KnownBug extends Mutation {
  readonly seed: number;
  readonly why: string;
}

const HUGE = 10n ** 18n;

export const MUTATIONS: Readonly<Record<string, KnownBug>> = {
  "release-after-broadcast": {
    why: "a claim whose outcome is unknown is released, and the next authorization is broadcast beside it",
    seed: 4,
    wallet: (object) => {
      const finish = object.finishPayment.bind(object);
      const refused: SettlementEnd = { end: "refused", reason: "settlement_unavailable", detail: "", leftUs: false };
      object.finishPayment = (claimKey, end, attempt) =>
        finish(claimKey, end.end === "unknown" ? refused : end, attempt);
    },
  },
  "drop-the-hash": {
    why: "a transaction is sent and its hash is not written down",
    seed: 1,
    patch: () =>
      replace(
        Lane.prototype,
        "write",
        (write) =>
          function (this: Lane, signed, claims) {
            write.call(this, { ...signed, hash: `0x${"00".repeat(32)}` }, claims);
          },
      ),
  },
  "no-reservation": {
    why: "a payer's promises are not counted against its balance, so its second payment reverts at our cost",
    seed: 2,
    rpc: (ports) => ({ ...ports, rpc: { ...ports.rpc, balanceOfUsdc: async () => HUGE } }),
  },
  "reopen-a-closed-nonce": {
    why: "a replacement is written for a nonce that another look closed meanwhile, and nobody looks at it again",
    seed: 51443,
    patch: () => replace(Lane.prototype, "isOpen", () => () => true),
  },
  "used-is-paid": {
    why: "a nonce that is used counts as paid, though it may be cancelled or spent on somebody else",
    seed: 35,
    rpc: (ports) => ({
      ...ports,
      rpc: {
        ...ports.rpc,
        findTransfer: async (authorization, sinceMs) => {
          const proof = await ports.rpc.findTransfer(authorization, sinceMs);
          if (proof || !(await ports.rpc.authorizationUsed(authorization, "latest"))) return proof;
          return anyProof((await ports.rpc.head("latest")).number, ports.clock.nowMs());
        },
      },
    }),
  },
  "trust-the-status": {
    why: "a transaction that succeeded counts as paid, though a tolerant batch succeeds when every transfer in it fails",
    seed: 29,
    rpc: (ports) => ({
      ...ports,
      rpc: {
        ...ports.rpc,
        receipts: async (hashes) =>
          (await ports.rpc.receipts(hashes)).map(
            (receipt) =>
              receipt && { ...receipt, transferOf: async () => anyProof(receipt.blockNumber, ports.clock.nowMs()) },
          ),
      },
    }),
  },
  "no-finality": {
    why: "a payment is final when it is first seen, and a reorg takes the money but not the entitlement",
    seed: 355,
    lane: (object) => {
      object.recheck = async (_, seen) => ({ end: "final", proof: seen });
    },
  },
  "forget-what-was-given-back": {
    why: "a claim one caller was refused is sent for another, and its money is in no ledger (seed 3688 of an earlier version of ours)",
    seed: 13,
    patch: () =>
      replace(
        Lane.prototype,
        "accept",
        (accept) =>
          function (this: Lane, job) {
            const known = this.job(job.claimKey);
            accept.call(this, known?.state === "returned" ? { ...job, attempt: known.attempt + 1 } : job);
          },
      ),
  },
  "blind-to-gaps": {
    why: "a nonce that a reorg took back is not sent again, and every later one waits behind it (seed 35 of an earlier version of ours)",
    seed: 82,
    patch: () => replace(Lane.prototype, "reopenFrom", () => () => {}),
  },
  "erase-once": {
    why: "bytes are erased once, and a URL that is still alive brings them back",
    seed: 11,
    patch: () =>
      replace(
        WalletObject.prototype,
        "finishErase",
        (finish) =>
          function (this: WalletObject, key, erased) {
            finish.call(this, key, erased);
            if (erased) databaseOf(this).exec("DELETE FROM erasures WHERE s3_key = ?", key);
          },
      ),
  },
  "confirm-without-looking": {
    why: "an upload counts as stored because the client says so",
    seed: 11,
    patch: () =>
      replace(
        SimS3.prototype,
        "look",
        () =>
          function (this: SimS3, key) {
            return { end: "found", ...(this.announced.get(key) ?? { lengthBytes: 0, sha256Hex: "" }) };
          },
      ),
  },
};

function anyProof(blockNumber: bigint, nowMs: number): TransferProof {
  return { txHash: `0x${"ab".repeat(32)}`, blockNumber, blockTimeMs: nowMs, gasUsed: 1n, effectiveGasPrice: 1n };
}

function databaseOf(object: WalletObject): { exec(query: string, ...values: string[]): unknown } {
  return (object as unknown as { ctx: { storage: { sql: { exec(query: string, ...values: string[]): unknown } } } }).ctx
    .storage.sql;
}

/** Replaces a method for one history; the answer puts it back. */
function replace<T extends object, K extends keyof T>(prototype: T, name: K, make: (real: T[K]) => T[K]): () => void {
  const real = prototype[name];
  prototype[name] = make(real);
  return () => {
    prototype[name] = real;
  };
}
