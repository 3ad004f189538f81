/** A part of a history, in a process of its own: asked by its parent, answered, done. */
import { runYears } from "./history.ts";
import type { Part } from "./parts.ts";

// The objects say in their logs what went wrong on the way; a history is judged by its end.
console.error = () => {};

process.once("message", ({ seed, ...length }: Part) => {
  runYears(seed, length).then(
    (history) => process.send?.({ history }, () => process.disconnect()),
    (error: unknown) =>
      process.send?.({ fault: error instanceof Error ? (error.stack ?? error.message) : String(error) }, () =>
        process.disconnect(),
      ),
  );
});
