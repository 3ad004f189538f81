/** The shipped Store adapter on a server of the test's own, and everything that went over the wire between them. */
import { parseWallet, type Wallet } from "#contract/wallet";
import type { StoreConfig } from "../../worker/adapters/s3/store.ts";
import { openStore } from "../../worker/adapters/s3/store.ts";
import type { S3Door } from "../../worker/s3-door/door.ts";
import { type Between, startNodeServer } from "../s3/node-server.ts";
import { type Account, alice, freshName, type Subject } from "../s3/subject.ts";

export type Opened = ReturnType<typeof openStore>;

export interface Shelf {
  readonly subject: Subject;
  readonly store: Opened;
  /** `GET tagging`, `PUT .mnemospark/wallet`, `PUT` of a bucket itself, and what came back. */
  readonly asked: string[];
  /** A second adapter on the same server, as another isolate has one: it remembers nothing of the first. */
  another(over?: Partial<StoreConfig>): Opened;
  /** Stands in the way from now on. */
  between: Between | undefined;
  /** Milliseconds. */
  nowMs: number;
  close(): Promise<void>;
}

export async function startShelf(
  options: { door?: Partial<S3Door>; config?: Partial<StoreConfig>; always?: Between } = {},
): Promise<Shelf> {
  const asked: string[] = [];
  const { always } = options;
  const subject = await startNodeServer(options.door, async (request, server) => {
    const inner: typeof server = always ? (each) => always(each, server) : server;
    const response = await (shelf.between ? shelf.between(request, inner) : inner(request));
    asked.push(`${wordFor(request)} ${response.status}`);
    return response;
  });
  const open = (over: Partial<StoreConfig> = {}) =>
    openStore({ ...configOf(subject.origin), ...options.config, ...over }, { nowMs: () => shelf.nowMs });
  const shelf: Shelf = {
    subject,
    store: open(),
    asked,
    another: open,
    between: undefined,
    nowMs: Date.now(),
    close: subject.close,
  };
  return shelf;
}

export function configOf(endpoint: string, account: Account = alice): StoreConfig {
  return {
    kind: "other",
    accountId: account.accountId,
    accessKeyId: account.accessKeyId,
    secretAccessKey: account.secretAccessKey,
    endpoint,
    style: "path",
    signingRegion: undefined,
    bucketQuota: undefined,
  };
}

export function wordFor(request: Request): string {
  const { pathname, searchParams } = new URL(request.url);
  const key = decodeURIComponent(pathname.split("/").slice(2).join("/"));
  const [query = ""] = searchParams.keys();
  return [request.method, key || query].filter(Boolean).join(" ");
}

let serial = 0;
export function freshWallet(): Wallet {
  serial += 1;
  const wallet = parseWallet(`0x${serial.toString(16).padStart(8, "0")}${"ab".repeat(16)}`);
  if (!wallet) throw new Error("not an address");
  return wallet;
}

export function bucketOf(wallet: Wallet, over: object = {}) {
  return { store: "s3", region: "us-east-1", name: freshName("mnemospark"), wallet, intended: false, ...over };
}
