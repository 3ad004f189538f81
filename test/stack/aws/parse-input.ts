/** A request's body against the service's own model; AWS answers what does not fit with one of two errors. */
import type * as z from "zod";
import type { Refusal } from "./signature.ts";

export function parseInput<T>(
  schema: z.ZodType<T>,
  body: Buffer,
  code = "ValidationException",
): { readonly value: T } | { readonly refusal: Refusal } {
  let json: unknown;
  try {
    json = JSON.parse(body.toString("utf8"));
  } catch {
    return { refusal: { code: "SerializationException", message: "The request body is not JSON." } };
  }
  const parsed = schema.safeParse(json);
  if (parsed.success) return { value: parsed.data };
  const issue = parsed.error.issues[0];
  const message = `${issue?.path.join(".") || "The request"}: ${issue?.message ?? "invalid"}`;
  return { refusal: { code, message } };
}
