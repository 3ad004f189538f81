/**
 * A clock that can be set ahead, for whoever imports this first: everything in the same world that asks for the time is told the
 * moved one. What is shipped has no such knob; this is imported by the entries beside it and by tests, which are never deployed.
 */
const RealDate = Date;
let aheadMs = 0;

class MovedDate extends RealDate {
  constructor(...given: unknown[]) {
    super(...((given.length === 0 ? [MovedDate.now()] : given) as [number]));
  }
  static override now(): number {
    return RealDate.now() + aheadMs;
  }
}
globalThis.Date = MovedDate as DateConstructor;

/** How far this world is ahead of the wall's clock. */
export const ahead = (): number => aheadMs;

export function moveTo(ms: number): void {
  aheadMs = ms;
}
