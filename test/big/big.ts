/** `npm run big -- --gb 6`: see run.ts. Exit code 0 when everything promised was seen, 1 when not, 2 when the command makes no sense. */
import { parseArgs } from "node:util";
import { big } from "./run.ts";
import { faultsOf } from "./verdict.ts";

const { values } = parseArgs({ options: { gb: { type: "string", default: "6" } } });
const gb = Number(values.gb);
if (!(gb >= 0.1 && gb <= 100)) {
  console.error("npm run big -- [--gb 0.1 … 100]");
  process.exit(2);
}
const figures = await big(Math.round(gb * 1e9), console.log);
console.log(JSON.stringify(figures, null, 2));
const faults = faultsOf(figures);
for (const fault of faults) console.log(`NOT AS PROMISED: ${fault}`);
process.exit(faults.length === 0 ? 0 : 1);
