/**
 * What catalogues of paid services are told (x402 extension `bazaar`, x402scan's `/.well-known/x402`): static JSON, written by hand,
 * because a declaration that is computed can drift with every request. A test holds the example against the route's own schema.
 */
import { PAYMENT_TIMEOUT_S } from "./limits.ts";

/** A note of one kilobyte: what an empty probe of the route is priced for. */
export const UPLOAD_EXAMPLE = {
  object_key: "note.age",
  region: "us-east-1",
  content_length_bytes: 1024,
  content_sha256: "67fa8b7e479417053708e46f2b3669c2f1c2857df57acbff83ac6a06ea0232e9",
} as const;

/** specs/extensions/bazaar.md: `info` is what a caller sends and gets, `schema` is what a facilitator checks `info` with. */
export const UPLOAD_BAZAAR = {
  info: {
    input: { type: "http", method: "POST", bodyType: "json", body: UPLOAD_EXAMPLE },
    output: {
      type: "json",
      example: { upload_url: "https://…", upload_headers: {}, order_id: "order_…", ticket: "…" },
    },
  },
  schema: {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    type: "object",
    properties: {
      input: {
        type: "object",
        properties: {
          type: { type: "string", const: "http" },
          method: { type: "string", enum: ["POST"] },
          bodyType: { type: "string", enum: ["json"] },
          body: {
            type: "object",
            properties: {
              object_key: { type: "string" },
              region: { type: "string" },
              content_length_bytes: { type: "integer", minimum: 1 },
              content_sha256: { type: "string", pattern: "^[0-9a-fA-F]{64}$" },
            },
            required: ["object_key", "content_length_bytes", "content_sha256"],
          },
        },
        required: ["type", "method", "bodyType", "body"],
        additionalProperties: false,
      },
      output: {
        type: "object",
        properties: { type: { type: "string" }, example: { type: "object" } },
        required: ["type"],
      },
    },
    required: ["input"],
  },
} as const;

/** What an agent has to know before its first call, in one paragraph. */
export const GUIDANCE = `Storage bought by x402 (USDC on Base), 30 days at a time. Encrypt first: the service only ever sees ciphertext. \
POST /storage/upload with object_key, content_length_bytes and content_sha256; pay the 402 within ${PAYMENT_TIMEOUT_S} s with PAYMENT-SIGNATURE; \
PUT the bytes to upload_url with exactly upload_headers; POST /storage/upload/confirm with order_id and the ticket in X-Mnemospark-Ticket. \
The same call again never charges twice. Reading needs the wallet itself: X-Wallet-Signature, or SIGN-IN-WITH-X over a challenge from \
GET /auth/challenge, or a session from POST /auth/session. If an answer says payment_state pending, ask its status_url and do not pay again.`;
