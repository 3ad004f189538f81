/** `npm run demo -- [path]`: the main job, on a stack of its own or the one that runs. Exit 0 only when every file came back. */
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { StackFailure, sentenceOf } from "../stack/failure.ts";
import { choosePorts } from "../stack/ports.ts";
import { PROJECT } from "../stack/state-directory.ts";
import { type Receipt, runJob } from "./job.ts";
import { openPlace, type Place } from "./place.ts";
import { openProgress } from "./progress.ts";
import { drawReceipt } from "./receipt.ts";

const HELP = `Buys storage for a real folder with a wallet that holds nothing but USDC, and gets the folder back.
Chain, S3 and service run on this machine: no account, no key, no AWS, no cost.

  npm run demo                         the client's own source, about a hundred files
  npm run demo -- ~/notes              any file or folder
  npm run demo -- --json ~/notes       one JSON document instead of the receipt

Options
  --state DIR        the stack's data (default .local); a stack that runs there is joined
  --reset            throw that data away first
  --port-base N      ports of a stack that has to be started
  --json             for scripts
  --help             print this`;

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      help: { type: "boolean", default: false },
      json: { type: "boolean", default: false },
      reset: { type: "boolean", default: false },
      state: { type: "string", default: join(PROJECT, ".local") },
      "port-base": { type: "string" },
    },
  });
  if (values.help) {
    console.log(HELP);
    return 0;
  }
  const path = resolve(positionals[0] ?? join(PROJECT, "client-plugin"));
  if (positionals.length > 1) throw new StackFailure(`One path at a time; got ${positionals.length}.`);
  if (!existsSync(path)) throw new StackFailure(`There is nothing at ${path}.`);
  const halt = new AbortController();
  const interrupted = new Promise<never>((_, reject) => {
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
      process.once(signal, () => {
        halt.abort();
        reject(new StackFailure("Interrupted. What was stored stays stored until its paid time is over."));
      });
  });
  interrupted.catch(() => undefined);
  const say = (line: string) => {
    if (!values.json) console.log(`  ${line}`);
  };
  const base = values["port-base"];
  const place = await openPlace({
    stateDirectory: resolve(values.state),
    ports: choosePorts({ flags: base === undefined ? {} : { "--port-base": base }, variables: process.env }),
    reset: values.reset,
    signal: halt.signal,
    tell: say,
  });
  try {
    const receipt = await Promise.race([
      work(place, path, values.json),
      interrupted,
      place.failed.then((error) => Promise.reject(error)),
    ]);
    console.log(values.json ? JSON.stringify(receipt, null, 2) : drawReceipt(receipt));
    return receipt.identical && receipt.deleted ? 0 : 1;
  } finally {
    await place.stop();
  }
}

async function work(place: Place, path: string, json: boolean): Promise<Receipt> {
  const progress = openProgress(json, process.stderr);
  let title = "";
  try {
    return await runJob({
      place,
      path,
      onStep: (next, done, total) => {
        if (next !== title) progress.begin(next);
        title = next;
        progress.at(done, total);
      },
    });
  } catch (error) {
    throw new StackFailure(`While it tried to ${title || "begin"}: ${sentenceOf(error)}`);
  } finally {
    progress.end();
  }
}

try {
  process.exitCode = await main();
} catch (error) {
  console.error(`\n${sentenceOf(error)}\nNothing is lost: run the same command again.`);
  process.exitCode = 1;
}
process.exit();
