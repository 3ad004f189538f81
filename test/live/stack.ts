/**
 * A stack of its own for a file of live tests: real chain, strict S3, the Worker over TCP, all on free ports and on a directory
 * that goes away. Blocks come every two seconds, because a chain that mines at once hides the races these tests are about.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { generatePrivateKey, type PrivateKeyAccount, privateKeyToAccount } from "viem/accounts";
import { OWNER, USDC } from "../stack/chain/client.ts";
import { usdcAbi } from "../stack/chain/usdc.ts";
import { type Family, startFamily } from "../stack/processes.ts";
import { edgeInputs } from "../stack/settings.ts";
import { type Stack, startStack } from "../stack/stack.ts";
import { workerPlan } from "../stack/wrangler.ts";

export interface Live {
  readonly stack: Stack;
  readonly edge: string;
  /** New wallets with so many micro-USDC each and no ether; all of them are funded in one block. */
  fundedWallets(count: number, microUsdc?: bigint): Promise<PrivateKeyAccount[]>;
  /** Ends the edge as a crash would: no goodbye, its children too. */
  killEdge(): Promise<void>;
  /** Starts the edge again on the same port and the same data. */
  restartEdge(): Promise<void>;
  stop(): Promise<void>;
}

export async function startLive(): Promise<Live> {
  const directory = await mkdtemp(join(tmpdir(), "live-test-"));
  const ports = { edge: 0, s3: 0, chain: 0, secrets: 0 };
  const stack = await startStack({ stateDirectory: join(directory, "state"), ports });
  let second: Family | undefined;
  return {
    stack,
    edge: stack.urls.edge,
    fundedWallets: (count, microUsdc = 1_000_000n) => fundedWallets(stack, count, microUsdc),
    killEdge: async () => {
      const edge = second?.child("edge") ?? stack.child("edge");
      if (!edge) throw new Error("no edge is running");
      // wrangler leads a group of its own; its workerd would outlive it.
      process.kill(-edge.pid, "SIGKILL");
      await edge.ended;
    },
    restartEdge: async () => {
      await second?.stop();
      second = await startFamily();
      const { keys, urls, chain, paths } = stack;
      const config = fileURLToPath(new URL("../../wrangler.toml", import.meta.url));
      const port = Number(new URL(urls.edge).port);
      const inputs = edgeInputs(keys, urls, chain);
      await second.start(workerPlan({ name: "edge", config, port, persistTo: paths.edge, ...inputs }, paths));
    },
    stop: async () => {
      await second?.stop();
      await stack.stop();
      await rm(directory, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

/** Nonces are given by hand: one mint after the other would take a block each. */
async function fundedWallets({ chain }: Stack, count: number, microUsdc: bigint): Promise<PrivateKeyAccount[]> {
  const accounts = Array.from({ length: count }, () => privateKeyToAccount(generatePrivateKey()));
  const first = await chain.client.getTransactionCount({ address: OWNER, blockTag: "pending" });
  const minted = accounts.map((account, index) =>
    chain.client.writeContract({
      account: OWNER,
      address: USDC,
      abi: usdcAbi,
      functionName: "mint",
      args: [account.address, microUsdc],
      gas: 200_000n,
      nonce: first + index,
    }),
  );
  for (const hash of await Promise.all(minted)) {
    const { status } = await chain.client.waitForTransactionReceipt({ hash });
    if (status !== "success") throw new Error("a mint was reverted");
  }
  return accounts;
}
