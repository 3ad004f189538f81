/** `npm run history -- --wallets 1000 --years 10 [--seed N]`: years of leases in minutes. */
import { parseArgs } from "node:util";
import { runYears } from "./history.ts";

const { values } = parseArgs({
  options: {
    wallets: { type: "string", default: "1000" },
    years: { type: "string", default: "10" },
    seed: { type: "string", default: "1" },
  },
});
const [wallets, years, seed] = [Number(values.wallets), Number(values.years), Number(values.seed)];
// The objects say in their logs what went wrong on the way; a history is judged by its end.
console.error = () => {};
const startedMs = performance.now();
try {
  const { revenue, granted, credit, fromCredit, periods, statements, orders, lapsed, stored, events, outages } =
    await runYears(seed, {
      wallets,
      days: years * 365 + Math.floor(years / 4),
      tell: (line) => console.log(`${line}, ${((performance.now() - startedMs) / 1000).toFixed(0)} s`),
    });
  const usdc = (micro: bigint) => `$${(Number(micro) / 1e6).toFixed(6)}`;
  console.log(`${wallets} wallets, ${years} years, ${outages} outages, ${events.toLocaleString("en")} events, ${((performance.now() - startedMs) / 1000).toFixed(0)} s
revenue on chain ${usdc(revenue)} = ${periods.toLocaleString("en")} periods ${usdc(granted)} + credit ${usdc(credit)} + credit spent ${usdc(fromCredit)}
${statements.toLocaleString("en")} statements paid, ${orders.toLocaleString("en")} orders, ${lapsed.toLocaleString("en")} lapsed unpaid, ${stored} stored at the end; no paid object was erased, no unpaid one kept past its deadline and one sweep`);
} catch (error) {
  console.log(
    `${error instanceof Error ? error.stack : String(error)}\nreplay: npm run history -- --wallets ${wallets} --years ${years} --seed ${seed}`,
  );
  process.exit(1);
}
