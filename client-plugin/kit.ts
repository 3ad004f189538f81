/** Whether there is a recovery kit and what it covers; the page of words; words as people type them back. */
import type { Wallet } from "#contract/wallet";
import type { Core } from "./core.ts";
import { type RecoveryIdentity, readRecovery } from "./envelope/identity.ts";
import { Fault } from "./faults.ts";
import { type KeyPlace, loadKek } from "./keys.ts";
import { loadRecipient } from "./recovery-kit.ts";

/** @throws Fault `wallet_missing` */
export async function keyPlace(core: Core): Promise<KeyPlace> {
  const wallet = await core.findWallet();
  if (wallet === undefined)
    throw new Fault("wallet_missing", "There is no wallet on this machine; keys belong to one.", {
      next: "`mnemospark wallet create`, `mnemospark wallet import FILE`, or `mnemospark keys restore FILE` with a kit that holds it.",
    });
  return { dir: core.settings.home, wallet: wallet.address };
}

/** A kit file holds the keys up to this one. */
export function noteKitFile(core: Core, place: KeyPlace, kid: string): void {
  core.pins.replace(pinOf(place.wallet), kid);
}

/** What is missing, as a sentence; undefined where nothing is sealed yet, or all of it comes back without this machine. */
export async function adviceOf(core: Core, place: KeyPlace): Promise<string | undefined> {
  const kek = await loadKek(place);
  if (kek === undefined) return undefined;
  const recipient = core.settings.recovery ?? (await loadRecipient(place));
  const covered = core.pins.read(pinOf(place.wallet));
  if (recipient !== undefined || covered === kek.kid) return undefined;
  return covered === undefined
    ? "There is no recovery kit: if this machine is lost, nobody can open what it stored."
    : "The recovery kit file was made before the current key: what is stored now does not come back with it.";
}

function pinOf(wallet: Wallet): string {
  return `kit file ${wallet}`;
}

/** An age identity file that people can read: every line but the last is a comment to age. */
export function recoveryPage({ words, identity, recipient }: RecoveryIdentity, wallet: Wallet): string {
  const list = words.split(" ").map((word, at) => `${String(at + 1).padStart(2)} ${word}`);
  const rows = Array.from({ length: 6 }, (_, row) => list.slice(row * 4, row * 4 + 4).map((each) => each.padEnd(12)));
  return [
    "# mnemospark recovery kit. Print this page, keep it where the machine is not, destroy the file.",
    "# Whoever has these words reads what the wallet stored from the day they were made.",
    "#",
    `# wallet: ${wallet}`,
    `# public key: ${recipient}`,
    "#",
    ...rows.map((row) => `#   ${row.join(" ").trimEnd()}`),
    "#",
    "# On a new machine, with the wallet's key: mnemospark keys restore words-file:THIS_FILE",
    "# Without mnemospark, for an object from the bucket: age -d -i THIS_FILE object.age",
    identity,
    "",
  ].join("\n");
}

/**
 * From a page as above, an age identity file, or the words alone, numbered or not.
 * @throws EnvelopeError `bad_recovery_key`
 */
export function readIdentity(text: string): RecoveryIdentity {
  const key = /AGE-SECRET-KEY-1[0-9A-Z]+/i.exec(text)?.[0];
  return readRecovery(key ?? text.replace(/[#\d.]+/g, " "));
}
