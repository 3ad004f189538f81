/** `npm run rates`: which card is sold by, when AWS is asked next, and, with `--refresh`, that it be asked now. */
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { RatesStateReply } from "#contract/operator";
import { accountFrom, runProgram, type Speaker, said, speaker } from "./speaking.ts";

const HELP = `npm run rates -- --edge <url> --key-file <file> [--refresh] [--json]

Shows the rate card that is sold by, when AWS is asked for its prices next, and what came of the last time. With --refresh AWS is asked
now (at most every ten minutes), and the program waits for what comes of it: a minute or two.

  --key-file   the key of an address in the service's OPERATORS; it needs no funds
  --wait       seconds to wait for the outcome, 300 if not given
  --json       the last answer as JSON

Ends with 0 when a card was taken (or nothing was asked for), 1 when none was, or not in time.`;

export type Refreshed = "taken" | "not_taken" | "no_source" | "too_soon" | "not_in_time";

export interface Outcome {
  readonly refreshed: Refreshed;
  readonly state: RatesStateReply;
}

/** Asks for a refresh and waits until it has ended. */
export async function refresh(speaks: Speaker, waitMs: number, pauseMs = 2_000): Promise<Outcome> {
  const until = Date.now() + waitMs;
  const before = await stateOf(speaks);
  let state = await said(RatesStateReply, speaks, "POST", "/operator/rates/refresh");
  if (state.state === "no_source") return { refreshed: "no_source", state };
  // Asked less than ten minutes ago: it is due later, and nobody waits here for that.
  if (state.state === "waiting") return { refreshed: "too_soon", state };
  while (state.last?.at === before.last?.at) {
    if (Date.now() > until) return { refreshed: "not_in_time", state };
    await sleep(pauseMs);
    state = await stateOf(speaks);
  }
  return { refreshed: state.last?.rate_card === undefined ? "not_taken" : "taken", state };
}

export const stateOf = (speaks: Speaker) => said(RatesStateReply, speaks, "GET", "/operator/rates");

const SENTENCES: Record<Refreshed, (state: RatesStateReply) => string> = {
  taken: ({ last }) => `taken: ${last?.rate_card}`,
  not_taken: ({ due_at }) => `no card was taken; the last good one stays, and AWS is asked again at ${due_at}`,
  no_source: () => "nobody is asked: the deployment has no PRICING_ credentials, and sells by the checked-in card",
  too_soon: ({ due_at }) => `AWS was asked less than ten minutes ago; it is asked again at ${due_at}`,
  not_in_time: () => "AWS is still being asked; see later with npm run rates",
};

function told({ rate_card, source, date, state, due_at, last }: RatesStateReply): string {
  return [
    `sold by   ${rate_card ?? "no card"}${source === null ? "" : ` (${source}, ${date})`}`,
    `next      ${state}${due_at === null ? "" : `, ${due_at}`}`,
    ...(last ? [`last time ${last.at}: ${last.rate_card ?? "no card was taken"}`] : []),
    ...(last?.faults ?? []).map(({ source: name, detail }) => `          ${name}: ${detail}`),
  ].join("\n");
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      edge: { type: "string" },
      "key-file": { type: "string" },
      refresh: { type: "boolean" },
      wait: { type: "string", default: "300" },
      json: { type: "boolean" },
      help: { type: "boolean", short: "h" },
    },
  });
  if (values.help) {
    console.log(HELP);
    return 0;
  }
  const { edge, "key-file": keyFile, wait, json } = values;
  if (edge === undefined || keyFile === undefined) throw new Error(`wanted: --edge and --key-file\n\n${HELP}`);
  if (!/^\d{1,4}$/.test(wait)) throw new Error(`--wait is ${JSON.stringify(wait)}; wanted seconds`);
  const speaks = await speaker(edge, accountFrom(keyFile));
  const outcome = values.refresh ? await refresh(speaks, Number(wait) * 1000) : undefined;
  const state = outcome?.state ?? (await stateOf(speaks));
  if (json) console.log(JSON.stringify({ ...(outcome ? { refreshed: outcome.refreshed } : {}), ...state }));
  else console.log([...(outcome ? [SENTENCES[outcome.refreshed](state)] : []), told(state)].join("\n"));
  return outcome && outcome.refreshed !== "taken" ? 1 : 0;
}

if (import.meta.main) await runProgram(main);
