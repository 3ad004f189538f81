/**
 * An entry of the bundle beside the two that are run, for nobody to run: libraries that all three reach become files of their own, so that
 * each file stays below the size (1 MiB) up to which OpenClaw's scanner reads it.
 */
import { createClient, http } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { getBalance, getChainId, readContract, waitForTransactionReceipt, writeContract } from "viem/actions";
import { Problem } from "#contract/api";

const chain = [createClient, http, getBalance, getChainId, readContract, waitForTransactionReceipt, writeContract];
export const libraries: readonly unknown[] = [...chain, privateKeyToAccount, Problem];
