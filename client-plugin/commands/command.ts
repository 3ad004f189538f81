/** What a command is, for the command line and the chat alike: a grammar, examples, and a function to an answer. */
import type { Core } from "../core.ts";
import type { OnStep } from "../operations/runner.ts";
import type { Operation } from "../state/operations.ts";
import type { Grammar, Parsed } from "./grammar.ts";

export interface Answer {
  /** For people: short, the next command ready to paste. */
  readonly text: string;
  /** For programs: the same facts. */
  readonly data: unknown;
  /** Something is still to be done, and the same call goes on with it: the command line ends with 75 (EX_TEMPFAIL), not 0. */
  readonly unfinished?: boolean;
}

/** Somebody at a terminal: what is shown there is in no answer, no log and no chat. */
export interface Person {
  show(text: string): void;
  /** `secret`: what is typed is not shown. */
  ask(question: string, secret?: boolean): Promise<string>;
}

export interface Context {
  readonly core: Core;
  /** How commands are called here: `mnemospark` in a shell, `/cloud` in a chat. */
  readonly call: (command: string) => string;
  readonly onStep?: OnStep | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Only a person at a terminal is asked. */
  readonly approve?: ((price: { amount: bigint; reason: string }) => Promise<boolean>) | undefined;
  /** Absent in a chat, and where a program reads the output. */
  readonly person?: Person | undefined;
  /** Goes on with an operation after the command has answered. */
  readonly background: (operation: Operation) => Promise<void> | void;
  /** Chat keeps what it is shown, so nothing secret goes there. */
  readonly isChat: boolean;
  readonly agentId?: string | undefined;
}

export interface Command extends Grammar {
  readonly name: string;
  readonly summary: string;
  readonly examples: readonly string[];
  run(context: Context, args: Parsed): Promise<Answer>;
}

export const AGENT = { agent: { kind: "text", help: "whose data; `main` if not given", also: ["agent-id"] } } as const;
/** The published client wants these; here the wallet is the one on this machine, and is only compared. */
export const PUBLISHED = {
  "wallet-address": { kind: "text", help: "checked against this machine's wallet", also: ["wallet"] },
  provider: { kind: "text", help: "aws" },
} as const;
