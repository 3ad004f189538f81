/** Which wallet pays: the order of places, the pin, and files that are not what they should be. */
import { chmodSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { generatePrivateKey, privateKeyToAddress } from "viem/accounts";
import { describe, expect, test } from "vitest";
import {
  createWallet,
  exportWallet,
  findWallet,
  importWallet,
  pinnedWallet,
  pinWallet,
  type WalletPlace,
} from "../../client-plugin/wallet-file.ts";
import { refusal, scratch, walletOf } from "./fixture.ts";

const directory = scratch();
let serial = 0;

function place(configured?: string): WalletPlace {
  const stateDir = join(directory, String(serial++));
  return { stateDir, home: join(stateDir, "mnemospark"), configured };
}

const PATHS = {
  published: ({ home }: WalletPlace) => join(home, "wallet", "wallet.key"),
  blockrun: ({ stateDir }: WalletPlace) => join(stateDir, "blockrun", "wallet.key"),
  own: ({ home }: WalletPlace) => join(home, "key", "wallet.key"),
};

function put(path: string, text: string, mode = 0o600): string {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  writeFileSync(path, text, { mode });
  return path;
}

function keyIn(path: string): { address: string; path: string; text: string } {
  const key = generatePrivateKey();
  put(path, `${key}\n`);
  return { address: privateKeyToAddress(key).toLowerCase(), path, text: `${key}\n` };
}

describe("where it is looked for", () => {
  test("nowhere: there is none", async () => {
    expect(await findWallet(place())).toBeUndefined();
  });

  test("the configured one, then the published client's, then BlockRun's, then ours; the others are named", async () => {
    const at = place();
    const own = keyIn(PATHS.own(at));
    const { address, path } = own;
    expect(await findWallet(at)).toMatchObject({ address, path, source: "mnemospark", warnings: [] });
    const blockrun = keyIn(PATHS.blockrun(at));
    expect((await findWallet(at))?.address).toBe(blockrun.address);
    const published = keyIn(PATHS.published(at));
    const third = await findWallet(at);
    expect(third).toMatchObject({ address: published.address, source: "published client" });
    expect(third?.warnings.join()).toContain(own.address);
    expect(third?.warnings.join()).toContain(blockrun.path);
    const key = generatePrivateKey();
    const configured = await findWallet({ ...at, configured: key });
    expect(configured).toMatchObject({ address: privateKeyToAddress(key).toLowerCase(), path: undefined });
    expect(configured?.warnings).toHaveLength(3);
    for (const each of [own, blockrun, published]) expect(readFileSync(each.path, "utf8")).toBe(each.text);
  });

  test("a configured path is read; one that is not there, or no path at all, stops", async () => {
    const at = place();
    const elsewhere = keyIn(join(at.stateDir, "elsewhere.key"));
    expect(await findWallet({ ...at, configured: elsewhere.path })).toMatchObject({ path: elsewhere.path });
    expect(await refusal(findWallet({ ...at, configured: `${elsewhere.path}x` }))).toBe("missing");
    expect(await refusal(findWallet({ ...at, configured: "deadbeef" }))).toBe("not_a_key");
  });
});

describe("the wallet that has paid", () => {
  test("stays the paying one when another file appears, and is missed when it goes", async () => {
    const at = place();
    const own = keyIn(PATHS.own(at));
    await pinWallet(at, walletOf(own.address));
    keyIn(PATHS.published(at));
    expect(await findWallet(at)).toMatchObject({ address: own.address, pinned: true });
    await pinWallet(at, walletOf(`0x${"12".repeat(20)}`));
    expect(await pinnedWallet(at)).toBe(own.address);
    put(own.path, generatePrivateKey());
    expect(await refusal(findWallet(at))).toBe("missing");
  });

  test("gives way to a configured one, with a warning", async () => {
    const at = place(generatePrivateKey());
    await pinWallet(at, walletOf(`0x${"12".repeat(20)}`));
    const found = await findWallet(at);
    expect(found?.pinned).toBe(false);
    expect(found?.warnings.join()).toContain("has paid here before");
  });

  test("whose pin does not parse stops", async () => {
    const at = place();
    put(join(at.home, "paying-wallet.json"), "{}");
    expect(await refusal(findWallet(at))).toBe("not_a_key");
  });
});

describe("a key file", () => {
  test("without 0x, in capitals or with a line's end is read", async () => {
    const at = place();
    const key = generatePrivateKey();
    put(PATHS.published(at), `${key.slice(2).toUpperCase()}\r\n`);
    expect((await findWallet(at))?.privateKey).toBe(key);
  });

  test.each([
    "",
    "0x",
    "00".repeat(32),
    "ff".repeat(32),
    "12 words are no key",
    `${"ab".repeat(32)}cd`,
    "x".repeat(300),
  ])("that holds %j stops everything and is left as it is", async (text) => {
    const at = place();
    const path = put(PATHS.published(at), text);
    keyIn(PATHS.own(at));
    expect(await refusal(findWallet(at))).toBe("not_a_key");
    expect(await refusal(createWallet(at))).toBe("not_a_key");
    expect(readFileSync(path, "utf8")).toBe(text);
  });

  test("that is a link is not followed", async () => {
    const at = place();
    const { path } = keyIn(join(at.stateDir, "target.key"));
    mkdirSync(dirname(PATHS.own(at)), { recursive: true });
    symlinkSync(path, PATHS.own(at));
    expect(await refusal(findWallet(at))).toBe("not_a_file");
  });

  test("that others may read is closed to them, with a warning", async () => {
    const at = place();
    const { path } = keyIn(PATHS.own(at));
    chmodSync(path, 0o644);
    expect((await findWallet(at))?.warnings.join()).toMatch(/mode 644.*now 600/);
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });
});

describe("a new wallet", () => {
  test("is made privately, once, and exported to a file alone", async () => {
    const at = place();
    const made = await createWallet(at);
    expect(made).toMatchObject({ source: "mnemospark", path: PATHS.own(at) });
    expect(statSync(PATHS.own(at)).mode & 0o777).toBe(0o600);
    expect(statSync(dirname(PATHS.own(at))).mode & 0o777).toBe(0o700);
    expect(await refusal(createWallet(at))).toBe("exists");
    expect(await refusal(importWallet(at, generatePrivateKey()))).toBe("exists");
    const out = join(at.stateDir, "export.key");
    await exportWallet(made, out);
    expect(statSync(out).mode & 0o777).toBe(0o600);
    expect(readFileSync(out, "utf8")).toBe(`${made.privateKey}\n`);
    expect(await refusal(exportWallet(made, out))).toBe("exists");
  });

  test("is not made beside another's, wherever that lies", async () => {
    const at = place();
    keyIn(PATHS.blockrun(at));
    expect(await refusal(createWallet(at))).toBe("exists");
  });

  test("is imported from what a person pastes", async () => {
    const key = generatePrivateKey();
    expect((await importWallet(place(), ` ${key.slice(2)} `)).privateKey).toBe(key);
    expect(await refusal(importWallet(place(), "abandon ability able"))).toBe("not_a_key");
  });
});
