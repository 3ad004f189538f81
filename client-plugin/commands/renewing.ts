/** `cloud renewals`: whether what ends is renewed by itself. */
import { Fault } from "../faults.ts";
import { failedRenewals, renewalsOn, renewDue, switchRenewals } from "../renewals.ts";
import type { Command } from "./command.ts";
import { day, dollars } from "./words.ts";

const renewals: Command = {
  name: "renewals",
  summary: "on, off, or now: renew by itself what ends within three days, under the caps",
  words: ["on|off|now"],
  flags: {},
  examples: ["cloud renewals", "cloud renewals off", "cloud renewals now"],
  async run({ core, signal }, args) {
    const [wanted] = args.words;
    if (wanted === "on" || wanted === "off") switchRenewals(core, wanted === "on");
    else if (wanted === "now") {
      const round = await renewDue(core, Date.now(), signal);
      const lines = [
        ...round.renewed.map(
          ({ name, amount, paidThrough }) => `${name}: paid ${dollars(amount)}, kept until ${day(paidThrough)}`,
        ),
        ...round.failed.map(({ name, fault }) => `⚠️ ${name}: ${fault.message}`),
      ];
      return { text: lines.join("\n") || "Nothing ends within three days.", data: round };
    } else if (wanted !== undefined)
      throw new Fault("bad_arguments", `Renewals are on, off or now; got ${JSON.stringify(wanted)}.`);
    const on = renewalsOn(core);
    const failed = failedRenewals(core);
    const text = [
      on
        ? "Renewals are on: while the OpenClaw gateway runs, what ends within three days is renewed, under the caps."
        : "Renewals are off: what is not renewed by hand is deleted two days after its paid time.",
      ...failed.map(({ name, fault }) => `⚠️ ${name} could not be renewed: ${fault.message} ${fault.next}`),
    ].join("\n");
    return { text, data: { renewals: on ? "on" : "off", failed } };
  },
};

export const renewingCommands: readonly Command[] = [renewals];
