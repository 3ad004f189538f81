/** What the commands are, told without looking at anything: it works where nothing else does. */
import type { Answer, Command, Context } from "./command.ts";
import { aliasesOf, commandNames, findCommand, GROUPS, type Group, isGroup } from "./table.ts";

type Asking = Pick<Context, "call" | "isChat">;

const HELP = ["help", "--help", "-h"];

/** Undefined when `words` ask for something else than help. */
export function help(asking: Asking, words: readonly string[]): Answer | undefined {
  const [group = "help", name, ...rest] = words;
  if (HELP.includes(group)) return name === undefined ? root(asking) : help(asking, [name, ...rest, "--help"]);
  if (!isGroup(group)) {
    if (!rest.concat(name ?? []).some((word) => HELP.includes(word))) return undefined;
    return findCommand("cloud", group) && help(asking, ["cloud", ...words]);
  }
  if (group !== "keys" && name === "keys") return help(asking, ["keys", ...rest]);
  if (name === undefined) return group === "cloud" ? ofGroup(asking, group) : undefined;
  if (HELP.includes(name)) return ofGroup(asking, group);
  const command = findCommand(group, name);
  const asked = rest.includes("--help") || rest.includes("-h") || (rest.length === 1 && rest[0] === "help");
  return command !== undefined && asked ? ofCommand(asking, group, command) : undefined;
}

function root(asking: Asking): Answer {
  const { call, isChat } = asking;
  const programs = isChat
    ? []
    : [
        "",
        `• \`${call("mcp")}\` - the tools over MCP (stdio), for agents that are not OpenClaw`,
        `• \`${call("proxy")}\` - the tools over HTTP on this machine, for whoever holds its token`,
      ];
  const text = [
    "☁️ **mnemospark - Wallet and go.** 💙",
    "Storage your agent buys by itself: sealed here, paid in USDC, no account.",
    "",
    list(asking, "wallet"),
    "",
    list(asking, "keys"),
    "",
    list(asking, "cloud"),
    ...programs,
    "",
    `\`${call("cloud upload --help")}\` shows one of them, with examples; each takes --json.`,
  ];
  return {
    text: text.join("\n"),
    data: { wallet: commandNames("wallet"), keys: commandNames("keys"), cloud: commandNames("cloud") },
  };
}

function ofGroup(asking: Asking, group: Group): Answer {
  return { text: list(asking, group), data: { commands: GROUPS[group].map((command) => facts(group, command)) } };
}

function list({ call }: Asking, group: Group): string {
  return GROUPS[group].map(({ name, summary }) => `• \`${call(`${group} ${name}`)}\` - ${summary}`).join("\n");
}

function ofCommand({ call }: Asking, group: Group, command: Command): Answer {
  const flags = Object.entries(command.flags).map(
    ([name, flag]) => `  ${flag.kind === "switch" ? `--${name}` : `${name}:…`}  ${flag.help}`,
  );
  const also = aliasesOf(group, command.name);
  const text = [
    `${call(`${group} ${command.name}`)} ${command.words.map((word) => word.toUpperCase()).join(" ")}`.trimEnd(),
    command.summary,
    ...(also.length === 0 ? [] : [`Also: ${also.join(", ")}`]),
    "",
    ...flags,
    "  --json  the same facts for programs",
    "",
    ...command.examples.map((example) => `  ${call(example)}`),
  ];
  return { text: text.join("\n"), data: facts(group, command) };
}

function facts(group: Group, { name, summary, words, flags, examples }: Command) {
  return { command: `${group} ${name}`, summary, words, flags, examples, also: aliasesOf(group, name) };
}
