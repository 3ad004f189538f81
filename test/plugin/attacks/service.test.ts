/** A service that lies, at each of the moments in which this client pays: a store, a renewal, the monthly statement, a download beyond
 *  the allowance. */
import { writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { payStatement } from "../../../client-plugin/ahead.ts";
import type { Core } from "../../../client-plugin/core.ts";
import { createPayer } from "../../../client-plugin/pay.ts";
import { judgeTarget } from "../../../client-plugin/target.ts";
import { scratch } from "../fixture.ts";
import { type Asked, type Lies, network, PAYEE, problem, type Service, startService } from "../service.ts";
import { newClient, signed, tell } from "./client.ts";
import { attack, sentenceOf } from "./table.ts";

const room = scratch();
const STRANGER = `0x${"66".repeat(20)}`;
let service: Service;
/** Refuses one lie after the other; whoever signs gets a home of its own. */
let refusing: Core;

beforeAll(async () => {
  service = await startService();
  refusing = (await newClient(service, room)).core;
  await writeFile(join(room, "notes.txt"), "remember me");
});
afterAll(async () => {
  refusing.close();
  await service.close();
});

const BUYING = ["store", "renewal", "statement", "download"] as const;
type Buying = (typeof BUYING)[number];

/** The honest parts of a service that sells all three; the 402 is as `lies` has it. */
function selling({ path, body, nonce }: Asked) {
  if (path === "/billing/statement") return { status: 200, body: statement() };
  if (path === "/storage/ls") return { status: 200, body: { success: true, ...stored(String(body["object_key"])) } };
  if ((path === "/payment/settle" || path === "/storage/download") && nonce === undefined) return service.unpaid();
  return undefined;
}

function statement() {
  const day = new Date(Date.now() + 86_400_000).toISOString();
  const named = { order_id: "o", agent_id: "main", object_key: "notes", period_index: 1 };
  const line = { ...named, from: day, until: day, size_bytes: 1, amount: "10000" };
  const told = { statement_id: "s", wallet_address: "", amount: "10000", basis: "card", expires_at: day };
  return { ...told, minimum_applied: true, lines: [line], more: false, missing: 0 };
}

function stored(key: string) {
  const day = new Date(Date.now() + 86_400_000).toISOString();
  const amounts = { amount: "10000", next_amount: "10000", downloads_left: 0, download_bytes_left: 0 };
  const where = { region: "us-east-1", bucket: "b", order_id: "o", agent_id: "main", trans_id: "0x" };
  const bytes = { size_bytes: 1, size: "1 B", size_bytes_max: 1, content_sha256: "" };
  return {
    key,
    state: "stored",
    last_modified: day,
    paid_through: day,
    delete_after: day,
    ...amounts,
    ...where,
    ...bytes,
  };
}

/** Buys once; the sentence, after making sure that nothing was signed. */
async function buy(what: Buying, lies: Lies, signatures = 0): Promise<string> {
  const core = signatures === 0 ? refusing : (await newClient(service, room)).core;
  tell(service, { answer: selling, ...lies });
  try {
    const named = { objectKey: "notes" };
    const said = await sentenceOf(
      what === "store"
        ? core.store({ path: join(room, "notes.txt"), ...named })
        : what === "renewal"
          ? core.renew(named)
          : what === "statement"
            ? payStatement(core)
            : core.fetch({ ...named, destination: join(room, "back"), maxAmount: 10_000n }),
    );
    expect(signed(service)).toBe(signatures);
    expect((await core.session()).spending.history(10)).toHaveLength(signatures);
    return said;
  } finally {
    if (core !== refusing) core.close();
  }
}

/** The same lie wherever it pays; all three must say the same. */
async function everywhere(lies: Lies): Promise<string> {
  const said: string[] = [];
  for (const what of BUYING) said.push(await buy(what, lies));
  expect(new Set(said).size).toBe(1);
  return said[0] ?? "";
}

describe("a 402 that asks for something else", () => {
  attack("The 402 asks for more than was quoted", () => everywhere({ asked: { amount: "10001" } }));
  attack("The 402 pays somebody else", () => everywhere({ asked: { payTo: STRANGER } }));
  attack("The 402 is in another token", () => everywhere({ asked: { asset: STRANGER } }));
  attack("The 402 is on another chain", () => everywhere({ asked: { network: "eip155:8453" } }));
  attack("The 402 spells the chain otherwise", async () => {
    expect(await everywhere({ asked: { network: "EIP155:84532" } })).toContain("asks for a payment on EIP155:84532");
    return everywhere({ asked: { network: "base-sepolia" } });
  });
  attack("The 402 gives the token another EIP-712 name", () =>
    everywhere({ asked: { extra: { name: "USD Coin", version: "2" } } }),
  );
  attack("The 402 gives the token another EIP-712 version", () =>
    everywhere({ asked: { extra: { name: "USDC", version: "1" } } }),
  );
  attack("The 402 gives no time, or all of it", async () => {
    for (const maxTimeoutSeconds of [0, -1, 1.5]) await buy("store", { asked: { maxTimeoutSeconds } });
    return everywhere({ asked: { maxTimeoutSeconds: 1e300 } });
  });
  attack("The 402 is no x402", () => everywhere({ asked: { amount: 10_000 } }));

  test("other extras change nothing of what is signed", async () => {
    const extra = { name: "USDC", version: "2", payTo: STRANGER, amount: "9", paymentFlow: "later", chainId: 1 };
    expect(await buy("store", { asked: { extra } }, 1)).toMatch(/unavailable/);
    expect(await buy("store", { asked: { extra: {} } }, 1)).toMatch(/unavailable/);
  });

  test("a payee in capitals is the same payee, an asset in lower case the same asset", async () => {
    const asked = { payTo: PAYEE.toUpperCase().replace("0X", "0x"), asset: network?.usdc.toLowerCase() };
    expect(await buy("store", { asked }, 1)).toMatch(/unavailable/);
  });

  attack("The price goes up between the 402 and the next try", async () => {
    const { core } = await newClient(service, room);
    const store = () => sentenceOf(core.store({ path: join(room, "notes.txt") }));
    await store();
    expect(signed(service)).toBe(1);
    service.lies.asked = { amount: "10001" };
    service.lies.quoted = "10001";
    const said = await store();
    expect(signed(service)).toBe(1);
    core.close();
    return said;
  });

  test("a second 402 to what was paid gets no second signature", async () => {
    const answer = (asked: Asked) => (asked.nonce === undefined ? selling(asked) : problem(402, "payment_required"));
    for (const what of BUYING) await buy(what, { answer }, 1);
  });
});

describe("a quote that is not the one asked for", () => {
  const quoting = (change: Record<string, unknown>) => {
    const answer = (asked: Asked) => {
      if (asked.path !== "/price-storage") return selling(asked);
      const honest = { ...priceOf(asked.body), ...change };
      return { status: 200, body: honest };
    };
    return buy("store", { answer });
  };
  attack("The quote is for another region", () => quoting({ location: "eu-north-1" }));
  attack("The quote is for another name", () => quoting({ object_key: "other" }));
  attack("The quote is for less room", () => quoting({ size_bytes_max: 1 }));
  attack("The quote is above the cap", () => quoting({ amount: "1000001" }));
});

function priceOf(body: Record<string, unknown>) {
  const told = { timestamp: "", quote_id: "q", storage_price: 0.01, addr: "", object_id: "", object_id_hash: "" };
  const shape = { object_size_gb: 0, provider: "aws", location: "us-east-1", amount: "10000", rate_card: "t" };
  const parts = { storage: "0", requests: "0", egress: "0", markup: "0", minimum_applied: true, total: "10000" };
  const named = { object_key: body["object_key"], agent_id: body["agent_id"], size_bytes_max: body["size_bytes"] };
  const expires_at = new Date(Date.now() + 3_600_000).toISOString();
  return { ...told, ...shape, parts, ...named, expires_at, included: { days: 30, downloads: 3, lists: 200 } };
}

describe("a service that is not the one it was", () => {
  attack("The service announces another payee", () => everywhere({ payTo: STRANGER }));
  attack("The service is on another chain", () => everywhere({ health: { network: "eip155:8453" } }));

  attack("The service sends the client elsewhere", async () => {
    let came = 0;
    const elsewhere = createServer((_, response) => {
      came += 1;
      response.end("{}");
    });
    await new Promise<void>((resolve) => elsewhere.listen(0, "127.0.0.1", resolve));
    const to = `http://localhost:${(elsewhere.address() as AddressInfo).port}/`;
    const away = (status: number) => () => ({ status, body: {}, headers: { location: to } });
    const said: string[] = [];
    for (const status of [302, 308]) said.push(await everywhere({ answer: away(status) }));
    await new Promise((resolve) => elsewhere.close(resolve));
    expect(came).toBe(0);
    expect(new Set(said).size).toBe(1);
    return said[0] ?? "";
  });
});

describe("a presigned URL", () => {
  const leading = (url: string, baseUrl = "https://api.mnemospark.ai") =>
    sentenceOf(Promise.resolve().then(() => judgeTarget(url, baseUrl)));

  attack("A presigned URL without TLS", () => leading("http://bucket.s3.amazonaws.com/k?X-Amz-Signature=secret"));
  attack("A presigned URL into this machine or its network", async () => {
    const own = ["127.0.0.1", "2130706433", "0x7f.1", "169.254.169.254", "10.1.2.3", "172.20.0.1", "192.168.1.1"];
    for (const host of [...own, "[::1]", "[::ffff:127.0.0.1]", "[fd00::1]", "[fe80::1]", "localhost", "0.0.0.0"])
      expect(await leading(`https://${host}/k`), host).toMatch(/its own network/);
    return leading("https://localhost:8443/k?X-Amz-Signature=secret");
  });
  attack("A presigned URL that is none", async () => {
    for (const url of ["file:///etc/passwd", "", "//host/k", "ftp://host/k"])
      expect(await leading(url)).toMatch(/no http/);
    expect(await leading("https://user:pass@host/k")).toMatch(/holds a password/);
    return leading("gopher://127.0.0.1/");
  });

  test("of a store is used, wherever the store is", async () => {
    for (const url of ["https://bucket.s3.eu-north-1.amazonaws.com/k", "https://x.r2.cloudflarestorage.com/b/k"])
      expect(await leading(url)).toBe("nothing was refused: undefined");
    expect(await leading("http://127.0.0.1:9000/b/k", "http://127.0.0.1:8787")).toMatch(/^nothing/);
  });

  test("is judged where the service gives it: nothing is fetched from elsewhere", async () => {
    const day = new Date(Date.now() + 86_400_000).toISOString();
    const facts = {
      object_key: "notes",
      agent_id: "main",
      order_id: "o",
      size_bytes: 5,
      content_sha256: "0".repeat(64),
    };
    const times = { expires_in_seconds: 60, expires_at: day, paid_through: day, delete_after: day };
    const checksum = { type: "FULL_OBJECT", sha256: "0".repeat(64) };
    const left = { allowance_until: day, downloads_left: 1, download_bytes_left: 1, checksum, download_headers: {} };
    const reply = { download_url: "ftp://127.0.0.1/k", ...facts, ...times, ...left };
    const answer = ({ path }: Asked) => (path === "/storage/download" ? { status: 200, body: reply } : undefined);
    const { core } = await newClient(service, room, { lies: { answer } });
    expect(await sentenceOf(core.fetch({ objectKey: "notes", destination: join(room, "back") }))).toMatch(/no http/);
    core.close();
  });
});

test("the domain that is signed is the table's, whatever the 402 leaves out", async () => {
  if (network === undefined) throw new Error("invariant: Base Sepolia is served");
  service.lies.asked = { extra: {} };
  const domains: unknown[] = [];
  const signTypedData = async ({ domain }: { domain?: unknown }) => {
    domains.push(domain);
    return "0x12" as const;
  };
  const signer = { address: `0x${"12".repeat(20)}`, signTypedData } as never;
  const payer = createPayer({ signer, network, payTo: PAYEE as never });
  await payer.pay(service.unpaid().headers["payment-required"] ?? null, { amountMax: 1_000_000n });
  expect(domains).toEqual([{ name: "USDC", version: "2", chainId: 84_532, verifyingContract: network.usdc }]);
});
