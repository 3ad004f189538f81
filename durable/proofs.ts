/**
 * Wallet proofs, remembered. A nonce is bound to the first request that shows it: the same request again is welcome inside the
 * window (the published client repeats its proof on the paid retry), any other is refused.
 */
import { type Refusal, refuse } from "#contract/errors";
import type { Tx } from "./tx.ts";

export interface ProofUse {
  readonly nonce: string;
  /** Hash over method, path, query and body of the request it came on. */
  readonly request: string;
  readonly expiresMs: number;
}

export function bindProof(tx: Tx, proof: ProofUse | undefined): Refusal | undefined {
  if (!proof) return undefined;
  const bound = tx.first<{ request: string }>("SELECT request FROM proofs WHERE nonce = ?", proof.nonce);
  if (bound && bound.request !== proof.request)
    return refuse(
      "proof_replayed",
      "this proof's nonce was used for another request (method, path, query or body differ)",
    );
  if (!bound) {
    tx.run("DELETE FROM proofs WHERE expires_ms < ?", tx.nowMs);
    tx.run(
      "INSERT INTO proofs (nonce, request, expires_ms) VALUES (?, ?, ?)",
      proof.nonce,
      proof.request,
      proof.expiresMs,
    );
  }
  return undefined;
}
