/**
 * `npm run botocore`: our adapters against botocore, the SDK in which AWS ships the models of all three services. Needs Python with
 * botocore (`pip install botocore`; `PYTHON` names another interpreter). Exits 1 when a request of ours is not its request, or when
 * `model.json` is not what the botocore says that it names. A newer one may say more: `python3 extract.py > model.json` takes it anew.
 */
import { execFileSync, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { isDeepStrictEqual } from "node:util";
import { parseWallet, type Wallet } from "#contract/wallet";
import { openCalculator } from "../../../worker/adapters/aws/calculator.ts";
import { openForecasts } from "../../../worker/adapters/aws/cost-explorer.ts";
import { openPriceList } from "../../../worker/adapters/aws/price-list.ts";
import type { Heard } from "../../stack/aws/json-server.ts";
import { startPricing } from "../../stack/pricing/server.ts";
import taken from "./model.json" with { type: "json" };

const SERVICES: Readonly<Record<string, string>> = {
  AWSBCMPricingCalculator: "bcm-pricing-calculator",
  AWSPriceListService: "pricing",
  AWSInsightsIndexService: "ce",
};
const TOKENS = ["clientToken", "identifier", "workloadEstimateId"];

const credentials = { accessKeyId: "AKIALOCALEXAMPLE", secretAccessKey: "localSecretAccessKey" };
const heard: Heard[] = [];
const wallet = parseWallet(`0x${"ab".repeat(20)}`) as Wallet;
const tags = { "mnemospark:wallet": wallet };
const server = await startPricing({
  port: 0,
  credentials,
  overhear: (each) => heard.push(each),
  dailyCosts: () => [
    { tags, usageType: "TimedStorage-ByteHrs", service: "Amazon Simple Storage Service", usd: "0.01" },
  ],
});
const parsed = (each: Heard) => {
  const body = JSON.parse(each.body) as Record<string, unknown>;
  for (const name of TOKENS) if (name in body) body[name] = typeof body[name];
  return { ...each, body };
};

const nowMs = Date.now();
const common = { endpoint: server.url, credentials, pause: async () => {} };
await openCalculator({ ...common, accountId: "000000000001", newToken: () => crypto.randomUUID() }).take(
  ["us-east-1"],
  nowMs,
);
await openPriceList(common).take(["us-east-1"], nowMs);
await openForecasts(common).storageCost({ wallet, fromMs: nowMs, untilMs: nowMs + 30 * 86_400_000 }, nowMs);
const ours = heard.splice(0);

const said = ours.map(({ target, body }) => {
  const [service = "", operation = ""] = target.split(".");
  return [SERVICES[service], operation, JSON.parse(body) as object];
});
const program = fileURLToPath(new URL("./client.py", import.meta.url));
// The stand-in answers in this very process: it must not be blocked by the child.
const child = spawn(process.env["PYTHON"] ?? "python3", [program, server.url, ...Object.values(credentials)], {
  stdio: ["pipe", "pipe", "inherit"],
});
child.stdin.end(JSON.stringify(said));
let output = "";
for await (const chunk of child.stdout) output += String(chunk);
await server.stop();
if (output === "") process.exit(1);
const { version, answers } = JSON.parse(output) as { version: string; answers: object[] };

const differing = ours.filter((mine, index) => {
  const theirs = heard[index];
  return theirs === undefined || !isDeepStrictEqual(parsed(mine), parsed(theirs));
});
for (const mine of differing)
  console.error(JSON.stringify({ ours: mine, botocore: heard[ours.indexOf(mine)] }, null, 1));
console.log(
  `botocore ${version}: ${answers.length} answers understood, ${ours.length - differing.length} of ${ours.length} requests equal`,
);
const extract = fileURLToPath(new URL("./extract.py", import.meta.url));
const models = JSON.parse(execFileSync(process.env["PYTHON"] ?? "python3", [extract], { encoding: "utf8" })) as object;
const isSame = isDeepStrictEqual({ ...models, botocore: "" }, { ...taken, botocore: "" });
console.log(`model.json, of botocore ${taken.botocore}, ${isSame ? "is" : "is NOT"} what botocore ${version} says`);
const isFaithful = isSame || version !== taken.botocore;
process.exitCode = differing.length === 0 && heard.length === ours.length && isFaithful ? 0 : 1;
