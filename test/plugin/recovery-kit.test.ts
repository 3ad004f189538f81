/** The kit, proven by a restore on a wiped home: everything that was sealed opens again. */
import { rmSync, statSync, writeFileSync } from "node:fs";
import { mkdtemp } from "node:fs/promises";
import { join } from "node:path";
import { identityToRecipient } from "age-encryption";
import { privateKeyToAccount } from "viem/accounts";
import { describe, expect, test } from "vitest";
import { addrHash } from "#contract/wallet";
import { newRecovery, readRecovery } from "../../client-plugin/envelope/identity.ts";
import { open, recover } from "../../client-plugin/envelope/open.ts";
import { kekLookup, loadKek, loadOrCreateKek, rotateKek } from "../../client-plugin/keys.ts";
import { keepRecipient, loadRecipient, openKit, restoreKit, sealKit } from "../../client-plugin/recovery-kit.ts";
import type { Signer } from "../../client-plugin/signer.ts";
import { kekOfWallet } from "../../client-plugin/wallet-kek.ts";
import {
  collect,
  context,
  otherWallet,
  patterned,
  pieces,
  recovery,
  refusal,
  scratch,
  sealed,
  wallet,
} from "./fixture.ts";

const root = scratch();
const PASSPHRASE = "correct horse battery";
/** Quick; the real work factor takes a second a time. */
const LOG_N = 10;

async function home() {
  return { dir: await mkdtemp(join(root, "home-")), wallet };
}

describe("the words", () => {
  test("say the identity again, in any case and spacing, and so does the age spelling", async () => {
    const made = newRecovery();
    expect(made.words.split(" ")).toHaveLength(24);
    expect(await identityToRecipient(made.identity)).toBe(made.recipient);
    expect(readRecovery(`  ${made.words.toUpperCase().replaceAll(" ", ",\n ")} `)).toEqual(made);
    expect(readRecovery(made.identity.toLowerCase())).toEqual(made);
    expect(newRecovery().words).not.toBe(made.words);
  });

  test("are refused when one is missing, unknown, or another", () => {
    const words = newRecovery().words.split(" ");
    const refusalOf = (text: string) => {
      try {
        return readRecovery(text).recipient;
      } catch (error) {
        return error instanceof Error ? error.message : "";
      }
    };
    expect(refusalOf(words.slice(1).join(" "))).toContain("these are 23");
    expect(refusalOf([...words.slice(0, 6), "mnemospark", ...words.slice(7)].join(" "))).toContain("Word 7");
    const known = readRecovery(recovery.identity).words.split(" ");
    expect(refusalOf([known[1], known[0], ...known.slice(2)].join(" "))).toContain("checksum");
    expect(refusalOf(`${recovery.identity.slice(0, -1)}Q`)).toContain("mistyped");
  });

  test("alone open an object, on a machine that has nothing else", async () => {
    const made = newRecovery();
    const plain = patterned(100_000);
    const object = await sealed(plain, { recovery: made.recipient });
    const opened = recover({ source: pieces(object), identity: readRecovery(made.words).identity });
    expect((await collect(opened)).equals(plain)).toBe(true);
  });
});

describe("the kit file", () => {
  test("brings a wiped home back: objects under the current and the older key open", async () => {
    const before = await home();
    const first = await loadOrCreateKek(before);
    const plain = patterned(70_000);
    const older = await sealed(plain, { kek: first.kek });
    const { current } = await rotateKek(before);
    const newer = await sealed(plain, { kek: current.kek });
    const { recipient } = newRecovery();
    await keepRecipient(before, recipient);
    const file = await sealKit(before, PASSPHRASE, `0x${"11".repeat(32)}`, LOG_N);
    rmSync(before.dir, { recursive: true });

    const after = await home();
    const kit = await openKit(file, PASSPHRASE);
    expect(kit).toMatchObject({ wallet, recipient, privateKey: `0x${"11".repeat(32)}` });
    expect((await restoreKit(after.dir, kit)).added).toBe(2);
    expect((await restoreKit(after.dir, kit)).added).toBe(0);
    expect((await loadKek(after))?.kid).toBe(current.kid);
    expect(await loadRecipient(after)).toBe(recipient);
    expect(statSync(join(after.dir, "keys", `${addrHash(wallet)}.recovery`)).mode & 0o777).toBe(0o600);
    for (const object of [older, newer]) {
      const opened = open({ source: pieces(object), kekFor: kekLookup(after), context });
      expect((await collect(opened)).equals(plain)).toBe(true);
    }
  });

  test("replaces nothing: a machine with a key of its own keeps it, and has the kit's beside it", async () => {
    const [one, two] = [await home(), await home()];
    const theirs = await loadOrCreateKek(one);
    const own = await loadOrCreateKek(two);
    await restoreKit(two.dir, await openKit(await sealKit(one, PASSPHRASE, undefined, LOG_N), PASSPHRASE));
    expect((await loadKek(two))?.kid).toBe(own.kid);
    expect(await kekLookup(two)(theirs.kid)).toEqual(theirs.kek);
    const words = newRecovery().recipient;
    await keepRecipient(two, words);
    await keepRecipient(one, newRecovery().recipient);
    const kit = await openKit(await sealKit(one, PASSPHRASE, undefined, LOG_N), PASSPHRASE);
    expect(await restoreKit(two.dir, kit)).toMatchObject({ added: 0, ownWords: true });
    expect(await loadRecipient(two)).toBe(words);
    expect(await refusal(keepRecipient(two, newRecovery().recipient))).toBe("exists");
  });

  test("of a machine that has rotated since makes its key the current one, and keeps the one before", async () => {
    const [one, two] = [await home(), await home()];
    const { kid: first } = await loadOrCreateKek(one);
    const sealed = async () => openKit(await sealKit(one, PASSPHRASE, undefined, LOG_N), PASSPHRASE);
    await restoreKit(two.dir, await sealed());
    const { current } = await rotateKek(one);
    expect(await restoreKit(two.dir, await sealed())).toMatchObject({ added: 1, ownWords: false });
    expect((await loadKek(two))?.kid).toBe(current.kid);
    expect(await kekLookup(two)(first)).toBeDefined();
  });

  test("is refused with another passphrase, damaged, of another kind, or before there is a key", async () => {
    const place = await home();
    expect(await refusal(sealKit(place, PASSPHRASE, undefined, LOG_N))).toBe("missing");
    await loadOrCreateKek(place);
    expect(await refusal(sealKit(place, "short", undefined, LOG_N))).toBeInstanceOf(RangeError);
    const file = await sealKit(place, PASSPHRASE, undefined, LOG_N);
    expect(await refusal(openKit(file, `${PASSPHRASE}!`))).toBe("not_a_key");
    expect(await refusal(openKit(file.subarray(0, -1), PASSPHRASE))).toBe("not_a_key");
    expect(await refusal(openKit(patterned(100), PASSPHRASE))).toBe("not_a_key");
    writeFileSync(join(place.dir, "keys", `${addrHash(wallet)}.recovery`), "age1nonsense\n", { mode: 0o600 });
    expect(await refusal(loadRecipient(place))).toBe("not_a_key");
  });
});

describe("a key of the wallet itself", () => {
  const account = privateKeyToAccount(`0x${"22".repeat(32)}`) as Signer;

  test("is the same each time and another wallet's is another", async () => {
    const kek = await kekOfWallet(account);
    expect(kek).toHaveLength(32);
    expect(await kekOfWallet(account)).toEqual(kek);
    expect(await kekOfWallet(privateKeyToAccount(`0x${"23".repeat(32)}`) as Signer)).not.toEqual(kek);
    // If this changes, what such wallets stored no longer opens.
    expect(Buffer.from(kek).toString("hex")).toBe("f33911a0e68aac639dc5397af56e178cad73704cec7c99d81036ef956b300b35");
  });

  test("is refused where the wallet signs differently each time", async () => {
    let at = 0;
    const fickle: Signer = {
      address: otherWallet,
      signTypedData: async () => `0x${String(++at).repeat(130)}` as `0x${string}`,
    };
    expect(await refusal(kekOfWallet(fickle))).toBe("not_a_key");
  });
});
