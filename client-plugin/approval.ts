/**
 * Asked before OpenClaw runs one of our tools: does a person have to agree? Under the caps nobody is asked. Above them the exact
 * price is found first, the call is tied to that quote, and the person agrees to that amount and that payee; the signer compares
 * both again. Deleting is asked for too. With nobody to ask, the host refuses.
 */
import { PERIOD_DAYS } from "#contract/limits";
import { formatDollars } from "#contract/money";
import type { Wallet } from "#contract/wallet";
import { holdStatement } from "./ahead.ts";
import type { Core } from "./core.ts";
import { explain } from "./faults.ts";
import type { ToolCallVerdict } from "./host.ts";
import { heldOf, purchaseOfStatement } from "./operations/statement.ts";
import { judgeSpend } from "./policy.ts";
import type { Session } from "./session.ts";
import { purchaseOf } from "./state/operations.ts";
import { backupName, quote } from "./tools/tools.ts";

export interface AskedCall {
  readonly toolName: string;
  readonly params: Record<string, unknown>;
}

export interface AskedBy {
  readonly core: Core;
  readonly workspace: string | undefined;
  readonly agentId: string | undefined;
}

const TIMEOUT_MS = 300_000;
const DECISIONS = ["allow-once", "deny"] as const;

export const ASKED_TOOLS = ["mnemospark_store", "mnemospark_backup", "mnemospark_renew", "mnemospark_delete"] as const;

export async function judgeCall(call: AskedCall, by: AskedBy): Promise<ToolCallVerdict | undefined> {
  try {
    if (call.toolName === "mnemospark_delete") return askToDelete(call.params);
    if (call.toolName === "mnemospark_renew") return await askToRenew(call.params, by);
    if (call.toolName === "mnemospark_backup" && call.params["dry_run"] === true) return undefined;
    return await askToStore(call, by);
  } catch (error) {
    // A price that cannot be found cannot be agreed to. The tool itself says the same, with its code.
    const { message, next } = explain(error);
    return { block: true, blockReason: `${message} ${next}` };
  }
}

function askToDelete(params: Record<string, unknown>): ToolCallVerdict {
  const name = String(params["name"] ?? "").slice(0, 100);
  return {
    requireApproval: {
      title: "Delete a stored object",
      description: `Delete ${JSON.stringify(name)} from cloud storage for good. It cannot be brought back, and nothing is refunded.`,
      severity: "critical",
      allowedDecisions: DECISIONS,
      timeoutMs: TIMEOUT_MS,
      onResolution: () => undefined,
    },
  };
}

async function askToStore(
  { params, toolName }: AskedCall,
  { core, workspace, agentId }: AskedBy,
): Promise<ToolCallVerdict | undefined> {
  const session = await core.session();
  const text = (name: string) => (typeof params[name] === "string" ? params[name] : undefined);
  const given = text("quote_id");
  const held = given === undefined ? undefined : session.catalogue.quote(given);
  const periods = typeof params["periods"] === "number" ? params["periods"] : 0;
  if (held !== undefined && held.expiresMs > Date.now() + 120_000) {
    const ahead = { periods, of: { agentId: held.agentId, objectKey: held.objectKey } };
    const purchase = { amount: BigInt(held.amount), purchase: held.quoteId, what: held.objectKey, ahead };
    return askToPay(core, purchase, undefined);
  }
  const path = text("path") ?? (toolName === "mnemospark_backup" ? workspace : undefined);
  // Malformed: the tool says so better.
  if (path === undefined) return undefined;
  const agent = text("agent_id");
  const named = toolName === "mnemospark_backup" ? backupName(agent ?? agentId ?? core.settings.agentId) : undefined;
  const name = text("name") ?? named;
  const priced = await quote({ core, workspace, agentId }, { path, name, region: text("region"), agent_id: agent });
  const of = { agentId: agent ?? agentId ?? core.settings.agentId, objectKey: String(priced["name"]) };
  const purchase = { amount: BigInt(priced.amount), purchase: priced.id, what: path, ahead: { periods, of } };
  return askToPay(core, purchase, { ...params, ...(name === undefined ? {} : { name }), quote_id: priced.id });
}

async function askToRenew(
  params: Record<string, unknown>,
  { core, agentId }: AskedBy,
): Promise<ToolCallVerdict | undefined> {
  const name = params["name"];
  if (params["all"] === true && name === undefined) return askToRenewAll(core);
  if (typeof name !== "string") return undefined;
  const agent = typeof params["agent_id"] === "string" ? params["agent_id"] : agentId;
  const object = await core.stat({ objectKey: name, agentId: agent });
  if (object.next_amount === undefined) return undefined;
  const purchase = purchaseOf({ kind: "renew", agentId: agent ?? core.settings.agentId, objectKey: name });
  return askToPay(core, { amount: BigInt(object.next_amount), purchase, what: name }, undefined);
}

async function askToRenewAll(core: Core): Promise<ToolCallVerdict | undefined> {
  const { api, wallet } = await core.session();
  const held = heldOf(await api.statement());
  if (held === undefined) return undefined;
  const what = `${held.lines.length} objects`;
  // The price that is agreed to is this statement's: the call pays it, and not another one taken later.
  const onAgreed = () => holdStatement(core, wallet.address, held);
  return askToPay(
    core,
    { amount: BigInt(held.amount), purchase: purchaseOfStatement(held), what, onAgreed },
    undefined,
  );
}

interface Purchase {
  readonly amount: bigint;
  readonly purchase: string;
  readonly what: string;
  readonly onAgreed?: () => void;
  /** Renewals that are signed with it, each at most at this amount. */
  readonly ahead?: { readonly periods: number; readonly of: { readonly agentId: string; readonly objectKey: string } };
}

const PERIOD_MS = PERIOD_DAYS * 86_400_000;

/** What the caps say of the payment and of each renewal on the day it falls due; the first that is refused. */
function judge(core: Core, session: Session, payee: Wallet, { amount, ahead }: Purchase) {
  const nowMs = Date.now();
  const days = Array.from({ length: 1 + (ahead?.periods ?? 0) }, (_, at) => nowMs + at * PERIOD_MS);
  const verdicts = days.map((atMs) =>
    judgeSpend({ amount, payee }, core.settings.caps, session.spending.crowded(atMs), session.payees()),
  );
  return verdicts.find(({ ok }) => !ok) ?? verdicts[0];
}

async function askToPay(
  core: Core,
  asked: Purchase,
  params: Record<string, unknown> | undefined,
): Promise<ToolCallVerdict | undefined> {
  const { amount, purchase, what, ahead } = asked;
  const session = await core.session();
  await session.meet();
  const payee = session.payees()[0];
  if (payee === undefined) throw new Error("invariant: a service that was met has a payee");
  const verdict = judge(core, session, payee, asked);
  if (verdict === undefined) throw new Error("invariant: a payment is judged");
  if (verdict.ok) return params === undefined ? undefined : { params };
  if (!verdict.approvable) return { block: true, blockReason: verdict.message };
  const periods = ahead?.periods ?? 0;
  const later = amount * BigInt(periods);
  const renewals =
    periods === 0
      ? ""
      : ` Then ${periods} renewals of at most ${formatDollars(amount)}, each charged on its day: ${formatDollars(later)} in all.`;
  return {
    ...(params === undefined ? {} : { params }),
    requireApproval: {
      title: `Pay ${formatDollars(amount + later)} for cloud storage`,
      description: `${verdict.message} For ${JSON.stringify(what.slice(-120))}, 30 days, paid in USDC on ${core.settings.network.label} to ${payee}.${renewals}`,
      severity: "warning",
      scope: { kind: "payment", amount: formatDollars(amount + later).slice(1), currency: "USDC", target: payee },
      allowedDecisions: DECISIONS,
      timeoutMs: TIMEOUT_MS,
      onResolution(decision) {
        // One purchase, this amount, this payee. Anything else that comes by is refused by the signer.
        if (decision !== "allow-once") return;
        session.spending.approve(purchase, { amount, payee }, "OpenClaw approval", Date.now());
        asked.onAgreed?.();
        if (ahead === undefined || periods === 0) return;
        const renewing = purchaseOf({ kind: "mandate", ...ahead.of });
        session.spending.approve(renewing, { amount: later, payee }, "OpenClaw approval", Date.now());
      },
    },
  };
}
