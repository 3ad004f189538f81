/** `npm run history -- --wallets 1000 --years 10 [--seed N] [--first N] [--processes N]`: years of leases in minutes. */
import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { PartFailed, partsOf, runParts } from "./parts.ts";

const { values } = parseArgs({
  options: {
    wallets: { type: "string", default: "1000" },
    years: { type: "string", default: "10" },
    seed: { type: "string", default: "1" },
    // Where a part begins, to see that part alone.
    first: { type: "string", default: "1" },
    processes: { type: "string", default: String(availableParallelism()) },
  },
});
const [wallets, years, seed] = [Number(values.wallets), Number(values.years), Number(values.seed)];
const startedMs = performance.now();
const seconds = () => ((performance.now() - startedMs) / 1000).toFixed(0);
const days = years * 365 + Math.floor(years / 4);
const parts = partsOf({ seed, first: Number(values.first), wallets, days });
let ended = 0;
try {
  const books = await runParts(parts, Number(values.processes), ({ periods }) => {
    ended += 1;
    console.log(`part ${ended} of ${parts.length}: ${periods.toLocaleString("en")} periods, ${seconds()} s`);
  });
  const {
    revenue,
    granted,
    credit,
    fromCredit,
    periods,
    statements,
    mandates,
    byMandate,
    revoked,
    orders,
    lapsed,
    stored,
    events,
    outages,
  } = books;
  const usdc = (micro: bigint) => `$${(Number(micro) / 1e6).toFixed(6)}`;
  if (revenue !== granted + credit + fromCredit) throw new Error("the parts' books do not add up");
  console.log(`${wallets} wallets, ${years} years, ${outages} outages, ${events.toLocaleString("en")} events, ${seconds()} s
revenue on chain ${usdc(revenue)} = ${periods.toLocaleString("en")} periods ${usdc(granted)} + credit ${usdc(credit)} + credit spent ${usdc(fromCredit)}
${statements.toLocaleString("en")} statements paid; of ${mandates.toLocaleString("en")} mandates ${byMandate.toLocaleString("en")} settled on their day, ${revoked.toLocaleString("en")} taken back
${orders.toLocaleString("en")} orders, ${lapsed.toLocaleString("en")} lapsed unpaid, ${stored} stored at the end; no paid object was erased, no unpaid one kept past its deadline and one sweep`);
} catch (error) {
  const part = error instanceof PartFailed ? error.part : { first: Number(values.first), wallets };
  console.log(
    `${error instanceof Error ? error.message : String(error)}\nreplay: npm run history -- --seed ${seed} --years ${years} --first ${part.first} --wallets ${part.wallets}`,
  );
  process.exit(1);
}
