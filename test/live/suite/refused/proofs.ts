/** Proofs of somebody else, of another time, for something else. */
import { jsonToBase64 } from "#contract/base64";
import { type Ask, walletOf } from "../../door.ts";
import { uploadBody } from "../../shop.ts";
import { type Case, honest, NAME, proofless, wanted } from "./scene.ts";

const lying =
  (lie: NonNullable<Ask["lie"]>): Case["ask"] =>
  ({ owner }) => ({ path: "/price-storage", by: owner, body: honest(owner), lie });

export const proofs: Case[] = [
  {
    what: "no proof",
    ask: ({ owner }) => ({ path: "/price-storage", body: honest(owner) }),
    is: [401, "proof_missing"],
    says: /X-Wallet-Signature/,
  },
  {
    what: "a proof that is none",
    ask: ({ owner }) => ({
      path: "/price-storage",
      body: honest(owner),
      headers: { "x-wallet-signature": jsonToBase64({ payloadB64: "e30=", signature: "0x", address: "" }) },
    }),
    is: [401, "proof_malformed"],
    says: /not a proof/,
  },
  { what: "a stale proof", ask: lying({ ageS: 310 }), is: proofless, says: /31\d s old; at most 300/ },
  { what: "a proof from the future", ask: lying({ ageS: -90 }), is: proofless, says: /s ahead; at most 60/ },
  { what: "a proof for another path", ask: lying({ path: "/storage/ls" }), is: proofless, says: /POST \/storage\/ls/ },
  { what: "a proof for a path with a query", ask: lying({ path: "/price-storage?a=1" }), is: proofless, says: /\?a=1/ },
  { what: "a proof for another method", ask: lying({ method: "GET" }), is: proofless, says: /GET \/price-storage/ },
  { what: "a proof for another host", ask: lying({ host: "example.com" }), is: proofless, says: /host, query or body/ },
  { what: "a proof for another query", ask: lying({ query: "a=1" }), is: proofless, says: /host, query or body/ },
  {
    what: "a proof for another body",
    ask: lying({ bodyHash: `0x${"00".repeat(32)}` }),
    is: proofless,
    says: /host, query or body/,
  },
  { what: "a proof on another chain", ask: lying({ chainId: 1 }), is: proofless, says: /signature is not/ },
  {
    what: "a proof somebody else signed",
    ask: ({ owner, other }) => ({
      path: "/price-storage",
      by: other,
      body: honest(owner),
      lie: { wallet: walletOf(owner) },
    }),
    is: proofless,
    says: /signature is not 0x/,
  },
  ...["/price-storage", "/storage/ls", "/storage/download", "/storage/delete", "/payment/settle"].map(
    (path): Case => ({
      what: `another wallet's proof on ${path}`,
      ask: ({ owner, other, quoteId }) => ({
        path,
        by: other,
        body:
          path === "/price-storage"
            ? honest(owner)
            : path === "/payment/settle"
              ? { wallet_address: owner.address, quote_id: quoteId }
              : { wallet_address: owner.address, object_key: "kept" },
      }),
      is: [403, "wallet_mismatch"],
      says: /the proof is of 0x.*names 0x/,
    }),
  ),
  {
    what: "another wallet's proof on a bare purchase",
    ask: ({ owner, other }) => ({
      path: "/storage/upload",
      by: other,
      body: uploadBody(NAME, wanted, { wallet_address: owner.address }),
    }),
    is: [403, "wallet_mismatch"],
    says: /names 0x/,
  },
];
