/** What can be wrong with the owner's secrets on disk, told by the command line's own core: real files, real modes, real owners. */
import { chmod, chown, cp, mkdir, readFile, rename, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { generatePrivateKey, privateKeyToAddress } from "viem/accounts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { addrHash, parseWallet } from "#contract/wallet";
import type { Context } from "../../../client-plugin/commands/command.ts";
import { runCommand } from "../../../client-plugin/commands/index.ts";
import { readSettings } from "../../../client-plugin/config.ts";
import { Core } from "../../../client-plugin/core.ts";
import { loadOrCreateKek } from "../../../client-plugin/keys.ts";
import { scratch } from "../fixture.ts";
import { type Service, startService } from "../service.ts";
import { attack, sentenceOf } from "./table.ts";

let service: Service;
beforeAll(async () => {
  service = await startService();
});
afterAll(() => service.close());

const room = scratch();
const NOBODY = 65_534;
const isRoot = process.getuid?.() === 0;
let serial = 0;

interface Place {
  readonly state: string;
  readonly home: string;
  readonly walletPath: string;
  readonly keysDir: string;
  readonly keyPath: string;
  readonly privateKey: string;
}

/** A home with a wallet and its encryption key. */
async function place(): Promise<Place> {
  const state = join(room, `state-${serial++}`);
  const home = join(state, "mnemospark");
  const privateKey = generatePrivateKey();
  const wallet = parseWallet(privateKeyToAddress(privateKey));
  if (wallet === undefined) throw new Error("invariant: a key has an address");
  const walletPath = join(home, "key", "wallet.key");
  await mkdir(join(home, "key"), { recursive: true, mode: 0o700 });
  await writeFile(walletPath, `${privateKey}\n`, { mode: 0o600 });
  await loadOrCreateKek({ dir: home, wallet });
  const keysDir = join(home, "keys");
  return { state, home, walletPath, keysDir, keyPath: join(keysDir, `${addrHash(wallet)}.key`), privateKey };
}

function openCore({ state, home }: Place, config: Record<string, unknown> = {}): Promise<Core> {
  // No chain and no proxy: only the files are looked at.
  const away = { baseUrl: service.url, network: "base-sepolia", rpcUrl: "http://127.0.0.1:9", proxyPort: 9 };
  return Core.open(readSettings({ environment: {}, stateDir: state, config: { ...away, home, ...config } }));
}

/** What a person reads who types it. */
async function typed(at: Place, line: string, config: Record<string, unknown> = {}): Promise<string> {
  const core = await openCore(at, config);
  const context: Context = { core, call: (text) => `mnemospark ${text}`, background() {}, isChat: false };
  try {
    return (await runCommand(context, line.split(" "))).text;
  } finally {
    core.close();
  }
}

async function sealing(at: Place): Promise<string> {
  const core = await openCore(at);
  try {
    await writeFile(join(room, "notes.txt"), "remember me");
    return await sentenceOf(core.store({ path: join(room, "notes.txt"), until: "seal" }));
  } finally {
    core.close();
  }
}

async function planted(path: string): Promise<void> {
  await rename(path, `${path}.elsewhere`);
  await symlink(`${path}.elsewhere`, path);
}

describe("links", () => {
  attack("The key directory is a symbolic link", async () => {
    const at = await place();
    await planted(at.keysDir);
    return sealing(at);
  });
  attack("The encryption key is a symbolic link", async () => {
    const at = await place();
    await planted(at.keyPath);
    return sealing(at);
  });
  attack("The wallet's key is a symbolic link", async () => {
    const at = await place();
    await planted(at.walletPath);
    return sealing(at);
  });
  attack("The client's directory is a symbolic link", async () => {
    const at = await place();
    await planted(at.home);
    return sentenceOf(openCore(at));
  });
});

describe("modes and owners", () => {
  attack("The wallet's key is readable by everybody", async () => {
    const at = await place();
    await chmod(at.walletPath, 0o644);
    const said = await typed(at, "wallet status");
    expect((await stat(at.walletPath)).mode & 0o777).toBe(0o600);
    return said;
  });
  attack("The encryption key is readable by everybody", async () => {
    const at = await place();
    await chmod(at.keyPath, 0o640);
    const said = await typed(at, "cloud doctor");
    expect((await stat(at.keyPath)).mode & 0o777).toBe(0o600);
    return said;
  });
  attack("The client's directory is open to everybody", async () => {
    const at = await place();
    await chmod(at.home, 0o755);
    const said = await typed(at, "cloud doctor");
    expect((await stat(at.home)).mode & 0o777).toBe(0o700);
    return said;
  });
  if (isRoot)
    attack("A key that another user put there", async () => {
      const at = await place();
      await chown(at.walletPath, NOBODY, NOBODY);
      return sealing(at);
    });
  else console.error("\n*** not root: a key that belongs to another user is NOT tried here ***\n");
});

describe("content", () => {
  test("a wallet's key without 0x is read and left as it is", async () => {
    const at = await place();
    const text = at.privateKey.slice(2);
    await writeFile(at.walletPath, text);
    expect(await typed(at, "wallet status")).toContain(privateKeyToAddress(at.privateKey as `0x${string}`));
    expect(await sentenceOf(typed(at, "wallet create"))).toMatch(/There is a wallet already/);
    expect(await readFile(at.walletPath, "utf8")).toBe(text);
  });
  attack("A wallet's key that does not parse", async () => {
    const at = await place();
    const text = at.privateKey.slice(0, 60);
    await writeFile(at.walletPath, text);
    const said = await sealing(at);
    for (const line of ["wallet create", "wallet status", "wallet export"])
      expect(await sentenceOf(typed(at, line))).toBe(said);
    expect(await readFile(at.walletPath, "utf8")).toBe(text);
    expect(said).not.toContain(text.slice(2));
    return said;
  });
  attack("An encryption key that does not parse", async () => {
    const at = await place();
    await writeFile(at.keyPath, "x".repeat(31));
    const said = await sealing(at);
    expect(await readFile(at.keyPath, "utf8")).toBe("x".repeat(31));
    return said;
  });
  attack("A wallet is made where there is one", async () => sentenceOf(typed(await place(), "wallet create")));
  attack("A key is exported over a file", async () => {
    const at = await place();
    const path = join(at.state, "out.key");
    await writeFile(path, "mine");
    const said = await sentenceOf(typed(at, `wallet export file:${path}`));
    expect(await readFile(path, "utf8")).toBe("mine");
    return said;
  });
  attack("A secret reference that the host could not resolve", async () =>
    sentenceOf(typed(await place(), "wallet status", { walletKey: { source: "env", id: "MISSING" } })),
  );
  attack("A journal that is none", async () => {
    const at = await place();
    await writeFile(join(at.home, "journal.db"), "x".repeat(4096), { mode: 0o600 });
    return sentenceOf(openCore(at));
  });
});

describe("two wallets", () => {
  attack("Another wallet lies beside the one that pays", async () => {
    const at = await place();
    await mkdir(join(at.state, "blockrun"), { mode: 0o700 });
    await writeFile(join(at.state, "blockrun", "wallet.key"), generatePrivateKey(), { mode: 0o600 });
    return typed(at, "wallet status");
  });
  attack("The wallet that has paid is gone", async () => {
    const at = await place();
    const address = privateKeyToAddress(at.privateKey as `0x${string}`).toLowerCase();
    await writeFile(join(at.home, "paying-wallet.json"), JSON.stringify({ address }), { mode: 0o600 });
    await writeFile(at.walletPath, generatePrivateKey(), { mode: 0o600 });
    return sealing(at);
  });
  attack("What one wallet began is taken up by another", async () => {
    const at = await place();
    expect(await sealing(at)).toMatch(/nothing was refused/);
    await cp(at.walletPath, join(at.home, "before.key"));
    await writeFile(at.walletPath, generatePrivateKey(), { mode: 0o600 });
    const core = await openCore(at);
    try {
      const [operation] = core.operations.list({ openOnly: true, limit: 1 });
      if (operation === undefined) throw new Error("invariant: a sealed store waits");
      return await sentenceOf(core.resume(operation));
    } finally {
      core.close();
    }
  });
});
