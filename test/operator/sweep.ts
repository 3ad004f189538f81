/** `npm run sweep -- --dry-run`: what the sweep is about to do, wallet by wallet, before it is done. */
import { parseArgs } from "node:util";
import { type DryErrand, DryRunReply } from "#contract/operator";
import { accountFrom, runProgram, type Speaker, said, speaker } from "./speaking.ts";

const HELP = `npm run sweep -- --dry-run --edge <url> --key-file <file> [--wallet 0x…] [--within <hours>] [--only lapse,erase] [--json]

Shows what each wallet's alarm is about to do: which objects lapse and what they wait for, whose bytes are erased, which uploads are
completed or given up, which payments are asked about. It changes nothing; there is no other sweep to start, since every wallet's
alarm does it by itself and a cron wakes whoever missed it.

  --key-file   the key of an address in the service's OPERATORS; it needs no funds
  --wallet     one wallet; without it all that have something due
  --within     hours from now, 24 if not given, at most 768
  --only       these errands alone: lapse, erase, abort, complete, settle, recheck, mandate, serve, empty, forecast
  --json       one JSON document a line: a wallet with its errands; last the heartbeat and the chain's time`;

export interface DryRunAsk {
  readonly wallet?: string | undefined;
  readonly withinHours?: number | undefined;
  /** Wallets on a page. */
  readonly max?: number | undefined;
}

/** Page by page, so that the first wallets are shown while the others are still asked. */
export async function* dryRun(
  speaks: Speaker,
  { wallet, withinHours = 24, max }: DryRunAsk,
): AsyncGenerator<DryRunReply> {
  for (let after: string | null | undefined; after !== null; ) {
    const query = new URLSearchParams({
      within_hours: String(withinHours),
      ...(wallet === undefined ? {} : { wallet_address: wallet }),
      ...(max === undefined ? {} : { max: String(max) }),
      ...(after ? { after } : {}),
    });
    const page: DryRunReply = await said(DryRunReply, speaks, "GET", `/operator/sweep?${query}`);
    yield page;
    after = page.next_after;
  }
}

function lineOf({ errand, subject, at, waits_for, tries, bucket, object }: DryErrand): string {
  const what = object
    ? `${object.agent_id}/${object.object_key} (${object.state}, ${object.size_bytes} bytes, paid through ${object.paid_through})`
    : subject;
  const notes = [
    ...(waits_for ? [`waits: ${waits_for}`] : []),
    ...(object?.credit_first ? ["credit renews first, if it is enough"] : []),
    ...(tries ? [`tried ${tries} times`] : []),
    ...(bucket && !subject.includes(bucket) ? [`in ${bucket}`] : []),
  ];
  return `  ${at}  ${errand.padEnd(8)}  ${what}${notes.length === 0 ? "" : `  [${notes.join("; ")}]`}`;
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      edge: { type: "string" },
      "key-file": { type: "string" },
      "dry-run": { type: "boolean" },
      wallet: { type: "string" },
      within: { type: "string", default: "24" },
      only: { type: "string" },
      json: { type: "boolean" },
      help: { type: "boolean", short: "h" },
    },
  });
  if (values.help) {
    console.log(HELP);
    return 0;
  }
  const { edge, "key-file": keyFile, within, wallet, json } = values;
  if (edge === undefined || keyFile === undefined) throw new Error(`wanted: --edge and --key-file\n\n${HELP}`);
  if (!values["dry-run"])
    throw new Error("wallets sweep by themselves; what they are about to do is shown by --dry-run");
  if (!/^\d{1,3}$/.test(within)) throw new Error(`--within is ${JSON.stringify(within)}; wanted a number of hours`);
  const only = values.only?.split(",").map((name) => name.trim());
  const counts = new Map<string, number>();
  const silent: string[] = [];
  let last: DryRunReply | undefined;
  for await (const page of dryRun(await speaker(edge, accountFrom(keyFile)), { wallet, withinHours: Number(within) })) {
    last = page;
    silent.push(...page.silent);
    for (const { wallet_address, errands, more } of page.wallets) {
      const shown = errands.filter(({ errand }) => !only || only.includes(errand));
      if (shown.length === 0) continue;
      for (const { errand } of shown) counts.set(errand, (counts.get(errand) ?? 0) + 1);
      if (json) console.log(JSON.stringify({ wallet_address, errands: shown, more }));
      else console.log([`${wallet_address}${more ? "  (and more)" : ""}`, ...shown.map(lineOf)].join("\n"));
    }
  }
  const { heartbeat, chain_time, now, until } = last ?? {};
  const totals = Object.fromEntries([...counts].sort());
  if (json) console.log(JSON.stringify({ now, until, heartbeat, chain_time, totals, silent }));
  else {
    const sums = [...counts].sort().map(([errand, count]) => `${count} ${errand}`);
    console.log(`until ${until}: ${sums.length === 0 ? "nothing is due" : sums.join(", ")}`);
    if (!heartbeat?.alive) console.log("the heartbeat is missing or old: nothing lapses while it is");
    if (chain_time === undefined) console.log("the chain's time is not known: nothing lapses while it is not");
    for (const each of silent) console.log(`${each} did not answer; ask again with --wallet ${each}`);
  }
  return silent.length === 0 ? 0 : 1;
}

if (import.meta.main) await runProgram(main);
