/**
 * Contract wallets (ERC-1271) at the public door: one buys an upload from its owner's signature alone and proves itself to read
 * its list; one that loops, and one that says no, get a 402 and nothing is claimed. Real Worker, real chain, two-second blocks.
 */
import { generatePrivateKey, type PrivateKeyAccount, privateKeyToAccount } from "viem/accounts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { transfersFrom } from "../live/chain.ts";
import { ask } from "../live/door.ts";
import { contentOf, offerFor, paying, untilAnswered, uploadBody } from "../live/shop.ts";
import { type Live, startLive } from "../live/stack.ts";
import { LOOPING, obedient, place, REFUSING } from "./contract-wallets.ts";
import { walletOf } from "./fixture.ts";

let live: Live;
beforeAll(async () => {
  live = await startLive();
}, 120_000);
afterAll(() => live?.stop());

/** A contract at an address of its own, with a dollar. */
async function contractWallet(bytecode: `0x${string}`): Promise<`0x${string}`> {
  const { address } = privateKeyToAccount(generatePrivateKey());
  await place(live.stack.chain, address, bytecode);
  await live.stack.chain.fund(address, 1_000_000n);
  return address;
}

async function attempt(owner: PrivateKeyAccount, contract: `0x${string}`, name: string, suffix = "") {
  const content = contentOf(`bytes of ${name}`);
  const asked = { path: "/storage/upload", body: uploadBody(name, content) };
  const signed = await offerFor(live.edge, owner, asked, { authorization: { from: walletOf(contract) } });
  const { header } = signed;
  const sent = suffix === "" ? header : withSuffix(header, suffix);
  return { contract, said: await untilAnswered(live.edge, paying(asked, { ...signed, header: sent })) };
}

function withSuffix(header: string, suffix: string): string {
  const payload = JSON.parse(Buffer.from(header, "base64").toString("utf8")) as { payload: { signature: string } };
  payload.payload.signature += suffix;
  return Buffer.from(JSON.stringify(payload)).toString("base64");
}

describe("a contract wallet at the door", () => {
  const owner = privateKeyToAccount(generatePrivateKey());

  test("pays for an upload", async () => {
    const contract = await contractWallet(obedient(owner.address));
    const { said } = await attempt(owner, contract, "from-a-contract");
    expect(said.status, JSON.stringify(said.json)).toBe(200);
    expect(await transfersFrom(live.stack, contract)).toHaveLength(1);
    // And reads what it bought: its owner's key signs for it, a stranger's does not.
    const wallet = walletOf(contract);
    const list = { path: "/storage/ls", body: { wallet_address: wallet }, lie: { wallet } };
    const listed = await ask(live.edge, { ...list, by: owner });
    expect(listed.status, JSON.stringify(listed.json)).toBe(200);
    const stranger = privateKeyToAccount(generatePrivateKey());
    expect((await ask(live.edge, { ...list, by: stranger })).json).toMatchObject({ reason: "invalid_signature" });
  });

  test.each([
    ["loops", LOOPING],
    ["says no", REFUSING],
  ])("that %s is refused at once, and nothing is sent", async (name, code) => {
    const contract = await contractWallet(code);
    const started = Date.now();
    const { said } = await attempt(owner, contract, `never-${name.replace(" ", "-")}`);
    expect(Date.now() - started).toBeLessThan(3_000);
    expect(said.status).toBe(402);
    expect(said.json).toMatchObject({ reason: "invalid_exact_evm_signature" });
    expect(await transfersFrom(live.stack, contract)).toEqual([]);
  });

  test("not deployed yet is refused", async () => {
    const { address } = privateKeyToAccount(generatePrivateKey());
    const { said } = await attempt(owner, address, "undeployed", "6492".repeat(16));
    expect(said.status).toBe(402);
    expect(said.json).toMatchObject({ reason: "eip6492_factory_not_allowed" });
  });
});
