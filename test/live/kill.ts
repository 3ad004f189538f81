/**
 * `node test/live/kill.ts --uploads 500`: many buyers, and an edge that is killed every few seconds while they pay. Afterwards three
 * lists must agree: what moved on chain, what the service wrote down, and what the buyers were told.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import type { PrivateKeyAccount } from "viem/accounts";
import { type Paid, transfersTo, type Written, written } from "./kill/books.ts";
import { type Dice, diceOf } from "./kill/dice.ts";
import { inspect, inTurns } from "./kill/inspection.ts";
import { differences } from "./kill/judge.ts";
import { startReaper } from "./kill/reaper.ts";
import { type Errand, KINDS, run, type Told } from "./kill/shoppers.ts";
import { contentOf } from "./shop.ts";
import { type Live, startLive } from "./stack.ts";

const HELP = `Buys storage while the edge is killed again and again, then compares chain, ledger and buyers.

  node test/live/kill.ts --uploads 500 [--wallets 25] [--seed N] [--json]

Exit codes: 0 they agree, 1 they differ, 2 the command makes no sense.`;

const AT_ONCE = 40;
/** A short run must have waves too, or everything is bought between two kills. */
const WAVES = 8;
const RIVALS = 0.1;
const ONLY_BUYS = 0.15;
const REST_WITHIN_MS = 240_000;
const MICRO_USDC_EACH = 10_000n;

interface Wishes {
  readonly uploads: number;
  readonly wallets: number;
  readonly seed: number;
  readonly json: boolean;
}

function wishesOf(args: readonly string[]): Wishes | undefined {
  const text = { type: "string" } as const;
  const options = { uploads: text, wallets: text, seed: text, json: { type: "boolean", default: false } } as const;
  const { values } = parseArgs({ args: [...args], options, strict: true });
  const seed = Number(values.seed ?? Date.now() % 1_000_000);
  const [uploads, wallets] = [Number(values.uploads ?? 500), Number(values.wallets ?? 25)];
  const sane = [uploads, wallets].every((each) => Number.isInteger(each) && each > 0) && Number.isInteger(seed);
  return sane ? { uploads, wallets, seed, json: values.json } : undefined;
}

function errandsOf({ uploads }: Wishes, buyers: readonly PrivateKeyAccount[], dice: Dice): Errand[] {
  const errands: Errand[] = [];
  while (errands.length < uploads) {
    const index = errands.length;
    const buyer = buyers[index % buyers.length];
    if (!buyer) throw new Error("there are no buyers");
    const name = `object ${index}`;
    const errand = { buyer, name, content: contentOf(`${name} of ${buyer.address}`) };
    const next = () => ({ ...errand, kind: dice.of(KINDS), stores: dice.next() >= ONLY_BUYS });
    errands.push(next());
    // Two buyers of one wallet want the same name at the same time: still one purchase.
    if (dice.next() < RIVALS && errands.length < uploads) errands.push(next());
  }
  return errands;
}

/** Nothing under way any more, and every transfer in its book. */
async function atRest({ stack }: Live): Promise<{ paid: Paid[]; books: Written }> {
  for (const deadline = Date.now() + REST_WITHIN_MS; ; await sleep(1_000)) {
    const [paid, books] = [await transfersTo(stack), written(stack)];
    const open = books.payments.filter((row) => row.state === "open" || row.state === "reopened").length;
    const known = books.payments.filter(
      (row) => (row.state === "settled" || row.state === "credited") && row.nonce !== "none",
    );
    if (open + books.underWay === 0 && known.length >= paid.length) return { paid, books };
    if (Date.now() > deadline) return { paid, books };
  }
}

async function kill(wishes: Wishes, say: (line: string) => void) {
  const startedMs = Date.now();
  const seconds = () => ((Date.now() - startedMs) / 1000).toFixed(1);
  const dice = diceOf(wishes.seed);
  const perWallet = BigInt(Math.ceil(wishes.uploads / wishes.wallets) + 5) * 2n * MICRO_USDC_EACH;
  const live = await startLive({ wallets: wishes.wallets, microUsdc: perWallet });
  try {
    const buyers = Array.from({ length: wishes.wallets }, () => live.wallet());
    const errands = errandsOf(wishes, buyers, dice);
    say(`${seconds()} s  ${wishes.uploads} uploads by ${wishes.wallets} wallets, seed ${wishes.seed}`);
    const told: Told[] = [];
    const wave = Math.min(AT_ONCE, Math.ceil(wishes.uploads / WAVES));
    const reaper = startReaper(live, dice, { ended: () => told.length, share: wave });
    const progress = setInterval(() => {
      const { timed, sent } = reaper.kills;
      say(`${seconds()} s  uploads ${told.length}/${wishes.uploads}  kills ${timed + sent}`);
    }, 5_000);
    await inTurns(wave, errands, async (errand) => {
      told.push(await run(live.edge, errand));
    }).finally(() => clearInterval(progress));
    await reaper.rest();
    say(`${seconds()} s  all uploads ended; waiting until nothing is under way`);
    const { paid, books } = await atRest(live);
    const inspected = await inspect(
      live.edge,
      told,
      books.payments.filter((row) => row.state !== "withdrawn"),
    );
    const gas = await gasOf(live, paid);
    return {
      uploads: told.length,
      purchases: new Set(errands.map(({ buyer, name }) => `${buyer.address} ${name}`)).size,
      wallets: wishes.wallets,
      seed: wishes.seed,
      seconds: Number(seconds()),
      kills: reaper.kills.timed + reaper.kills.sent,
      killsAfterSend: reaper.kills.sent,
      requestsCutOff: told.reduce((sum, each) => sum + each.cutOff, 0),
      refusals: tally(told.flatMap((each) => each.refusals)),
      transfers: paid.length,
      transactions: gas.transactions,
      gasPerPayment: gas.perPayment,
      entitlements: books.orders.filter(({ state }) => state === "paid" || state === "stored").length,
      stored: books.orders.filter(({ state }) => state === "stored").length,
      credits: books.payments.filter(({ state }) => state === "credited").length,
      payments: tally(books.payments.map(({ state }) => state)),
      downloads: inspected.downloads,
      differences: [...differences(paid, books, told), ...inspected.differences],
    };
  } finally {
    await live.stop();
  }
}

async function gasOf({ stack }: Live, paid: readonly Paid[]) {
  const hashes = [...new Set(paid.map(({ txHash }) => txHash))];
  const receipts = await Promise.all(
    hashes.map((hash) => stack.chain.client.getTransactionReceipt({ hash: hash as `0x${string}` })),
  );
  const gas = receipts.reduce((sum, { gasUsed }) => sum + Number(gasUsed), 0);
  return { transactions: hashes.length, perPayment: Math.round(gas / Math.max(1, paid.length)) };
}

function tally(words: readonly string[]): Record<string, number> {
  return Object.fromEntries([...Map.groupBy(words, (word) => word)].map(([word, all]) => [word, all.length]));
}

function tableOf(report: Awaited<ReturnType<typeof kill>>): string {
  const { differences: found, ...figures } = report;
  const lines = Object.entries(figures).map(([name, value]) => {
    const words = name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
    return `  ${words.padEnd(20)} ${typeof value === "object" ? JSON.stringify(value) : value}`;
  });
  const verdict =
    found.length === 0 ? "  The three lists agree." : found.map((each) => `  DIFFERS  ${each}`).join("\n");
  return `\n${lines.join("\n")}\n\n${verdict}`;
}

async function main(): Promise<number> {
  const wishes = wishesOf(process.argv.slice(2));
  if (!wishes) {
    console.error(HELP);
    return 2;
  }
  const report = await kill(wishes, wishes.json ? () => {} : console.log);
  console.log(wishes.json ? JSON.stringify(report) : tableOf(report));
  return report.differences.length === 0 ? 0 : 1;
}

process.exitCode = await main();
process.exit();
