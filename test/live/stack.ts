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
import type { DailyCost } from "../stack/pricing/cost-explorer.ts";
import { type Family, startFamily } from "../stack/processes.ts";
import { edgeInputs, s3Inputs } from "../stack/settings.ts";
import { type Stack, startStack } from "../stack/stack.ts";
import { workerPlan } from "../stack/wrangler.ts";

export type Part = "edge" | "s3";

/** A wallet whose key can be handed to another program. */
export type Buyer = PrivateKeyAccount & { readonly privateKey: `0x${string}` };

export interface Live {
  readonly stack: Stack;
  readonly edge: string;
  /** A new wallet with $1 of USDC and no ether. All of them were funded in one block, at the start. */
  wallet(): Buyer;
  /** Ends a Worker as a crash would: no goodbye, its children too. */
  kill(part: Part): Promise<void>;
  /** Starts it again on the same port and the same data. */
  restart(part: Part): Promise<void>;
  stop(): Promise<void>;
}

export interface LiveOptions {
  readonly wallets?: number;
  readonly microUsdc?: bigint;
  /** What Cost Explorer has seen this account spend; asked anew with each request. */
  readonly dailyCosts?: () => readonly DailyCost[];
  /** Other Workers than the project's own; a restarted one is the project's again. */
  readonly edgeConfig?: string;
  readonly s3Config?: string;
  /** Put over the edge's settings; a restarted edge is told them too. */
  readonly edgeVars?: Readonly<Record<string, string>>;
}

export async function startLive(options: LiveOptions = {}): Promise<Live> {
  const { wallets: count = 96, microUsdc = 1_000_000n, edgeVars = {}, ...others } = options;
  const directory = await mkdtemp(join(tmpdir(), "live-test-"));
  const ports = { edge: 0, s3: 0, chain: 0, secrets: 0, pricing: 0 };
  const stack = await startStack({ ...others, stateDirectory: join(directory, "state"), ports, edgeVars });
  const wallets = await fundedWallets(stack, count, microUsdc);
  const restarted = new Map<Part, Family>();
  const endRestarted = async (part: Part) => restarted.get(part)?.stop();
  return {
    stack,
    edge: stack.urls.edge,
    wallet: () => {
      const account = wallets.pop();
      if (!account) throw new Error(`more than ${count} wallets were asked for`);
      return account;
    },
    kill: async (part) => {
      const child = (restarted.get(part) ?? stack).child(part);
      if (!child) throw new Error(`no ${part} is running`);
      // wrangler leads a group of its own; its workerd would outlive it.
      process.kill(-child.pid, "SIGKILL");
      await child.ended;
    },
    restart: async (part) => {
      await endRestarted(part);
      const family = await startFamily();
      restarted.set(part, family);
      await family.start(planOf(stack, part, edgeVars));
    },
    stop: async () => {
      await Promise.all([endRestarted("edge"), endRestarted("s3")]);
      await stack.stop();
      await rm(directory, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

function planOf({ keys, urls, chain, paths }: Stack, part: Part, edgeVars: Readonly<Record<string, string>>) {
  const file = part === "edge" ? "../../wrangler.toml" : "../stack/s3/wrangler.toml";
  const inputs = part === "edge" ? edgeInputs(keys, urls, chain) : s3Inputs(keys);
  const vars = part === "edge" ? { ...inputs.vars, ...edgeVars } : inputs.vars;
  const config = fileURLToPath(new URL(file, import.meta.url).href);
  const port = Number(new URL(urls[part]).port);
  return workerPlan({ name: part, config, port, persistTo: paths[part], ...inputs, vars }, paths);
}

/** A wallet with nothing in it. */
export function newBuyer(): Buyer {
  const privateKey = generatePrivateKey();
  return { ...privateKeyToAccount(privateKey), privateKey };
}

/** Nonces are given by hand: one mint after the other would take a block each. */
async function fundedWallets({ chain }: Stack, count: number, microUsdc: bigint): Promise<Buyer[]> {
  const accounts = Array.from({ length: count }, newBuyer);
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
