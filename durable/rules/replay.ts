/**
 * Idempotency as a verdict that names the difference, so a retrying client learns which field it changed.
 * Scope and storage are the wallet's; this compares.
 */
export type Fields = Readonly<Record<string, string>>;

export type Replay = { kind: "same" } | { kind: "different"; field: string };

/** Compares what a key was used for with what it is used for now; the first differing field in alphabetical order is named. */
export function compare(stored: Fields, asked: Fields): Replay {
  const names = [...new Set([...Object.keys(stored), ...Object.keys(asked)])].sort();
  const field = names.find((name) => stored[name] !== asked[name]);
  return field === undefined ? { kind: "same" } : { kind: "different", field };
}
