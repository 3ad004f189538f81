/** A wallet with a dollar, and the published client on a home of its own, its words tapped on the way to the edge. */
import { createHash, randomBytes } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Buyer, Live } from "../live/stack.ts";
import { archiveOf, type OldClient, type Printed, said, startOldClient } from "./client.ts";
import type { Mainnet } from "./mainnet.ts";
import { startTap, type Tap } from "./tap.ts";

export interface Backup {
  readonly name: string;
  readonly objectId: string;
  /** SHA-256 of the archive. */
  readonly hash: string;
  readonly gb: string;
}

export interface Customer extends OldClient {
  readonly account: Buyer;
  readonly tap: Tap;
  /** Archives a file of random bytes under a friendly name. */
  backup(name: string, sizeBytes: number): Promise<Backup>;
  /** The quote's id. */
  quote(backup: Backup): Promise<string>;
  /** Keeps the archive, so that it may be run again. */
  upload(backup: Backup, quote: string): Promise<Printed>;
  /** What the edge says of it now. */
  stat(backup: Backup): Promise<Readonly<Record<string, unknown>>>;
  /** SHA-256 of what it downloads. */
  fetched(backup: Backup): Promise<string>;
}

export async function newCustomer(live: Live, mainnet: Mainnet, account: Buyer): Promise<Customer> {
  const home = mkdtempSync(join(tmpdir(), "old-client-"));
  const tap = await startTap(live.edge);
  const client = await startOldClient({ home, edge: tap.url, privateKey: account.privateKey, mainnet });
  const { run } = client;
  const wallet = `wallet-address:${account.address}`;
  const must = async (line: string): Promise<string> => {
    const printed = await run(line);
    if (printed.code !== 0) throw new Error(`${line}\n${printed.text}\n${client.log()}`);
    return printed.text;
  };
  return {
    ...client,
    account,
    tap,
    backup: async (name, sizeBytes) => {
      const file = join(home, `${name}.bin`);
      writeFileSync(file, randomBytes(sizeBytes));
      const text = await must(`cloud backup ${file} name:${name}`);
      return {
        name,
        objectId: said(text, "object-id"),
        hash: said(text, "object-id-hash"),
        gb: said(text, "object-size"),
      };
    },
    quote: async ({ objectId, hash, gb }) => {
      const text = await must(
        `cloud price-storage ${wallet} object-id:${objectId} object-id-hash:${hash} gb:${gb} provider:aws region:us-east-1`,
      );
      const quote = /storage quote `([^`]+)`/.exec(text)?.[1];
      if (quote === undefined) throw new Error(`no quote in:\n${text}`);
      return quote;
    },
    upload: ({ name, objectId, hash }, quote) =>
      run(`cloud upload quote-id:${quote} ${wallet} object-id:${objectId} object-id-hash:${hash} name:${name}`, {
        MNEMOSPARK_REMOVE_BACKUP_FILE: "0",
      }),
    stat: async ({ objectId }) => {
      await must(`cloud ls ${wallet} object-key:${objectId}`);
      return tap.of("/storage/ls").at(-1)?.answered ?? {};
    },
    fetched: async ({ objectId }) => {
      const file = archiveOf(await must(`cloud download ${wallet} object-key:${objectId}`));
      return createHash("sha256").update(readFileSync(file)).digest("hex");
    },
    stop: async () => {
      await client.stop();
      await tap.stop();
      rmSync(home, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}
