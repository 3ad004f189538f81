/** `cloud catalogue`: what every machine of the owner's should find, as a sealed object of its own. */
import { parseMicroUsdc } from "#contract/money";
import { Fault } from "../faults.ts";
import {
  buyCatalogue,
  CATALOGUE_ROOM_BYTES,
  catalogueSwitch,
  isUnwritten,
  priceOfCatalogue,
  pullCatalogue,
  switchCatalogue,
  syncCatalogue,
} from "../sealed-catalogue.ts";
import { micro } from "./amounts.ts";
import type { Answer, Command, Context } from "./command.ts";
import type { Parsed } from "./grammar.ts";
import { bytes, dollars, fenced } from "./words.ts";

const catalogue: Command = {
  name: "catalogue",
  summary:
    "what there should be, sealed and stored, so that another machine notices what was rolled back; on, off, sync",
  words: ["on|off|sync"],
  flags: { max: { kind: "text", help: "buy it for at most this many dollars", also: ["max-price"] } },
  examples: ["cloud catalogue", "cloud catalogue on max:0.05", "cloud catalogue sync", "cloud catalogue off"],
  async run(context, args) {
    const [what] = args.words;
    if (what === undefined) return status(context);
    if (what === "on") return turnOn(context, args);
    if (what === "sync") return sync(context);
    if (what !== "off") throw new Fault("bad_arguments", `Wanted on, off or sync, not "${what}".`);
    await switchCatalogue(context.core, false);
    const text =
      "The sealed catalogue is not read or written by this machine any more. It stays stored until it is deleted.";
    return { text, data: { catalogue: "off" } };
  },
};

async function status({ core, call }: Context): Promise<Answer> {
  const state = await catalogueSwitch(core);
  const { catalogue: known } = await core.session();
  const names = known.allKnown().length;
  const unwritten = state === "on" && (await isUnwritten(core));
  const text = [
    `Sealed catalogue: ${state === "on" ? "on" : "off"}. This machine knows ${names} names.`,
    ...(unwritten ? [`Not all of it is written yet: \`${call("cloud catalogue sync")}\``] : []),
    ...(state === "on" ? [] : [`\`${call("cloud catalogue on")}\` says what it costs.`]),
  ].join("\n");
  return { text, data: { catalogue: state, names, unwritten } };
}

async function turnOn({ core, call, signal }: Context, args: Parsed): Promise<Answer> {
  if ((await pullCatalogue(core, signal)) !== undefined) {
    await switchCatalogue(core, true);
    const end = await syncCatalogue(core, signal);
    return {
      text: "The sealed catalogue is there and paid for; this machine reads and writes it.",
      data: { catalogue: "on", end },
    };
  }
  const max = micro(args.text("max"));
  if (max === undefined) {
    const { amount } = await priceOfCatalogue(core, signal);
    const text = [
      `Room for it (${bytes(CATALOGUE_ROOM_BYTES)}, about five thousand names) costs ${dollars(amount)} for 30 days, and is renewed like everything else. Replacing it costs nothing. To buy it:`,
      fenced(call(`cloud catalogue on max:${dollars(amount).slice(1)}`)),
    ].join("\n");
    return { text, data: { catalogue: "off", amount: parseMicroUsdc(amount)?.toString() ?? amount } };
  }
  const paid = await buyCatalogue(core, max, signal);
  await switchCatalogue(core, true);
  await syncCatalogue(core, signal);
  return { text: `Paid ${dollars(paid)}; the sealed catalogue is on.`, data: { catalogue: "on", amount: paid } };
}

async function sync({ core, call, signal }: Context): Promise<Answer> {
  const end = await syncCatalogue(core, signal);
  const text = {
    absent: `There is no sealed catalogue; \`${call("cloud catalogue on")}\` says what it costs.`,
    current: "The sealed catalogue says what this machine knows.",
    written: "The sealed catalogue was written.",
  }[end];
  return { text, data: { end } };
}

export const cataloguingCommands: readonly Command[] = [catalogue];
