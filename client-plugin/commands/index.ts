/** The way from a line to an answer: the same for the shell and for every chat. */
import { Fault } from "../faults.ts";
import type { Answer, Context } from "./command.ts";
import { nearest, parse } from "./grammar.ts";
import { help } from "./help.ts";
import { commandNames, findCommand, GROUPS, isGroup } from "./table.ts";

/** `words` begin with a group's name; `cloud` alone means its help, another group alone how it stands. */
export async function runCommand(context: Context, words: readonly string[]): Promise<Answer> {
  const helped = help(context, words);
  if (helped) return helped;
  const [group = "", name = "status", ...rest] = words;
  // `/cloud keys …`, `/wallet keys …`: in a chat the names are global, so there is no `/keys`.
  if (group !== "keys" && name === "keys") return runCommand(context, ["keys", ...rest]);
  if (!isGroup(group)) {
    // `mnemospark ls` is `mnemospark cloud ls`.
    if (findCommand("cloud", group)) return runCommand(context, ["cloud", ...words]);
    throw unknown(context, group, [...commandNames("cloud"), ...Object.keys(GROUPS)], "help");
  }
  const command = findCommand(group, name);
  if (!command) throw unknown(context, `${group} ${name}`, commandNames(group), `${group} help`);
  return command.run(context, parse(rest, command));
}

function unknown({ call }: Context, said: string, known: readonly string[], all: string): Fault {
  const near = nearest(said.split(" ").at(-1) ?? "", known);
  const message = `Unknown command "${said}".${near === undefined ? "" : ` Did you mean "${near}"?`}`;
  return new Fault("unknown_command", message, { next: `\`${call(all)}\` shows all of them.` });
}
