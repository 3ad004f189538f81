/** Randomness that a seed repeats (mulberry32). */
export interface Dice {
  /** From 0 up to, never including, 1. */
  next(): number;
  between(low: number, high: number): number;
  of<T>(faces: readonly [T, ...T[]]): T;
}

export function diceOf(seed: number): Dice {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  return {
    next,
    between: (low, high) => low + next() * (high - low),
    of: (faces) => faces[Math.floor(next() * faces.length)] ?? faces[0],
  };
}
