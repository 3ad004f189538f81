/** The table of commands, and the way from a line to an answer: the same for the shell and for every chat. */
import { Fault } from "../faults.ts";
import { billingCommands } from "./billing.ts";
import { browsingCommands } from "./browsing.ts";
import type { Answer, Command, Context } from "./command.ts";
import { nearest, parse } from "./grammar.ts";
import { keyCommands } from "./keys.ts";
import { mandatingCommands } from "./mandating.ts";
import { mindingCommands } from "./minding.ts";
import { readingCommands } from "./reading.ts";
import { renewingCommands } from "./renewing.ts";
import { storingCommands } from "./storing.ts";
import { walletCommands } from "./wallet.ts";

export const GROUPS: Readonly<Record<"wallet" | "keys" | "cloud", readonly Command[]>> = {
  wallet: walletCommands,
  keys: keyCommands,
  cloud: [
    ...storingCommands,
    ...readingCommands,
    ...renewingCommands,
    ...mandatingCommands,
    ...billingCommands,
    ...browsingCommands,
    ...mindingCommands,
  ],
};

/** The published client's other names. */
const ALIASES: Readonly<Record<string, string>> = {
  "price-storage": "price",
  list: "ls",
  rm: "delete",
  get: "download",
  put: "upload",
  mandate: "mandates",
  renewal: "renewals",
};

/** `words` begin with a group's name; a group alone means its first command, or its help. */
export async function runCommand(context: Context, words: readonly string[]): Promise<Answer> {
  const [group = "help", name, ...rest] = words;
  if (group === "help" || group === "--help") return { text: rootHelp(context), data: { commands: names() } };
  if (!isGroup(group)) {
    // `mnemospark ls` is `mnemospark cloud ls`.
    if (find("cloud", group)) return runCommand(context, ["cloud", ...words]);
    const near = nearest(group, [...names(), ...Object.keys(GROUPS)]);
    throw new Fault(
      "unknown_command",
      `Unknown command "${group}".${near === undefined ? "" : ` Did you mean "${near}"?`}`,
      {
        next: `\`${context.call("help")}\` shows all of them.`,
      },
    );
  }
  // `/cloud keys …`: in a chat the names are global, so there is no `/keys`.
  if (name === "keys") return runCommand(context, ["keys", ...rest]);
  if (name === undefined && group !== "cloud") return runCommand(context, [group, "status"]);
  if (name === undefined || name === "help" || name === "--help")
    return { text: groupHelp(context, group), data: { commands: names(group) } };
  const command = find(group, name);
  if (!command) {
    const near = nearest(name, names(group));
    throw new Fault(
      "unknown_command",
      `Unknown command "${group} ${name}".${near === undefined ? "" : ` Did you mean "${near}"?`}`,
      {
        next: `\`${context.call(group)}\` shows all of them.`,
      },
    );
  }
  if (rest.includes("--help") || rest[0] === "help")
    return { text: commandHelp(context, group, command), data: { command: command.name } };
  return command.run(context, parse(rest, command));
}

function isGroup(name: string): name is keyof typeof GROUPS {
  return Object.hasOwn(GROUPS, name);
}

function find(group: keyof typeof GROUPS, name: string): Command | undefined {
  const real = group === "cloud" ? (ALIASES[name] ?? name) : name;
  return GROUPS[group].find((command) => command.name === real);
}

function names(group?: keyof typeof GROUPS): string[] {
  return (group === undefined ? [...GROUPS.cloud] : [...GROUPS[group]]).map(({ name }) => name);
}

function rootHelp(context: Context): string {
  return [
    "☁️ **mnemospark - Wallet and go.** 💙",
    "Storage your agent buys by itself: sealed here, paid in USDC, no account.",
    "",
    groupHelp(context, "wallet"),
    "",
    groupHelp(context, "keys"),
    "",
    groupHelp(context, "cloud"),
  ].join("\n");
}

function groupHelp(context: Context, group: keyof typeof GROUPS): string {
  return GROUPS[group]
    .map((command) => `• \`${context.call(`${group} ${command.name}`)}\` - ${command.summary}`)
    .join("\n");
}

function commandHelp(context: Context, group: string, command: Command): string {
  const flags = Object.entries(command.flags).map(
    ([name, flag]) => `  ${flag.kind === "switch" ? `--${name}` : `${name}:…`}  ${flag.help}`,
  );
  return [
    `${context.call(`${group} ${command.name}`)} ${command.words.map((word) => word.toUpperCase()).join(" ")}`,
    command.summary,
    ...(flags.length === 0 ? [] : ["", ...flags]),
    "",
    ...command.examples.map((example) => `  ${context.call(example)}`),
  ].join("\n");
}
