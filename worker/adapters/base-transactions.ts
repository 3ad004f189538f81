/**
 * The three transactions a relayer sends: one payment, many payments in one, and nothing (which frees a nonce). EIP-1559, with gas
 * limits written out: an estimate would be one more question and, for a batch that tolerates failures, a wrong answer (the estimator
 * finds a limit at which an inner call runs out of gas and the whole still succeeds).
 */
import { encodeFunctionData, parseAbi, serializeTransaction } from "viem";
import type { Wallet } from "#contract/wallet";
import type { Authorization, Network } from "#contract/x402";
import type { SettlementJob } from "../../durable/ports.ts";

/** The same address on every chain (multicall3.com). */
const MULTICALL3 = "0xcA11bde05977b3631167028862bE2a173976CA11";
/** A single transfer takes about 86,000. */
export const GAS_LIMIT = 160_000n;
/** In a batch each takes 45,000 to 61,000; what is not used is not paid. */
const BATCH_BASE_GAS = 100_000n;
const BATCH_CALL_GAS = 100_000n;
const TRANSFER_GAS = 21_000n;

const TOKEN = parseAbi([
  "function transferWithAuthorization(address from, address to, uint256 value, uint256 validAfter, uint256 validBefore, bytes32 nonce, bytes signature)",
]);
const BATCH = parseAbi([
  "struct Call3 { address target; bool allowFailure; bytes callData; }",
  "struct Result { bool success; bytes returnData; }",
  "function aggregate3(Call3[] calls) payable returns (Result[])",
]);

interface Fees {
  readonly maxFeePerGas: bigint;
  readonly maxPriorityFeePerGas: bigint;
}
interface Call {
  readonly to: `0x${string}`;
  readonly gas: bigint;
  readonly data?: `0x${string}`;
}

export function buildSettlement(network: Network, job: SettlementJob, nonce: number, fees: Fees) {
  const data = transferData(job.authorization, job.signature);
  return unsigned(network, nonce, fees, { to: network.usdc, gas: GAS_LIMIT, data });
}

/** More would not fit the gas that one transaction may reasonably ask for. */
const BATCH_MAX = 50;

/** A call that fails costs its neighbours nothing but gas; which ones paid is read from the logs. */
export function buildBatch(network: Network, jobs: readonly SettlementJob[], nonce: number, fees: Fees) {
  if (jobs.length === 0 || jobs.length > BATCH_MAX)
    throw new Error(`invariant: a batch of ${jobs.length} payments; wanted 1 to ${BATCH_MAX}`);
  const calls = jobs.map((job) => ({
    target: network.usdc,
    allowFailure: true,
    callData: transferData(job.authorization, job.signature),
  }));
  const data = encodeFunctionData({ abi: BATCH, functionName: "aggregate3", args: [calls] });
  return unsigned(network, nonce, fees, {
    to: MULTICALL3,
    gas: BATCH_BASE_GAS + BATCH_CALL_GAS * BigInt(jobs.length),
    data,
  });
}

export function buildCancel(network: Network, self: Wallet, nonce: number, fees: Fees) {
  return unsigned(network, nonce, fees, { to: self, gas: TRANSFER_GAS });
}

function unsigned(network: Network, nonce: number, fees: Fees, call: Call) {
  return {
    nonce,
    serialize: (signature?: { r: `0x${string}`; s: `0x${string}`; yParity: 0 | 1 }) =>
      serializeTransaction(
        {
          type: "eip1559",
          chainId: network.chainId,
          nonce,
          value: 0n,
          maxFeePerGas: fees.maxFeePerGas,
          maxPriorityFeePerGas: fees.maxPriorityFeePerGas,
          ...call,
        },
        signature,
      ),
  };
}

/** The `bytes` overload takes signatures of any wallet kind (FiatTokenV2_2). */
export function transferData(a: Authorization, signature: `0x${string}`): `0x${string}` {
  return encodeFunctionData({
    abi: TOKEN,
    functionName: "transferWithAuthorization",
    args: [a.from, a.to, a.value, a.validAfterS, a.validBeforeS, a.nonce, signature],
  });
}
