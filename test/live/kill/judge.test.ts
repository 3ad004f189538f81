/** A judge who never convicts anybody proves nothing. */
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
import { expect, test } from "vitest";
import { contentOf } from "../shop.ts";
import type { OrderRow, Paid, PaymentRow, Written } from "./books.ts";
import { differences } from "./judge.ts";
import type { Told } from "./shoppers.ts";

const buyer = privateKeyToAccount(generatePrivateKey());
const wallet = buyer.address.toLowerCase();
const paid: Paid = { payer: wallet, nonce: "0x01", amount: 10n, txHash: "0xaa" };
const payment: PaymentRow = {
  wallet,
  nonce: "0x01",
  paymentId: "pay",
  orderId: "order",
  amount: 10n,
  state: "settled",
  txHash: "0xaa",
};
const order: OrderRow = { wallet, orderId: "order", purchase: `${wallet} main name`, state: "stored", claimKey: "x" };
const told: Told = {
  errand: { kind: "repeat", buyer, name: "name", content: contentOf("x"), stores: true },
  paid: { orderId: "order", txHash: "0xaa" },
  stored: true,
  cutOff: 0,
  refusals: [],
  failure: undefined,
};
const books: Written = { payments: [payment], orders: [order], credit: new Map([[wallet, 0n]]), underWay: 0 };
const secondTransfer = { ...paid, nonce: "0x02", txHash: "0xbb" };
const secondPayment = { ...payment, nonce: "0x02", txHash: "0xbb", paymentId: "pay2" };

test("lists that agree have no difference, with credit too", () => {
  expect(differences([paid], books, [told])).toEqual([]);
  const credit = { ...secondPayment, state: "credited" };
  const withCredit = { ...books, payments: [payment, credit], credit: new Map([[wallet, 10n]]) };
  expect(differences([paid, secondTransfer], withCredit, [told])).toEqual([]);
});

test.each<[string, RegExp, readonly Paid[], Partial<Written>, Partial<Told>]>([
  ["a transfer nobody wrote down", /no payment is written down/, [paid, secondTransfer], {}, {}],
  ["one purchase paid twice", /was paid 2 times/, [paid, secondTransfer], { payments: [payment, secondPayment] }, {}],
  [
    "a payment given up that did land",
    /the payment is void/,
    [paid],
    { payments: [{ ...payment, state: "void" }] },
    {},
  ],
  ["an order that ended, paid", /its order is ended/, [paid], { orders: [{ ...order, state: "ended" }] }, {}],
  ["credit nobody is owed", /0 is due/, [paid], { credit: new Map([[wallet, 5n]]) }, {}],
  ["credit that was forgotten", /10 is due/, [paid], { payments: [{ ...payment, state: "credited" }] }, {}],
  ["an entitlement without a transfer", /settled without a transfer/, [], {}, {}],
  ["a stored object without a payment", /stored without a payment/, [], { payments: [] }, {}],
  ["a payment without an end", /found no end/, [paid], { payments: [{ ...payment, state: "open" }] }, {}],
  ["work left over", /2 payments without an end/, [paid], { underWay: 2 }, {}],
  ["a buyer who gave up", /no answer in time/, [paid], {}, { failure: "no answer in time" }],
  ["a buyer told of another transfer", /not on chain/, [paid], {}, { paid: { orderId: "order", txHash: "0xcc" } }],
  ["a buyer told too much", /told "stored"/, [paid], { orders: [{ ...order, state: "paid" }] }, {}],
])("%s is a difference", (_, says, transfers, written, words) => {
  const found = differences(transfers, { ...books, ...written }, [{ ...told, ...words }]);
  expect(found.join("\n")).toMatch(says);
});
