/** The parts of a content as they were announced: one hash a part, written down before its URL is signed and never changed after. */
import { type Refusal, refuse } from "#contract/errors";
import { partCount, partSpan } from "#contract/parts";
import type { Tx } from "./tx.ts";

export interface Pin {
  readonly part: number;
  readonly sha256: string;
}

interface InParts {
  readonly plan: number;
  readonly lengthBytes: number;
  readonly partBytes?: number | undefined;
}

/** By part, the first at index 0; "" where none was announced yet. Empty for one PUT. */
export function pinsOf(tx: Tx, orderId: string, { plan, lengthBytes, partBytes }: InParts): string[] {
  if (partBytes === undefined) return [];
  const pins = new Array<string>(partCount(lengthBytes, partBytes)).fill("");
  const rows = tx.all<{ part: number; sha256: string }>(
    "SELECT part, sha256 FROM parts WHERE order_id = ? AND plan = ?",
    orderId,
    plan,
  );
  for (const { part, sha256 } of rows) pins[part - 1] = sha256;
  return pins;
}

/** All or none. A part announced with other bytes is refused: two URLs of one part could leave a mixture. */
export function pin(tx: Tx, orderId: string, plan: InParts, pins: readonly Pin[]): { ok: true } | Refusal {
  for (const { part, sha256 } of pins) {
    if (plan.partBytes === undefined || partSpan(plan.lengthBytes, plan.partBytes, part) === undefined)
      return refuse("size_out_of_range", `the content has no part ${part}`);
    const before = tx.first<{ sha256: string }>(
      "SELECT sha256 FROM parts WHERE order_id = ? AND plan = ? AND part = ?",
      orderId,
      plan.plan,
      part,
    )?.sha256;
    if (before !== undefined && before !== sha256)
      return refuse(
        "bytes_mismatch",
        `part ${part} was announced with SHA-256 ${before}, now ${sha256}; other bytes are another content`,
      );
  }
  for (const { part, sha256 } of pins)
    tx.run(
      "INSERT OR IGNORE INTO parts (order_id, plan, part, sha256) VALUES (?, ?, ?, ?)",
      orderId,
      plan.plan,
      part,
      sha256,
    );
  return { ok: true };
}

export function dropPins(tx: Tx, orderId: string, plan: number): void {
  tx.run("DELETE FROM parts WHERE order_id = ? AND plan = ?", orderId, plan);
}
