/** Decimals as other people print them, read exactly: a price or a forecast never passes through a float on its way to an integer. */

const DECIMAL = /^(\d{1,30})(?:\.(\d{1,60}))?(?:[eE]([+-]?\d{1,3}))?$/;

/** The value times 10^`places`, rounded up. Undefined for what is not a non-negative decimal of sane size. */
export function decimalUp(text: string, places: number): bigint | undefined {
  const match = DECIMAL.exec(text);
  if (!match) return undefined;
  const [, whole = "", fraction = "", exponent = "0"] = match;
  const digits = BigInt(whole + fraction);
  const power = Number(exponent) - fraction.length + places;
  if (power > 60) return undefined;
  if (power >= 0) return digits * 10n ** BigInt(power);
  const unit = 10n ** BigInt(-power);
  return (digits + unit - 1n) / unit;
}
