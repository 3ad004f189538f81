/**
 * Money is micro-USDC: a bigint inside, a decimal string on the wire. USDC has six decimals on Base, so one unit here is the
 * token's smallest unit and nothing is ever rounded by conversion. Dollars exist only as a convenience for old clients.
 */

/** Smallest unit of USDC, 10^-6 dollar. */
export type MicroUsdc = bigint;

const DECIMAL = /^(?:0|[1-9][0-9]{0,77})$/;

/** Parses a canonical decimal string (no sign, no leading zero, at most uint256's 78 digits). Undefined otherwise. */
export function parseMicroUsdc(text: string): MicroUsdc | undefined {
  return DECIMAL.test(text) ? BigInt(text) : undefined;
}

export function formatMicroUsdc(amount: MicroUsdc): string {
  return amount.toString();
}

/** Dollars with two decimals, rounded up; for `storage_price` of the old API. Never compute with it. */
export function toDisplayDollars(amount: MicroUsdc): number {
  return Number(divCeil(amount, 10_000n)) / 100;
}

/** Exact dollars for people: at least two decimals, up to six, without trailing zeros beyond the second. */
export function formatDollars(amount: MicroUsdc): string {
  const digits = amount.toString().padStart(7, "0");
  const whole = digits.slice(0, -6);
  const fraction = digits.slice(-6).replace(/0{1,4}$/, "");
  return `$${whole}.${fraction}`;
}

/** Division that rounds towards more money; both arguments non-negative. */
export function divCeil(numerator: bigint, denominator: bigint): bigint {
  return (numerator + denominator - 1n) / denominator;
}
