/** `POST /billing/statement`: the next 30 days of everything that is due within 30 days, weighed in S3, priced, and kept for an hour. */
import { formatMicroUsdc } from "#contract/money";
import type { RegionRates } from "#contract/rates";
import { type StatementReply, StatementRequest } from "#contract/statements";
import type { Wallet } from "#contract/wallet";
import type { Gap } from "#rules/pulse";
import { priceOfStatement } from "#rules/statement";
import type { DueLine, Statement, StatementStepped, Weighing } from "../../durable/statements.ts";
import { answer, type Call, type Outcome, readArguments } from "./call.ts";
import { readKey } from "./key.ts";
import type { Ports } from "./ports.ts";
import { ratesFor } from "./price.ts";
import { weigh } from "./weigh.ts";
import { proven } from "./who.ts";

const PERIOD_MS = 30 * 86_400_000;

export async function statement(ports: Ports, call: Call): Promise<Outcome> {
  const asked = readArguments(StatementRequest, call);
  if (!asked.ok) return asked;
  const who = await proven(ports, call, asked.value.wallet_address);
  if (!who.ok) return who;
  const key = readKey(call, {});
  if (!key.ok) return key;
  const wallet = ports.wallet(who.wallet);
  const begun = await wallet.statement(who.proof, { step: "begin", key: key.use, gaps: await gapsOf(ports) });
  if (!begun.ok) return begun;
  if (begun.step === "kept") return answer(replyOf(who.wallet, begun.statement));
  if (begun.step !== "weigh") throw new Error(`invariant: a statement began with ${begun.step}`);
  const weighed = await price(ports, begun);
  if (!weighed.ok) return weighed;
  const { weighing } = weighed;
  if (weighing.lines.length === 0) return answer(replyOf(who.wallet, weighing));
  const kept = await wallet.statement(undefined, { step: "keep", key: key.use, weighing });
  if (!kept.ok) return kept;
  if (kept.step !== "kept") throw new Error(`invariant: a statement was kept as ${kept.step}`);
  return answer(replyOf(who.wallet, kept.statement));
}

/** Grace is time in which one could have paid; where the outages cannot be told, the calendar's deadline counts. */
async function gapsOf(ports: Ports): Promise<readonly Gap[]> {
  try {
    return (await ports.pulse.read()).gaps;
  } catch {
    return [];
  }
}

type ToWeigh = Extract<StatementStepped, { step: "weigh" }>;

async function price(ports: Ports, { due, more, bytes, forecast }: ToWeigh) {
  const scales = await weigh(ports.store, due);
  if (!scales.ok) return scales;
  const stored = scales.asked.flatMap((line) => {
    const sizeBytes = scales.sizes.get(line.s3Key);
    return sizeBytes === undefined ? [] : [{ line, sizeBytes }];
  });
  const cards = await cardsOf(
    ports,
    stored.map(({ line }) => line),
  );
  if (!cards.ok) return cards;
  const weighed = stored.map(({ line, sizeBytes }) => ({ sizeBytes: BigInt(sizeBytes), rates: cards.ratesOf(line) }));
  const { markupPercent, priceMinimum: minimum } = ports.policy;
  const sum = stored.reduce((total, { sizeBytes }) => total + sizeBytes, 0);
  const ofBytes = BigInt(Math.max(bytes, sum));
  const shared = forecast === undefined || ofBytes === 0n ? undefined : { amount: BigInt(forecast), ofBytes };
  const priced = priceOfStatement(weighed, { markupPercent, minimum }, shared);
  const weighing: Weighing = {
    lines: stored.map(({ line, sizeBytes }, at) => ({
      orderId: line.orderId,
      agentId: line.agentId,
      objectKey: line.objectKey,
      index: line.index,
      plan: line.plan,
      paidThroughMs: line.paidThroughMs,
      deadlineMs: line.deadlineMs,
      amount: formatMicroUsdc(priced.amounts[at] ?? 0n),
      card: cards.version,
      sizeBytes,
    })),
    amount: formatMicroUsdc(stored.length === 0 ? 0n : priced.total),
    basis: priced.basis,
    card: cards.version,
    minimumApplied: priced.minimumApplied,
    more: more || scales.asked.length < due.length,
    missing: scales.asked.length - stored.length,
  };
  return { ok: true as const, weighing };
}

/** One card for all regions of a statement. */
async function cardsOf(ports: Ports, lines: readonly DueLine[]) {
  const byRegion = new Map<string, RegionRates>();
  let version = "";
  for (const region of new Set(lines.map((line) => line.region))) {
    const by = await ratesFor(ports, region);
    if (!by.ok) return by;
    byRegion.set(region, by.rates);
    version = by.card.version;
  }
  const ratesOf = ({ region }: DueLine): RegionRates => {
    const rates = byRegion.get(region);
    if (!rates) throw new Error(`invariant: nobody asked for the prices of ${region}`);
    return rates;
  };
  return { ok: true as const, version, ratesOf };
}

const iso = (ms: number) => new Date(ms).toISOString();

function replyOf(wallet: Wallet, statement: Weighing & Partial<Statement>): StatementReply {
  const { statementId, expiresMs } = statement;
  return {
    ...(statementId === undefined ? {} : { statement_id: statementId }),
    wallet_address: wallet,
    amount: statement.amount,
    basis: statement.basis,
    ...(statement.card === "" ? {} : { card: statement.card }),
    minimum_applied: statement.minimumApplied,
    ...(expiresMs === undefined ? {} : { expires_at: iso(expiresMs) }),
    lines: statement.lines.map((line) => ({
      order_id: line.orderId,
      agent_id: line.agentId,
      object_key: line.objectKey,
      period_index: line.index,
      from: iso(line.paidThroughMs),
      until: iso(line.paidThroughMs + PERIOD_MS),
      size_bytes: line.sizeBytes,
      amount: line.amount,
    })),
    more: statement.more,
    missing: statement.missing,
  };
}
