/** `Idempotency-Key`: one key per purchase, the same key on every retry of it. Scope is (wallet, route, key). */

import { type Refusal, refuse } from "#contract/errors";
import { IdempotencyKey } from "#contract/fields";
import { firstIssue } from "#contract/x402";
import type { KeyUse } from "../../durable/keys.ts";
import type { Call } from "./call.ts";

/** `fields`: what the purchase is; a later use of the key must agree in each, and is told which one it does not. */
export function readKey(call: Call, fields: Record<string, string>): { ok: true; use: KeyUse | undefined } | Refusal {
  const header = call.header("idempotency-key");
  if (header === null) return { ok: true, use: undefined };
  const key = IdempotencyKey.safeParse(header);
  if (!key.success) return refuse("malformed", `Idempotency-Key: ${firstIssue(key.error)}`);
  return { ok: true, use: { route: call.path, key: key.data, fields } };
}
