/**
 * The chain: balances, used authorizations, a mempool by nonce, blocks every two seconds, finality a few blocks behind, and reorgs
 * above it. Its token follows FiatTokenV2_2 where it matters: an authorization is used once, in its window, by transfer or by cancel.
 */
import { sha256Hex } from "#contract/bytes";
import type { Authorization } from "#contract/x402";
import type { ChainRpc, Receipt, TransferProof } from "../../durable/ports.ts";
import type { Actor, Io } from "./actor.ts";
import type { Random } from "./random.ts";
import type { Time } from "./time.ts";

/** What a transaction does; the simulator's stand-in for calldata. */
export interface Intent {
  readonly from: string;
  readonly nonce: number;
  readonly maxFee: bigint;
  readonly transfers: readonly Authorization[];
  /** A batch tolerates inner failures; a single call reverts. */
  readonly tolerant: boolean;
  /** Authorizations the payer cancels or burns elsewhere. */
  readonly burns?: readonly Authorization[];
  /** Moves USDC away from the payer. */
  readonly drains?: { from: string; to: string; value: bigint };
}

interface Log {
  readonly key: string;
  readonly paid: Authorization | undefined;
}
interface Mined {
  readonly hash: string;
  readonly intent: Intent;
  readonly ok: boolean;
  readonly logs: readonly Log[];
}
interface Block {
  readonly number: number;
  readonly timeS: number;
  readonly mined: readonly Mined[];
  /** State before it, to go back to. */
  readonly before: State;
}
interface State {
  readonly usdc: Map<string, bigint>;
  readonly used: Map<string, "transfer" | "burnt">;
  readonly nonces: Map<string, number>;
}

const SAFE_DEPTH = 3;
const FINAL_DEPTH = 6;

export const useKey = (a: Authorization) => `${a.from}|${a.nonce}`;
/** What was transferred before its claim pays for something else; clocks may differ by a minute. Contract section 3. */
export const isInTime = (transferMs: number, claimedMs: number) => transferMs >= claimedMs - 60_000;
const copy = (state: State): State => ({
  usdc: new Map(state.usdc),
  used: new Map(state.used),
  nonces: new Map(state.nonces),
});

export class SimChain {
  #state: State = { usdc: new Map(), used: new Map(), nonces: new Map() };
  readonly #blocks: Block[] = [];
  readonly #pool = new Map<string, Intent>();
  readonly #time: Time;
  readonly #random: Random;
  /** Wei; moves when the market does. */
  baseFee = 1_000n;
  /** Twice the highest base fee there ever was: what a careful sender offered at most. */
  highestFee = 2_000n;
  calm = false;
  /** Every transaction any node was ever handed, by hash. */
  readonly seen = new Set<string>();
  reorgs = 0;
  /** Payers that ever moved money behind our back. */
  readonly drained = new Set<string>();
  onSend: ((hash: string, intent: Intent) => void) | undefined;

  constructor(time: Time, random: Random) {
    this.#time = time;
    this.#random = random;
    this.#blocks.push({ number: 0, timeS: Math.floor(time.nowMs / 1000), mined: [], before: copy(this.#state) });
    const tick = () => {
      this.mine();
      time.at(time.nowMs + (this.calm && this.#pool.size === 0 ? 60_000 : 2_000), tick);
    };
    time.at(time.nowMs + 2_000, tick);
  }

  fund(address: string, microUsdc: bigint): void {
    this.#state.usdc.set(address, (this.#state.usdc.get(address) ?? 0n) + microUsdc);
    for (const block of this.#blocks)
      block.before.usdc.set(address, (block.before.usdc.get(address) ?? 0n) + microUsdc);
  }

  balance(address: string): bigint {
    return this.#state.usdc.get(address) ?? 0n;
  }

  /** Somebody hands a transaction to a node. */
  submit(hash: string, intent: Intent): void {
    if (this.#isMined(hash)) return;
    if ((this.#state.nonces.get(intent.from) ?? 0) > intent.nonce) return;
    this.#pool.set(hash, intent);
    this.seen.add(hash);
  }

  /** A stranger's transaction, under an account of its own. */
  submitAs(stranger: string, what: Omit<Intent, "from" | "nonce" | "maxFee">): void {
    if (what.drains) this.drained.add(what.drains.from);
    for (const { from } of what.transfers) this.drained.add(from);
    const nonce = this.#state.nonces.get(stranger) ?? 0;
    this.submit(`0x${sha256Hex(`${stranger}|${nonce}|${this.#random.hex(8)}`)}`, {
      from: stranger,
      nonce,
      maxFee: 10n ** 12n,
      ...what,
    });
  }

  mine(): void {
    if (!this.calm) {
      // The market: mostly quiet, now and then far above what was offered.
      if (this.#random.chance(0.03))
        this.baseFee = BigInt(this.#random.between(500, 5_000)) * (this.#random.chance(0.3) ? 40n : 1n);
      if (this.#random.chance(0.03)) this.#reorg(this.#random.between(1, 3));
    } else this.baseFee = 1_000n;
    if (this.baseFee * 2n > this.highestFee) this.highestFee = this.baseFee * 2n;
    const top = this.#top();
    const block = {
      number: top.number + 1,
      timeS: Math.max(top.timeS + 1, Math.floor(this.#time.nowMs / 1000)),
      before: copy(this.#state),
    };
    const mined: Mined[] = [];
    for (let again = true; again; ) {
      again = false;
      const ready = [...this.#pool].filter(
        ([, intent]) => (this.#state.nonces.get(intent.from) ?? 0) === intent.nonce && intent.maxFee >= this.baseFee,
      );
      // Of two with one nonce the dearer is taken.
      ready.sort(([, a], [, b]) => (a.maxFee < b.maxFee ? 1 : -1));
      const [first] = ready;
      if (!first || (!this.calm && this.#random.chance(0.1))) break;
      const [hash, intent] = first;
      this.#pool.delete(hash);
      mined.push(this.#execute(hash, intent, block.timeS));
      again = true;
    }
    this.#blocks.push({ ...block, mined });
  }

  #execute(hash: string, intent: Intent, timeS: number): Mined {
    this.#state.nonces.set(intent.from, intent.nonce + 1);
    const logs: Log[] = [];
    const before = copy(this.#state);
    let ok = true;
    for (const burn of intent.burns ?? []) {
      if (this.#state.used.has(useKey(burn))) continue;
      this.#state.used.set(useKey(burn), "burnt");
      logs.push({ key: useKey(burn), paid: undefined });
    }
    if (intent.drains) this.#move(intent.drains.from, intent.drains.to, intent.drains.value);
    for (const authorization of intent.transfers) {
      if (this.fault(authorization, timeS) !== undefined) {
        ok = ok && intent.tolerant;
        continue;
      }
      this.#state.used.set(useKey(authorization), "transfer");
      this.#move(authorization.from, authorization.to, authorization.value);
      logs.push({ key: useKey(authorization), paid: authorization });
    }
    if (!ok) {
      before.nonces.set(intent.from, intent.nonce + 1);
      this.#state = before;
    }
    return { hash, intent, ok, logs: ok ? logs : [] };
  }

  #move(from: string, to: string, value: bigint): void {
    const has = this.balance(from);
    const moved = has < value ? has : value;
    this.#state.usdc.set(from, has - moved);
    this.#state.usdc.set(to, this.balance(to) + moved);
  }

  fault(a: Authorization, timeS: number): string | undefined {
    if (BigInt(timeS) <= a.validAfterS) return "FiatTokenV2: authorization is not yet valid";
    if (BigInt(timeS) >= a.validBeforeS) return "FiatTokenV2: authorization is expired";
    if (this.#state.used.has(useKey(a))) return "FiatTokenV2: authorization is used or canceled";
    if (this.balance(a.from) < a.value) return "ERC20: transfer amount exceeds balance";
    return undefined;
  }

  /** The newest blocks never happened; what was in them may wait again, or be lost. */
  #reorg(depth: number): void {
    const floor = this.#heads().finalized;
    for (let i = 0; i < depth && this.#top().number > floor; i++) {
      const gone = this.#blocks.pop() as Block;
      this.reorgs += 1;
      this.#state = gone.before;
      for (const { hash, intent } of gone.mined) if (this.#random.chance(0.7)) this.#pool.set(hash, intent);
    }
  }

  #heads(): { latest: number; safe: number; finalized: number } {
    const latest = this.#top().number;
    // Finality never moves back: reorgs stop above it.
    this.#final = Math.max(this.#final, latest - FINAL_DEPTH);
    return { latest, safe: Math.max(this.#final, latest - SAFE_DEPTH), finalized: this.#final };
  }
  #final = 0;

  #top(): Block {
    return this.#blocks[this.#blocks.length - 1] as Block;
  }

  #block(number: number): Block {
    return this.#blocks[Math.max(0, number)] as Block;
  }

  #isMined(hash: string): boolean {
    return this.#blocks.some((block) => block.mined.some((mined) => mined.hash === hash));
  }

  /** Every transfer on chain now, and who sent it there. */
  transfers(): { authorization: Authorization; by: string; timeMs: number }[] {
    return this.#blocks.flatMap(({ timeS, mined }) =>
      mined.flatMap(({ intent, logs }) =>
        logs.flatMap(({ paid }) => (paid ? [{ authorization: paid, by: intent.from, timeMs: timeS * 1000 }] : [])),
      ),
    );
  }

  isUsed(key: string): boolean {
    return this.#state.used.has(key);
  }

  nonceOf(address: string): number {
    return this.#state.nonces.get(address) ?? 0;
  }

  #proofIn(block: Block, mined: Mined, a: Authorization): TransferProof | undefined {
    const log = mined.logs.find((each) => each.key === useKey(a));
    if (!log?.paid || log.paid.to !== a.to || log.paid.value !== a.value) return undefined;
    return {
      txHash: mined.hash as `0x${string}`,
      blockNumber: BigInt(block.number),
      blockTimeMs: block.timeS * 1000,
      gasUsed: 86_000n,
      effectiveGasPrice: this.baseFee,
    };
  }

  /** What an actor sees of it over RPC. */
  rpcFor(actor: Actor, io: Io, decode: (raw: string) => { hash: string; intent: Intent }): ChainRpc {
    const ask = <T>(what: string, answer: () => T) => io.do(actor, `rpc ${what}`, answer);
    return {
      simulate: (a) =>
        ask("simulate", () => this.fault(a, Math.max(this.#top().timeS + 1, Math.floor(this.#time.nowMs / 1000)))),
      fees: () => ask("fees", () => ({ maxFeePerGas: this.baseFee * 2n, maxPriorityFeePerGas: 1n })),
      balanceWei: () => ask("balance", () => 10n ** 20n),
      balanceOfUsdc: (address) => ask("usdc", () => this.balance(address)),
      hasCode: (address) => ask("code", () => address.endsWith("c0de")),
      transactionCount: (address, at) =>
        ask(
          "count",
          () => (at === "finalized" ? this.#noncesAt(this.#heads().finalized) : this.#state.nonces).get(address) ?? 0,
        ),
      send: (raw) =>
        ask("send", () => {
          const { hash, intent } = decode(raw);
          this.onSend?.(hash, intent);
          this.submit(hash, intent);
        }),
      receipts: (hashes) => ask("receipts", () => hashes.map((hash) => this.#receipt(hash))),
      findTransfer: (a, sinceMs) => ask("logs", () => this.#find(a, sinceMs)),
      authorizationUsed: (a, at) =>
        ask("state", () =>
          (at === "finalized" ? this.#usedAt(this.#heads().finalized) : this.#state.used).has(useKey(a)),
        ),
      head: (at) =>
        ask("head", () => {
          // An endpoint may be a block behind.
          const lag = at === "latest" && !this.calm && this.#random.chance(0.2) ? 1 : 0;
          const block = this.#block(this.#heads()[at] - lag);
          return { number: BigInt(block.number), timeS: BigInt(block.timeS) };
        }),
    };
  }

  #noncesAt(number: number): Map<string, number> {
    return number >= this.#top().number ? this.#state.nonces : this.#block(number + 1).before.nonces;
  }

  #usedAt(number: number): Map<string, string> {
    return number >= this.#top().number ? this.#state.used : this.#block(number + 1).before.used;
  }

  #find(a: Authorization, sinceMs: number): TransferProof | undefined {
    for (const block of this.#blocks)
      for (const mined of block.mined) {
        const proof = this.#proofIn(block, mined, a);
        if (proof && isInTime(proof.blockTimeMs, sinceMs)) return proof;
      }
    return undefined;
  }

  #receipt(hash: string): Receipt | undefined {
    for (const block of this.#blocks) {
      const mined = block.mined.find((each) => each.hash === hash);
      if (mined)
        return {
          succeeded: mined.ok,
          blockNumber: BigInt(block.number),
          transferOf: async (a) => this.#proofIn(block, mined, a),
        };
    }
    return undefined;
  }
}
