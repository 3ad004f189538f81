/**
 * Those who use the service: careful ones, careless ones, unlucky ones, and thieves. They know the service by its door and the chain by
 * its token; what they do wrong must cost nobody anything.
 */
import { jsonToBase64 } from "#contract/base64";
import { parseWallet, type Wallet } from "#contract/wallet";
import { type Authorization, encodePayment, requirementsOf } from "#contract/x402";
import { Broken, NETWORK, nonceOf, type Reply, send, signAs } from "./edge.ts";
import { PAY_TO, type World } from "./world.ts";

export interface Buyer {
  readonly wallet: Wallet;
  readonly name: string;
}

const TRIES = 6;
const ELSEWHERE = parseWallet(`0x${"77".repeat(20)}`) as Wallet;

export async function act(world: World, buyer: Buyer): Promise<void> {
  const { random } = world;
  const key = `${buyer.name}-${random.between(1, 3)}`;
  const size = random.between(1, 3) * 1_000;
  const plays: (() => Promise<void>)[] = [
    () => careful(world, buyer, key, size),
    () => careful(world, buyer, key, size),
    () => stock(world, buyer, key, size),
    () => twins(world, buyer, key, size),
    () => quoted(world, buyer, key, size),
    () => cheat(world, buyer, key, size),
    () => greedy(world, buyer, key, size),
    () => impatient(world, buyer, key, size),
  ];
  const keeping = [() => keeps(world, buyer, key, size), () => keepsAll(world, buyer, key, size)];
  await random.pick(world.renewing ? [...plays.slice(0, 3), ...keeping, ...keeping] : plays)();
}

/** Pays once and repeats the very same request until it knows. */
async function careful(world: World, buyer: Buyer, key: string, size: number): Promise<void> {
  const body = bare(buyer, key, size, world.random.hex(32));
  const asked = await ask(world, "/storage/upload", body, {});
  const reply =
    asked?.status === 402
      ? await repeat(world, "/storage/upload", body, pay(world, buyer, asked, "/storage/upload"))
      : asked;
  await finish(world, buyer, reply);
  if (world.random.chance(0.3))
    await ask(
      world,
      "/storage/delete",
      { wallet_address: buyer.wallet, object_key: key },
      proof(world, buyer, "/storage/delete"),
    );
}

/** As stock x402 clients do: every call is new, every 402 is signed anew. */
async function stock(world: World, buyer: Buyer, key: string, size: number): Promise<void> {
  const body = bare(buyer, key, size, world.random.hex(32));
  let reply: Reply | undefined;
  for (let tries = 0; tries < 3; tries++) {
    const asked = await ask(world, "/storage/upload", body, {});
    reply =
      asked?.status === 402
        ? await ask(world, "/storage/upload", body, pay(world, buyer, asked, "/storage/upload"))
        : asked;
    if (reply?.status === 200) break;
    await world.time.after(world.random.between(100, 5_000));
  }
  await finish(world, buyer, reply);
}

/** The same paid request, several times at once. */
async function twins(world: World, buyer: Buyer, key: string, size: number): Promise<void> {
  const body = bare(buyer, key, size, world.random.hex(32));
  const asked = await ask(world, "/storage/upload", body, {});
  if (asked?.status !== 402) return;
  const paid = pay(world, buyer, asked, "/storage/upload");
  const replies = await Promise.all([1, 2, 3].map(() => repeat(world, "/storage/upload", body, paid)));
  await finish(
    world,
    buyer,
    replies.find((reply) => reply?.status === 200),
  );
}

/** Price, settle, upload, confirm: the published client's order, proof repeated. */
async function quoted(world: World, buyer: Buyer, key: string, size: number): Promise<void> {
  const price = { wallet_address: buyer.wallet, object_id: key, size_bytes: size, region: "us-east-1" };
  const quote = await ask(world, "/price-storage", price, proof(world, buyer, "/price-storage"));
  if (quote?.status !== 200) return;
  const quoteId = String(quote.body["quote_id"]);
  const body = { wallet_address: buyer.wallet, quote_id: quoteId };
  const headers = proof(world, buyer, "/payment/settle");
  const asked = await ask(world, "/payment/settle", body, headers);
  if (asked?.status === 402)
    await repeat(world, "/payment/settle", body, { ...headers, ...pay(world, buyer, asked, "/payment/settle") });
  const upload = { ...body, content_length_bytes: size, content_sha256: world.random.hex(32) };
  await finish(world, buyer, await ask(world, "/storage/upload", upload, proof(world, buyer, "/storage/upload")));
}

/** Signs a payment and makes it worthless, or has somebody else land it. */
async function cheat(world: World, buyer: Buyer, key: string, size: number): Promise<void> {
  const { chain, random } = world;
  const body = bare(buyer, key, size, random.hex(32));
  const asked = await ask(world, "/storage/upload", body, {});
  if (asked?.status !== 402) return;
  const paid = pay(world, buyer, asked, "/storage/upload");
  const authorization = signed.get(paid["payment-signature"] ?? "") as Authorization;
  const tricks = [
    () => chain.submitAs(buyer.wallet, { transfers: [], tolerant: true, burns: [authorization] }),
    () =>
      chain.submitAs(buyer.wallet, {
        transfers: [],
        tolerant: true,
        drains: { from: buyer.wallet, to: ELSEWHERE, value: 10n ** 12n },
      }),
    () => chain.submitAs("stranger", { transfers: [authorization], tolerant: false }),
    // The same nonce, spent on somebody else.
    () => chain.submitAs("stranger", { transfers: [{ ...authorization, to: ELSEWHERE }], tolerant: true }),
  ];
  const trick = random.pick(tricks);
  if (random.chance(0.5)) trick();
  const reply = repeat(world, "/storage/upload", body, paid);
  world.time.at(world.time.nowMs + random.between(0, 4_000), trick);
  await finish(world, buyer, await reply);
}

/** Two purchases at once with the money for one. */
async function greedy(world: World, buyer: Buyer, key: string, size: number): Promise<void> {
  await Promise.all([careful(world, buyer, `${key}-a`, size), careful(world, buyer, `${key}-b`, size)]);
}

/** Pays and walks away. */
async function impatient(world: World, buyer: Buyer, key: string, size: number): Promise<void> {
  const body = bare(buyer, key, size, world.random.hex(32));
  const asked = await ask(world, "/storage/upload", body, {});
  if (asked?.status === 402)
    ask(world, "/storage/upload", body, pay(world, buyer, asked, "/storage/upload")).catch(() => undefined);
}

/** Stores, and renews from several machines at once; some change their mind meanwhile. */
async function keeps(world: World, buyer: Buyer, key: string, size: number): Promise<void> {
  await careful(world, buyer, key, size);
  const body = { wallet_address: buyer.wallet, renewal: true, object_key: key };
  await Promise.all([
    settleTwice(world, buyer, body),
    ...(world.random.chance(0.5) ? [settleTwice(world, buyer, body)] : []),
    ...(world.random.chance(0.3) ? [removeSoon(world, buyer, key)] : []),
  ]);
}

/** Stores, and pays one statement twice, beside renewals of its lines. */
async function keepsAll(world: World, buyer: Buyer, key: string, size: number): Promise<void> {
  await Promise.all([careful(world, buyer, key, size), careful(world, buyer, `${key}-too`, size)]);
  const all = { wallet_address: buyer.wallet };
  const made = await ask(world, "/billing/statement", all, proof(world, buyer, "/billing/statement"));
  if (made?.status !== 200 || made.body["statement_id"] === undefined) return;
  const statement = { ...all, statement_id: made.body["statement_id"] };
  await Promise.all([
    settleTwice(world, buyer, statement),
    settleTwice(world, buyer, statement),
    ...(world.random.chance(0.5) ? [settleTwice(world, buyer, { ...all, renewal: true, object_key: key })] : []),
    ...(world.random.chance(0.3) ? [removeSoon(world, buyer, key)] : []),
  ]);
}

/** Asks, pays, repeats; and once more with a fresh authorization, as stock clients do. */
async function settleTwice(world: World, buyer: Buyer, body: object): Promise<void> {
  const path = "/payment/settle";
  for (let times = 0; times < 2; times++) {
    await world.time.after(world.random.between(0, 3_000));
    const headers = proof(world, buyer, path);
    const asked = await ask(world, path, body, headers);
    if (asked?.status === 402) await repeat(world, path, body, { ...headers, ...pay(world, buyer, asked, path) });
  }
}

async function removeSoon(world: World, buyer: Buyer, key: string): Promise<void> {
  await world.time.after(world.random.between(0, 8_000));
  const path = "/storage/delete";
  await ask(world, path, { wallet_address: buyer.wallet, object_key: key }, proof(world, buyer, path));
}

/** PUT and confirm, by the ticket that came with the plan. */
async function finish(world: World, buyer: Buyer, reply: Reply | undefined): Promise<void> {
  if (reply?.status !== 200 || typeof reply.body["upload_url"] !== "string") return;
  const url = reply.body["upload_url"];
  if (world.random.chance(0.1)) return;
  // Some say that they PUT, and did not.
  if (world.random.chance(0.9)) world.s3.put(url);
  // Somebody kept the URL and uses it again while it lives.
  if (world.random.chance(0.2))
    world.time.at(world.time.nowMs + world.random.between(0, 900_000), () => world.s3.put(url));
  const ticket = { "x-mnemospark-ticket": String(reply.body["ticket"]) };
  const body = { wallet_address: buyer.wallet, order_id: String(reply.body["order_id"]) };
  for (let tries = 0; tries < 3; tries++) {
    const confirmed = await ask(world, "/storage/upload/confirm", body, ticket);
    if (confirmed && confirmed.status < 500) return;
    await world.time.after(500);
  }
}

async function repeat(
  world: World,
  path: string,
  body: object,
  headers: Record<string, string>,
): Promise<Reply | undefined> {
  let reply: Reply | undefined;
  for (let tries = 0; tries < TRIES; tries++) {
    reply = await ask(world, path, body, headers);
    const again =
      reply === undefined || reply.status === 202 || reply.status >= 500 || reply.code === "payment_pending";
    if (!again) return reply;
    await world.time.after(world.random.between(200, 3_000));
  }
  return reply;
}

/** Undefined when the request or its answer got lost. */
async function ask(
  world: World,
  path: string,
  body: object,
  headers: Record<string, string>,
): Promise<Reply | undefined> {
  try {
    const reply = await send(world, path, body, headers);
    world.log.push(
      `${world.time.nowMs % 1_000_000} ${buyer(body)} ${path} ${reply.status} ${reply.code} ${String(reply.body["detail"] ?? "").slice(0, 90)}`,
    );
    judge402(world, body, headers, reply);
    return reply;
  } catch (error) {
    if (error instanceof Broken) throw error;
    world.log.push(`${path} lost: ${String(error)}`);
    return undefined;
  }
}

/** While a payment is open nobody is asked to pay for the same thing. */
function judge402(world: World, body: object, headers: Record<string, string>, reply: Reply): void {
  if (reply.status !== 402 || reply.code !== "payment_required" || headers["payment-signature"] !== undefined) return;
  const { wallet_address: wallet, quote_id: quoteId } = body as { wallet_address?: Wallet; quote_id?: string };
  const host = wallet && world.wallets.get(wallet);
  // Only with a proof does the edge know who asks before it answers.
  if (!host || headers["x-wallet-signature"] === undefined || quoteId === undefined) return;
  const open = host.database.all(
    "SELECT payments.claim_key FROM payments JOIN orders USING (order_id) JOIN quotes ON quotes.order_id = orders.order_id WHERE payments.state IN ('open', 'settled') AND payments.claimed_ms < ? AND quotes.quote_id = ?",
    [world.time.nowMs - 60_000, quoteId],
  );
  if (open.length > 0) throw new Broken(`asked to pay for ${quoteId} while its payment is open or settled`);
}

function bare(buyer: Buyer, key: string, size: number, sha256: string): object {
  return {
    wallet_address: buyer.wallet,
    object_key: key,
    content_length_bytes: size,
    content_sha256: sha256,
    region: "us-east-1",
  };
}

const signed = new Map<string, Authorization>();

export function pay(
  world: Pick<World, "time" | "random">,
  buyer: Buyer,
  asked: Reply,
  path: string,
): Record<string, string> {
  const accepts = (asked.body["accepts"] as { maxAmountRequired: string }[] | undefined)?.[0];
  const amount = BigInt(accepts?.maxAmountRequired ?? "0");
  const nowS = BigInt(Math.floor(world.time.nowMs / 1000));
  const authorization: Authorization = {
    from: buyer.wallet,
    to: PAY_TO,
    value: amount,
    validAfterS: nowS - 600n,
    validBeforeS: nowS + BigInt(world.random.between(40, 120)),
    nonce: nonceOf(world.random),
  };
  const url = `https://edge.sim${path}`;
  const wanted = requirementsOf({ network: NETWORK, payTo: PAY_TO, amount, resourceUrl: url, description: "" });
  const header = encodePayment(wanted, url, authorization, signAs(buyer.wallet, world.random.hex(8)));
  if (signed.size > 1_000) signed.clear();
  signed.set(header, authorization);
  return { "payment-signature": header };
}

export function proof(world: Pick<World, "time" | "random">, buyer: Buyer, path: string): Record<string, string> {
  const payload = {
    method: "POST",
    path,
    walletAddress: buyer.wallet,
    nonce: nonceOf(world.random),
    timestamp: String(Math.floor(world.time.nowMs / 1000)),
  };
  const header = { payloadB64: jsonToBase64(payload), signature: signAs(buyer.wallet, ""), address: buyer.wallet };
  return { "x-wallet-signature": jsonToBase64(header) };
}

export function buyersOf(world: World): Buyer[] {
  const count = world.random.between(1, 3);
  return Array.from({ length: count }, (_, index) => {
    const tail = world.random.chance(0.2) ? "c0de" : "0000";
    const wallet = parseWallet(
      `0x${String(index + 1)
        .repeat(36)
        .slice(0, 36)}${tail}`,
    ) as Wallet;
    // Some can pay for much, some for one thing only.
    world.chain.fund(wallet, BigInt(world.random.pick([10_000, 25_000, 1_000_000]) + (world.renewing ? 60_000 : 0)));
    return { wallet, name: `b${index}` };
  });
}

function buyer(body: object): string {
  return String((body as { wallet_address?: string }).wallet_address ?? "").slice(0, 5);
}
