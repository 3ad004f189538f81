/** `GET /operator/sweep`: what the wallets' alarms are about to do, for one wallet or for all of them page by page. Changes nothing. */
import { refuse } from "#contract/errors";
import { type DryErrand, type DryRunReply, DryRunRequest } from "#contract/operator";
import { parseWallet, type Wallet } from "#contract/wallet";
import { isAlive, type Pulse } from "#rules/pulse";
import type { Agenda, AgendaAsk, AgendaLine } from "../../durable/agenda.ts";
import { answer, type Call, type Outcome, readArguments } from "./call.ts";
import { asOperator } from "./operator.ts";
import type { Ports } from "./ports.ts";

export async function dryRun(ports: Ports, call: Call): Promise<Outcome> {
  const asked = readArguments(DryRunRequest, call);
  if (!asked.ok) return asked;
  const { wallet_address, within_hours, max, max_errands } = asked.value;
  const from = placeOf(ports, asked.value.after);
  if (!from) return refuse("malformed", "after: not one of ours");
  const operator = await asOperator(ports, call);
  if (!operator.ok) return operator;
  const nowMs = ports.clock.nowMs();
  const untilMs = nowMs + within_hours * 3_600_000;
  const [pulse, chainMs] = await Promise.all([
    orUndefined(() => ports.pulse.read()),
    orUndefined(() => ports.chain.headMs()),
  ]);
  const page =
    wallet_address === undefined
      ? await dueWallets(ports, from, untilMs, max)
      : { wallets: [wallet_address], next: undefined };
  const told = await agendas(ports, page.wallets, { now: { pulse, chainMs }, untilMs, atMost: max_errands });
  const reply: DryRunReply = {
    now: iso(nowMs),
    until: iso(untilMs),
    heartbeat: { alive: pulse !== undefined && isAlive(pulse, nowMs), ...beatsOf(pulse) },
    ...(chainMs === undefined ? {} : { chain_time: iso(chainMs) }),
    wallets: told.flatMap(({ wallet, agenda }) =>
      agenda && agenda.lines.length > 0
        ? [{ wallet_address: wallet, errands: agenda.lines.map(errandOf), more: agenda.more }]
        : [],
    ),
    silent: told.flatMap(({ wallet, agenda }) => (agenda ? [] : [wallet])),
    next_after: page.next ?? null,
  };
  return answer(reply);
}

/** A place among all wallets: the registry by its number, and the address before it. */
interface Place {
  readonly shard: number;
  readonly after: string;
}

function placeOf({ registries }: Ports, text: string | undefined): Place | undefined {
  if (text === undefined) return { shard: 0, after: "" };
  const [, shard = "", after = ""] = /^(\d{1,3})\.(0x[0-9a-f]{40})?$/.exec(text) ?? [];
  if (shard === "" || Number(shard) >= registries.length || (after !== "" && !parseWallet(after))) return undefined;
  return { shard: Number(shard), after };
}

/** Registry after registry until the page is full. A registry that does not answer fails the page: who is left out would not be seen. */
async function dueWallets({ registries }: Ports, from: Place, untilMs: number, max: number) {
  const wallets: Wallet[] = [];
  let { shard, after } = from;
  for (let registry = registries[shard]; registry; registry = registries[shard]) {
    const found = await registry.dueAfter(after, untilMs, max - wallets.length);
    wallets.push(...found);
    if (wallets.length === max) return { wallets, next: `${shard}.${found.at(-1) ?? after}` };
    shard += 1;
    after = "";
  }
  return { wallets, next: undefined };
}

/** One wallet in trouble keeps nobody from seeing the others. */
function agendas(ports: Ports, wallets: readonly Wallet[], ask: AgendaAsk) {
  return Promise.all(
    wallets.map(async (wallet): Promise<{ wallet: Wallet; agenda: Agenda | undefined }> => {
      return { wallet, agenda: await orUndefined(() => ports.wallet(wallet).agenda(ask)) };
    }),
  );
}

function errandOf({
  errand,
  subject,
  atMs,
  tries,
  waitsFor,
  bucket,
  order,
  bytes,
  creditFirst,
}: AgendaLine): DryErrand {
  return {
    errand,
    subject,
    at: iso(atMs),
    ...(tries === undefined ? {} : { tries }),
    ...(waitsFor === undefined ? {} : { waits_for: waitsFor }),
    ...(bucket === undefined ? {} : { bucket }),
    ...(order === undefined
      ? {}
      : {
          object: {
            agent_id: order.agentId,
            object_key: order.objectKey,
            state: order.state === "paid" ? "paid" : "stored",
            region: order.region,
            size_bytes: bytes ?? 0,
            paid_through: iso(order.paidThroughMs ?? 0),
            credit_first: creditFirst === true,
          },
        }),
  };
}

function beatsOf(pulse: Pulse | undefined): Partial<Record<"edge" | "rpc" | "relayer", string>> {
  return Object.fromEntries(Object.entries(pulse?.beats ?? {}).map(([kind, lastMs]) => [kind, iso(lastMs)]));
}

const iso = (ms: number) => new Date(ms).toISOString();

async function orUndefined<T>(ask: () => Promise<T>): Promise<T | undefined> {
  try {
    return await ask();
  } catch (error) {
    console.error(JSON.stringify({ code: "dry_run_unanswered", detail: String(error) }));
    return undefined;
  }
}
