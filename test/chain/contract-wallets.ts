/**
 * ERC-1271 wallets as byte code written by hand: one that obeys a key, one that loops, one that says no. They answer any call, so
 * they have no selector table; the token calls `isValidSignature(bytes32 hash, bytes signature)` with 65 bytes of r, s, v.
 */
import type { Address, Hex } from "viem";
import type { Chain } from "../stack/chain/chain.ts";

const code = (...lines: string[]): Hex => `0x${lines.map((line) => line.replace(/\s/g, "")).join("")}`;

/** Says yes to signatures of one key: ecrecover(hash, v, r, s) == owner ? 0x1626ba7e : 0. */
export function obedient(owner: Address): Hex {
  return code(
    "60 04 35 60 00 52", // memory[00] = calldata[04], the hash
    "60 a4 35 60 f8 1c 60 20 52", // memory[20] = first byte of calldata[a4], v
    "60 64 35 60 40 52", // memory[40] = calldata[64], r
    "60 84 35 60 60 52", // memory[60] = calldata[84], s
    "60 20 60 80 60 80 60 00 60 01 5a fa 50", // ecrecover, precompile 1: 80 bytes in, 20 bytes out to memory[80]
    `60 80 51 73 ${owner.slice(2)} 14`, // memory[80] == owner: 1 or 0
    "63 16 26 ba 7e 02 60 e0 1b", // times the magic, to the left of the word
    "60 00 52 60 20 60 00 f3", // return it
  );
}

/** Never comes back. */
export const LOOPING = code("5b 60 00 56"); // JUMPDEST, jump to it

/** Answers zero. */
export const REFUSING = code("60 00 60 00 52 60 20 60 00 f3");

/** Answers the magic and more behind it, which is not the magic. */
export const CHATTY = code("63 16 26 ba 7e 60 e0 1b 60 00 52 60 40 60 00 f3");

export async function place(chain: Chain, address: Address, bytecode: Hex): Promise<void> {
  await chain.client.setCode({ address, bytecode });
}
