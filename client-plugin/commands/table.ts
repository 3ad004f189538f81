/** The table of commands: which there are, and by which names they are found. */
import { billingCommands } from "./billing.ts";
import { browsingCommands } from "./browsing.ts";
import { cataloguingCommands } from "./cataloguing.ts";
import type { Command } from "./command.ts";
import { keyCommands } from "./keys.ts";
import { mandatingCommands } from "./mandating.ts";
import { mindingCommands } from "./minding.ts";
import { readingCommands } from "./reading.ts";
import { renewingCommands } from "./renewing.ts";
import { storingCommands } from "./storing.ts";
import { walletCommands } from "./wallet.ts";

export type Group = "wallet" | "keys" | "cloud";

export const GROUPS: Readonly<Record<Group, readonly Command[]>> = {
  wallet: walletCommands,
  keys: keyCommands,
  cloud: [
    ...storingCommands,
    ...readingCommands,
    ...renewingCommands,
    ...mandatingCommands,
    ...billingCommands,
    ...browsingCommands,
    ...cataloguingCommands,
    ...mindingCommands,
  ],
};

/** The published client's other names, and what else people type. */
const ALIASES: Readonly<Record<Group, Readonly<Record<string, string>>>> = {
  wallet: { "export-to-file": "export", address: "status" },
  keys: {},
  cloud: {
    "price-storage": "price",
    list: "ls",
    rm: "delete",
    get: "download",
    put: "upload",
    mandate: "mandates",
    renewal: "renewals",
  },
};

export function isGroup(name: string): name is Group {
  return Object.hasOwn(GROUPS, name);
}

export function findCommand(group: Group, name: string): Command | undefined {
  const real = ALIASES[group][name] ?? name;
  return GROUPS[group].find((command) => command.name === real);
}

export function commandNames(group: Group): string[] {
  return GROUPS[group].map(({ name }) => name);
}

/** Other names of a command. */
export function aliasesOf(group: Group, name: string): string[] {
  return Object.entries(ALIASES[group]).flatMap(([alias, real]) => (real === name ? [alias] : []));
}
