/**
 * Where the local stack keeps what it must find again: the chain, the edge's and the S3 server's data, and the keys.
 */
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { generatePrivateKey } from "viem/accounts";
import { StackFailure } from "./failure.ts";

/** The folder of the project: two above this file. */
export const PROJECT = fileURLToPath(new URL("../../", import.meta.url).href);

export interface StatePaths {
  readonly directory: string;
  readonly keys: string;
  readonly chainFile: string;
  readonly identityFile: string;
  readonly edge: string;
  readonly s3: string;
  readonly logs: string;
  readonly wrangler: string;
}

export function statePaths(directory: string): StatePaths {
  return {
    directory,
    keys: join(directory, "keys"),
    chainFile: join(directory, "chain", "state.json"),
    identityFile: join(directory, "chain-identity"),
    edge: join(directory, "edge"),
    s3: join(directory, "s3"),
    logs: join(directory, "logs"),
    wrangler: join(directory, "wrangler"),
  };
}

/** Removes what the stack itself has made there and nothing else, whatever directory it was pointed at. */
export function forget(paths: StatePaths): void {
  for (const name of ["keys", "chain", "chain-identity", "edge", "s3", "logs", "wrangler"]) {
    rmSync(join(paths.directory, name), { recursive: true, force: true });
  }
}

function kept(paths: StatePaths, name: string, make: () => string): string {
  mkdirSync(paths.keys, { recursive: true, mode: 0o700 });
  const file = join(paths.keys, name);
  if (!existsSync(file)) writeFileSync(file, `${make()}\n`, { mode: 0o600, flag: "wx" });
  return readFileSync(file, "utf8").trim();
}

function keptPrivateKey(paths: StatePaths, name: string): `0x${string}` {
  const text = kept(paths, name, generatePrivateKey);
  if (!/^0x[0-9a-f]{64}$/i.test(text)) {
    throw new StackFailure(`${join(paths.keys, name)} does not hold a private key. Put it back or start with --reset.`);
  }
  return text as `0x${string}`;
}

const randomHex = (bytes: number) => () => randomBytes(bytes).toString("hex");

/** Made at the first start, found again at every later one; each in a file only its owner can read. */
export function keysOf(paths: StatePaths) {
  const credentials = (name: string) => ({
    accessKeyId: kept(paths, `${name}-access-key-id`, () => `AKIA${randomHex(8)().toUpperCase()}`),
    secretAccessKey: kept(paths, `${name}-secret-access-key`, randomHex(20)),
  });
  return {
    wallet: keptPrivateKey(paths, "wallet"),
    relayer: keptPrivateKey(paths, "relayer"),
    payTo: keptPrivateKey(paths, "pay-to"),
    receipts: keptPrivateKey(paths, "receipts"),
    ticketKey: kept(paths, "ticket", randomHex(32)),
    s3: credentials("s3"),
    secretsManager: credentials("secrets-manager"),
    pricing: credentials("pricing"),
  };
}

export type Keys = ReturnType<typeof keysOf>;

const LOST =
  "The local chain was lost: the edge remembers payments on a chain that is not there any more. " +
  "Put the chain's file back, or start again with --reset to throw away the local data and begin anew.";

/** Refuses to begin a new chain under an edge that remembers an old one. Asked before the chain starts. */
export function refuseLostChain(paths: StatePaths): void {
  const known = existsSync(paths.identityFile) || (existsSync(paths.edge) && readdirSync(paths.edge).length > 0);
  if (known && !existsSync(paths.chainFile)) throw new StackFailure(LOST);
}

/** Refuses a chain that is not the one the edge knows; remembers it when there is none yet. Asked before the edge starts. */
export function recogniseChain(paths: StatePaths, identity: string): void {
  if (!existsSync(paths.identityFile)) writeFileSync(paths.identityFile, `${identity}\n`, { flag: "wx" });
  if (readFileSync(paths.identityFile, "utf8").trim() !== identity) throw new StackFailure(LOST);
}
