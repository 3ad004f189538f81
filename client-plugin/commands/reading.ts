/** `cloud` commands about what is there: list, look, get back, delete. */
import { resolve } from "node:path";
import type { ListedObject } from "#contract/objects";
import { Fault } from "../faults.ts";
import type { Fetched } from "../operations/fetch.ts";
import { micro } from "./amounts.ts";
import { AGENT, type Answer, type Command, PUBLISHED } from "./command.ts";
import type { Parsed } from "./grammar.ts";
import { sameWallet, started } from "./storing.ts";
import { bytes, day, dollars, fenced, quoted, table } from "./words.ts";

export const NAMED = {
  name: { kind: "text", help: "its name", also: ["object-key", "key"] },
  ...AGENT,
  ...PUBLISHED,
  region: { kind: "text", help: "not needed: the service knows", also: ["location"] },
  latest: { kind: "switch", help: "not needed: a name is one object" },
  at: { kind: "text", help: "not needed: a name is one object" },
} as const;

export function nameOf(args: Parsed): string {
  const name = args.text("name") ?? args.words[0];
  if (name === undefined) throw new Fault("bad_arguments", 'Missing required argument "name".');
  return name;
}

function row(object: ListedObject): string[] {
  const { key, size_bytes, last_modified, state, paid_through, delete_after, amount } = object;
  return [
    bytes(size_bytes),
    last_modified.slice(0, 16).replace("T", " "),
    state,
    day(paid_through),
    day(delete_after),
    dollars(amount),
    key,
  ];
}

const ls: Command = {
  name: "ls",
  summary: "what is stored, and until when it is paid",
  words: ["name"],
  flags: {
    ...NAMED,
    prefix: { kind: "text", help: "names that begin so" },
    all: { kind: "switch", help: "of all agents" },
  },
  examples: ["cloud ls", "cloud ls name:my-notes", "cloud ls --all --json"],
  async run(context, args) {
    await sameWallet(context, args);
    if (args.text("name") !== undefined || args.words[0] !== undefined) return stat.run(context, args);
    const agentId = args.has("all") ? "*" : (args.text("agent") ?? context.agentId);
    const objects = await context.core.list({ agentId, prefix: args.text("prefix") });
    objects.sort((a, b) => b.last_modified.localeCompare(a.last_modified));
    if (objects.length === 0) {
      const text = `☁️ mnemospark cloud\nNo objects in this bucket.\nStore something: \`${context.call("cloud upload PATH")}\``;
      return { text, data: { objects } };
    }
    const shown = context.isChat ? objects.slice(0, 30) : objects;
    const example = quoted(objects[0]?.key ?? "");
    const text = [
      "☁️ mnemospark cloud",
      `Folder: ${objects[0]?.bucket}`,
      fenced(table(["SIZE", "S3_TIME", "STATE", "PAID UNTIL", "DELETED AFTER", "PAID", "OBJECT-KEY"], shown.map(row))),
      ...(shown.length < objects.length ? [`${objects.length - shown.length} more: \`mnemospark ls\``] : []),
      "What's next? Would you like to download or delete a file:",
      fenced(context.call(`cloud download name:${example}`), context.call(`cloud delete name:${example}`)),
    ].join("\n");
    return { text, data: { objects } };
  },
};

const stat: Command = {
  name: "stat",
  summary: "one object",
  words: ["name"],
  flags: NAMED,
  examples: ["cloud stat my-notes"],
  async run(context, args) {
    await sameWallet(context, args);
    const object = await context.core.stat({ objectKey: nameOf(args), agentId: args.text("agent") ?? context.agentId });
    const facts = {
      key: object.key,
      size: bytes(object.size_bytes),
      state: object.state,
      "paid until": object.paid_through,
      "deleted after": object.delete_after,
      region: object.region,
      sha256: object.content_sha256,
      paid: `${dollars(object.amount)} (${object.trans_id})`,
    };
    const text = Object.entries(facts)
      .map(([name, value]) => `${name}: ${value}`)
      .join("\n");
    return { text, data: { object } };
  },
};

const TO = {
  to: { kind: "text", help: "where to; the downloads directory if not given", also: ["out", "destination"] },
  overwrite: { kind: "switch", help: "replace a file that is there" },
  max: { kind: "text", help: "pay up to this many dollars for a download beyond the three included" },
  "accept-changed": { kind: "switch", help: "take content that another machine of yours stored" },
  async: { kind: "switch", help: "answer at once, go on in the background" },
  orchestrator: { kind: "text", help: "taken from callers of the earlier client; has no effect" },
  "timeout-seconds": { kind: "text", help: "taken from callers of the earlier client; has no effect" },
} as const;

const download: Command = {
  name: "download",
  summary: "get a file or folder back: whole and verified, or nothing",
  words: ["name", "to"],
  flags: { ...NAMED, ...TO },
  examples: ["cloud download my-notes", "cloud download name:my-notes to:./notes"],
  async run(context, args) {
    await sameWallet(context, args);
    const { core, onStep, signal } = context;
    const to = args.text("to") ?? args.words[1];
    const ask = {
      objectKey: nameOf(args),
      agentId: args.text("agent") ?? context.agentId,
      destination: to === undefined ? undefined : resolve(to),
      overwrite: args.has("overwrite"),
      acceptChanged: args.has("accept-changed"),
      maxAmount: micro(args.text("max")),
    };
    if (args.has("async")) {
      const operation = await core.beginFetch(ask);
      await context.background(operation);
      return started(context, operation);
    }
    return fetched(await core.fetch({ ...ask, onStep, signal }));
  },
};

/** The same, under the word that goes with `backup`. */
const restore: Command = {
  ...download,
  name: "restore",
  summary: "get a backup back into a new place; never over what is there",
  examples: ["cloud restore my-notes to:./restored"],
};

function fetched(done: Fetched): Answer {
  const { objectKey, path, files, contentBytes, leftOut, downloadsLeft, format } = done;
  const lines = [
    `File ${objectKey} downloaded to ${path}`,
    `${files} files, ${bytes(contentBytes)}; verified. Downloads left in this period: ${downloadsLeft}.`,
    ...(format === "legacy" ? ["It was stored by the earlier client: a gzipped tar archive, its end verified."] : []),
    ...leftOut.slice(0, 5).map((link) => `⚠️ left out, it leads outside: ${link}`),
  ];
  return { text: lines.join("\n"), data: { file: done } };
}

const remove: Command = {
  name: "delete",
  summary: "delete an object for good; nothing is refunded",
  words: ["name"],
  flags: NAMED,
  examples: ["cloud delete my-notes"],
  async run(context, args) {
    await sameWallet(context, args);
    const { core, onStep, signal } = context;
    const agentId = args.text("agent") ?? context.agentId;
    const done = await core.remove({ objectKey: nameOf(args), agentId, onStep, signal });
    const text = `File \`${done.objectKey}\` has been deleted from the cloud.\nThank you for using mnemospark!`;
    return { text, data: { deleted: done } };
  },
};

export const readingCommands: readonly Command[] = [ls, stat, download, restore, remove];
