/** The fields that routes share: parsed once, at the border, with a sentence for whoever sent something else. */
import * as z from "zod";
import {
  IDEMPOTENCY_KEY_CHARS_MAX,
  INLINE_BYTES_MAX,
  OBJECT_BYTES_MAX,
  OBJECT_ID_CHARS_MAX,
  WRAPPED_DEK_CHARS_MAX,
} from "./limits.ts";
import { isAgentId, objectKeyFault, parseWallet, type Wallet } from "./wallet.ts";

export const WalletAddress = z
  .string()
  .transform((raw, context) => parseWallet(raw) ?? invalid(context, "wanted 0x and 40 hex digits"))
  .pipe(z.custom<Wallet>());

function invalid(context: z.RefinementCtx, message: string): never {
  context.addIssue({ code: "custom", message });
  return z.NEVER;
}

export const ObjectKey = z.string().superRefine((name, context) => {
  const fault = objectKeyFault(name);
  if (fault) context.addIssue({ code: "custom", message: fault });
});
/** The beginning of an object key. */
export const KeyPrefix = z.string().superRefine((prefix, context) => {
  // A letter behind it makes a whole name of it: "." may begin a name and be none.
  const fault = objectKeyFault(`${prefix}x`);
  if (fault) context.addIssue({ code: "custom", message: fault });
});
export const ObjectId = z.string().min(1).max(OBJECT_ID_CHARS_MAX);
export const AgentId = z
  .string()
  .refine(isAgentId, "wanted 1-64 letters, digits, dots, dashes or underscores, starting with a letter or digit");
/** AWS's name of one, whoever serves it, or R2's `auto`. */
export const Region = z.string().regex(/^(?:[a-z]{2}(?:-[a-z]+)+-[0-9]|auto)$/, "wanted a region such as us-east-1");
export const Id = z.string().min(1).max(128);
export const Sha256 = z
  .string()
  .regex(/^[0-9a-fA-F]{64}$/, "wanted 64 hex digits of SHA-256")
  .transform((hex) => hex.toLowerCase());
/** RFC 1864: base64 of 16 bytes. */
export const ContentMd5 = z
  .string()
  .regex(/^[A-Za-z0-9+/]{21}[AQgw]==$/, "wanted base64 of 16 bytes of MD5 (RFC 1864)");
export const SizeBytes = z.number().int().min(1).max(OBJECT_BYTES_MAX);
export const WrappedDek = z
  .string()
  .max(WRAPPED_DEK_CHARS_MAX)
  .regex(/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/, "wanted standard base64");

/** File bytes in a request. That it decodes is seen when it is decoded: a pattern over megabytes is work for nothing. */
export const Ciphertext = z
  .string()
  .min(1)
  .max(Math.ceil(INLINE_BYTES_MAX / 3) * 4, `at most ${INLINE_BYTES_MAX} bytes go inline; use mode presigned`);

export const IdempotencyKey = z
  .string()
  .min(1)
  .max(IDEMPOTENCY_KEY_CHARS_MAX)
  // biome-ignore lint/suspicious/noControlCharactersInRegex: anything printable may be a key
  .regex(/^[^\u0000-\u001f\u007f]+$/, "wanted printable characters");

/** Decimal gigabytes (10^9 bytes) as the old API takes them: a number or a numeric string, at least one byte. */
export const Gigabytes = z.union([z.number(), z.string()]).transform((raw, context) => {
  const bytes = gigabytesToBytes(String(raw));
  if (bytes === undefined) return invalid(context, `wanted a number from 1e-9 up, got ${JSON.stringify(raw)}`);
  if (bytes > BigInt(OBJECT_BYTES_MAX))
    return invalid(context, `at most ${OBJECT_BYTES_MAX} bytes are sold in one object`);
  return Number(bytes);
});

/** round(gb x 10^9) in exact decimal arithmetic; undefined below one byte or when the text is not a number. */
export function gigabytesToBytes(text: string): bigint | undefined {
  const match = /^(\d{1,20})(?:\.(\d{1,40}))?(?:[eE]([+-]?\d{1,3}))?$/.exec(text.trim());
  if (!match) return undefined;
  const [, whole = "", fraction = "", exponent = "0"] = match;
  const digits = BigInt(whole + fraction);
  // value = digits x 10^(exponent - fraction.length); bytes = value x 10^9
  const power = Number(exponent) - fraction.length + 9;
  if (power >= 0) return power > 60 ? undefined : atLeastOne(digits * 10n ** BigInt(power));
  if (power < -80) return undefined;
  const unit = 10n ** BigInt(-power);
  // Below 1e-9 is refused even where rounding would lift it to one byte.
  if (digits < unit) return undefined;
  return atLeastOne((digits + unit / 2n) / unit);
}

function atLeastOne(bytes: bigint): bigint | undefined {
  return bytes >= 1n ? bytes : undefined;
}

/** GET carries the same names as query parameters, so numbers may arrive as text. */
export const WholeNumber = (min: number, max: number) =>
  z
    .union([z.number(), z.string().regex(/^-?\d{1,9}$/, "wanted a whole number")])
    .transform(Number)
    .pipe(z.number().int().min(min).max(max));

/** The reader's own name for a download. It opens nothing, so it need not be unguessable. */
export const DownloadId = z
  .string()
  .regex(/^[A-Za-z0-9._:-]{8,100}$/, "wanted 8 to 100 letters, digits, dots, colons, dashes and underscores");

/** One range of bytes in HTTP's own spelling; the object decides later whether it has them. */
export const ByteRange = z
  .string()
  .regex(/^bytes=(?:\d{1,15}-\d{0,15}|-\d{1,15})$/, "wanted one range such as bytes=0-99, bytes=100- or bytes=-100")
  .transform((text) => {
    const [first, last] = text
      .slice("bytes=".length)
      .split("-")
      .map((digits) => (digits === "" ? undefined : Number(digits)));
    return { first, last };
  });
