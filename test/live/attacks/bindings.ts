/** One authorization, one purchase: shown elsewhere, overdrawn, doubled, or lifted off the chain. */
import { request } from "node:http";
import { decodeFunctionData, type Hex, parseAbi } from "viem";
import { generatePrivateKey, type PrivateKeyAccount, privateKeyToAccount } from "viem/accounts";
import { describe, expect, test } from "vitest";
import { UploadReply } from "#contract/api";
import { base64ToJson, jsonToBase64 } from "#contract/base64";
import { SettleReply } from "#contract/settling";
import { transfersFrom } from "../chain.ts";
import { type Ask, ask, read, requestOf, walletOf } from "../door.ts";
import { written } from "../kill/books.ts";
import { required, type Signed, sign } from "../purse.ts";
import { contentOf, offerFor, paying, priceOf, put, refusedBy, untilAnswered, uploadBody } from "../shop.ts";
import type { Live } from "../stack.ts";
import { landTogether } from "./chain.ts";

const content = contentOf("bound to one thing");
const bare = (name: string): Ask => ({ path: "/storage/upload", body: uploadBody(name, content) });
const outcome = ({ status, json }: { status: number; json: Record<string, unknown> }) =>
  `${status} ${String(json["reason"] ?? json["code"])}`;

/** The same authorization in the old header, which names no resource. */
function asV1({ header }: Signed): Record<string, string> {
  const { payload } = base64ToJson(header) as { payload: object };
  return { "x-payment": jsonToBase64({ x402Version: 1, scheme: "exact", network: "base-sepolia", payload }) };
}

export function bindings(live: () => Live): void {
  const settleOf = async (account: PrivateKeyAccount, name: string) => {
    const { quote_id } = await priceOf(live().edge, account, name, content.bytes.length);
    return { path: "/payment/settle", by: account, body: { wallet_address: account.address, quote_id } };
  };
  const statesOf = (account: PrivateKeyAccount) =>
    written(live().stack)
      .payments.filter(({ wallet }) => wallet === walletOf(account))
      .map(({ state }) => state)
      .sort();

  describe.concurrent("a payment shown elsewhere", () => {
    test("at another route is for another resource; after its use it is bound", async () => {
      const { edge, stack } = live();
      const buyer = live().wallet();
      const settle = await settleOf(buyer, "routes");
      const signed = await offerFor(edge, buyer, bare("routes"));
      expect(outcome(await ask(edge, paying(settle, signed)))).toBe("402 resource_mismatch");
      const plan = read(UploadReply, await untilAnswered(edge, paying(bare("routes"), signed)));
      expect(outcome(await ask(edge, paying(settle, signed)))).toBe("409 authorization_bound");
      expect(await transfersFrom(stack, buyer.address)).toMatchObject([{ txHash: plan.trans_id }]);
    });

    test("in the old header, which names no resource, is bound to the first place that saw it", async () => {
      const { edge, stack } = live();
      const buyer = live().wallet();
      const settle = await settleOf(buyer, "first place");
      const headers = asV1(await offerFor(edge, buyer, bare("first place")));
      const settled = read(SettleReply, await untilAnswered(edge, { ...settle, headers }));
      expect(outcome(await ask(edge, { ...bare("second place"), headers }))).toBe("409 authorization_bound");
      expect(await transfersFrom(stack, buyer.address)).toMatchObject([{ txHash: settled.trans_id }]);
    });

    test("with five other bodies at the same moment pays for one of them", async () => {
      const { edge, stack } = live();
      const buyer = live().wallet();
      const signed = await offerFor(edge, buyer, bare("body 0"));
      const bodies = [0, 1, 2, 3, 4].map((index) => paying(bare(`body ${index}`), signed));
      const said = await Promise.all(bodies.map((each) => untilAnswered(edge, each)));
      expect(said.map(outcome).sort()).toEqual(["200 undefined", ...Array(4).fill("409 authorization_bound")]);
      expect(await transfersFrom(stack, buyer.address)).toHaveLength(1);
    });

    test("five authorizations with funds for one: one is sent, four never leave", async () => {
      const { edge, stack } = live();
      const buyer = privateKeyToAccount(generatePrivateKey());
      await stack.chain.fund(buyer.address, 10_000n);
      const names = ["a", "b", "c", "d", "e"].map((name) => bare(`overdraft ${name}`));
      const paid = await Promise.all(names.map(async (each) => paying(each, await offerFor(edge, buyer, each))));
      const said = await Promise.all(paid.map((each) => untilAnswered(edge, each)));
      const poor = "402 invalid_exact_evm_insufficient_balance";
      expect(said.map(outcome).sort()).toEqual(["200 undefined", ...Array(4).fill(poor)]);
      expect(statesOf(buyer)).toEqual(["settled", ...Array(4).fill("withdrawn")]);
      expect(await transfersFrom(stack, buyer.address)).toHaveLength(1);
    });
  });

  describe.concurrent("on chain", () => {
    test("a burnt authorization beside a real transfer in one call is a decoy; the real one pays", async () => {
      const { edge, stack } = live();
      const [liar, honest] = [live().wallet(), live().wallet()];
      const [shown, real] = await Promise.all([
        offerFor(edge, liar, bare("decoy")),
        offerFor(edge, honest, bare("decoy")),
      ]);
      const { nonce } = shown.authorization;
      const lie = { authorization: { nonce, value: 0n, to: walletOf(liar) } };
      const burnt = await offerFor(edge, liar, bare("decoy"), lie);
      const { transactionHash } = await landTogether(stack, [burnt, real]);
      expect(outcome(await untilAnswered(edge, paying(bare("decoy"), shown)))).toBe(
        "402 invalid_exact_evm_nonce_already_used",
      );
      const plan = read(UploadReply, await untilAnswered(edge, paying(bare("decoy"), real)));
      expect(plan.trans_id).toBe(transactionHash);
    });

    test("calldata that a stranger repeats: another body is refused, the same body can only PUT the same bytes", async () => {
      const { edge, stack } = live();
      const [owner, stranger] = [live().wallet(), live().wallet()];
      const signed = await offerFor(edge, owner, bare("public"));
      const plan = read(UploadReply, await untilAnswered(edge, paying(bare("public"), signed)));
      const { input } = await stack.chain.client.getTransaction({ hash: plan.trans_id as Hex });
      expect(authorizationIn(input, signed)).toBe(true);

      const other = { path: "/storage/upload", body: uploadBody("public", contentOf("a stranger's bytes")) };
      expect(outcome(await ask(edge, paying(other, signed)))).toBe("409 authorization_bound");
      const settle = await settleOf(stranger, "public");
      expect(outcome(await ask(edge, paying(settle, signed)))).toBe("402 wallet_mismatch");
      const again = read(UploadReply, await ask(edge, paying(bare("public"), signed)));
      expect(again.plan.s3_key).toBe(plan.plan.s3_key);
      const theirs = contentOf("not those bytes!!!").bytes;
      expect(theirs.length).toBe(content.bytes.length);
      expect(await refusedBy(await put(again, theirs))).toMatch(/^40[03] /);
      expect(await transfersFrom(stack, owner.address)).toHaveLength(1);
    });

    test("a payment identifies no reader, however valid: ls, download, delete and confirm want a proof", async () => {
      const { edge, stack } = live();
      const owner = live().wallet();
      const used = await offerFor(edge, owner, bare("private"));
      const plan = read(UploadReply, await untilAnswered(edge, paying(bare("private"), used)));
      const fresh = await offerFor(edge, owner, bare("phished"));
      const body = { wallet_address: owner.address };
      const named = { ...body, object_key: "private" };
      const order = { order_id: plan.order_id };
      const { content_length_bytes, content_sha256 } = uploadBody("private", content);
      const doors: Ask[] = [
        { path: "/storage/ls", body },
        { path: "/storage/ls", body: named },
        { path: "/storage/download", body: named },
        { path: "/storage/delete", body: named },
        { path: "/storage/upload/confirm", body: order },
        { path: "/storage/upload", body: { ...order, content_length_bytes, content_sha256 } },
        { path: "/price-storage", body: { ...body, object_id: "x", size_bytes: 1, region: "us-east-1" } },
      ];
      for (const payment of [used, fresh])
        for (const door of doors) expect(outcome(await ask(edge, paying(door, payment))), door.path).toMatch(/^401 /);
      expect(await transfersFrom(stack, owner.address)).toHaveLength(1);
    });
  });

  describe.concurrent("headers", () => {
    test("sent twice, with equal or other values, are refused before anything is claimed", async () => {
      const { edge, stack } = live();
      const buyer = live().wallet();
      const offer = required((await ask(edge, bare("twice"))).headers);
      const [one, two] = await Promise.all([sign(buyer, offer), sign(buyer, offer)]);
      for (const name of ["payment-signature", "x-payment"])
        for (const pair of [
          [one.header, one.header],
          [one.header, two.header],
        ])
          expect(await raw(edge, bare("twice"), { [name]: pair })).toMatch(/^400 .*invalid_payload/);
      expect(await transfersFrom(stack, buyer.address)).toEqual([]);
    });

    test("and bodies beyond any size are refused with a payment in them, and nothing is charged", async () => {
      const { edge, stack } = live();
      const buyer = live().wallet();
      const signed = await offerFor(edge, buyer, bare("huge"));
      const { header } = signed;
      expect(await raw(edge, bare("huge"), { "payment-signature": header.padEnd(9_000, "A") })).toMatch(/^400 /);
      expect(await raw(edge, bare("huge"), { "payment-signature": "A".repeat(60_000) })).toMatch(/^4|^cut off/);
      const body = JSON.stringify({ ...uploadBody("huge", content), wrapped_dek: "A".repeat(70_000) });
      expect(outcome(await ask(edge, paying({ path: "/storage/upload", body }, signed)))).toBe("413 body_too_large");
      expect(await transfersFrom(stack, buyer.address)).toEqual([]);
      expect((await untilAnswered(edge, paying(bare("huge"), signed))).status).toBe(200);
    });
  });
}

const CALLS = parseAbi([
  "function transferWithAuthorization(address from, address to, uint256 value, uint256 validAfter, uint256 validBefore, bytes32 nonce, bytes signature)",
  "struct Call3 { address target; bool allowFailure; bytes callData; }",
  "function aggregate3(Call3[] calls) payable",
]);

/** Everything of the payment is there for all to read. */
function authorizationIn(input: Hex, { authorization, signature }: Signed): boolean {
  const { functionName, args } = decodeFunctionData({ abi: CALLS, data: input });
  if (functionName === "aggregate3")
    return args[0].some(({ callData }) => authorizationIn(callData, { header: "", authorization, signature }));
  return args[5] === authorization.nonce && args[6] === signature;
}

/** By a client that writes a header as often as it likes. */
async function raw(edge: string, asked: Ask, headers: Record<string, string | readonly string[]>): Promise<string> {
  const { url, init } = await requestOf(edge, asked);
  return new Promise((resolve) => {
    const all = { "content-type": "application/json", ...headers } as Record<string, string | string[]>;
    const sent = request(url, { method: "POST", headers: all }, async (response) => {
      const chunks: Buffer[] = [];
      for await (const chunk of response) chunks.push(chunk as Buffer);
      resolve(`${response.statusCode} ${Buffer.concat(chunks).toString("utf8")}`);
    });
    sent.on("error", (error) => resolve(`cut off: ${error.message}`));
    sent.end(init.body);
  });
}
