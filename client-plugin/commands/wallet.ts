/** `wallet …`: what the agent pays with. A key is never printed: a chat keeps what it was shown, and so does a terminal. */
import { readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { renderUnicodeCompact } from "uqr";
import { getAddress } from "viem";
import { Fault } from "../faults.ts";
import { ensurePrivateDirectory } from "../private-file.ts";
import { createWallet, exportWallet, type FoundWallet, importWallet } from "../wallet-file.ts";
import type { Answer, Command, Context } from "./command.ts";
import { dollars } from "./words.ts";

const EXPLORERS = { 8453: "https://basescan.org", 84532: "https://sepolia.basescan.org" } as const;

const status: Command = {
  name: "status",
  summary: "address, balance, where the key is",
  words: [],
  flags: {},
  examples: ["wallet", "wallet status --json"],
  async run(context) {
    const wallet = await context.core.findWallet();
    if (!wallet) return none(context);
    const balance = await balanceOf(context);
    const { network } = context.core.settings;
    const address = getAddress(wallet.address);
    const text = [
      "☁️ **mnemospark Wallet**",
      "",
      `**Address:** \`${address}\``,
      `**Balance:** ${balance === undefined ? "cannot be read now" : dollars(balance)} USDC on ${network.label}`,
      `**Key:** ${wallet.source}${wallet.path === undefined ? "" : `, ${wallet.path}`}${wallet.pinned ? " (has paid)" : ""}`,
      `${EXPLORERS[network.chainId]}/address/${address}`,
      ...wallet.warnings.map((warning) => `⚠️ ${warning}`),
      "",
      `• \`${context.call("wallet fund")}\` - put USDC on it`,
      `• \`${context.call("cloud status")}\` - caps, what is stored, what is open`,
    ].join("\n");
    return {
      text,
      data: { wallet: view(wallet), balanceMicroUsdc: balance?.toString() ?? null, network: network.caip2 },
    };
  },
};

const balance: Command = {
  name: "balance",
  summary: "USDC on the wallet",
  words: [],
  flags: {},
  examples: ["wallet balance"],
  async run({ core }) {
    const { address, microUsdc } = await core.balance();
    return { text: `${dollars(microUsdc)} USDC`, data: { address, balanceMicroUsdc: microUsdc.toString() } };
  },
};

const create: Command = {
  name: "create",
  summary: "a new wallet, where none is",
  words: [],
  flags: {},
  examples: ["wallet create"],
  async run(context) {
    const wallet = await createWallet(context.core.walletPlace);
    return {
      text: `✅ New wallet created: \`${getAddress(wallet.address)}\`\nKey: ${wallet.path} (keep a copy: \`${context.call("wallet export file:/path/on/a/usb-stick")}\`)\nNext: \`${context.call("wallet fund")}\``,
      data: { wallet: view(wallet) },
    };
  },
};

const bring: Command = {
  name: "import",
  summary: "use a wallet made elsewhere; the key is read from a file, never from the line",
  words: ["file"],
  flags: {},
  examples: ["wallet import ./wallet.key"],
  async run(context, args) {
    const [file] = args.words;
    if (file === undefined)
      throw new Fault("bad_arguments", "Which file holds the key?", { next: "wallet import FILE" });
    const wallet = await importWallet(context.core.walletPlace, await readFile(resolve(file), "utf8"));
    return {
      text: `✅ Wallet imported: \`${getAddress(wallet.address)}\`\nThe file it came from still holds the key; put it away.`,
      data: { wallet: view(wallet) },
    };
  },
};

const out: Command = {
  name: "export",
  summary: "the private key into a new private file; never shown",
  words: [],
  flags: { file: { kind: "text", help: "where to; in the client's own directory if not given", also: ["out"] } },
  examples: ["wallet export file:/media/usb/wallet.key"],
  async run(context, args) {
    const wallet = await context.core.findWallet();
    if (!wallet) return none(context);
    const name = `wallet-${wallet.address.slice(2, 10)}.key`;
    const own = join(context.core.settings.home, "export");
    if (args.text("file") === undefined) await ensurePrivateDirectory(own);
    const path = resolve(args.text("file") ?? join(own, name));
    await exportWallet(wallet, path);
    return {
      text: `The key of \`${getAddress(wallet.address)}\` is in ${path} (only you can read it). Whoever has this file has the money.`,
      data: { address: wallet.address, file: path },
    };
  },
};

const fund: Command = {
  name: "fund",
  summary: "where to send USDC, as a QR code",
  words: [],
  flags: {},
  examples: ["wallet fund"],
  async run(context) {
    const wallet = await context.core.findWallet();
    if (!wallet) return none(context);
    const { network } = context.core.settings;
    const address = getAddress(wallet.address);
    const link = `ethereum:${network.usdc}@${network.chainId}/transfer?address=${address}`;
    const text = [
      `Send USDC on **${network.label}** (chain ${network.chainId}, token \`${network.usdc}\`) to:`,
      "",
      `\`${address}\``,
      "",
      "```",
      renderUnicodeCompact(address, { border: 2 }),
      "```",
      "A few dollars are plenty to begin with. No ether is needed: the service pays the gas.",
      "Other tokens or other networks sent there are not seen by mnemospark.",
    ].join("\n");
    return { text, data: { address, network: network.caip2, token: network.usdc, link } };
  },
};

function none(context: Context): Answer {
  const text = `No mnemospark wallet found. Make one with \`${context.call("wallet create")}\`, or import one with \`mnemospark wallet import FILE\`.`;
  return { text, data: { wallet: null } };
}

function view(wallet: FoundWallet) {
  const { address, source, path, pinned, warnings } = wallet;
  return { address: getAddress(address), source, path: path ?? null, hasPaid: pinned, warnings };
}

async function balanceOf({ core }: Context): Promise<bigint | undefined> {
  return core.balance().then(
    ({ microUsdc }) => microUsdc,
    () => undefined,
  );
}

/** The first is what `wallet` alone means. */
export const walletCommands: readonly Command[] = [status, balance, create, bring, out, fund];
