/**
 * `npm run dev`: the whole service on this machine, in one command, until Ctrl-C.
 */
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { formatUnits } from "viem";
import { StackFailure, sentenceOf } from "./failure.ts";
import { choosePorts, DOORS, PORT_NAMES } from "./ports.ts";
import { type Stack, startStack } from "./stack.ts";

const HELP = `Runs mnemospark on this machine: a chain with real USDC, S3, Secrets Manager, AWS's
prices and the edge.
Nothing leaves the machine and nothing costs money.

  npm run dev                          start, or go on where the last run stopped
  npm run dev -- --reset               throw away the local data and begin anew
  npm run dev -- --port-base 9700      edge 9700, S3 9701, chain 9702, Secrets Manager 9703, prices 9704

Options
  --state DIR        where the data is kept (default .local)
  --reset            remove that data first, keys and wallet included
${PORT_NAMES.map((name) => {
  const { flag, who, usual, variable } = DOORS[name];
  return `  ${`${flag} N`.padEnd(18)} port of ${who} (default ${usual}; also ${variable}); 0 picks a free one`;
}).join("\n")}
  --port-base N      the five ports counted from N (also MNEMOSPARK_PORT_BASE)
  --edge-config F    another wrangler.toml for the edge (--s3-config F for S3)
  --json             print one line of JSON when ready, and nothing else
  --help             print this

Ctrl-C stops everything; a second one does not wait for it.`;

interface Wishes {
  readonly help: boolean;
  readonly json: boolean;
  readonly reset: boolean;
  readonly state: string | undefined;
  readonly edgeConfig: string | undefined;
  readonly s3Config: string | undefined;
  readonly ports: ReturnType<typeof choosePorts>;
}

/** Exit codes: 0 stopped as asked, 1 could not start or a part broke, 2 the command makes no sense. */
const BROKEN = 1;
const MISTYPED = 2;

function wishesOf(args: readonly string[]): Wishes {
  const text = { type: "string" } as const;
  const yes = { type: "boolean", default: false } as const;
  const places = { state: text, "edge-config": text, "s3-config": text, "port-base": text };
  const options = { help: yes, json: yes, reset: yes, ...places };
  const doors = Object.fromEntries(PORT_NAMES.map((name) => [DOORS[name].flag.slice(2), text]));
  const { values } = parseArgs({ args: [...args], options: { ...doors, ...options }, strict: true });
  const flags = Object.fromEntries(
    Object.entries(values).map(([name, value]) => [`--${name}`, typeof value === "string" ? value : undefined]),
  );
  return {
    help: values.help === true,
    json: values.json === true,
    reset: values.reset === true,
    state: flags["--state"],
    edgeConfig: flags["--edge-config"],
    s3Config: flags["--s3-config"],
    ports: choosePorts({ flags, variables: process.env }),
  };
}

async function screen(stack: Stack): Promise<string> {
  const { urls, wallet, paths } = stack;
  const balance = formatUnits(await stack.chain.usdcBalance(wallet.address), 6);
  return `
mnemospark is running on this machine.

  edge             ${urls.edge}
  S3               ${urls.s3}
  chain            ${urls.chain}  (chain ${stack.chain.chainId}, USDC ${stack.chain.usdc})
  Secrets Manager  ${urls.secrets}
  prices           ${urls.pricing}

  wallet           ${wallet.address}
  balance          ${balance} USDC, no ether (it needs none)
  its key          ${wallet.keyFile}
  logs             ${paths.logs}

Next, in another terminal:

  npm run demo

Ctrl-C stops everything and keeps the data.`;
}

function line(stack: Stack): string {
  const { urls, chain, wallet, relayerAddress, payTo, paths } = stack;
  return JSON.stringify({
    ready: true,
    pid: process.pid,
    urls,
    chainId: chain.chainId,
    chainIdentity: chain.identity,
    usdc: chain.usdc,
    wallet: { address: wallet.address, keyFile: wallet.keyFile },
    relayerAddress,
    payTo,
    stateDirectory: paths.directory,
    logs: paths.logs,
  });
}

/** npm passes on the Ctrl-C that the terminal has sent already: two within this time are one. */
const ONE_KEYSTROKE_MS = 700;

/** Resolves at the first request to stop; a second one, while stopping, is taken to mean it. */
function untilAsked(onSecond: () => void): Promise<NodeJS.Signals> {
  let askedAtMs: number | undefined;
  return new Promise((done) => {
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
      process.on(signal, () => {
        if (askedAtMs !== undefined && Date.now() - askedAtMs > ONE_KEYSTROKE_MS) onSecond();
        askedAtMs ??= Date.now();
        done(signal);
      });
    }
  });
}

async function run(wishes: Wishes): Promise<number> {
  const say = wishes.json ? () => {} : console.log;
  const halt = new AbortController();
  const asked = untilAsked(() => process.exit(BROKEN)); // The leash then ends the children.
  const starting = startStack({
    ports: wishes.ports,
    reset: wishes.reset,
    ...(wishes.state === undefined ? {} : { stateDirectory: wishes.state }),
    ...(wishes.edgeConfig === undefined ? {} : { edgeConfig: resolve(wishes.edgeConfig) }),
    ...(wishes.s3Config === undefined ? {} : { s3Config: resolve(wishes.s3Config) }),
    signal: halt.signal,
    tell: (what) => say(`starting ${what}`),
  });
  const first = await Promise.race([starting, asked]);
  if (typeof first === "string") {
    // Not up yet: the start is broken off; should it have come through at this very moment, it is stopped like any other.
    halt.abort();
    const late = await starting.catch(() => undefined);
    await late?.stop();
    return 0;
  }
  const stack = first;
  console.log(wishes.json ? line(stack) : await screen(stack));
  const end = await Promise.race([asked, stack.failed]);
  if (end instanceof StackFailure) console.error(`\n${end.message}\n\nStopping the rest.`);
  else say("\nStopping.");
  await stack.stop();
  if (end instanceof StackFailure) return BROKEN;
  say("Stopped. The data is kept; npm run dev goes on from here.");
  return 0;
}

async function main(): Promise<number> {
  let wishes: Wishes;
  try {
    wishes = wishesOf(process.argv.slice(2));
  } catch (error) {
    console.error(`${sentenceOf(error)}\nTry npm run dev -- --help`);
    return MISTYPED;
  }
  if (wishes.help) {
    console.log(HELP);
    return 0;
  }
  try {
    return await run(wishes);
  } catch (error) {
    console.error(error instanceof StackFailure ? `\n${error.message}` : error);
    return BROKEN;
  }
}

process.exitCode = await main();
process.exit();
