/** Every field of a payment, replaced by everything it should not be. */
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
import { describe, expect, test } from "vitest";
import { base64ToJson, jsonToBase64 } from "#contract/base64";
import { type Ask, ask, walletOf } from "../door.ts";
import { diceOf } from "../kill/dice.ts";
import { inTurns } from "../kill/inspection.ts";
import { ledgerOf } from "../ledger.ts";
import { contentOf, offerFor, uploadBody } from "../shop.ts";
import type { Live } from "../stack.ts";

const asked: Ask = { path: "/storage/upload", body: uploadBody("garbage", contentOf("garbage")) };
const JUNK: readonly unknown[] = [
  ...[
    undefined,
    null,
    true,
    0,
    -1,
    1.5,
    1e308,
    "",
    " ",
    "0",
    "-1",
    "1e4",
    "0x2710",
    "10000 ",
    "١٠٠٠٠",
    "NaN",
    "\u0000",
  ],
  ...["9".repeat(78), "9".repeat(400), "0x", `0x${"f".repeat(64)}`, `0x${"0".repeat(40)}`, `0x${"f".repeat(130)}`],
  ...[[], {}, [[]], { __proto__: null, toString: 1 }, ["exact"], "💥", "\ud800", "constructor"],
];

type Path = readonly string[];

function* pathsOf(value: unknown, at: Path = []): Generator<Path> {
  if (at.length > 0) yield at;
  if (typeof value === "object" && value !== null)
    for (const [name, inner] of Object.entries(value)) yield* pathsOf(inner, [...at, name]);
}

function replaced(value: unknown, [name, ...rest]: Path, junk: unknown): unknown {
  if (name === undefined) return junk;
  const object = value as Record<string, unknown>;
  return { ...object, [name]: replaced(object[name], rest, junk) };
}

export function garbageEverywhere(live: () => Live): void {
  describe("a payment with garbage", { timeout: 30_000 }, () => {
    test("in any one field is refused by a sentence: no fault of ours, nothing sent, nothing owed", async () => {
      const { edge, stack } = live();
      // Has no money, so that what is good after all (a field nobody reads) ends at the chain.
      const poor = privateKeyToAccount(generatePrivateKey());
      const honest = base64ToJson((await offerFor(edge, poor, asked)).header);
      const payments = [...pathsOf(honest)].flatMap((path) =>
        JUNK.map((junk) => ({
          what: `${path.join(".")} = ${JSON.stringify(junk)}`,
          payment: replaced(honest, path, junk),
        })),
      );
      expect(payments.length).toBeGreaterThan(500);
      const wrong = await inTurns(24, payments, async ({ what, payment }) => {
        const header = jsonToBase64(payment as object);
        const said = await ask(edge, { ...asked, headers: { "payment-signature": header } });
        const good = (said.status === 400 || said.status === 402) && typeof said.json["detail"] === "string";
        return good ? "" : `${what}: ${said.status} ${JSON.stringify(said.json)}`;
      });
      expect(wrong.filter((each) => each !== "")).toEqual([]);
      expect(ledgerOf(stack, walletOf(poor))).toMatchObject({ plans: 0, buckets: 0 });
    });

    test("instead of base64 or JSON is refused as well", async () => {
      const { edge } = live();
      const dice = diceOf(402);
      const letters = 'AZaz09+/=-_%{}[]",: ';
      const texts = Array.from({ length: 120 }, () =>
        Array.from({ length: dice.between(1, 200) }, () => letters[Math.floor(dice.between(0, letters.length))]).join(
          "",
        ),
      );
      const wrong = await inTurns(24, texts, async (text) => {
        const name = dice.of(["payment-signature", "x-payment"]);
        const { status } = await ask(edge, { ...asked, headers: { [name]: text } });
        // Blanks alone are no header at all.
        return status === 400 || (text.trim() === "" && status === 402) ? "" : `${JSON.stringify(text)}: ${status}`;
      });
      expect(wrong.filter((each) => each !== "")).toEqual([]);
    });
  });
}
