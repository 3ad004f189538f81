/**
 * Where the anvil binary is and how it is told to behave.
 *
 * The npm command `anvil` is a wrapper that survives its parent, so the platform package's binary is run directly.
 */
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { delimiter, join } from "node:path";
import { StackFailure } from "../failure.ts";

const ARCHITECTURES: Readonly<Record<string, string>> = { x64: "amd64", arm64: "arm64" };

export function anvilBinary(): string {
  const platform = `${process.platform}-${ARCHITECTURES[process.arch] ?? process.arch}`;
  try {
    return createRequire(import.meta.url).resolve(`@foundry-rs/anvil-${platform}/bin/anvil`);
  } catch {
    // The package for Linux on x64 comes with npm ci; elsewhere the developer's own does.
    const own = (process.env["PATH"] ?? "").split(delimiter).map((directory) => join(directory, "anvil"));
    const found = own.find((file) => existsSync(file));
    if (found !== undefined) return found;
    throw new StackFailure(
      `There is no anvil for ${platform} in node_modules and none on the PATH. Install Foundry's anvil.`,
    );
  }
}

export interface AnvilSettings {
  readonly port: number;
  readonly chainId: number;
  /** Seconds since 1970 of block 0; the same at each start of the same chain. */
  readonly bornAt: number;
  readonly stateFile: string | undefined;
  readonly cacheDirectory: string;
}

export function anvilArguments(settings: AnvilSettings): string[] {
  const args = [
    ...["--host", "127.0.0.1", "--port", String(settings.port), "--no-cors"],
    ...["--chain-id", String(settings.chainId)],
    // With 32 slots in an epoch `finalized` lags 64 blocks; with 1 it lags 2.
    ...["--slots-in-an-epoch", "1"],
    // anvil builds a block 0 at every start and saves it beside the real one. Two with different times would make
    // "block 0" a matter of hash map order; with the time given they are one and the same.
    ...["--timestamp", String(settings.bornAt)],
    // Mining is switched on once the clock is set and the contracts are in place (see chain.ts).
    "--no-mining",
    // How many old states to keep in memory, far more than finality needs. Left to itself anvil writes every one of them
    // to disk: 14 GB for a day of empty blocks. Blocks, receipts and logs are kept whatever this says.
    ...["--prune-history", "64", "--cache-path", settings.cacheDirectory],
  ];
  if (settings.stateFile !== undefined) args.push("--state", settings.stateFile, "--state-interval", "1");
  return args;
}
