/** What the operator may ask, and nobody else: the sweep's dry run over real wallets, and AWS asked for its prices on demand. */
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { DryRunReply, RatesStateReply } from "#contract/operator";
import { refresh } from "../../operator/rates.ts";
import { speaker } from "../../operator/speaking.ts";
import { dryRun } from "../../operator/sweep.ts";
import { ask, read, walletOf } from "../door.ts";
import { buy, contentOf, storeBytes } from "../shop.ts";
import type { Buyer, Live } from "../stack.ts";

const run = promisify(execFile);

export function operators(live: () => Live, operator: Buyer): void {
  const get = (path: string, by?: Buyer) => ask(live().edge, { method: "GET", path, ...(by ? { by } : {}) });
  const PATHS = ["/operator/sweep", "/operator/rates"];
  let directory: string;
  let keyFile: string;
  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), "operator-"));
    keyFile = join(directory, "key");
    writeFileSync(keyFile, operator.privateKey, { mode: 0o600 });
  });
  afterAll(() => rmSync(directory, { recursive: true, force: true }));
  /** A program's standard output, and how it ended. */
  const program = async (name: string, ...args: string[]) => {
    const asked = [`test/operator/${name}.ts`, "--edge", live().edge, "--key-file", keyFile, ...args];
    try {
      return { code: 0, ...(await run(process.execPath, asked)) };
    } catch (error) {
      return error as { code: number; stdout: string; stderr: string };
    }
  };

  describe.concurrent("the operator", () => {
    test("alone may ask: not a stranger, not a wallet with a sign-in's session, and not with another request's proof", async () => {
      const stranger = live().wallet();
      const { edge } = live();
      for (const path of PATHS) {
        expect((await get(path)).json).toMatchObject({ status: 401, code: "proof_missing" });
        expect((await get(path, stranger)).json).toMatchObject({
          status: 403,
          code: "operator_only",
          retryable: false,
        });
      }
      const refreshing = { path: "/operator/rates/refresh", body: {}, by: stranger };
      expect((await ask(edge, refreshing)).json).toMatchObject({ status: 403, code: "operator_only" });
      const session = await ask(edge, { path: "/auth/session", body: {}, by: operator });
      const headers = { authorization: `Bearer ${session.json["token"]}` };
      expect((await ask(edge, { method: "GET", path: "/operator/sweep", headers })).status).toBe(401);
      const lie = { path: "/operator/rates" };
      expect((await ask(edge, { method: "GET", path: "/operator/sweep", by: operator, lie })).status).toBe(401);
      expect((await get("/operator/sweep?within_hours=9999", operator)).json).toMatchObject({ status: 400 });
      for (const after of ["x", "16.", "0.0x12", "99999."])
        expect((await get(`/operator/sweep?after=${after}`, operator)).json).toMatchObject({ status: 400 });
    });

    test("sees what would be erased and completed, of one wallet and of all in pages, and changes nothing by it", async () => {
      const { edge } = live();
      const [keeper, waiter] = [live().wallet(), live().wallet()];
      const { confirmed } = await storeBytes(edge, keeper, "to lapse", contentOf("to lapse"));
      await buy(edge, waiter, "never sent", contentOf("never sent"));
      const one = read(
        DryRunReply,
        await get(`/operator/sweep?within_hours=768&wallet_address=${keeper.address}`, operator),
      );
      const lapse = one.wallets[0]?.errands.find(({ errand }) => errand === "lapse");
      expect(lapse).toMatchObject({
        subject: confirmed.order_id,
        bucket: confirmed.bucket_name,
        object: { object_key: "to lapse", state: "stored", size_bytes: 8, credit_first: false },
      });
      const graceMs = Date.parse(lapse?.at ?? "") - Date.parse(lapse?.object?.paid_through ?? "");
      expect(graceMs).toBeGreaterThanOrEqual(2 * 86_400_000);
      expect(Object.keys(one.heartbeat).sort()).toEqual(["alive", "edge", "relayer", "rpc"]);
      const speaks = await speaker(edge, operator);
      const seen = new Map<string, string[]>();
      for await (const page of dryRun(speaks, { withinHours: 768, max: 7 })) {
        expect(page.wallets.length).toBeLessThanOrEqual(7);
        expect(page.silent).toEqual([]);
        for (const { wallet_address, errands } of page.wallets) {
          expect(seen.has(wallet_address)).toBe(false);
          seen.set(
            wallet_address,
            errands.map(({ errand }) => errand),
          );
        }
      }
      expect(seen.get(walletOf(keeper))).toContain("lapse");
      expect(seen.get(walletOf(waiter))).toEqual(expect.arrayContaining(["lapse", "complete"]));
      const list = await ask(edge, {
        path: "/storage/ls",
        by: keeper,
        body: { wallet_address: keeper.address, object_key: "to lapse" },
      });
      expect(list.status).toBe(200);
    }, 60_000);

    test("types a command for it, in words or as JSON", async () => {
      const { edge } = live();
      const owner = live().wallet();
      await storeBytes(edge, owner, "by command", contentOf("by command"));
      const words = await program("sweep", "--dry-run", "--within", "768", "--wallet", owner.address);
      expect(words).toMatchObject({ code: 0 });
      expect(words.stdout).toMatch(/ lapse +main\/by command \(stored, 10 bytes, paid through 20/);
      const json = await program("sweep", "--dry-run", "--within", "768", "--only", "lapse", "--json");
      const lines = json.stdout.trimEnd().split("\n");
      const all = lines.map((line) => JSON.parse(line) as { wallet_address?: string; totals?: Record<string, number> });
      expect(all.filter(({ wallet_address }) => wallet_address === walletOf(owner))).toHaveLength(1);
      expect(Object.keys(all.at(-1)?.totals ?? {})).toEqual(["lapse"]);
      expect((await program("sweep", "--help")).stdout).toContain("--dry-run");
      expect(await program("sweep")).toMatchObject({ code: 2, stderr: expect.stringContaining("--dry-run") });
      expect((await program("rates", "--help")).stdout).toContain("--refresh");
      const rates = await program("rates", "--json");
      expect(RatesStateReply.parse(JSON.parse(rates.stdout)).sources).toHaveLength(2);
    }, 60_000);

    test("has AWS asked for its prices, and is told what came of it", async () => {
      const { edge } = live();
      const speaks = await speaker(edge, operator);
      // The first card is taken by the stack's own start; it may be under way.
      const outcome = await refresh(speaks, 60_000, 300);
      expect(["taken", "too_soon"]).toContain(outcome.refreshed);
      expect(outcome.state.sources).toEqual([
        expect.stringContaining("Calculator"),
        expect.stringContaining("Price List"),
      ]);
      const again = await refresh(speaks, 60_000, 300);
      expect(again).toMatchObject({ refreshed: "too_soon", state: { state: "waiting", last: { faults: [] } } });
      expect(again.state.last?.rate_card).toMatch(/\.calculator$/);
      expect(Date.parse(again.state.due_at ?? "")).toBeLessThan(Date.now() + 601_000);
    }, 90_000);
  });
}
