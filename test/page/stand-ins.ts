/** Stand-ins at the browser's edges: a wallet as an extension injects it, a list longer than anybody would buy for a test. */
import type { Page } from "playwright-core";
import type { PrivateKeyAccount } from "viem/accounts";

/** A browser wallet, injected as extensions inject theirs; its key is the test's. */
export const withWallet =
  (account: PrivateKeyAccount, answer: "signs" | "refuses" = "signs") =>
  async (page: Page) => {
    await page.exposeFunction("walletSigns", async (data: string) => {
      const { domain, types, primaryType, message } = JSON.parse(data);
      return account.signTypedData({ domain, types, primaryType, message });
    });
    await page.addInitScript(
      ({ address, answer }) => {
        const asked: string[] = [];
        const request = async ({ method, params }: { method: string; params?: unknown[] }) => {
          asked.push(method);
          if (method === "eth_requestAccounts") return [address];
          if (method === "eth_chainId") return "0x14a34";
          if (method === "eth_signTypedData_v4" && answer === "signs")
            return (window as unknown as { walletSigns(data: unknown): Promise<string> }).walletSigns(params?.[1]);
          throw Object.assign(new Error("User rejected the request."), { code: 4001 });
        };
        Object.assign(window, { ethereum: { request }, asked });
      },
      { address: account.address, answer },
    );
  };

/** One bit of one byte. */
export function flipped(bytes: Buffer, at: number): Buffer {
  const copy = Buffer.from(bytes);
  copy[at] = (copy[at] ?? 0) ^ 1;
  return copy;
}

export function objectNumber(n: number, nowMs: number) {
  const day = 86_400_000;
  const paidThroughMs = nowMs + ((n % 31) - 1) * day;
  return {
    key: `object-${String(n).padStart(5, "0")}`,
    size_bytes: n * 1_000,
    last_modified: new Date(nowMs - day).toISOString(),
    agent_id: "main",
    order_id: `order_${n}`,
    region: "us-east-1",
    content_sha256: "0".repeat(64),
    paid_through: new Date(paidThroughMs).toISOString(),
    delete_after: new Date(paidThroughMs + 2 * day).toISOString(),
    amount: "10000",
    downloads_left: 3,
  };
}
