/** A wallet with something stored: sealed by our client, sealed as the old client did, and one that was never sealed. */
import { createCipheriv, createHash, randomBytes } from "node:crypto";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { deflateSync, gzipSync } from "node:zlib";
import { generatePrivateKey, type PrivateKeyAccount, privateKeyToAccount } from "viem/accounts";
import type { BrowserCodeReply } from "#contract/browser";
import { addrHash } from "#contract/wallet";
import { packArchive, planArchive } from "../../client-plugin/archive/pack.ts";
import { loadOrCreateKek } from "../../client-plugin/keys.ts";
import { openClient } from "../demo/client.ts";
import { walletOf } from "../live/door.ts";
import { buy, confirm, put, REGION, storeBytes } from "../live/shop.ts";
import type { Live } from "../live/stack.ts";

export const NOTE = `# Field notes, week 47

The spring thaw came early. Three of the five sensors on the north ridge
report soil at 4.2 °C; the other two are still under snow.

- replace the battery of sensor 2
- ask the weather agent for the ten-day outlook
- <script>alert("this is text and stays text")</script>
`;

export const PAGE_OF_A_STRANGER = `<!doctype html><title>x</title><script>window.ran = true</script><h1>hello</h1>`;

export interface Scene {
  readonly live: Live;
  readonly owner: PrivateKeyAccount;
  readonly wallet: string;
  /** Path of the wallet's key file. */
  readonly keyFile: string;
  /** The S3 key of an object, by its name. */
  readonly s3Keys: ReadonlyMap<string, { bucket: string; key: string }>;
  /** A fresh link to the page, as ls-web gives it. */
  link(): Promise<BrowserCodeReply>;
  /** Ends every session, from the agent's side. */
  revoke(): Promise<void>;
  end(): Promise<void>;
}

export async function makeScene(live: Live): Promise<Scene> {
  const home = await mkdtemp(join(tmpdir(), "page-home-"));
  const key = generatePrivateKey();
  const owner = privateKeyToAccount(key);
  const wallet = walletOf(owner);
  const { stack, edge } = live;
  await stack.chain.fund(owner.address, 1_000_000n);
  const client = await openClient({ edgeUrl: edge, chainUrl: stack.urls.chain, payTo: stack.payTo, home, key });
  const { kek } = await loadOrCreateKek({ dir: home, wallet });
  const s3Keys = new Map<string, { bucket: string; key: string }>();
  const sealed = async (name: string, path: string, agentId = "main") => {
    const { stored } = await client.store({ path, objectKey: name, agentId, region: REGION });
    s3Keys.set(name, { bucket: stored?.bucket ?? "", key: stored?.s3Key ?? "" });
  };
  const files = await makeFiles(home);
  // The first purchase makes the wallet's bucket; the others then share a block.
  await sealed("field-notes-w47.md", join(files, "field-notes-w47.md"));
  await Promise.all([
    sealed("north-ridge", join(files, "north-ridge")),
    sealed("embeddings-2026-11.bin", join(files, "embeddings.bin")),
    sealed("weights-1.bin", join(files, "weights.bin")),
    sealed("weights-2.bin", join(files, "weights.bin")),
    sealed("conversation-archive", join(files, "conversation-archive"), "scribe"),
    storeLegacy(live, owner, kek, "backup-2025.tar.gz", join(files, "field-notes-w47.md")),
    storeBytes(live.edge, owner, "public-key.asc", {
      bytes: Buffer.from("not a secret\n"),
      sha256: createHash("sha256").update("not a secret\n").digest("hex"),
    }),
  ]);
  return {
    live,
    owner,
    wallet,
    keyFile: join(home, "keys", `${addrHash(wallet)}.key`),
    s3Keys,
    link: async () => (await client.session()).api.browserCode(),
    revoke: async () => {
      const { closed } = await (await client.session()).api.browserRevoke();
      if (closed === 0) throw new Error("there was no session to end");
    },
    end: async () => {
      client.close();
      await rm(home, { recursive: true, force: true });
    },
  };
}

async function makeFiles(home: string): Promise<string> {
  const files = join(home, "files");
  await mkdir(join(files, "north-ridge"), { recursive: true });
  await mkdir(join(files, "conversation-archive"));
  await writeFile(join(files, "field-notes-w47.md"), NOTE);
  await writeFile(join(files, "north-ridge", "ridge.png"), picture(480, 270));
  await writeFile(join(files, "north-ridge", "readings.csv"), "sensor,celsius\n1,4.2\n2,\n3,4.1\n");
  await writeFile(join(files, "north-ridge", "page.html"), PAGE_OF_A_STRANGER);
  await writeFile(join(files, "weights.bin"), randomBytes(200_000));
  await writeFile(join(files, "embeddings.bin"), randomBytes(1_400_000));
  for (const day of ["mon", "tue", "wed"])
    await writeFile(join(files, "conversation-archive", `${day}.jsonl`), `{"role":"user","text":"hello on ${day}"}\n`);
  return files;
}

/** As the published client seals: nonce, AES-256-GCM, tag; the data key in the same shape under the KEK. */
async function storeLegacy(live: Live, owner: PrivateKeyAccount, kek: Uint8Array, name: string, path: string) {
  const pieces: Uint8Array[] = [];
  for await (const piece of packArchive(await planArchive(path))) pieces.push(piece);
  const dek = randomBytes(32);
  const bytes = gcm(dek, gzipSync(Buffer.concat(pieces)));
  const content = { bytes, sha256: createHash("sha256").update(bytes).digest("hex") };
  const { said } = await buy(live.edge, owner, name, content, { wrapped_dek: gcm(kek, dek).toString("base64") });
  const plan = said.json as unknown as Parameters<typeof put>[0];
  const sent = await put(plan, bytes);
  if (!sent.ok) throw new Error(`S3 refused: ${sent.status}`);
  const done = await confirm(live.edge, plan);
  if (done.status !== 200) throw new Error(`not confirmed: ${JSON.stringify(done.json)}`);
}

function gcm(key: Uint8Array, plain: Uint8Array): Buffer {
  const nonce = randomBytes(12);
  const cipher = createCipheriv("aes-256-gcm", key, nonce);
  return Buffer.concat([nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
}

/** A PNG made here: a ridge under a sky, so that a preview has something to show. */
function picture(width: number, height: number): Buffer {
  const rows: Buffer[] = [];
  for (let y = 0; y < height; y++) {
    const row = Buffer.alloc(1 + 3 * width);
    for (let x = 0; x < width; x++) {
      const far = height * (0.55 - 0.14 * Math.sin(x / 61) - 0.06 * Math.sin(x / 17));
      const near = height * (0.78 - 0.1 * Math.sin(x / 90 + 2) - 0.03 * Math.sin(x / 13));
      const sky = [250 - (y / height) * 40, 205 - (y / height) * 20, 160 + (y / height) * 70];
      const [r = 0, g = 0, b = 0] = y > near ? [22, 66, 58] : y > far ? [64, 118, 108] : sky;
      row.set([r, g, b], 1 + 3 * x);
    }
    rows.push(row);
  }
  const head = Buffer.alloc(13);
  head.writeUInt32BE(width, 0);
  head.writeUInt32BE(height, 4);
  head.set([8, 2, 0, 0, 0], 8);
  const signature = Buffer.from("\x89PNG\r\n\x1a\n", "latin1");
  return Buffer.concat([
    signature,
    chunk("IHDR", head),
    chunk("IDAT", deflateSync(Buffer.concat(rows))),
    chunk("IEND"),
  ]);
}

function chunk(type: string, data: Buffer = Buffer.alloc(0)): Buffer {
  const body = Buffer.concat([Buffer.from(type, "latin1"), data]);
  const out = Buffer.alloc(8 + body.length);
  out.writeUInt32BE(data.length, 0);
  body.copy(out, 4);
  out.writeUInt32BE(crc(body), 4 + body.length);
  return out;
}

function crc(bytes: Buffer): number {
  let value = 0xffffffff;
  for (const byte of bytes) {
    value ^= byte;
    for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  }
  return (value ^ 0xffffffff) >>> 0;
}
