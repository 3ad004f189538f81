/** Payments that are wrong in one thing. */
import { jsonToBase64 } from "#contract/base64";
import { ask, walletOf } from "../../door.ts";
import { type PaymentLie, required, sign } from "../../purse.ts";
import { paying, uploadBody } from "../../shop.ts";
import { type Case, DAY_S, invalid, NAME, payload, type Scene, wanted } from "./scene.ts";

/** The owner's bare purchase, with a payment that is wrong in one thing. */
const paid =
  (lie: (nowS: bigint, scene: Scene) => PaymentLie): Case["ask"] =>
  async (scene) => {
    const asked = { path: "/storage/upload", body: uploadBody(NAME, wanted) };
    const offer = required((await ask(scene.edge, asked)).headers);
    const nowS = BigInt(Math.floor(Date.now() / 1000));
    return paying(asked, await sign(scene.owner, offer, lie(nowS, scene)));
  };
const withPayment =
  (headers: Record<string, string>): Case["ask"] =>
  () => ({ path: "/storage/upload", body: uploadBody(NAME, wanted), headers });

export const payments: Case[] = [
  {
    what: "another payee",
    ask: paid((_, { other }) => ({ authorization: { to: walletOf(other) } })),
    is: invalid,
    says: /recipient .*wanted 0x/,
  },
  {
    what: "another payee in what was accepted",
    ask: paid((_, { other }) => ({ accepted: { payTo: other.address } })),
    is: invalid,
    says: /recipient/,
  },
  {
    what: "another token",
    ask: paid((_, { other }) => ({ accepted: { asset: other.address } })),
    is: invalid,
    says: /asset .*wanted 0x036/,
  },
  {
    what: "another network",
    ask: paid(() => ({ accepted: { network: "eip155:8453" } })),
    is: invalid,
    says: /eip155:84532/,
  },
  { what: "another scheme", ask: paid(() => ({ accepted: { scheme: "upto" } })), is: invalid, says: /scheme.*exact/ },
  {
    what: "too little",
    ask: paid(() => ({ authorization: { value: 9_999n } })),
    is: invalid,
    says: /9999; the price is exactly 10000/,
  },
  {
    what: "too much",
    ask: paid(() => ({ authorization: { value: 10_001n } })),
    is: invalid,
    says: /10001; the price is exactly 10000/,
  },
  {
    what: "another amount in what was accepted",
    ask: paid(() => ({ accepted: { amount: "1" } })),
    is: invalid,
    says: /"1".*10000/,
  },
  { what: "nothing", ask: paid(() => ({ authorization: { value: 0n } })), is: invalid, says: /value is 0/ },
  {
    what: "a signature of nobody",
    ask: paid(() => ({ signature: `0x${"11".repeat(65)}` })),
    is: invalid,
    says: /does not recover/,
  },
  { what: "a short signature", ask: paid(() => ({ signature: "0x1234" })), is: invalid, says: /does not recover/ },
  {
    what: "the domain name of the other network",
    ask: paid(() => ({ domainName: "USD Coin" })),
    is: invalid,
    says: /does not recover/,
  },
  {
    what: "an expired window",
    ask: paid((now) => ({ authorization: { validBeforeS: now - 1n } })),
    is: invalid,
    says: /expired/,
  },
  {
    what: "a window about to close",
    ask: paid((now) => ({ authorization: { validBeforeS: now + 20n } })),
    is: invalid,
    says: /about to/,
  },
  {
    what: "a window not open yet",
    ask: paid((now) => ({ authorization: { validAfterS: now + 60n } })),
    is: invalid,
    says: /not yet valid/,
  },
  {
    what: "a window too long",
    ask: paid((now) => ({ authorization: { validBeforeS: now + DAY_S } })),
    is: invalid,
    says: /too far ahead/,
  },
  {
    what: "another resource",
    ask: paid(() => ({ resourceUrl: "http://a.example/other" })),
    is: invalid,
    says: /\/other/,
  },
  {
    what: "a payer who is not the prover",
    ask: async ({ edge, owner, other }) => {
      const asked = { path: "/storage/upload", by: owner, body: uploadBody(NAME, wanted) };
      return paying(asked, await sign(other, required((await ask(edge, asked)).headers)));
    },
    is: invalid,
    says: /0x.* pays, 0x.* asks/,
  },
  {
    what: "a payer who is not the wallet named",
    ask: async ({ edge, owner, other }) => {
      const asked = { path: "/storage/upload", body: uploadBody(NAME, wanted, { wallet_address: owner.address }) };
      return paying(asked, await sign(other, required((await ask(edge, asked)).headers)));
    },
    is: invalid,
    says: /0x.* pays, 0x.* asks/,
  },
  { what: "garbage in the header", ask: withPayment({ "payment-signature": "%%%" }), is: payload, says: /base64/ },
  {
    what: "JSON that is no payment",
    ask: withPayment({ "payment-signature": jsonToBase64([]) }),
    is: payload,
    says: /x402Version/,
  },
  {
    what: "a payment half written",
    ask: withPayment({ "x-payment": jsonToBase64({ x402Version: 1 }) }),
    is: payload,
    says: /scheme/,
  },
  {
    what: "a payment of version 3",
    ask: withPayment({ "payment-signature": jsonToBase64({ x402Version: 3 }) }),
    is: payload,
    says: /x402Version is 3/,
  },
  {
    what: "two different payments",
    ask: async (scene) => {
      const [one, two] = await Promise.all([paid(() => ({}))(scene), paid(() => ({}))(scene)]);
      const header = two.headers?.["payment-signature"] ?? "";
      return { ...one, headers: { ...one.headers, "x-payment": header } };
    },
    is: payload,
    says: /differ/,
  },
  {
    what: "an oversized payment",
    ask: withPayment({ "payment-signature": "A".repeat(9_000) }),
    is: payload,
    says: /longer than 8192/,
  },
];
