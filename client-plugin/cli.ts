#!/usr/bin/env node
/**
 * `mnemospark`: the command line. People get short text and progress, programs get `--json` on every command. Standard output
 * holds the answer and nothing else; progress and refusals go to standard error.
 */
import { fork } from "node:child_process";
import { createInterface } from "node:readline/promises";
import { Writable } from "node:stream";
import { fileURLToPath } from "node:url";
import type { Context, Person } from "./commands/command.ts";
import { help } from "./commands/help.ts";
import { runCommand } from "./commands/index.ts";
import { dollars } from "./commands/words.ts";
import { readSettings } from "./config.ts";
import { Core } from "./core.ts";
import { explain } from "./faults.ts";
import { serveMcp } from "./mcp.ts";
import type { OnStep } from "./operations/runner.ts";
import { progressLines } from "./progress.ts";
import { tokenPath } from "./proxy/client.ts";
import { startProxy } from "./proxy/proxy.ts";
import { VERSION } from "./version.ts";

async function main(words: string[]): Promise<number> {
  const json = take(words, "--json");
  const quiet = take(words, "--quiet") || json;
  if (words[0] === "--version" || words[0] === "version") {
    console.log(json ? JSON.stringify({ version: VERSION }) : VERSION);
    return 0;
  }
  const helped = help({ call: calledHere, isChat: false }, words);
  if (helped) {
    console.log(json ? JSON.stringify(helped.data, null, 2) : plain(helped.text));
    return 0;
  }
  const stop = new AbortController();
  const interrupt = () => stop.abort(new Error("interrupted"));
  process.once("SIGINT", interrupt).once("SIGTERM", interrupt);
  let progress: Progress | undefined;
  try {
    const core = await Core.open(readSettings());
    try {
      if (words[0] === "mcp") {
        await serveMcp(core, undefined);
        return 0;
      }
      if (words[0] === "proxy") return await serveProxy(core, stop.signal, json);
      progress = !quiet && process.stderr.isTTY ? drawProgress() : undefined;
      const answer = await runCommand(contextOf(core, stop.signal, progress?.onStep, json), words);
      progress?.end();
      console.log(json ? JSON.stringify(answer.data, null, 2) : plain(answer.text));
      return answer.unfinished ? 75 : 0;
    } finally {
      core.close();
    }
  } catch (error) {
    progress?.end();
    const fault = explain(error);
    if (json) console.log(JSON.stringify({ error: fault }, null, 2));
    else console.error(`${fault.message}\n${fault.next}`);
    // Scripts tell "try again" from "do something else" by the status.
    return fault.retryable ? 75 : 1;
  }
}

/** `mnemospark ls` is `mnemospark cloud ls`. */
function calledHere(command: string): string {
  return `mnemospark ${command.replace(/^cloud (?!help)/, "")}`;
}

function contextOf(core: Core, signal: AbortSignal, onStep: OnStep | undefined, json: boolean): Context {
  return {
    core,
    call: calledHere,
    onStep,
    signal,
    ...(json || !process.stdin.isTTY || !process.stderr.isTTY ? {} : { approve: askPerson, person: atTerminal }),
    isChat: false,
    background(operation) {
      const child = fork(fileURLToPath(import.meta.url), ["resume", operation.id, "--json"], {
        detached: true,
        stdio: "ignore",
      });
      child.disconnect();
      child.unref();
    },
  };
}

/** Only a person at a terminal; the amount is typed, not nodded through. */
async function askPerson({ amount, reason }: { amount: bigint; reason: string }): Promise<boolean> {
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const wanted = dollars(amount).slice(1);
    const typed = await terminal.question(`\n${reason}\nTo pay it this once, type the amount (${wanted}): `);
    return typed.trim().replace(/^\$/, "") === wanted;
  } finally {
    terminal.close();
  }
}

const atTerminal: Person = {
  show: (text) => void process.stderr.write(`${text}\n`),
  async ask(question, secret = false) {
    if (secret) process.stderr.write(question);
    // Readline writes what is typed to its output: for a secret that goes nowhere.
    const output = secret ? new Writable({ write: (_piece, _encoding, done) => done() }) : process.stderr;
    const terminal = createInterface({ input: process.stdin, output, terminal: true });
    try {
      return await terminal.question(secret ? "" : question);
    } finally {
      terminal.close();
      if (secret) process.stderr.write("\n");
    }
  },
};

/** Serves until it is told to stop; and takes up what an earlier one was killed in. */
async function serveProxy(core: Core, signal: AbortSignal, json: boolean): Promise<number> {
  const proxy = await startProxy({ core });
  const at = typeof proxy.at === "number" ? `http://127.0.0.1:${proxy.at}` : proxy.at;
  if (json) console.log(JSON.stringify({ proxy: { at, token: tokenPath(core.settings) } }));
  else console.error(`mnemospark proxy on ${at}`);
  const onError = ({ id }: { id: string }, error: unknown) => console.error(`${id}: ${explain(error).message}`);
  void core.resumeAll({ signal, onError }).catch((error: unknown) => console.error(explain(error).message));
  await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
  await proxy.close();
  return 0;
}

interface Progress {
  readonly onStep: OnStep;
  end(): void;
}

/** One line that rewrites itself, ten times a second at most. */
function drawProgress(): Progress {
  const lineOf = progressLines();
  let drawn = "";
  let drawnAtMs = 0;
  const draw = (line: string) => process.stderr.write(`\r\x1b[2K${line}`);
  return {
    onStep(step, done, total) {
      const nowMs = Date.now();
      const line = lineOf(step, done, total, nowMs);
      const isNews = total === 0 || done >= total || nowMs - drawnAtMs >= 100;
      if (line === undefined || line === drawn || !isNews) return;
      drawn = line;
      drawnAtMs = nowMs;
      draw(line);
    },
    end: () => void (drawn !== "" && draw("")),
  };
}

/** Chat marks mean nothing in a terminal. */
function plain(text: string): string {
  return text
    .replace(/^```$\n?/gm, "")
    .replace(/\*\*([^*\n]+)\*\*/g, "$1")
    .replace(/`([^`\n]+)`/g, "$1");
}

function take(words: string[], flag: string): boolean {
  const at = words.indexOf(flag);
  if (at >= 0) words.splice(at, 1);
  return at >= 0;
}

process.exitCode = await main(process.argv.slice(2));
