/** Does S3 hold a plan's bytes? Parts that are all there are put together on the way. Asked by confirm and by the alarm alike. */
import { partSpan } from "#contract/parts";
import type { Plan } from "./plans.ts";
import type { Assembled, ObjectPlace, Store } from "./ports.ts";
import { compositeOf, differenceOf } from "./rules/content.ts";

export interface Sent {
  readonly plan: Plan;
  readonly place: ObjectPlace;
  /** Hashes of the announced parts, "" for the others; of an open plan only. */
  readonly pins: readonly string[];
}

export type Sought =
  | { readonly end: "complete" }
  | { readonly end: "absent" }
  | { readonly end: "incomplete"; readonly missing: readonly number[] }
  | { readonly end: "different"; readonly detail: string }
  | { readonly end: "unknown"; readonly detail: string };

export async function seek(store: Store, { plan, place, pins }: Sent): Promise<Sought> {
  const composite = plan.composite ?? compositeOf(plan, pins);
  const unannounced = pins.flatMap((pin, index) => (pin === "" ? [index + 1] : []));
  if (unannounced.length > 0) return { end: "incomplete", missing: unannounced };
  const seen = await (plan.uploadId !== undefined && plan.state === "open"
    ? store.assemble({ ...place, uploadId: plan.uploadId }, announced(plan, pins))
    : store.look(place));
  return judged(seen, { ...plan, composite });
}

function judged(seen: Assembled, announced: Parameters<typeof differenceOf>[0]): Sought {
  if (seen.end !== "found") return seen;
  const detail = differenceOf(announced, seen);
  return detail === undefined ? { end: "complete" } : { end: "different", detail };
}

function announced({ lengthBytes, partBytes = lengthBytes }: Plan, pins: readonly string[]) {
  return pins.flatMap((sha256Hex, index) => {
    const span = partSpan(lengthBytes, partBytes, index + 1);
    return span ? [{ part: span.part, lengthBytes: span.lengthBytes, sha256Hex }] : [];
  });
}
