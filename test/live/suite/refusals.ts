/** What the door refuses: each with a problem document that names the fault, nothing written down and nothing charged. */
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
import { beforeAll, describe, expect, test } from "vitest";
import { Problem } from "#contract/api";
import { ask, prove, walletOf } from "../door.ts";
import { type Ledger, ledgerOf } from "../ledger.ts";
import { buy, uploadBody } from "../shop.ts";
import type { Live } from "../stack.ts";
import { bodies } from "./refused/bodies.ts";
import { orders } from "./refused/orders.ts";
import { payments } from "./refused/payments.ts";
import { proofs } from "./refused/proofs.ts";
import { NAME, open, type Scene, wanted } from "./refused/scene.ts";

export function refusals(live: () => Live): void {
  describe("is refused, written nowhere and charged to nobody:", () => {
    let scene: Scene;
    let before: State;
    beforeAll(async () => {
      scene = await open(live());
      before = await stateOf(live(), scene);
    });

    for (const { what, ask: build, is, says } of [...bodies, ...proofs, ...payments, ...orders])
      test(what, async () => {
        const said = await ask(scene.edge, await build(scene));
        expect({ status: said.status, code: said.json["code"] }).toEqual({ status: is[0], code: is[1] });
        expect(said.headers.get("content-type")).toBe("application/problem+json");
        const problem = Problem.parse(said.json);
        expect(problem.detail).toMatch(says);
        expect(problem).toMatchObject({ status: is[0], message: problem.detail });
        expect(said.headers.get("payment-required") !== null).toBe(is[0] === 402);
        expect(await stateOf(live(), scene)).toEqual(before);
      });

    test("a proof of version 1 that comes back with another body", async () => {
      const { edge, owner } = scene;
      const url = new URL("/storage/ls", edge);
      const headers = { "x-wallet-signature": await prove(owner, "POST", url, "", { version: "1" }) };
      const list = (more: object) =>
        ask(edge, { path: url.pathname, headers, body: { wallet_address: owner.address, ...more } });
      expect((await list({})).status).toBe(200);
      expect((await list({})).status).toBe(200);
      const replayed = await list({ max_keys: 1 });
      expect(replayed).toMatchObject({ status: 401, json: { code: "proof_replayed" } });
    });

    test("a payer without funds", async () => {
      const { edge } = scene;
      const account = privateKeyToAccount(generatePrivateKey());
      const { said } = await buy(edge, account, NAME, wanted);
      expect(said).toMatchObject({
        status: 402,
        json: { code: "payment_invalid", reason: "invalid_exact_evm_insufficient_balance" },
      });
      expect((await buy(edge, account, NAME, wanted)).said.status).toBe(402);
      expect(ledgerOf(live().stack, walletOf(account))).toMatchObject({ plans: 0, buckets: 0 });
    });

    test("and every name is still free", async () => {
      for (const by of [scene.owner, scene.other]) {
        const said = await ask(scene.edge, { path: "/storage/upload", by, body: uploadBody(NAME, wanted) });
        expect(said).toMatchObject({ status: 402, json: { code: "payment_required" } });
      }
    });
  });
}

type State = readonly (readonly [Ledger, bigint])[];

function stateOf({ stack }: Live, { owner, other }: Scene): Promise<State> {
  return Promise.all(
    [owner, other].map(
      async (account) => [ledgerOf(stack, walletOf(account)), await stack.chain.usdcBalance(account.address)] as const,
    ),
  );
}
