/**
 * The last look before a signature: would each transfer land now, and does its payer have it all? Asked of the chain for every job at
 * once; judged in the order they came, so that a payer who promised the same money twice is believed once.
 */
import type { Wallet } from "#contract/wallet";
import { revertReason } from "#rules/revert";
import type { Job } from "./lane.ts";
import type { ChainRpc } from "./ports.ts";

export type Vetted =
  /** `alone`: the payer is a contract, or a batch has failed this one before. */
  | { readonly verdict: "ready"; readonly job: Job; readonly alone: boolean }
  /** It would not land. `maybePaid`: because its nonce is used, which somebody may have done for us. */
  | {
      readonly verdict: "faulty";
      readonly job: Job;
      readonly reason: string;
      readonly detail: string;
      readonly maybePaid: boolean;
    }
  /** The payer has promised too much at once; it stays in the queue until what is under way has landed or not. */
  | { readonly verdict: "later"; readonly job: Job }
  /** The endpoint did not say. Each stands alone: a contract it chokes on must not keep the others from paying. */
  | { readonly verdict: "unknown"; readonly job: Job; readonly detail: string };

/** An authorization this close to its end is not sent: it would revert at our cost. */
const LAST_SEND_S = 6n;

export async function vet(
  queued: readonly Job[],
  rpc: ChainRpc,
  relayer: Wallet,
  nowS: bigint,
  promisedBy: (payer: string) => bigint,
): Promise<Vetted[]> {
  // Before the balances are asked: what lands in between counts twice rather than not at all.
  const promised = new Map<string, bigint>(queued.map(({ authorization: { from } }) => [from, promisedBy(from)]));
  const answers = await Promise.all(queued.map((job) => ask(job, rpc, relayer)));
  return answers.map((answer): Vetted => {
    const { job } = answer;
    if (answer.detail !== undefined) return { verdict: "unknown", job, detail: answer.detail };
    const { from, value, validBeforeS } = job.authorization;
    const faulty = (reason: string, detail: string, maybePaid = false): Vetted => ({
      verdict: "faulty",
      job,
      reason,
      detail,
      maybePaid,
    });
    if (answer.fault !== undefined) return faulty(revertReason(answer.fault), answer.fault, true);
    if (validBeforeS < nowS + LAST_SEND_S)
      return faulty(
        "invalid_exact_evm_payload_authorization_valid_before",
        "the authorization expires before it could land",
      );
    const before = promised.get(from) ?? 0n;
    // Enough for this one alone: what is under way decides first.
    if (before > 0n && value <= answer.balance && before + value > answer.balance) return { verdict: "later", job };
    if (value > answer.balance)
      return faulty("invalid_exact_evm_insufficient_balance", `the payer has ${answer.balance}; this needs ${value}`);
    promised.set(from, before + value);
    return { verdict: "ready", job, alone: answer.hasCode };
  });
}

async function ask(job: Job, rpc: ChainRpc, relayer: Wallet) {
  try {
    const [fault, hasCode, balance] = await Promise.all([
      rpc.simulate(job.authorization, job.signature, relayer),
      job.alone || rpc.hasCode(job.authorization.from),
      rpc.balanceOfUsdc(job.authorization.from),
    ]);
    return { job, fault, hasCode, balance, detail: undefined };
  } catch (error) {
    const detail = error instanceof Error ? error.message : String(error);
    return { job, fault: undefined, hasCode: false, balance: 0n, detail };
  }
}
