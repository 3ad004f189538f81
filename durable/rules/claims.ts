/**
 * What becomes of a claim that did not pay. A signature is a signature: whoever has it may land it until its window closes, so a claim
 * is not forgotten before the chain was asked after that; what was landed becomes credit.
 *
 * `withdrawn`: it never left us. The authorization is as good as before (only open and settled claims bind), and the chain is asked
 * once, when its window has closed. `void`: a transaction carried it, so it is looked for until nothing can land it any more, an hour
 * past the window, which is longer than finality takes; then it is `dead`.
 */
export type GivenUp = "withdrawn" | "void" | "dead";

const LOOK_EVERY_MS = 300_000;
/** Blocks come every two seconds, and clocks differ by less than a minute. */
const LAST_LOOK_AFTER_MS = 90_000;
const DEAD_AFTER_MS = 3_600_000;

export function givenUp(
  neverLeft: boolean,
  validBeforeS: bigint,
  nowMs: number,
): { readonly state: GivenUp; readonly lookMs: number | undefined } {
  const closesMs = Number(validBeforeS) * 1000;
  if (neverLeft) {
    const lookMs = closesMs + LAST_LOOK_AFTER_MS;
    return { state: "withdrawn", lookMs: lookMs > nowMs ? lookMs : undefined };
  }
  if (nowMs > closesMs + DEAD_AFTER_MS) return { state: "dead", lookMs: undefined };
  return { state: "void", lookMs: nowMs + LOOK_EVERY_MS };
}
