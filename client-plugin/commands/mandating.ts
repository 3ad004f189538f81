/** `cloud mandates`: renewals signed beforehand, charged on their day with this machine switched off. */
import { PERIODS_AHEAD_MAX } from "#contract/limits";
import { addMandates } from "../ahead.ts";
import { ApiError } from "../api.ts";
import { cancelOnChain } from "../cancel-on-chain.ts";
import { Fault } from "../faults.ts";
import { type MandatesSigned, type MandateView, waiting } from "../operations/mandate.ts";
import { purchaseOf } from "../state/operations.ts";
import { micro, periodsOf } from "./amounts.ts";
import { AGENT, type Answer, type Command, type Context } from "./command.ts";
import type { Parsed } from "./grammar.ts";
import { day, dollars, fenced, quoted, table } from "./words.ts";

const SHOWN_IN_CHAT = 15;

const mandates: Command = {
  name: "mandates",
  summary: "renewals signed beforehand, charged on their day with this machine off: ls, add, revoke",
  words: ["ls|add|revoke", "name"],
  flags: {
    ...AGENT,
    name: { kind: "text", help: "the object's name", also: ["object-key", "key"] },
    periods: {
      kind: "text",
      help: `add: so many periods from the next on, 1 to ${PERIODS_AHEAD_MAX}`,
      also: ["mandates"],
    },
    max: { kind: "text", help: "add: at most this many dollars for each period", also: ["max-price"] },
    period: { kind: "text", help: "revoke: only this one" },
    "on-chain": { kind: "switch", help: "revoke: on the chain too, for good; needs a little ETH for gas" },
  },
  examples: ["cloud mandates", "cloud mandates add my-notes periods:12", "cloud mandates revoke my-notes"],
  async run(context, args) {
    const [verb = "ls"] = args.words;
    if (verb === "ls" || verb === "list") return list(context, args);
    if (verb === "add") return add(context, args);
    if (verb === "revoke" || verb === "rm") return revoke(context, args);
    throw new Fault("bad_arguments", `Mandates are listed (ls), added or revoked; got ${JSON.stringify(verb)}.`);
  },
};

function nameOf(args: Parsed): string {
  const name = args.text("name") ?? args.words[1];
  if (name === undefined) throw new Fault("bad_arguments", 'Missing required argument "name".');
  return name;
}

async function list({ core, call, isChat }: Context, args: Parsed): Promise<Answer> {
  const { api, spending } = await core.session();
  const name = args.text("name") ?? args.words[1];
  const agent = args.text("agent");
  const { mandates } = await api.mandates({
    ...(agent === undefined ? {} : { agent_id: agent }),
    ...(name === undefined ? {} : { object_key: name }),
  });
  for (const { nonce, state } of mandates) if (state === "settled") spending.over(nonce, true);
  if (mandates.length === 0)
    return {
      text: `No mandates. Let an object live on with this machine off:\n${fenced(call("cloud mandates add NAME periods:12"))}`,
      data: { mandates },
    };
  const shown = isChat ? mandates.slice(0, SHOWN_IN_CHAT) : mandates;
  const left = mandates.length - shown.length;
  return {
    text: [rows(shown), ...(left > 0 ? [`… and ${left} more`] : [])].join("\n"),
    data: { mandates },
  };
}

function rows(mandates: readonly MandateView[]): string {
  return table(
    ["DUE", "AMOUNT", "STATE", "NAME", "PERIOD"],
    mandates.map(({ due, amount, state, reason, object_key, period_index }) => [
      day(due),
      dollars(amount),
      reason === undefined || state !== "waiting" ? state : `${state} (${reason})`,
      object_key,
      String(period_index),
    ]),
  );
}

async function add(context: Context, args: Parsed): Promise<Answer> {
  const { core, onStep, signal, approve } = context;
  const periods = periodsOf(args.text("periods")) ?? PERIODS_AHEAD_MAX;
  const agentId = args.text("agent") ?? context.agentId;
  const amountMax = micro(args.text("max"));
  const signed = await addMandates(core, {
    objectKey: nameOf(args),
    agentId,
    periods,
    amountMax,
    onStep,
    signal,
    approve,
  });
  return { text: signedText(context, signed), data: { mandates: signed } };
}

export function signedText({ call }: Pick<Context, "call">, signed: MandatesSigned): string {
  const { objectKey, mandates } = signed;
  const last = mandates.at(-1);
  if (signed.signed.length === 0)
    return `\`${objectKey}\` has ${mandates.length} mandates already; nothing was signed.`;
  return [
    `Signed ${signed.signed.length} renewals of \`${objectKey}\`, ${dollars(signed.total)} in all; the first is due ${day(signed.signed[0]?.due ?? "")}, the last ${day(last?.due ?? "")}.`,
    "Nothing is charged before its day; the wallet has to hold the amount then, and this machine may be off. Take them back:",
    fenced(call(`cloud mandates revoke ${quoted(objectKey)}`)),
  ].join("\n");
}

async function revoke(context: Context, args: Parsed): Promise<Answer> {
  const { core, call } = context;
  const objectKey = nameOf(args);
  const agentId = args.text("agent") ?? context.agentId ?? core.settings.agentId;
  const period = args.text("period") === undefined ? undefined : Number(args.text("period"));
  if (period !== undefined && !(Number.isInteger(period) && period > 0))
    throw new Fault("bad_arguments", `period: wanted its number, got ${JSON.stringify(args.text("period"))}.`);
  const session = await core.session();
  const onChain = args.has("on-chain");
  const purchase = purchaseOf({ kind: "mandate", agentId, objectKey });
  const named = { agent_id: agentId, object_key: objectKey, ...(period === undefined ? {} : { period_index: period }) };
  const { mandates } = await session.api.revokeMandates(named).catch((error: unknown) => {
    // Revoked here before; on the chain there may still be something to do.
    if (onChain && error instanceof ApiError && error.problem.code === "object_not_found") return { mandates: [] };
    throw error;
  });
  session.spending.takenBack(purchase, period);
  session.log.object("mandates revoked", { object: objectKey, agent: agentId, period: period ?? null });
  const open = session.spending
    .promised(purchase, Date.now())
    .filter((each) => each.state === "revoked" && (period === undefined || each.period === period));
  const cancelled = onChain ? await cancelOnChain(core, session, open) : [];
  const left = waiting(mandates).length;
  const text = [
    `Taken back: the service has erased ${period === undefined ? "the mandates" : `the mandate for period ${period}`} of \`${objectKey}\`${left > 0 ? `; ${left} still wait` : ""}.`,
    ...(onChain
      ? [
          `Cancelled on the chain: ${cancelled.length} (${cancelled.map(({ txHash }) => txHash).join(", ") || "nothing was left to cancel"}).`,
        ]
      : open.length > 0
        ? [
            "What was signed stays valid on the chain until its time is over, and counts against your caps. To cancel it there too (a little ETH for gas):",
            fenced(call(`cloud mandates revoke ${quoted(objectKey)} --on-chain`)),
          ]
        : []),
  ].join("\n");
  return { text, data: { mandates, cancelled, openOnChain: open.length - cancelled.length } };
}

export const mandatingCommands: readonly Command[] = [mandates];
