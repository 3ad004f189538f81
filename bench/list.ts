/**
 * How long a page of a list takes where a wallet keeps 10,000 objects, and how often it asks S3. One object is bought and stored
 * through the door; the others are put into S3 and into the wallet's rows beside it, while the edge is down. Then the whole list is
 * read through the door, page by page. The Worker runs under `wrangler dev`, which is many times slower than the platform: S3 calls
 * are exact, milliseconds are an upper bound.
 *
 *   node bench/list.ts [objects]      default 10000
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { AwsV4Signer } from "aws4fetch";
import { ListReply } from "#contract/objects";
import { ask, read } from "../test/live/door.ts";
import { contentOf, REGION, storeBytes } from "../test/live/shop.ts";
import { type Live, startLive } from "../test/live/stack.ts";

const objects = Number(process.argv[2] ?? 10_000);
const AT_ONCE = 40;
const BYTES = "seeded for the bench";

function databaseOf(live: Live): DatabaseSync {
  const files = readdirSync(live.stack.paths.edge, { recursive: true, encoding: "utf8" });
  for (const file of files.filter((name) => name.endsWith(".sqlite"))) {
    const database = new DatabaseSync(join(live.stack.paths.edge, file));
    const has = database.prepare("SELECT 1 FROM sqlite_master WHERE name = 'orders'").get();
    if (has && database.prepare("SELECT 1 FROM orders").get()) return database;
    database.close();
  }
  throw new Error("no wallet's rows were found");
}

/** The one order and its plan again under other names; answers the S3 keys they claim to have. */
function seedRows(live: Live): string[] {
  const database = databaseOf(live);
  const [order] = database.prepare("SELECT * FROM orders").all();
  const [plan] = database.prepare("SELECT * FROM plans").all();
  if (!order || !plan) throw new Error("the first object has no rows");
  const insert = (table: string, row: Record<string, unknown>) => {
    const names = Object.keys(row);
    const marks = names.map(() => "?").join(", ");
    database
      .prepare(`INSERT INTO ${table} (${names.join(", ")}) VALUES (${marks})`)
      .run(...(Object.values(row) as (string | number | null)[]));
  };
  const keys: string[] = [];
  database.exec("BEGIN");
  for (let n = 1; n < objects; n++) {
    const serial = n.toString(16).padStart(24, "0");
    const order_id = `${String(order["order_id"]).slice(0, -24)}${serial}`;
    const object_key = `object ${String(n).padStart(6, "0")}.age`;
    const s3_key = `agent=main/${object_key}/${serial}.1`;
    insert("orders", { ...order, order_id, object_key, object_id: object_key });
    insert("plans", { ...plan, order_id, s3_key, length_bytes: BYTES.length });
    keys.push(s3_key);
  }
  database.exec("COMMIT");
  database.close();
  return keys;
}

async function seedStore(live: Live, bucket: string, keys: readonly string[]): Promise<void> {
  const left = [...keys];
  const worker = async () => {
    for (let key = left.pop(); key !== undefined; key = left.pop()) {
      const path = key.split("/").map(encodeURIComponent).join("/");
      const signer = new AwsV4Signer({
        method: "PUT",
        url: `${live.stack.urls.s3}/${bucket}/${path}`,
        body: BYTES,
        ...live.stack.keys.s3,
        service: "s3",
        region: REGION,
      });
      const { url, method, headers, body } = await signer.sign();
      const answer = await fetch(url, { method, headers, body: body as string });
      if (!answer.ok) throw new Error(`S3 refused ${key}: ${answer.status} ${await answer.text()}`);
      await answer.arrayBuffer();
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
}

function callsOf(live: Live): number {
  const log = readFileSync(join(live.stack.paths.logs, "s3.log"), "utf8");
  return log.split("\n").filter((line) => /"operation":"(?:ListObjects|HeadObject|GetObject)/.test(line)).length;
}

const live = await startLive({ wallets: 1 });
try {
  const owner = live.wallet();
  const { plan } = await storeBytes(live.edge, owner, "object 000000.age", contentOf(BYTES));
  await live.kill("edge");
  const keys = seedRows(live);
  const seedMs = performance.now();
  await seedStore(live, plan.bucket_name, keys);
  console.log(`${objects} objects seeded in ${((performance.now() - seedMs) / 1000).toFixed(0)} s`);
  await live.restart("edge");
  const list = async (body: object) => {
    const startMs = performance.now();
    const said = await ask(live.edge, {
      path: "/storage/ls",
      by: owner,
      body: { wallet_address: owner.address, ...body },
    });
    return { page: read(ListReply, said), ms: performance.now() - startMs, bytes: JSON.stringify(said.json).length };
  };
  await list({ max_keys: 1 });
  for (const max_keys of [1_000, 100, 10]) {
    const before = callsOf(live);
    const times: number[] = [];
    const names: string[] = [];
    let token: string | null = null;
    let bytes = 0;
    do {
      const got: Awaited<ReturnType<typeof list>> = await list({
        max_keys,
        ...(token === null ? {} : { continuation_token: token }),
      });
      times.push(got.ms);
      names.push(...got.page.objects.map(({ key }) => key));
      bytes = Math.max(bytes, got.bytes);
      token = got.page.next_continuation_token;
    } while (token !== null && (max_keys > 10 || times.length < 100));
    times.sort((left, right) => left - right);
    const at = (part: number) => (times[Math.floor((times.length - 1) * part)] ?? 0).toFixed(0);
    const unique = new Set(names).size === names.length ? "each once" : "SOME TWICE";
    const calls = ((callsOf(live) - before) / times.length).toFixed(2);
    console.log(
      `pages of ${max_keys}: ${times.length} pages, ${names.length} objects, ${unique}; ms a page median ${at(0.5)}, p95 ${at(0.95)}; S3 calls a page ${calls}; largest ${(bytes / 1000).toFixed(0)} KB`,
    );
  }
  const { page, ms } = await list({ prefix: "object 0077", max_keys: 1_000 });
  console.log(`prefix: ${page.objects.length} objects in ${ms.toFixed(0)} ms`);
} finally {
  await live.stop();
}
