/** The same questions put to the public door: is what was bought there, is its payment settled, do the bytes come back? */
import { createHash } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { DownloadReply, StatReply } from "#contract/objects";
import { PaymentReply } from "#contract/settling";
import { type Ask, ask, read, type Said } from "../door.ts";
import type { PaymentRow } from "./books.ts";
import type { Told } from "./shoppers.ts";

export interface Inspected {
  readonly downloads: number;
  readonly payments: number;
  readonly differences: string[];
}

export async function inspect(
  edge: string,
  told: readonly Told[],
  payments: readonly PaymentRow[],
): Promise<Inspected> {
  const stored = told.filter((each) => each.stored);
  // Rivals share a name; each object is looked at once.
  const objects = [
    ...new Map(stored.map((each) => [`${each.errand.buyer.address} ${each.errand.name}`, each])).values(),
  ];
  const accounts = new Map(told.map(({ errand }) => [errand.buyer.address.toLowerCase(), errand.buyer]));
  const looked = await inTurns(8, objects, (each) => lookAt(edge, each));
  const asked = await inTurns(8, payments, async (row) => {
    const by = accounts.get(row.wallet);
    if (!by) return `payment ${row.paymentId} is of ${row.wallet}, who bought nothing`;
    const said = read(PaymentReply, await admitted(edge, { method: "GET", path: `/payments/${row.paymentId}`, by }));
    const same = said.payment_state === row.state && said.order_id === row.orderId && said.trans_id === row.txHash;
    return same ? undefined : `payment ${row.paymentId}: the door says ${JSON.stringify(said)}`;
  });
  const differences = [...looked, ...asked].filter((each) => each !== undefined);
  return { downloads: objects.length, payments: payments.length, differences };
}

/** As the buyers do: all of this comes from one address, which the door counts. */
async function admitted(edge: string, asked: Ask): Promise<Said> {
  for (let tries = 0; ; tries++) {
    const said = await ask(edge, asked);
    if (said.status !== 429 || tries === 5) return said;
    await sleep(Number(said.headers.get("retry-after") ?? 1) * 1000);
  }
}

async function lookAt(edge: string, { errand, paid }: Told): Promise<string | undefined> {
  const { buyer, name, content } = errand;
  const body = { wallet_address: buyer.address, object_key: name };
  const stat = read(StatReply, await admitted(edge, { path: "/storage/ls", by: buyer, body }));
  if (stat.trans_id !== paid?.txHash || stat.content_sha256 !== content.sha256)
    return `${buyer.address} ${name}: ls says ${JSON.stringify(stat)}`;
  const { download_url } = read(DownloadReply, await admitted(edge, { path: "/storage/download", by: buyer, body }));
  const bytes = Buffer.from(await (await fetch(download_url)).arrayBuffer());
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  return sha256 === content.sha256 ? undefined : `${buyer.address} ${name}: ${bytes.length} other bytes come back`;
}

/** At most so many at a time; a throw becomes its sentence. */
export async function inTurns<T, R>(
  atOnce: number,
  items: readonly T[],
  work: (item: T) => Promise<R>,
): Promise<(R | string)[]> {
  const results: (R | string)[] = [];
  const queue = items.entries();
  const hand = async () => {
    for (const [index, item] of queue)
      results[index] = await work(item).catch((error: unknown) =>
        error instanceof Error ? error.message : String(error),
      );
  };
  await Promise.all(Array.from({ length: atOnce }, hand));
  return results;
}
