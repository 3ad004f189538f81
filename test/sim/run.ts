/** `npm run sim -- --seeds N [--from S] [--seed X] [--mutation NAME]`: runs histories and prints the first seed that breaks a promise. */
import { parseArgs } from "node:util";
import { Found, runHistory } from "./history.ts";
import { MUTATIONS } from "./mutations.ts";

const { values } = parseArgs({
  options: {
    seeds: { type: "string", default: "1000" },
    from: { type: "string", default: "1" },
    seed: { type: "string" },
    mutation: { type: "string" },
    renewals: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});
if (values.help) {
  console.log(`Runs the real wallet and relayer objects under virtual time, with crashes, lost replies, reorgs, stuck transactions and thieves.

  npm run sim -- --seeds 100000             seeds 1 to 100,000
  npm run sim -- --seed 4711                one history, with what its clients saw
  npm run sim -- --renewals                 buyers renew what they stored, one by one and by statement
  npm run sim -- --mutation no-reservation  a known bug; the seed that finds it

Mutations: ${Object.keys(MUTATIONS).join(", ")}`);
  process.exit(0);
}
const named = values.mutation === undefined ? {} : MUTATIONS[values.mutation];
if (!named) {
  console.error(`There is no mutation ${values.mutation}; there are ${Object.keys(MUTATIONS).join(", ")}.`);
  process.exit(2);
}
// The objects say in their logs what went wrong on the way; a history is judged by its end.
if (values.seed === undefined) console.error = () => {};
const from = Number(values.seed ?? values.from);
const to = values.seed === undefined ? from + Number(values.seeds) - 1 : from;
const startedMs = performance.now();
let events = 0;
for (let seed = from; seed <= to; seed++) {
  try {
    const history = await runHistory(seed, named, values.renewals);
    events += history.events;
    if (values.seed !== undefined) console.log(history.world.log.join("\n"));
    if ((seed - from + 1) % 1000 === 0)
      console.log(`${seed - from + 1} seeds, ${((performance.now() - startedMs) / 1000).toFixed(0)} s`);
  } catch (error) {
    if (!(error instanceof Found)) throw error;
    console.log(error.world.log.slice(-40).join("\n"));
    console.log(
      `\n${error.message}\n${error.cause instanceof Error ? error.cause.stack : ""}\nreplay: npm run sim -- --seed ${seed}${values.renewals ? " --renewals" : ""}${values.mutation ? ` --mutation ${values.mutation}` : ""}`,
    );
    process.exit(1);
  }
}
const seconds = (performance.now() - startedMs) / 1000;
console.log(
  `${to - from + 1} seeds, ${events.toLocaleString("en")} events, ${seconds.toFixed(1)} s: every promise held`,
);
