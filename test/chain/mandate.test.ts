/** An authorization for a day to come, on Circle's real token: worth nothing before it, a payment from then on. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { buildSettlement, transferData } from "../../worker/adapters/base-transactions.ts";
import { openChain } from "../../worker/adapters/base-usdc.ts";
import { FEES, jobOf, network, World } from "./fixture.ts";

const DAY_S = 86_400;
let world: World;
beforeAll(async () => {
  world = await World.open(0);
});
afterAll(() => world?.chain.stop());

test("before its day it is refused by simulation and by the token; on its day it settles, and counts from then on", async () => {
  const chain = openChain(network, [world.chain.rpcUrl]);
  const nowS = Math.floor(Date.now() / 1000);
  const dueS = nowS + 30 * DAY_S;
  const signed = await world.sign(await world.payer(), {
    validAfterS: BigInt(dueS),
    validBeforeS: BigInt(dueS + 16 * DAY_S),
  });
  const job = jobOf(signed.authorization, signed.signature, dueS * 1000);
  const land = () => world.land((nonce) => buildSettlement(network, job, nonce, FEES));
  expect(await chain.simulate(job.authorization, job.signature, world.relayer)).toMatch(/not yet valid/);
  expect((await land()).status).toBe("reverted");
  expect(await chain.authorizationUsed(job.authorization, "latest")).toBe(false);

  await world.chain.client.increaseTime({ seconds: 30 * DAY_S + 60 });
  await world.chain.client.mine({ blocks: 1 });
  expect(await chain.simulate(job.authorization, job.signature, world.relayer)).toBeUndefined();
  // Whoever sends it: it pays us, and is found from the day it was signed for.
  const stranger = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8";
  const data = transferData(job.authorization, job.signature);
  const hash = await world.chain.client.sendTransaction({ account: stranger, to: network.usdc, data });
  await world.chain.client.waitForTransactionReceipt({ hash });
  expect(await chain.findTransfer(job.authorization, job.claimedMs)).toMatchObject({ txHash: hash });
  expect((await land()).status).toBe("reverted");
});
