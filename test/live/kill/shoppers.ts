/**
 * Buyers whose service keeps dying. Each goes on in its own way until it knows how its purchase ended, and remembers what it was
 * told: the third of the three lists that must agree.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { ExactEvmScheme } from "@x402/evm";
import { wrapFetchWithPayment, x402Client } from "@x402/fetch";
import type { PrivateKeyAccount } from "viem/accounts";
import { PriceReply, UploadReply } from "#contract/api";
import { SettleReply } from "#contract/settling";
import { type Ask, ask, read, type Said } from "../door.ts";
import { required, sign } from "../purse.ts";
import { type Content, confirm, paying, put, REGION, refusedBy, uploadBody } from "../shop.ts";

/**
 * `repeat`: one authorization, sent again until it is answered. `stock`: an unmodified client, which signs anew on every call.
 * `quote`: price, settle, upload. `echo`: the same authorization three times at once, until it is answered.
 */
export const KINDS = ["repeat", "stock", "quote", "echo"] as const;
export type Kind = (typeof KINDS)[number];

export interface Errand {
  readonly kind: Kind;
  readonly buyer: PrivateKeyAccount;
  readonly name: string;
  readonly content: Content;
  /** Sends the bytes and confirms them; some only buy. */
  readonly stores: boolean;
}

export interface Told {
  readonly errand: Errand;
  /** What the service said it is: the order, and the transfer that paid for it. */
  paid: { readonly orderId: string; readonly txHash: string } | undefined;
  stored: boolean;
  /** Requests whose answer never came. */
  cutOff: number;
  /** Times the service said "not charged", after which a buyer may sign anew. */
  readonly refusals: string[];
  /** The end, when it is none of the expected ones. */
  failure: string | undefined;
}

const GIVE_UP_AFTER_MS = 480_000;
const AUTHORIZATIONS_MAX = 12;

export async function run(edge: string, errand: Errand): Promise<Told> {
  const told: Told = { errand, paid: undefined, stored: false, cutOff: 0, refusals: [], failure: undefined };
  try {
    const plan = read(UploadReply, await WAYS[errand.kind](new Shopper(edge, told)));
    told.paid = { orderId: plan.order_id, txHash: plan.trans_id };
    if (errand.stores) await store(new Shopper(edge, told), plan);
  } catch (error) {
    told.failure = error instanceof Error ? error.message : String(error);
  }
  return told;
}

class Shopper {
  readonly edge: string;
  readonly told: Told;
  readonly bare: Ask;
  readonly #deadlineMs = Date.now() + GIVE_UP_AFTER_MS;

  constructor(edge: string, told: Told) {
    this.edge = edge;
    this.told = told;
    this.bare = { path: "/storage/upload", body: uploadBody(told.errand.name, told.errand.content) };
  }

  /** Again, as long as no answer comes, or one that says "wait". */
  async insist(attempt: () => Promise<Said>): Promise<Said> {
    for (;;) {
      const said = await attempt().catch(() => undefined);
      if (said === undefined) this.told.cutOff += 1;
      else if (!isWaiting(said)) return said;
      if (Date.now() > this.#deadlineMs)
        throw new Error(`no answer in time; the last was ${said?.status} ${JSON.stringify(said?.json)}`);
      // All buyers of a run come from one address, and the door counts by address.
      const waitS = said?.status === 429 ? Number(said.headers.get("retry-after") ?? 1) : 0.25;
      await sleep(waitS * 1000);
    }
  }

  /** Asks what it costs, signs, pays by `pay`; told "not charged", it signs anew. */
  async buy(asked: Ask, pay: (paid: Ask) => Promise<Said>): Promise<Said> {
    for (let signed = 0; signed < AUTHORIZATIONS_MAX; signed++) {
      const offer = await this.insist(() => ask(this.edge, asked));
      if (offer.status !== 402) return offer;
      const payment = await sign(this.told.errand.buyer, required(offer.headers));
      const said = await this.insist(() => pay(paying(asked, payment)));
      if (said.status !== 402) return said;
      this.told.refusals.push(String(said.json["reason"] ?? said.json["code"]));
    }
    throw new Error(`refused ${AUTHORIZATIONS_MAX} times: ${this.told.refusals.join(", ")}`);
  }
}

function isWaiting({ status, json }: Said): boolean {
  return status === 202 || status === 429 || status >= 500 || json["code"] === "payment_pending";
}

const WAYS: Record<Kind, (shopper: Shopper) => Promise<Said>> = {
  repeat: (shopper) => shopper.buy(shopper.bare, (paid) => ask(shopper.edge, paid)),

  echo: (shopper) =>
    shopper.buy(shopper.bare, async (paid) => {
      const answers = await Promise.allSettled([1, 2, 3].map(() => ask(shopper.edge, paid)));
      const said = answers.flatMap((each) => (each.status === "fulfilled" ? [each.value] : []));
      const final = said.filter((each) => !isWaiting(each));
      const words = new Set(final.map(({ status, json }) => `${status} ${json["order_id"]} ${json["trans_id"]}`));
      if (words.size > 1) throw new Error(`one payment, different answers: ${[...words].join(" | ")}`);
      const [answer] = [...final, ...said];
      if (!answer) throw new Error("cut off");
      return answer;
    }),

  stock: (shopper) => {
    const client = new x402Client().register("eip155:84532", new ExactEvmScheme(shopper.told.errand.buyer));
    const paid = wrapFetchWithPayment(fetch, client);
    const call = async (): Promise<Said> => {
      const headers = { "content-type": "application/json" };
      const body = JSON.stringify(shopper.bare.body);
      const response = await paid(`${shopper.edge}${shopper.bare.path}`, { method: "POST", headers, body });
      const json: unknown = await response.json();
      return { status: response.status, headers: response.headers, json: { ...(json as object) } };
    };
    return shopper.insist(async () => {
      const said = await call();
      if (said.status !== 402) return said;
      shopper.told.refusals.push(String(said.json["reason"] ?? said.json["code"]));
      // To a client that signs anew on each call, a refusal is one more reason to call again.
      throw new Error("refused");
    });
  },

  quote: async (shopper) => {
    const { edge, told } = shopper;
    const { buyer, name, content } = told.errand;
    const wallet_address = buyer.address;
    const wanted = { wallet_address, object_id: name, size_bytes: content.bytes.length, region: REGION };
    const priced = await shopper.insist(() => ask(edge, { path: "/price-storage", by: buyer, body: wanted }));
    const { quote_id } = read(PriceReply, priced);
    const settle = { path: "/payment/settle", by: buyer, body: { wallet_address, quote_id } };
    const settled = read(SettleReply, await shopper.buy(settle, (paid) => ask(edge, paid)));
    told.paid = { orderId: settled.order_id, txHash: settled.trans_id };
    const { object_key: _, ...sized } = uploadBody(name, content);
    return shopper.insist(() => ask(edge, { path: "/storage/upload", by: buyer, body: { quote_id, ...sized } }));
  },
};

async function store(shopper: Shopper, plan: UploadReply): Promise<void> {
  const { told, edge } = shopper;
  if (!plan.already_stored) {
    const sent = await put(plan, told.errand.content.bytes);
    // 412: the same bytes are there already, from a rival for the same name. Confirm says whether they are.
    if (!sent.ok && sent.status !== 412) throw new Error(`S3 refused: ${await refusedBy(sent)}`);
  }
  const said = await shopper.insist(() => confirm(edge, plan));
  if (said.status !== 200) throw new Error(`confirm answered ${said.status}: ${JSON.stringify(said.json)}`);
  told.stored = true;
}
