/**
 * The published client as a plugin of a real OpenClaw, spoken to by slash commands: `npm run published-client`. Prints what is said
 * and fails where a step does.
 */
import { createHash, randomBytes } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { transfersFrom } from "../live/chain.ts";
import { startLive } from "../live/stack.ts";
import { freePort, Gateway } from "../openclaw/gateway.ts";
import { openclawDirectory } from "../openclaw/install.ts";
import { archiveOf, CLI, ended, environment, said } from "./client.ts";
import { startMainnet } from "./mainnet.ts";

/**
 * The two agents that the plugin would add to the roster by itself: its way of writing it is refused by a host of today, because its
 * list leaves `main` out. Without them `openclaw cron add` fails, after the upload.
 */
const AGENTS = ["mnemospark-renewal", "mnemospark"].map((id) => ({
  id,
  tools: { deny: ["subagents"], exec: { ask: "off" } },
}));

const host = openclawDirectory();
if (!("directory" in host)) throw new Error(host.reason);
const scratch = mkdtempSync(join(tmpdir(), "in-openclaw-"));
const live = await startLive({ wallets: 1 });
const mainnet = await startMainnet(live.stack.chain);
const buyer = live.wallet();
const { privateKey } = buyer;
const variables = {
  ...environment({ home: scratch, edge: live.edge, privateKey, mainnet }, await freePort()),
  PATH: `${join(dirname(host.directory), ".bin")}:${dirname(process.execPath)}:/usr/bin:/bin`,
  // Its cron job would name the copy that a host of today makes of a plugin for one run.
  MNEMOSPARK_CLI_PATH: CLI,
  OPENCLAW_SKIP_CRON: "0",
};
const gateway = await Gateway.create({
  ...{ openclaw: host.directory, home: scratch, plugin: {}, modelPort: 9 },
  ...{ agents: [{ id: "main" }, ...AGENTS], load: [dirname(dirname(CLI))], variables },
});
try {
  await gateway.start();
  await story();
} finally {
  await gateway.stop();
  await mainnet.stop();
  await live.stop();
  rmSync(scratch, { recursive: true, force: true, maxRetries: 5 });
}

async function say(command: string, wanted: string): Promise<string> {
  const text = await gateway.chat(`/mnemospark ${command}`);
  console.log(`\n> /mnemospark ${command}\n${text}`);
  return having(text, wanted);
}

function having(text: string, wanted: string): string {
  if (!text.includes(wanted)) throw new Error(`wanted ${JSON.stringify(wanted)} in:\n${text}`);
  return text;
}

async function story(): Promise<void> {
  const wallet = `wallet-address:${buyer.address}`;
  await say("wallet", buyer.address);
  for (const [name, sizeBytes] of [
    ["small", 20_000],
    ["large", 6_000_000],
  ] as const) {
    const file = join(scratch, `${name}.bin`);
    writeFileSync(file, randomBytes(sizeBytes));
    const backup = await say(`cloud backup ${file} name:${name}`, "object-id");
    const [id, hash, gb] = ["object-id", "object-id-hash", "object-size"].map((field) => said(backup, field));
    const object = `${wallet} object-id:${id} object-id-hash:${hash}`;
    const priced = await say(`cloud price-storage ${object} gb:${gb} provider:aws region:us-east-1`, "storage quote");
    const quote = /storage quote `([^`]+)`/.exec(priced)?.[1];
    await say(`cloud upload quote-id:${quote} ${object} name:${name}`, "has been stored using");
    const archive = readFileSync(archiveOf(await say(`cloud download ${wallet} object-key:${id}`, " downloaded to ")));
    if (createHash("sha256").update(archive).digest("hex") !== hash) throw new Error("other bytes came back");
  }
  await say(`cloud ls ${wallet}`, "small");
  await say(`cloud ls-web ${wallet}`, "/app#code=");
  await say(`cloud delete ${wallet} name:small latest:true`, "has been deleted");
  const listed = await gateway.cli(["cron", "list", "--all", "--json"]);
  const jobs = (JSON.parse(listed.out) as { jobs: Job[] }).jobs.filter((job) => job.name.startsWith("Mnemospark"));
  if (jobs.length !== 1) throw new Error(`${jobs.length} renewals are planned, wanted that of the object that is left`);
  const command = jobs[0]?.payload.message.replace(/^Command: /, "") ?? "";
  const renewed = await ended("/bin/sh", ["-c", command], { ...variables, HOME: scratch });
  console.log(`\n$ ${command}\n${having(renewed.text, "Payment settled for object")}`);
  const paid = await transfersFrom(live.stack, buyer.address);
  if (paid.length !== 3) throw new Error(`${paid.length} transfers, wanted two uploads and one renewal`);
  console.log(`\npaid ${paid.map(({ amount }) => amount).join(", ")} micro-USDC; both objects came back byte for byte`);
}

interface Job {
  readonly name: string;
  readonly payload: { readonly message: string };
}
