/** The books: what the wallets' ledgers say was received is what the chain says was paid, for one wallet and for all of them. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { LEDGER_COLUMNS } from "#contract/ledger";
import { books } from "../../books/books.ts";
import { landAsStranger } from "../chain.ts";
import { ask, requestOf } from "../door.ts";
import { contentOf, offerFor, storeBytes, uploadBody } from "../shop.ts";
import type { Buyer, Live } from "../stack.ts";

export function ledgers(live: () => Live, operator: Buyer): void {
  const rpc = () => live().stack.urls.chain;

  describe("the books", () => {
    test("of a wallet are its own, as JSON and CSV, and equal the chain", async () => {
      const { edge } = live();
      const owner = live().wallet();
      const content = contentOf("booked");
      for (const name of ["first", "second"]) await storeBytes(edge, owner, name, content);
      const { ledgers: told, verdict } = await books({ edge, account: owner, wallet: owner.address, rpc: rpc() });
      expect(verdict).toMatchObject({ payments: 2, faults: [] });
      expect(verdict?.booked).toBe(BigInt(told[0]?.pages[0]?.totals.received ?? 0));
      const month = new Date().toISOString().slice(0, 7);
      const monthly = await books({ edge, account: owner, wallet: owner.address, rpc: rpc(), month });
      expect(monthly.verdict?.faults).toEqual([]);
      const { url, init } = await requestOf(edge, { method: "GET", path: "/billing/journal?format=csv", by: owner });
      const csv = await fetch(url, init);
      expect(csv.headers.get("content-type")).toContain("text/csv");
      const [head, ...lines] = (await csv.text()).trimEnd().split("\r\n");
      expect(head).toBe(LEDGER_COLUMNS.join(","));
      expect(lines).toHaveLength(2);
      for (const line of lines) expect(line).toMatch(/^pay_\w+,20[^,]+Z,chain,settled,order,order_\w+,\d+,0,0x/);
      // Another wallet's are nobody's business but the operator's.
      const path = `/billing/journal?wallet_address=${owner.address}`;
      expect((await ask(edge, { method: "GET", path, by: live().wallet() })).json).toMatchObject({ status: 403 });
      expect((await ask(edge, { method: "GET", path: "/billing/journal?month=11", by: owner })).status).toBe(400);
    });

    test("of all wallets, after everything that was tried here, equal the chain to the micro-USDC", async () => {
      const { edge } = live();
      // What a test left open is decided by its wallet's alarm.
      const proven = async () => (await books({ edge, account: operator, wallet: undefined, rpc: rpc() })).verdict;
      await expect.poll(async () => (await proven())?.faults, { timeout: 60_000, interval: 2_000 }).toEqual([]);
      expect((await proven())?.payments).toBeGreaterThan(1);
    }, 90_000);

    test("are proven by the operator's program, and a hidden transfer is told", async () => {
      const { edge, stack } = live();
      const directory = mkdtempSync(join(tmpdir(), "books-"));
      const owner = live().wallet();
      try {
        await storeBytes(edge, owner, "by program", contentOf("by program"));
        const file = join(directory, "key");
        writeFileSync(file, operator.privateKey, { mode: 0o600 });
        const run = () => {
          const asked = ["--edge", edge, "--rpc", rpc(), "--key-file", file, "--wallet", owner.address, "--check"];
          return execFileSync(process.execPath, ["test/books/books.ts", ...asked], { encoding: "utf8", stdio: "pipe" });
        };
        expect(run()).toMatch(/^proven: 1 payments/m);
        // An authorization that the service was never shown.
        const asked = { path: "/storage/upload", body: uploadBody("not by us", contentOf("not by us")) };
        const hash = await landAsStranger(stack, await offerFor(edge, owner, asked));
        await stack.chain.client.waitForTransactionReceipt({ hash });
        expect(run).toThrow(new RegExp(`on chain, but not booked: .* in ${hash}`));
      } finally {
        rmSync(directory, { recursive: true, force: true });
      }
    });
  });
}
