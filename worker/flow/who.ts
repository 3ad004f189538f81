/** Who asks: a wallet by its proof, or the holder of an order's ticket. Reads headers, checks signatures, decides nothing else. */
import { sha256Hex } from "#contract/bytes";
import { type Refusal, refuse } from "#contract/errors";
import { PROOF_AGE_MAX_S, PROOF_SKEW_S } from "#contract/limits";
import {
  decodeProof,
  PROOF_CHAIN_IDS,
  PROOF_HEADER,
  proofFault,
  proofTypedData,
  type WalletProof,
} from "#contract/proof";
import { type Wallet, walletOfId } from "#contract/wallet";
import type { ProofUse } from "../../durable/proofs.ts";
import type { Call } from "./call.ts";
import type { Ports } from "./ports.ts";
import { type Signing, signedBy } from "./signed.ts";

export const TICKET_HEADER = "x-mnemospark-ticket";

export interface Who {
  readonly wallet: Wallet;
  /** Present when a wallet proof came along; to be bound in the wallet's own transaction. */
  readonly proof: ProofUse | undefined;
  /** Present when a ticket came along: the one order it opens. */
  readonly ticketOrder: string | undefined;
  /** The published client's proofs are version 1; some answers must be worded for it. */
  readonly version: "1" | "2" | undefined;
  /** What the wallet is known by; some means may do less than a proof. */
  readonly by: "proof" | "ticket" | "siwx" | "session";
}

/** The wallet by its proof, required; and, where the request names one, it must be the same. */
export async function proven(
  ports: Ports,
  call: Call,
  named: Wallet | undefined,
): Promise<({ ok: true } & Who) | Refusal> {
  const header = call.header(PROOF_HEADER);
  if (header === null) return refuse("proof_missing", "this route needs a wallet proof in X-Wallet-Signature");
  const proof = decodeProof(header);
  if (!proof)
    return refuse(
      "proof_malformed",
      "X-Wallet-Signature is not a proof of version 1 or 2",
      reason("malformed_wallet_header"),
    );
  const nowS = Math.floor(ports.clock.nowMs() / 1000);
  const fault = proofFault(proof, call, nowS);
  // The time is told, so that a client whose clock is wrong can go by ours.
  if (fault)
    return refuse("proof_invalid", PROOF_FAULTS[fault](proof, call, nowS), {
      facts: { reason: fault, server_time: new Date(nowS * 1000).toISOString() },
    });
  const { signature, ...unsigned } = proof;
  const unsignedData = PROOF_CHAIN_IDS.map((id) => proofTypedData(unsigned, id));
  const signing = await signedBy(ports, proof.wallet, signature, unsignedData);
  if (signing !== "signed") return notSigned(signing, proof.wallet);
  if (named !== undefined && named !== proof.wallet)
    return refuse(
      "wallet_mismatch",
      `the proof is of ${proof.wallet}; the request names ${named}`,
      reason("wallet_mismatch"),
    );
  const use: ProofUse = {
    nonce: proof.nonce,
    request: requestHash(call),
    expiresMs: (proof.timestampS + PROOF_AGE_MAX_S + PROOF_SKEW_S) * 1000,
  };
  return { ok: true, wallet: proof.wallet, proof: use, ticketOrder: undefined, version: proof.version, by: "proof" };
}

/** A proof or a ticket, whichever came; a ticket must be for the order named. */
export async function provenOrTicketed(
  ports: Ports,
  call: Call,
  named: Wallet | undefined,
): Promise<({ ok: true } & Who) | Refusal> {
  const ticket = call.header(TICKET_HEADER);
  if (ticket === null || call.header(PROOF_HEADER) !== null) return proven(ports, call, named);
  const orderId = ports.tickets.orderOf(ticket);
  const wallet = orderId === undefined ? undefined : walletOfId("order", orderId);
  if (orderId === undefined || wallet === undefined)
    return refuse("proof_invalid", "X-Mnemospark-Ticket is not a ticket of ours", reason("invalid_ticket"));
  if (named !== undefined && named !== wallet)
    return refuse("wallet_mismatch", "the ticket is of another wallet's order", reason("wallet_mismatch"));
  return { ok: true, wallet, proof: undefined, ticketOrder: orderId, version: undefined, by: "ticket" };
}

/** Why a signature over who-asks does not count; the words are the same for a proof and for a sign-in. */
export function notSigned(signing: Exclude<Signing, "signed">, wallet: Wallet): Refusal {
  switch (signing) {
    case "not_signed":
      return refuse("proof_invalid", `the signature is not ${wallet}'s over this request`, reason("invalid_signature"));
    case "undeployed":
      return refuse(
        "proof_invalid",
        `the signature is for a wallet that is not deployed yet (ERC-6492); deploy ${wallet} first`,
        reason("eip6492_factory_not_allowed"),
      );
    case "not_known":
      return refuse("proof_unverifiable", `the contract at ${wallet} cannot be asked now whether it signed`, {
        retryAfterS: 2,
      });
  }
}

const PROOF_FAULTS = {
  expired_signature: (proof: WalletProof, _: Call, nowS: number) =>
    `the proof is ${nowS - proof.timestampS} s old; at most ${PROOF_AGE_MAX_S} s`,
  future_signature: (proof: WalletProof, _: Call, nowS: number) =>
    `the proof's timestamp is ${proof.timestampS - nowS} s ahead; at most ${PROOF_SKEW_S} s`,
  signed_request_mismatch: (proof: WalletProof, call: Call) =>
    `the proof is over ${proof.claimed.method} ${proof.claimed.path}; this is ${call.method} ${call.path}, or its host, query or body differ`,
};

function reason(code: string) {
  return { facts: { reason: code } };
}

function requestHash(call: Call): string {
  return sha256Hex(JSON.stringify([call.method, call.path, call.query, call.bodyHash]));
}
