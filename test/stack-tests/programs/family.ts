/** A supervisor to be killed: two children, one of them with a child of its own and deaf to SIGTERM. Prints their numbers. */
import { startFamily } from "../../stack/processes.ts";

const logs = process.argv[2] ?? "";
const quiet = "setInterval(() => {}, 1000);";
const stubborn =
  `process.on("SIGTERM", () => {}); const c = require("node:child_process").spawn(process.execPath, ["-e", ${JSON.stringify(quiet)}]);` +
  `console.log("grandchild " + c.pid); ${quiet}`;

const family = await startFamily({ graceMs: 500 });
for (const [name, program] of [
  ["quiet", quiet],
  ["stubborn", stubborn],
] as const) {
  const child = await family.start({
    name,
    command: process.execPath,
    args: ["-e", program],
    logFile: `${logs}/${name}.log`,
    ready: async () => undefined,
    stopWithinMs: 300,
  });
  console.log(`${name} ${child.pid}`);
}
console.log(`leash ${family.leashPid}`);
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.on(signal, () => void family.stop().then(() => process.exit(0)));
}
