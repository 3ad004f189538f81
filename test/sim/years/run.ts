/**
 * `npm run history -- --wallets 1000 --years 10 [--seed N] [--first N] [--processes N]`: years of leases in minutes.
 * `npm run history -- --objects 10000`: three months of one wallet that keeps very much.
 */
import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { runCrowd } from "./crowd.ts";
import type { Books } from "./judge.ts";
import { PartFailed, partsOf, runParts } from "./parts.ts";

const { values } = parseArgs({
  options: {
    wallets: { type: "string", default: "1000" },
    years: { type: "string", default: "10" },
    seed: { type: "string", default: "1" },
    objects: { type: "string" },
    // Where a part begins, to see that part alone.
    first: { type: "string", default: "1" },
    processes: { type: "string", default: String(availableParallelism()) },
  },
});
const [wallets, years, seed, first] = [values.wallets, values.years, values.seed, values.first].map(Number) as [
  number,
  number,
  number,
  number,
];
// The objects say in their logs what went wrong on the way; a history is judged by its end.
console.error = () => {};
const startedMs = performance.now();
const seconds = () => ((performance.now() - startedMs) / 1000).toFixed(0);
const count = (of: number) => of.toLocaleString("en");
const usdc = (micro: bigint) => `$${(Number(micro) / 1e6).toFixed(6)}`;
const sums = ({ revenue, periods, granted, credit, fromCredit }: Books) =>
  `revenue on chain ${usdc(revenue)} = ${count(periods)} periods ${usdc(granted)} + credit ${usdc(credit)} + credit spent ${usdc(fromCredit)}`;
let replay = `--seed ${seed} --objects ${values.objects}`;
try {
  await (values.objects === undefined ? tellYears() : tellCrowd(Number(values.objects)));
} catch (error) {
  if (error instanceof PartFailed)
    replay = `--seed ${seed} --years ${years} --first ${error.part.first} --wallets ${error.part.wallets}`;
  console.log(`${error instanceof Error ? error.message : String(error)}\nreplay: npm run history -- ${replay}`);
  process.exit(1);
}

async function tellYears(): Promise<void> {
  const parts = partsOf({ seed, first, wallets, days: years * 365 + Math.floor(years / 4) });
  let ended = 0;
  const books = await runParts(parts, Number(values.processes), ({ periods }) => {
    ended += 1;
    console.log(`part ${ended} of ${parts.length}: ${count(periods)} periods, ${seconds()} s`);
  });
  const { statements, mandates, byMandate, revoked, orders, lapsed, stored, events, troubles } = books;
  if (books.revenue !== books.granted + books.credit + books.fromCredit) throw new Error("the books do not add up");
  console.log(`${count(wallets)} wallets, ${years} years, ${count(events)} events, ${seconds()} s
${troubles.outages} outages (${troubles.months} of a month, ${troubles.deploys} deploys that threw for a day), a wrong clock ${troubles.clocks} times
${sums(books)}
${count(statements)} statements paid; of ${count(mandates)} mandates ${count(byMandate)} settled on their day, ${count(revoked)} taken back
${count(orders)} orders, ${count(lapsed)} lapsed unpaid, ${count(stored)} stored at the end; no paid object was erased, no unpaid one kept past its deadline and one sweep`);
}

async function tellCrowd(objects: number): Promise<void> {
  const books = await runCrowd(seed, objects, 3);
  const { statements, linesMost, orders, lapsed, lateMs, events } = books;
  console.log(`one wallet, ${count(orders)} orders, ${count(events)} events, ${seconds()} s
${sums(books)}
${statements} statements paid, of up to ${count(linesMost)} lines; ${count(lapsed)} lapsed unpaid, none later than ${(lateMs / 60_000).toFixed(0)} minutes after its deadline`);
}
