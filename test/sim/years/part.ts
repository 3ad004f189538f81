/** A part of a history, in a process of its own: asked by its parent, answered, done. */
import { runYears } from "./history.ts";
import type { Part } from "./parts.ts";

// The objects say in their logs what went wrong on the way; a history is judged by its end.
console.error = () => {};

const answer = (said: object) => process.send?.(said, () => process.connected && process.disconnect());

process.once("message", ({ seed, ...length }: Part) => {
  runYears(seed, length).then(
    (history) => answer({ history }),
    (error: unknown) => answer({ fault: error instanceof Error ? (error.stack ?? error.message) : String(error) }),
  );
});
