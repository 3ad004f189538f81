/** A chain that does what the test wrote down: which calls throw, what is mined, whose transfer is seen. */
import { keccak256 } from "viem";
import type { Wallet } from "#contract/wallet";
import type { Authorization } from "#contract/x402";
import type { BlockTag, ChainRpc, Receipt, TransferProof } from "../../durable/ports.ts";

type Mined = "paid" | "reverted";

export class ScriptedChain implements ChainRpc {
  /** Names of calls that throw, as an endpoint does that does not answer. */
  readonly down = new Set<keyof ChainRpc>();
  /** Everything that was handed to a node, in order. */
  readonly sent: `0x${string}`[] = [];
  readonly calls: (keyof ChainRpc)[] = [];
  /** What becomes of a transaction the moment it is sent; undefined: it waits. */
  onSend: Mined | undefined = "paid";
  simulation: string | undefined;
  maxFeePerGas = 2_000_000_000n;
  balance = 10n ** 18n;
  /** What every payer has, micro-USDC. */
  usdc = 1_000_000_000n;
  /** Payers that are contracts. */
  readonly contracts = new Set<string>();
  pendingCount = 0;
  /** Nonces that the chain is past for good. */
  finalizedCount = 0;
  /** Authorizations used on chain, by nonce. */
  readonly used = new Set<string>();
  /** Authorizations whose transfer is not in the transaction that was to carry it, by nonce. */
  readonly notCarried = new Set<string>();
  /** Authorizations about which the endpoints disagree, by nonce. */
  readonly undecided = new Set<string>();
  /** Transfers by somebody else's hand, by authorization nonce. */
  readonly transfers = new Map<string, TransferProof>();
  finalizedTimeS = 0n;
  /** Number of the `safe` and `finalized` heads; transfers are seen in block 10. */
  settledBlock = 9n;
  readonly #mined = new Map<string, Mined>();
  readonly #nowMs: () => number;
  beforeSend: (() => Promise<void>) | undefined;

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  #call(name: keyof ChainRpc): void {
    this.calls.push(name);
    if (this.down.has(name)) throw new Error(`${name}: the endpoint does not answer`);
  }

  async simulate(authorization: Authorization): Promise<string | undefined> {
    this.#call("simulate");
    if (this.undecided.has(authorization.nonce)) throw new Error("the endpoint chokes on this one");
    // Other calls come in between, as they do while a real endpoint thinks.
    await new Promise((resolve) => setTimeout(resolve, 1));
    return this.simulation;
  }

  async fees() {
    this.#call("fees");
    return { maxFeePerGas: this.maxFeePerGas, maxPriorityFeePerGas: 1_000_000n };
  }

  async balanceWei(): Promise<bigint> {
    this.#call("balanceWei");
    return this.balance;
  }

  async balanceOfUsdc(): Promise<bigint> {
    this.#call("balanceOfUsdc");
    return this.usdc;
  }

  async hasCode(address: Wallet): Promise<boolean> {
    this.#call("hasCode");
    return this.contracts.has(address);
  }

  async transactionCount(_: Wallet, at: "latest" | "pending" | "finalized"): Promise<number> {
    this.#call("transactionCount");
    await new Promise((resolve) => setTimeout(resolve, 1));
    return at === "finalized" ? this.finalizedCount : this.pendingCount;
  }

  async send(raw: `0x${string}`): Promise<void> {
    await this.beforeSend?.();
    this.#call("send");
    this.sent.push(raw);
    if (this.onSend) this.mine(raw, this.onSend);
  }

  mine(raw: `0x${string}`, how: Mined): void {
    const hash = keccak256(raw);
    if (!this.#mined.has(hash)) this.pendingCount += 1;
    this.#mined.set(hash, how);
  }

  /** A reorg: the transaction is in no block any more. */
  forget(hash: string): void {
    this.#mined.delete(hash);
  }

  async receipts(hashes: readonly `0x${string}`[]): Promise<(Receipt | undefined)[]> {
    this.#call("receipts");
    return hashes.map((hash) => {
      const mined = this.#mined.get(hash);
      if (!mined) return undefined;
      return {
        succeeded: mined === "paid",
        blockNumber: 10n,
        transferOf: async (authorization) => {
          if (this.down.has("findTransfer")) throw new Error("the endpoint does not answer");
          if (this.undecided.has(authorization.nonce)) throw new Error("the endpoints contradict each other");
          return this.notCarried.has(authorization.nonce) ? undefined : this.proof(hash);
        },
      };
    });
  }

  proof(txHash: `0x${string}`): TransferProof {
    return {
      txHash,
      blockNumber: 10n,
      blockTimeMs: Math.floor(this.#nowMs() / 1000) * 1000,
      gasUsed: 86_000n,
      effectiveGasPrice: 1_000_000_000n,
    };
  }

  async findTransfer(authorization: Authorization): Promise<TransferProof | undefined> {
    this.#call("findTransfer");
    return this.transfers.get(authorization.nonce);
  }

  async authorizationUsed(authorization: Authorization): Promise<boolean> {
    this.#call("authorizationUsed");
    return this.used.has(authorization.nonce);
  }

  async head(at: BlockTag) {
    this.#call("head");
    const timeS = at === "finalized" ? this.finalizedTimeS : BigInt(Math.floor(this.#nowMs() / 1000));
    return { number: at === "latest" ? 10n : this.settledBlock, timeS };
  }
}
