/** `cloud renew` and `cloud renewals`: the next 30 days, of one object or of all that is due by one payment, by hand or by itself. */
import { Fault } from "../faults.ts";
import { type DueLine, type HeldStatement, heldOf, type PaidStatement } from "../operations/statement.ts";
import { payNow, renewalsOn, renewDue, renewedBy, switchRenewals } from "../renewals.ts";
import { standingWarning } from "../warning.ts";
import { micro } from "./amounts.ts";
import type { Answer, Command, Context } from "./command.ts";
import type { Parsed } from "./grammar.ts";
import { NAMED, nameOf } from "./reading.ts";
import { sameWallet } from "./storing.ts";
import { day, dollars, fenced, table } from "./words.ts";

const SHOWN_IN_CHAT = 10;

const renew: Command = {
  name: "renew",
  summary: "pay the next 30 days: of one object, or of all that is due (--all) by one payment",
  words: ["name"],
  flags: {
    ...NAMED,
    all: { kind: "switch", help: "all that is due within 30 days, by one payment" },
    max: { kind: "text", help: "pay at most this many dollars", also: ["max-price"] },
  },
  examples: ["cloud renew my-notes", "cloud renew", "cloud renew --all max:1"],
  async run(context, args) {
    await sameWallet(context, args);
    const { core, onStep, signal, approve } = context;
    const isNamed = args.words[0] !== undefined || args.text("name") !== undefined;
    const maxAmount = micro(args.text("max"));
    if (args.has("all")) {
      if (isNamed) throw new Fault("bad_arguments", "Name an object, or say --all; not both.");
      return paidAnswer(context, await payNow(core, { maxAmount, onStep, signal, approve }));
    }
    if (!isNamed) return showStatement(context);
    const agentId = args.text("agent") ?? context.agentId;
    const done = await core.renew({ objectKey: nameOf(args), agentId, maxAmount, onStep, signal, approve });
    const text = done.already
      ? `\`${done.objectKey}\` was renewed before; nothing was paid now. It is kept until ${day(done.paidThrough)}.`
      : `Paid ${dollars(done.amount)} USDC (${done.transId}); \`${done.objectKey}\` is kept until ${day(done.paidThrough)}.`;
    return { text, data: { renewed: done } };
  },
};

/** What would be paid; pays nothing. */
async function showStatement({ core, call, isChat }: Context): Promise<Answer> {
  const held = heldOf(await (await core.session()).api.statement());
  if (held === undefined)
    return { text: "Nothing is due within 30 days, or it has mandates.", data: { statement: null } };
  const text = [
    `The next 30 days of ${counted(held.lines.length)} cost **${dollars(held.amount)}**, one payment:`,
    linesOf(held.lines, isChat),
    ...(held.more ? ["More is due than one statement holds; --all pays the rest by further payments."] : []),
    "Pay it:",
    fenced(call("cloud renew --all")),
  ].join("\n");
  return { text, data: { statement: held } };
}

function linesOf(lines: HeldStatement["lines"], isChat: boolean): string {
  const shown = isChat ? lines.slice(0, SHOWN_IN_CHAT) : lines;
  const row = ({ objectKey, from, amount }: DueLine) => [day(from), dollars(amount), objectKey];
  const left = lines.length - shown.length;
  return `${table(["PAID UNTIL", "AMOUNT", "NAME"], shown.map(row))}${left > 0 ? `\n… and ${left} more` : ""}`;
}

function paidAnswer({ call, isChat }: Context, statements: readonly PaidStatement[]): Answer {
  const data = { statements, renewed: renewedBy(statements) };
  if (statements.length === 0) return { text: "Nothing is due within 30 days, or it has mandates.", data };
  const shown = isChat ? data.renewed.slice(0, SHOWN_IN_CHAT) : data.renewed;
  const left = data.renewed.length - shown.length;
  const text = [
    ...statements.map(
      ({ amount, transId, lines }) =>
        `Paid ${dollars(amount)} USDC (${transId === "" ? "wallet credit" : transId}) for ${counted(lines.length)}.`,
    ),
    ...shown.map(({ name, paidThrough }) => `\`${name}\` is kept until ${day(paidThrough ?? "")}.`),
    ...(left > 0 ? [`… and ${left} more (\`${call("cloud ls")}\`)`] : []),
    ...statements.flatMap(({ lines }) =>
      lines
        .filter(({ state }) => state !== "granted")
        .map(({ objectKey, state }) => `⚠️ \`${objectKey}\`: ${state}; its share becomes wallet credit.`),
    ),
  ].join("\n");
  return { text, data };
}

const counted = (objects: number) => `${objects} object${objects === 1 ? "" : "s"}`;

/** What the published client's monthly job calls. */
const settle: Command = {
  name: "payment-settle",
  summary: "as the earlier client called a renewal: renewal:true object-key:NAME",
  words: [],
  flags: {
    ...NAMED,
    renewal: { kind: "switch", help: "pay the next 30 days" },
    "object-id": { kind: "text", help: "not needed" },
    "storage-price": { kind: "text", help: "not needed: the price is asked, and the caps hold" },
  },
  examples: ["cloud payment-settle renewal:true object-key:my-notes"],
  async run(context, args) {
    if (!args.has("renewal"))
      throw new Fault("bad_arguments", "Cannot settle payment: only renewals are settled by themselves.", {
        next: "A quote is paid by `cloud upload quote-id:…`.",
      });
    nameOf(args);
    return renew.run(context, args);
  },
};

const renewals: Command = {
  name: "renewals",
  summary: "on, off, or now: pay by itself for what ends within three days, under the caps",
  words: ["on|off|now"],
  flags: {},
  examples: ["cloud renewals", "cloud renewals off", "cloud renewals now"],
  async run(context, args) {
    const { core } = context;
    const [wanted] = args.words;
    if (wanted === "on" || wanted === "off") switchRenewals(core, wanted === "on");
    else if (wanted === "now") return renewNow(context, args);
    else if (wanted !== undefined)
      throw new Fault("bad_arguments", `Renewals are on, off or now; got ${JSON.stringify(wanted)}.`);
    const on = renewalsOn(core);
    const warning = (await core.findWallet()) === undefined ? undefined : await standingWarning(core);
    const text = [
      on
        ? "Renewals are on: while the OpenClaw gateway runs, what ends within three days is paid, and with it all that is due within 30, by one payment, under the caps."
        : `Renewals are off: what is not renewed by hand (\`${context.call("cloud renew")}\`) or by mandate is deleted two days after its paid time.`,
      ...(warning === undefined ? [] : [`⚠️ ${warning.message} ${warning.next}`]),
    ].join("\n");
    return { text, data: { renewals: on ? "on" : "off", warning: warning ?? null } };
  },
};

/** What the gateway does every day, now. */
async function renewNow(context: Context, _args: Parsed): Promise<Answer> {
  const round = await renewDue(context.core, Date.now(), context.signal);
  const lines = [
    ...round.renewed.map(
      ({ name, amount, paidThrough }) => `${name}: paid ${dollars(amount)}, kept until ${day(paidThrough ?? "")}`,
    ),
    ...(round.warning === undefined ? [] : [`⚠️ ${round.warning.message} ${round.warning.next}`]),
  ];
  const nothing = `Nothing ends within three days. What is due within 30: \`${context.call("cloud renew")}\``;
  return { text: lines.join("\n") || nothing, data: round };
}

export const renewingCommands: readonly Command[] = [renew, settle, renewals];
