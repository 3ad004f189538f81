/**
 * `keys …`: what opens what is stored. No key and no recovery word is ever part of an answer: a chat and a model keep what they were
 * shown, and so does whoever reads a program's output. Words go to a terminal where a person sits, or into a private file.
 */
import { readFile } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { newRecovery, type RecoveryIdentity } from "../envelope/identity.ts";
import { Fault } from "../faults.ts";
import { exportKek, loadKek, loadOrCreateKek, olderKids } from "../keys.ts";
import { adviceOf, keyPlace, noteKitFile, readIdentity, recoveryPage } from "../kit.ts";
import { beginRotate, type Rotated, runRotate } from "../operations/rotate.ts";
import { ensurePrivateDirectory, writePrivateNew } from "../private-file.ts";
import { reclaim } from "../reclaim.ts";
import { forgetRecipient, keepRecipient, loadRecipient, openKit, restoreKit, sealKit } from "../recovery-kit.ts";
import { importWallet } from "../wallet-file.ts";
import { AGENT, type Answer, type Command, type Context, type Person } from "./command.ts";
import type { Parsed } from "./grammar.ts";

const PASSPHRASE_FILE = {
  "passphrase-file": { kind: "text", help: "a file that holds the passphrase; without it a person is asked" },
} as const;
const WORDS_FILE = {
  "words-file": { kind: "text", help: "a file with the recovery words or key; without it a person is asked" },
} as const;

const status: Command = {
  name: "status",
  summary: "which keys are here, and whether there is a recovery kit",
  words: [],
  flags: {},
  examples: ["keys", "keys status --json"],
  async run({ core, call }) {
    const place = await keyPlace(core);
    const kek = await loadKek(place);
    const [older, recipient, advice] = [
      (await olderKids(place)).filter((kid) => kid !== kek?.kid),
      core.settings.recovery ?? (await loadRecipient(place)),
      await adviceOf(core, place),
    ];
    const text = [
      `Key: ${kek === undefined ? "none yet; the first store makes one" : `${kek.kid} (${kek.path})`}`,
      ...(older.length === 0 ? [] : [`Older keys, kept: ${older.join(", ")}`]),
      `Recovery words: ${recipient === undefined ? "none" : `made; objects are sealed for ${recipient}`}`,
      ...(kek?.warnings ?? []).map((warning) => `⚠️ ${warning}`),
      ...(advice === undefined ? [] : [`⚠️ ${advice}`, `→ \`${call("keys kit")}\``]),
    ].join("\n");
    const data = { kid: kek?.kid ?? null, path: kek?.path ?? null, older, recipient: recipient ?? null };
    return { text, data: { ...data, advice: advice ?? null } };
  },
};

const kit: Command = {
  name: "kit",
  summary: "make a recovery kit: words for a terminal or a private file, or an encrypted kit file",
  words: [],
  flags: {
    print: { kind: "text", help: "write the words into this new private file, to be printed and then destroyed" },
    file: { kind: "text", help: "write an encrypted kit file instead: all keys, under a passphrase", also: ["out"] },
    ...PASSPHRASE_FILE,
    "with-wallet": { kind: "switch", help: "the kit file holds the wallet's key, and so the money, too" },
    "new-words": { kind: "switch", help: "other words than before, from now on; for what is stored the old ones stay" },
  },
  examples: ["keys kit", "keys kit file:/media/usb/kit.age", "keys kit print:/media/usb/words.txt"],
  run: (context, args) => (args.text("file") === undefined ? makeWords(context, args) : makeKitFile(context, args)),
};

async function makeWords({ core, call, person }: Context, args: Parsed): Promise<Answer> {
  const place = await keyPlace(core);
  const before = await loadRecipient(place);
  if (before !== undefined && !args.has("new-words"))
    throw new Fault("words_exist", `Recovery words were made before; what is stored is sealed for them (${before}).`, {
      next: `They are shown once and kept nowhere. If they are lost: \`${call("keys kit new-words:true")}\`; for a file with all keys: \`${call("keys kit file:PATH")}\`.`,
    });
  const recovery = newRecovery();
  const print = args.text("print");
  if (print !== undefined) await writePrivateNew(resolve(print), recoveryPage(recovery, place.wallet));
  else if (person !== undefined) await showWords(person, recovery);
  else
    throw new Fault("person_wanted", "Recovery words are shown to a person at a terminal only, never in a chat.", {
      next: "Type `mnemospark keys kit` in a terminal, or have them written to a private file with print:PATH, or make an encrypted kit file with file:PATH.",
    });
  // Only now: nothing is sealed for words that nobody has.
  if (before !== undefined) await forgetRecipient(place);
  await keepRecipient(place, recovery.recipient);
  await loadOrCreateKek(place);
  const text = [
    ...(print === undefined
      ? []
      : [`The words are in ${resolve(print)} (only you can read it). Print it, then destroy the file.`]),
    "What is stored from now on opens with these words as well; what was stored before does not (store it again, or keep a kit file).",
    "They open what is stored; they do not hold the wallet's key. Keep a copy of that too:",
    `\`${call("wallet export file:/path/on/a/usb-stick")}\``,
  ].join("\n");
  return { text, data: { recipient: recovery.recipient, file: print === undefined ? null : resolve(print) } };
}

/** Shown once, and two of them asked back: words that were not written down are no kit. */
async function showWords(person: Person, { words, identity }: RecoveryIdentity): Promise<void> {
  const list = words.split(" ");
  const lines = list.map((word, at) => `${String(at + 1).padStart(3)}. ${word}`);
  person.show(
    ["", "Your recovery words. Write them down; they are shown once and kept nowhere.", "", ...lines].join("\n"),
  );
  person.show(`\nThe same as a key for any age tool:\n${identity}\n`);
  for (const at of [5, 17]) {
    const typed = await person.ask(`To go on, type word ${at + 1}: `);
    if (typed.trim().toLowerCase() !== list[at])
      throw new Fault(
        "words_unconfirmed",
        `Word ${at + 1} is another one. These words are void; nothing was sealed for them.`,
        {
          next: "Make new ones with the same command.",
        },
      );
  }
}

async function makeKitFile({ core, person }: Context, args: Parsed): Promise<Answer> {
  const place = await keyPlace(core);
  const path = resolve(args.text("file") ?? "");
  const { kid } = await loadOrCreateKek(place);
  const wallet = await core.findWallet();
  const passphrase = await passphraseOf(args, person, true);
  const withWallet = args.has("with-wallet");
  await writePrivateNew(path, await sealKit(place, passphrase, withWallet ? wallet?.privateKey : undefined));
  noteKitFile(core, place, kid);
  const text = [
    `The recovery kit is in ${path} (only you can read it): all keys of ${place.wallet}, encrypted under your passphrase.`,
    withWallet
      ? "It holds the wallet's key too: whoever has the file and the passphrase has the money."
      : "It does not hold the wallet's key (`with-wallet` does). Keep a copy of that too.",
    "Put it where this machine is not. On another machine: `mnemospark keys restore FILE`.",
    "After a rotation of keys make a new one.",
  ].join("\n");
  return { text, data: { file: path, kid, withWallet } };
}

const restore: Command = {
  name: "restore",
  summary: "bring keys back from a kit file, or from the recovery words; nothing that is here is replaced",
  words: ["file"],
  flags: { ...PASSPHRASE_FILE, ...WORDS_FILE, words: { kind: "switch", help: "ask for the recovery words" } },
  examples: ["keys restore /media/usb/kit.age", "keys restore words:true"],
  run: (context, args) =>
    args.words[0] === undefined ? restoreByWords(context, args) : restoreFile(context, args, args.words[0]),
};

async function restoreFile({ core, person }: Context, args: Parsed, file: string): Promise<Answer> {
  const found = await openKit(await smallFile(file, 1024 * 1024), await passphraseOf(args, person, false));
  const { place, added, ownWords } = await restoreKit(core.settings.home, found);
  const [current] = found.keks;
  const kek = await loadKek(place);
  if (current !== undefined && kek !== undefined) noteKitFile(core, place, kek.kid);
  const here = await core.findWallet();
  const imported = here === undefined && found.privateKey !== undefined;
  if (imported) await importWallet(core.walletPlace, found.privateKey ?? "");
  const wallet = imported ? place.wallet : here?.address;
  const text = [
    `${added} keys of ${place.wallet} were brought back${added === 0 ? ": all of them were here" : ""}.`,
    ...(ownWords
      ? ["⚠️ This machine has recovery words of its own, and keeps them; the kit's are for what the other stored."]
      : []),
    ...(imported ? ["The wallet's key was in the kit; it is this machine's wallet now."] : []),
    ...(wallet === undefined ? ["The kit holds no wallet key. Import it: `mnemospark wallet import FILE`"] : []),
    ...(wallet !== undefined && wallet !== place.wallet
      ? [`⚠️ This machine's wallet is ${wallet}; it does not see what ${place.wallet} stored.`]
      : []),
    ...(wallet === place.wallet ? ["What is stored: `mnemospark ls`"] : []),
  ].join("\n");
  return { text, data: { wallet: place.wallet, added, importedWallet: imported, kid: kek?.kid ?? null } };
}

async function restoreByWords({ core, person, signal }: Context, args: Parsed): Promise<Answer> {
  const recovery = await identityOf(args, person);
  const place = await keyPlace(core);
  // First of all: what is stored from here on opens with them, too.
  if ((await loadRecipient(place)) === undefined) await keepRecipient(place, recovery.recipient);
  const done = await reclaim(core, recovery.identity, signal);
  const text = [
    `${done.reclaimed} objects open on this machine again${done.already === 0 ? "" : `; ${done.already} did before`}.`,
    ...leftOver(done.left),
    "Another machine that holds the keys of before goes on reading; give it a kit file of this one to read what is stored from now on.",
  ].join("\n");
  return { text, data: { wallet: place.wallet, ...done } };
}

const rotate: Command = {
  name: "rotate",
  summary: "a new key, and every stored object's key wrapped under it; nothing is uploaded again",
  words: [],
  flags: {
    "only-rewrap": { kind: "switch", help: "no new key; what is under older ones comes under the current one" },
  },
  examples: ["keys rotate", "keys rotate only-rewrap:true"],
  async run({ core, call, onStep, signal }, args) {
    const run = async (makeKey: boolean) => runRotate(core, await beginRotate(core, makeKey), { onStep, signal });
    const done = await run(!args.has("only-rewrap"));
    // What was left open was a wrapping without a new key: that is finished now, and the new key still to be made.
    return rotated(done.before === undefined && !args.has("only-rewrap") ? await run(true) : done, call);
  },
};

function rotated({ kid, before, rewrapped, already, left, ...rest }: Rotated, call: Context["call"]): Answer {
  const text = [
    before === undefined
      ? `The current key is ${kid}.`
      : `The current key is ${kid}; ${before} is kept, for what still carries it.`,
    `${rewrapped} objects were wrapped anew${already === 0 ? "" : `, ${already} were before`}; nothing was uploaded.`,
    ...leftOver(left),
    "This protects what leaks from now on. It does not help against a key that has leaked already: whoever has the old key and a copy of an object reads that copy. Store such objects anew, which seals them under new keys:",
    `\`${call("cloud upload PATH name:NAME")}\``,
    ...(before === undefined
      ? []
      : [
          "A recovery kit file made before does not hold the new key, and your other machines do not have it. Make a new one:",
          `\`${call("keys kit file:PATH")}\``,
        ]),
  ].join("\n");
  return { text, data: { rotated: { ...rest, kid, before: before ?? null, rewrapped, already, left } } };
}

function leftOver(left: readonly { readonly name: string; readonly why: string }[]): string[] {
  const lines = left.slice(0, 10).map(({ name, why }) => `⚠️ ${name}: ${why}`);
  return left.length > 10 ? [...lines, `⚠️ and ${left.length - 10} more`] : lines;
}

const out: Command = {
  name: "export",
  summary: "a key into a new private file, as it is; never shown",
  words: [],
  flags: {
    file: { kind: "text", help: "where to; in the client's own directory if not given", also: ["out"] },
    kid: { kind: "text", help: "an older key; the current one if not given" },
  },
  examples: ["keys export file:/media/usb/storage.key"],
  async run({ core }, args) {
    const place = await keyPlace(core);
    const own = join(core.settings.home, "export");
    if (args.text("file") === undefined) await ensurePrivateDirectory(own);
    const kek = await exportKek(place, args.text("kid"), (kid) =>
      resolve(args.text("file") ?? join(own, `${kid}.key`)),
    );
    const text = `Key ${kek.kid} is in ${kek.path} (only you can read it). Whoever has this file reads what is sealed under it.`;
    return { text, data: { kid: kek.kid, file: kek.path } };
  },
};

const recoverOne: Command = {
  name: "recover",
  summary: "get one object back by the recovery words alone",
  words: ["name", "to"],
  flags: {
    name: { kind: "text", help: "its name", also: ["object-key", "key"] },
    to: { kind: "text", help: "where to; the downloads directory if not given", also: ["out", "destination"] },
    ...WORDS_FILE,
    ...AGENT,
  },
  examples: ["keys recover my-notes", "keys recover my-notes to:./notes words-file:./words.txt"],
  async run({ core, person, onStep, signal, agentId }, args) {
    const objectKey = args.text("name") ?? args.words[0];
    if (objectKey === undefined) throw new Fault("bad_arguments", 'Missing required argument "name".');
    const { identity } = await identityOf(args, person);
    const to = args.text("to") ?? args.words[1];
    const destination = to === undefined ? undefined : resolve(to);
    const named = { objectKey, agentId: args.text("agent") ?? agentId, destination };
    const done = await core.fetch({ ...named, identity, onStep, signal });
    const text = [
      `${objectKey} was recovered to ${done.path}.`,
      "The recovery words prove that it is whole, not who made it: anybody can seal for them. Look at what you got.",
    ].join("\n");
    return { text, data: { fetched: done } };
  },
};

async function identityOf(args: Parsed, person: Person | undefined): Promise<RecoveryIdentity> {
  const file = args.text("words-file");
  if (file !== undefined) return readIdentity(Buffer.from(await smallFile(file, 64 * 1024)).toString("utf8"));
  if (person === undefined)
    throw new Fault("person_wanted", "Recovery words are typed by a person at a terminal, never in a chat.", {
      next: "Type the command in a terminal (`mnemospark keys …`), or name a private file with words-file:PATH.",
    });
  return readIdentity(await person.ask("The 24 recovery words, or AGE-SECRET-KEY-1…: ", true));
}

async function passphraseOf(args: Parsed, person: Person | undefined, twice: boolean): Promise<string> {
  const file = args.text("passphrase-file");
  if (file !== undefined)
    return Buffer.from(await smallFile(file, 4096))
      .toString("utf8")
      .replace(/\r?\n$/, "");
  if (person === undefined)
    throw new Fault("person_wanted", "A passphrase is typed by a person at a terminal, never in a chat.", {
      next: "Type the command in a terminal (`mnemospark keys …`), or name a private file with passphrase-file:PATH.",
    });
  const typed = await person.ask("Passphrase: ", true);
  if (twice && typed !== (await person.ask("The same again: ", true)))
    throw new Fault("passphrases_differ", "The two passphrases differ; nothing was written.");
  return typed;
}

async function smallFile(path: string, bytesMax: number): Promise<Uint8Array> {
  const bytes = await readFile(resolve(path));
  if (bytes.length <= bytesMax) return bytes;
  throw new Fault("file_too_large", `${basename(path)} has ${bytes.length} bytes; that is none of ours.`);
}

/** The first is what `keys` alone means. */
export const keyCommands: readonly Command[] = [status, kit, restore, rotate, out, recoverOne];
