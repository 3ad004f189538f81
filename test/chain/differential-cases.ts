/**
 * What a generated payment may lie about, and the differences between judges that are right as they are, each with its reason.
 */
import { secp256k1 } from "@noble/curves/secp256k1.js";
import fc from "fast-check";
import { getAddress, type Hex } from "viem";

/** Honest most of the time, in each respect; so a case has one or two lies. */
const mostly = <T extends string>(honest: T, ...lies: T[]) =>
  fc.oneof(
    { weight: 8 * lies.length, arbitrary: fc.constant(honest) },
    ...lies.map((lie) => ({ weight: 1, arbitrary: fc.constant(lie) })),
  );

export const cases = fc.record({
  payer: mostly("rich", "poor", "contract", "refusing", "looping"),
  signer: mostly("owner", "stranger"),
  to: mostly("us", "other"),
  value: mostly("exact", "less", "more", "zero"),
  after: mostly("past", "zero", "future"),
  before: mostly("soon", "margin", "past", "far", "never"),
  nonce: mostly("fresh", "used"),
  signature: mostly(
    "plain",
    "high_s",
    "v_01",
    "v_99",
    "name",
    "version",
    "chain",
    "token",
    "cut",
    "long",
    "empty",
    "zeros",
    "erc6492",
  ),
  accepted: mostly("honest", "scheme", "network", "v1_network", "asset", "payTo", "amount", "extra", "lower_case"),
  resource: mostly("same", "other", "absent"),
  spelling: mostly(
    "plain",
    "upper_nonce",
    "checksum",
    "bad_checksum",
    "leading_zero",
    "hex_value",
    "json_number",
    "space",
    "no_nonce",
    "short_nonce",
    "extra_field",
  ),
});
export type Case = typeof cases extends fc.Arbitrary<infer T> ? T : never;

type Who = "ours" | "stock" | "token";
export interface Verdicts extends Record<Who, boolean> {
  readonly words: Record<Who, string>;
}

interface Difference {
  readonly name: string;
  /** Who says yes to what the other refuses. */
  readonly yes: Who;
  readonly no: Who;
  readonly because: string;
  applies(c: Case): boolean;
}

const spelled =
  (...those: Case["spelling"][]) =>
  (c: Case) =>
    those.includes(c.spelling);

export const DIFFERENCES: readonly Difference[] = [
  {
    name: "window too long",
    yes: "stock",
    no: "ours",
    because: "the reference has no upper bound on validBefore",
    applies: (c) => c.before === "far" || c.before === "never",
  },
  {
    name: "window too short",
    yes: "stock",
    no: "ours",
    because: "the reference wants 6 s, we 30 s: a slow endpoint must not lose the race",
    applies: (c) => c.before === "margin",
  },
  {
    name: "another offer",
    yes: "stock",
    no: "ours",
    because: "verify compares scheme and network only; the rest is its resource server's step",
    applies: (c) => ["asset", "payTo", "amount"].includes(c.accepted),
  },
  {
    name: "another resource",
    yes: "stock",
    no: "ours",
    because: "the reference does not look at resource.url",
    applies: (c) => c.resource === "other",
  },
  {
    name: "loose numbers",
    yes: "stock",
    no: "ours",
    because: "BigInt() takes leading zeros, hex, JSON numbers and spaces; one number has one spelling here",
    applies: spelled("leading_zero", "hex_value", "json_number", "space"),
  },
  {
    name: "network by its v1 name",
    yes: "ours",
    no: "stock",
    because: "old clients name the network so",
    applies: (c) => c.accepted === "v1_network",
  },
  {
    name: "not checksummed",
    yes: "ours",
    no: "stock",
    because: "an address is its 20 bytes, however its letters are cased",
    applies: spelled("bad_checksum"),
  },
];

/** Nothing the token refuses may be taken; these it would take, and we do not want them. */
const UNWANTED: readonly ((c: Case) => boolean)[] = [
  (c) => c.to === "other" || c.value !== "exact",
  (c) => ["far", "never", "margin"].includes(c.before),
  (c) => !["honest", "v1_network", "extra", "lower_case"].includes(c.accepted),
  (c) => c.resource === "other",
  // A deployed contract may overlook the wrapper; we refuse it unread, because unwrapping means calling a factory.
  (c) => c.signature === "erc6492",
  spelled("leading_zero", "hex_value", "json_number", "space", "extra_field"),
];

/** What is not explained, in a sentence; undefined when all differences are known ones. */
export function unexplained(c: Case, verdicts: Verdicts, used: Set<string>): string | undefined {
  const { ours, stock, token } = verdicts;
  if (ours && !token) return "ours takes what the token refuses";
  if (token && !ours && !UNWANTED.some((applies) => applies(c)))
    return "the token takes what ours refuses for no written reason";
  if (ours === stock) return undefined;
  const [yes, no] = ours ? (["ours", "stock"] as const) : (["stock", "ours"] as const);
  const known = DIFFERENCES.filter((each) => each.yes === yes && each.no === no && each.applies(c));
  for (const each of known) used.add(each.name);
  return known.length > 0 ? undefined : `${yes} takes what ${no} refuses`;
}

export function disfigure(how: Case["signature"], signature: Hex): Hex {
  const body = signature.slice(0, -2);
  const high = secp256k1.Point.Fn.ORDER - BigInt(`0x${signature.slice(66, 130)}`);
  const first = signature.endsWith("1b");
  switch (how) {
    case "high_s":
      return `${signature.slice(0, 66)}${high.toString(16).padStart(64, "0")}${first ? "1c" : "1b"}` as Hex;
    case "v_01":
      return `${body}${first ? "00" : "01"}` as Hex;
    case "v_99":
      return `${body}63` as Hex;
    case "cut":
      return body as Hex;
    case "long":
      return `${signature}00` as Hex;
    case "empty":
      return "0x";
    case "zeros":
      return `0x${"00".repeat(65)}`;
    case "erc6492":
      return `${signature}${"6492".repeat(16)}` as Hex;
    default:
      return signature;
  }
}

export function spell(how: Case["spelling"], a: Record<string, string>): Record<string, unknown> {
  const { nonce = "", from = "", value = "" } = a;
  const { nonce: _, ...rest } = a;
  const ways: Record<Case["spelling"], Record<string, unknown>> = {
    plain: a,
    upper_nonce: { ...a, nonce: `0x${nonce.slice(2).toUpperCase()}` },
    checksum: { ...a, from: getAddress(from) },
    bad_checksum: { ...a, from: miscased(from) },
    leading_zero: { ...a, value: `0${value}` },
    hex_value: { ...a, value: `0x${BigInt(value).toString(16)}` },
    json_number: { ...a, value: Number(value) },
    space: { ...a, value: ` ${value}` },
    no_nonce: rest,
    short_nonce: { ...a, nonce: nonce.slice(0, -2) },
    extra_field: { ...a, memo: "hello" },
  };
  return ways[how];
}

/** Letters cased as no checksum would have them. */
function miscased(address: string): string {
  return getAddress(address).replace(/[a-f]/i, (letter) =>
    letter === letter.toLowerCase() ? letter.toUpperCase() : letter.toLowerCase(),
  );
}
