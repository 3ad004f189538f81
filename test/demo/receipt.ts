/** The end of the demo, as a person enjoys reading it. */
import { formatDollars } from "#contract/money";
import type { Receipt } from "./job.ts";
import { sizeOf } from "./progress.ts";

const WIDTH = 74;

export function drawReceipt(receipt: Receipt): string {
  const { price, payment, stored } = receipt;
  const dollars = (amount: string) => formatDollars(BigInt(amount));
  const rows: (string | [string, string])[] = [
    "mnemospark",
    ["what", `${receipt.files.toLocaleString("en")} files, ${sizeOf(receipt.plainBytes)}`],
    ["sealed", `${sizeOf(receipt.sealedBytes)} (${receipt.sealedBytes.toLocaleString("en")} bytes, age v1)`],
    ["wallet", receipt.wallet],
    ["it had", `${dollars(receipt.fundedMicroUsdc)} USDC and ${receipt.etherWei} wei of ether`],
    "-",
    ["30 days of storage", dollars(price.parts.storage)],
    ["requests", dollars(price.parts.requests)],
    [`${price.included.downloads} downloads`, dollars(price.parts.egress)],
    [price.parts.minimum_applied ? "up to the minimum" : "markup", dollars(price.parts.markup)],
    ["paid", `${dollars(price.amount)} USDC, by x402`],
    "-",
    ["transaction", short(payment.txHash)],
    ["block", `${payment.block} on ${payment.network}`],
    ["gas", `${Number(payment.gasUsed).toLocaleString("en")}, paid by our relayer`],
    "-",
    ["bytes went to", `${stored.host} (S3), not through us`],
    ["bucket", stored.bucket],
    ["key", middle(stored.key, 48)],
    ["sha-256", short(stored.sha256)],
    ["paid through", stored.paidThrough.slice(0, 16).replace("T", " ")],
    "-",
    ...Object.entries(receipt.seconds).map(([step, seconds]): [string, string] => [step, `${seconds.toFixed(2)} s`]),
    ["empty wallet to stored", `${receipt.secondsToFirstStore.toFixed(1)} s`],
    "-",
    ["compared", `${receipt.compared.files.toLocaleString("en")} files, ${sizeOf(receipt.compared.bytes)}`],
    ["identical", receipt.identical ? "yes" : "NO"],
    ["deleted", receipt.deleted ? "yes, nothing is listed any more" : "NO"],
  ];
  return ["", `┌${"─".repeat(WIDTH)}┐`, ...rows.map(drawRow), `└${"─".repeat(WIDTH)}┘`, ""].join("\n");
}

function drawRow(row: string | [string, string]): string {
  if (row === "-") return `├${"╌".repeat(WIDTH)}┤`;
  if (typeof row === "string") return `│${center(row)}│`;
  const [name, value] = row;
  return `│ ${name.padEnd(22)} ${value.padEnd(WIDTH - 25)} │`;
}

function center(text: string): string {
  const left = Math.floor((WIDTH - text.length) / 2);
  return `${" ".repeat(left)}${text}`.padEnd(WIDTH);
}

function short(hash: string): string {
  return `${hash.slice(0, 18)}…${hash.slice(-8)}`;
}

function middle(text: string, width: number): string {
  return text.length <= width ? text : `${text.slice(0, width / 2 - 1)}…${text.slice(-width / 2)}`;
}
