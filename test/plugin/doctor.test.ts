/** `mnemospark doctor`: for each thing that can be wrong, what it says and what it says to type. */
import { chmod, link, mkdir, rm, symlink, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { generatePrivateKey, privateKeyToAddress } from "viem/accounts";
import { afterAll, beforeAll, expect, test } from "vitest";
import { addrHash, parseWallet } from "#contract/wallet";
import { readSettings } from "../../client-plugin/config.ts";
import { Core } from "../../client-plugin/core.ts";
import { diagnose } from "../../client-plugin/doctor.ts";
import { loadOrCreateKek } from "../../client-plugin/keys.ts";
import { noteKitFile } from "../../client-plugin/kit.ts";
import { loadOrCreateToken } from "../../client-plugin/proxy/client.ts";
import { type RunningProxy, startProxy } from "../../client-plugin/proxy/proxy.ts";
import { switchRenewals } from "../../client-plugin/renewals.ts";
import { scratch } from "./fixture.ts";
import { type Lies, PAYEE, type Service, startService } from "./service.ts";

const room = scratch();
const key = generatePrivateKey();
const address = privateKeyToAddress(key);
const wallet = parseWallet(address);
if (wallet === undefined) throw new Error("invariant: a key has an address");
const kekName = `${addrHash(wallet)}.key`;
let service: Service;
/** Says one balance to whoever asks. */
let chain: Server;
let balance = 1_000_000;
let stranger: Server;
const portOf = (server: Server) => (server.address() as AddressInfo).port;

beforeAll(async () => {
  service = await startService();
  chain = createServer(async (request, response) => {
    let text = "";
    for await (const piece of request) text += piece;
    const result = `0x${balance.toString(16).padStart(64, "0")}`;
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify({ jsonrpc: "2.0", id: (JSON.parse(text) as { id: number }).id, result }));
  });
  stranger = createServer((_, response) => response.end("hello"));
  for (const server of [chain, stranger])
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => resolve()));
});
afterAll(async () => {
  await service.close();
  for (const server of [chain, stranger]) {
    server.closeAllConnections();
    server.close();
  }
});

interface Place {
  readonly home: string;
  readonly state: string;
  /** Opens the client on what lies there now. */
  open(): Promise<Core>;
}
interface Wrong {
  readonly config?: Record<string, unknown>;
  readonly lies?: Lies;
  readonly balance?: number;
  readonly withoutKit?: boolean;
  /** Done to a home in which all is well, before it is opened. */
  readonly make?: (place: Place) => Promise<unknown>;
  /** Done to the open client. */
  readonly open?: (core: Core) => Promise<unknown> | unknown;
}

let serial = 0;

/** All findings but the good ones, as a person reads them. */
async function findings(wrong: Wrong): Promise<string[]> {
  const state = join(room, `state-${serial++}`);
  const home = join(state, "mnemospark");
  await mkdir(join(home, "key"), { recursive: true, mode: 0o700 });
  await writeFile(join(home, "key", "wallet.key"), key, { mode: 0o600 });
  const { kid } = await loadOrCreateKek({ dir: home, wallet: wallet as never });
  for (const name of Object.keys(service.lies)) delete service.lies[name as keyof Lies];
  Object.assign(service.lies, wrong.lies);
  balance = wrong.balance ?? 1_000_000;
  const base = { baseUrl: service.url, network: "base-sepolia", rpcUrl: `http://127.0.0.1:${portOf(chain)}` };
  const config = { ...base, approvedPayees: [PAYEE], home, proxyPort: 0, ...wrong.config };
  const open = () => Core.open(readSettings({ environment: {}, stateDir: state, config }));
  await wrong.make?.({ home, state, open });
  const core = await open();
  if (!wrong.withoutKit) noteKitFile(core, { dir: home, wallet: wallet as never }, kid);
  let proxy: RunningProxy | undefined;
  try {
    if (wrong.config === undefined) {
      proxy = await startProxy({ core });
      Object.assign(core.settings.proxy, { port: proxy.at });
    }
    await wrong.open?.(core);
    const found = await diagnose(core);
    return found.filter(({ level }) => level !== "ok").map(({ level, what, next }) => `${level}: ${what} -> ${next}`);
  } finally {
    await proxy?.close();
    core.close();
  }
}

test("where nothing is wrong it finds nothing", async () => {
  expect(await findings({})).toEqual([]);
});

const walletPath = ({ home }: Place) => join(home, "key", "wallet.key");

test.each<[string, Wrong, RegExp]>([
  ["no wallet", { make: (at) => rm(walletPath(at)) }, /^error: There is no wallet\. -> mnemospark wallet create/],
  [
    "a wallet's key that does not parse",
    { make: (at) => writeFile(walletPath(at), "0x12") },
    /^error: .*wallet\.key is not a wallet key.* -> Restore it from a copy/,
  ],
  [
    "a wallet's key behind a link",
    {
      async make(at) {
        await rm(walletPath(at));
        await symlink("/dev/null", walletPath(at));
      },
    },
    /^error: .*not followed\. -> Put the file itself in the link's place/,
  ],
  [
    "a wallet's key that others can read",
    { make: (at) => chmod(walletPath(at), 0o644) },
    /^warning: .*now 600.* -> If others use this machine/,
  ],
  [
    "a key with another name",
    { make: (at) => link(walletPath(at), join(at.state, "copy")) },
    /^error: .*wallet\.key has another name.* -> find \/ -xdev -samefile .*wallet\.key/,
  ],
  [
    "a secret reference that is not resolved",
    { config: { walletKey: { source: "env", id: "X" }, proxy: false } },
    /^error: The configured walletKey is a secret reference.* -> Repair the reference/,
  ],
  [
    "a configured wallet's file that is not there",
    { config: { walletKey: "/nowhere/wallet.key", proxy: false } },
    /^error: The configured wallet file .* does not exist\. -> Bring it back/,
  ],
  [
    "two wallets",
    {
      async make({ state }) {
        await mkdir(join(state, "blockrun"), { mode: 0o700 });
        await writeFile(join(state, "blockrun", "wallet.key"), generatePrivateKey(), { mode: 0o600 });
      },
    },
    /^warning: Another wallet was found.* -> If another one should pay, name it: walletKey/,
  ],
  [
    "the wallet that has paid is gone",
    {
      make: ({ home }) => writeFile(join(home, "paying-wallet.json"), `{"address":"${PAYEE}"}`, { mode: 0o600 }),
    },
    /^error: The wallet that has paid here before, 0x47.* -> Bring it back: `mnemospark wallet import/,
  ],
  [
    "the encryption key is gone after something was sealed",
    {
      async open(core) {
        await writeFile(join(room, "notes.txt"), "remember me");
        await core.store({ path: join(room, "notes.txt"), until: "seal" });
        await rm(join(core.settings.home, "keys", kekName));
      },
    },
    /^error: The encryption key is missing.* -> Restore it from the recovery kit/,
  ],
  [
    "an encryption key that does not parse",
    { make: ({ home }) => writeFile(join(home, "keys", kekName), "x") },
    /^error: .* is not a key: it should hold 32 bytes.* -> Restore it from a copy or the recovery kit/,
  ],
  ["no recovery kit", { withoutKit: true }, /^warning: There is no recovery kit.* -> mnemospark keys kit/],
  [
    "a service on another chain",
    { lies: { health: { network: "eip155:8453" } } },
    /^error: .* takes 0x.* on eip155:8453.* -> Check baseUrl and network/,
  ],
  [
    "a service with another payee",
    { lies: { payTo: `0x${"66".repeat(20)}` } },
    /^error: .* now wants to be paid at 0x66.* -> .*approvedPayees/,
  ],
  [
    "a service that has moved",
    { lies: { answer: () => ({ status: 308, body: {}, headers: { location: "https://elsewhere.example/" } }) } },
    /^error: .* sends this client on to https:\/\/elsewhere\.example.* -> If the service has moved, set baseUrl/,
  ],
  [
    "a chain that does not answer",
    { config: { rpcUrl: "http://127.0.0.1:9", proxy: false } },
    /^error: The balance cannot be read.* -> Check rpcUrl \(MNEMOSPARK_RPC_URL\)/,
  ],
  ["no money", { balance: 0 }, /^warning: The wallet holds no USDC\. -> mnemospark wallet fund/],
  [
    "a proxy's token that is none",
    {
      config: { proxy: false },
      make: ({ home }) => writeFile(join(home, "proxy.token"), "1234", { mode: 0o600 }),
    },
    /^error: .*proxy\.token is no token\. -> rm .*proxy\.token/,
  ],
  [
    "no proxy",
    {
      config: {},
      async open(core) {
        await loadOrCreateToken(core.settings);
        // Nobody can listen there without being root.
        Object.assign(core.settings.proxy, { port: 1 });
      },
    },
    /^warning: No proxy runs at 127\.0\.0\.1:1\. -> It starts with the OpenClaw gateway/,
  ],
  [
    "a proxy's port that somebody else has",
    { config: {}, open: (core) => Object.assign(core.settings.proxy, { port: portOf(stranger) }) },
    /^warning: Something else answers at .* -> Set proxyPort \(MNEMOSPARK_PROXY_PORT\)/,
  ],
  [
    "renewals that are off",
    { open: (core) => switchRenewals(core, false) },
    /^warning: Renewals are off.* -> mnemospark renewals on/,
  ],
  [
    "an operation that was interrupted",
    {
      open: (core) =>
        core.operations.begin({
          kind: "store",
          wallet: wallet as never,
          agentId: "main",
          objectKey: "x",
          facts: { path: "/x", region: "us-east-1" },
        }),
    },
    /^warning: 1 operation\(s\) were interrupted: op_.* -> mnemospark resume/,
  ],
])("%s: it says what and what to type, and nothing else is wrong", async (_, wrong, wanted) => {
  const found = await findings(wrong);
  expect(found).toHaveLength(1);
  expect(found[0]).toMatch(wanted);
});
