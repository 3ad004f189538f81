/**
 * What a transaction may cost. Nodes take a replacement only when both fees rise by at least 10 % (geth's price bump); we rise by
 * a quarter, so that a few steps reach any market. Above the ceiling nothing is sent, except what frees a stuck nonce.
 */
export interface Fees {
  readonly maxFeePerGas: bigint;
  readonly maxPriorityFeePerGas: bigint;
}

/** The fees of a replacement: the market's, or a quarter above what was offered before, whichever is more. */
export function bumped(previous: Fees, market: Fees): Fees {
  const rise = (fee: bigint) => (fee * 5n + 3n) / 4n;
  const larger = (a: bigint, b: bigint) => (a > b ? a : b);
  return {
    maxFeePerGas: larger(rise(previous.maxFeePerGas), market.maxFeePerGas),
    maxPriorityFeePerGas: larger(rise(previous.maxPriorityFeePerGas), market.maxPriorityFeePerGas),
  };
}
