/** A store, or whoever can write to it, hands out something else: the whole client against real HTTP, and what is left on its disk. */
import { createHash } from "node:crypto";
import { readdir, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { packArchive, planArchive } from "../../../client-plugin/archive/pack.ts";
import type { Core } from "../../../client-plugin/core.ts";
import { CHUNK_BYTES, TAG_BYTES } from "../../../client-plugin/envelope/chunks.ts";
import { readHeader } from "../../../client-plugin/envelope/header.ts";
import { wrappedDek } from "../../../client-plugin/envelope/kek.ts";
import { ByteReader } from "../../../client-plugin/envelope/reader.ts";
import { headerLength, seal } from "../../../client-plugin/envelope/seal.ts";
import { collect, patterned, pieces, scratch } from "../fixture.ts";
import { type Asked, type Service, startService } from "../service.ts";
import { newClient } from "./client.ts";
import { attack, sentenceOf } from "./table.ts";

const room = scratch();
const HEADER = headerLength(false);
const SEALED_CHUNK = CHUNK_BYTES + TAG_BYTES;
const BODY = HEADER + 16;
let service: Service;
let store: Server;
let core: Core;
/** What the store hands out, and what the service says of it. */
let offered: { bytes: Buffer; sha256?: string; sizeBytes?: number; wrappedDek?: string };
let object: Buffer;

beforeAll(async () => {
  service = await startService();
  store = createServer((_, response) =>
    response.writeHead(200, { etag: '"e"', "content-length": offered.bytes.length }).end(offered.bytes),
  );
  await new Promise<void>((resolve) => store.listen(0, "127.0.0.1", resolve));
  ({ core } = await newClient(service, room, { lies: { answer } }));
  object = await sealedAs("notes");
});
afterAll(async () => {
  core.close();
  await service.close();
  store.closeAllConnections();
  await new Promise((resolve) => store.close(resolve));
});

function answer({ path, body }: Asked) {
  if (path !== "/storage/download") return undefined;
  const day = new Date(Date.now() + 86_400_000).toISOString();
  const { bytes, wrappedDek, sha256 = sha256Of(bytes), sizeBytes = bytes.length } = offered;
  const reply = {
    download_url: `http://127.0.0.1:${(store.address() as AddressInfo).port}/k`,
    download_headers: {},
    object_key: body["object_key"],
    agent_id: "main",
    expires_in_seconds: 60,
    expires_at: day,
    order_id: "o",
    size_bytes: sizeBytes,
    content_sha256: sha256,
    checksum: { type: "FULL_OBJECT", sha256 },
    ...(wrappedDek === undefined ? {} : { wrapped_dek: wrappedDek }),
    paid_through: day,
    delete_after: day,
    downloads_left: 3,
    download_bytes_left: 3,
    allowance_until: day,
  };
  return { status: 200, body: reply };
}

function sha256Of(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** Two chunks and a bit, sealed under a name by this machine's own key. */
async function sealedAs(name: string, version = 1, by = core): Promise<Buffer> {
  const path = join(room, "notes.bin");
  await writeFile(path, patterned(2 * CHUNK_BYTES + 100));
  const session = await by.session();
  const { kek } = await session.keys.current();
  const source = packArchive(await planArchive(path));
  return collect(seal({ source, kek, context: { ...session.context("main", name), version } }).bytes);
}

let serial = 0;

/** Fetches what is offered; the sentence, after making sure that nothing appeared beside the destination. */
async function fetched(offer: typeof offered, objectKey = "notes"): Promise<string> {
  offered = offer;
  const place = join(room, `place-${serial++}`);
  const said = await sentenceOf(core.fetch({ objectKey, destination: join(place, "notes") }));
  expect(await readdir(place).catch(() => [])).toEqual([]);
  const left = await readdir(join(core.settings.home, "operations"), { recursive: true, withFileTypes: true });
  expect(left.filter((entry) => entry.isFile())).toEqual([]);
  for (const { id } of core.operations.list({ openOnly: true, limit: 10 })) core.operations.cancel(id);
  return said;
}

function flipped(at: number): Promise<string> {
  const bytes = Buffer.from(object);
  bytes[at] = (bytes[at] ?? 0) ^ 1;
  return fetched({ bytes });
}

/** One letter of the header's hex or base64 exchanged for another that may stand there. */
function exchanged(at: number): Promise<string> {
  const bytes = Buffer.from(object);
  bytes.write(bytes.toString("latin1", at, at + 1) === "a" ? "b" : "a", at, "latin1");
  return fetched({ bytes });
}

test("what was stored is what comes back", async () => {
  offered = { bytes: await sealedAs("first") };
  const done = await core.fetch({ objectKey: "first", destination: join(room, "whole") });
  expect(done).toMatchObject({ path: join(room, "whole"), contentBytes: 2 * CHUNK_BYTES + 100 });
});

describe("one flipped bit, under a hash that fits it", () => {
  const stanza = Buffer.from("-> mnemospark-kek ");
  attack("Flipped: the first line", () => flipped(3));
  attack("Flipped: the stanza's name", () => flipped(object.indexOf(stanza) + 8));
  attack("Flipped: the stanza's key id", () => exchanged(object.indexOf(stanza) + stanza.length));
  attack("Flipped: the wrapped key", () => exchanged(object.indexOf("\n", object.indexOf(stanza)) + 5));
  attack("Flipped: the header's MAC", () => exchanged(object.indexOf("--- ") + 6));
  attack("Flipped: the payload nonce", () => flipped(HEADER + 3));
  attack("Flipped: the first chunk", () => flipped(BODY + 9));
  attack("Flipped: a middle chunk", () => flipped(BODY + SEALED_CHUNK + 9));
  attack("Flipped: the last chunk", () => flipped(object.length - TAG_BYTES - 1));
  attack("Flipped: a tag", () => flipped(object.length - 1));
});

describe("another shape, under a hash that fits it", () => {
  attack("Cut short", async () => {
    for (const length of [object.length - 1, BODY + 2 * SEALED_CHUNK, BODY, HEADER, 40])
      expect(await fetched({ bytes: object.subarray(0, length) })).not.toMatch(/^nothing/);
    return fetched({ bytes: object.subarray(0, BODY + SEALED_CHUNK) });
  });
  attack("Made longer", () => fetched({ bytes: Buffer.concat([object, Buffer.alloc(1)]) }));
  attack("Chunks in another order", () => {
    const chunk = (at: number) => object.subarray(BODY + at * SEALED_CHUNK, BODY + (at + 1) * SEALED_CHUNK);
    return fetched({ bytes: Buffer.concat([object.subarray(0, BODY), chunk(1), chunk(0), chunk(2)]) });
  });
  attack("Swapped: another name's object, with its own hash", async () => fetched({ bytes: await sealedAs("other") }));
  attack("Sealed under a key that is not here", async () => {
    const { core: other } = await newClient(service, room, { lies: { answer } });
    const kek = (await (await other.session()).keys.current()).kek;
    other.close();
    const source = packArchive(await planArchive(join(room, "notes.bin")));
    const context = { ...(await core.session()).context("main", "notes"), version: 1 };
    return fetched({ bytes: await collect(seal({ source, kek, context }).bytes) });
  });
  attack("Plain bytes instead of sealed ones", () => fetched({ bytes: Buffer.from(patterned(1000)) }));
  attack("The old format without its wrapped key", () => fetched({ bytes: Buffer.from(patterned(1000)) }));
  attack("The old format with another wrapped key", () =>
    fetched({ bytes: Buffer.from(patterned(1000)), wrappedDek: Buffer.from(patterned(60)).toString("base64") }),
  );
});

describe("other bytes than the service says", () => {
  attack("Other bytes than announced", () => fetched({ bytes: object, sha256: "0".repeat(64) }));
  attack("More or fewer bytes than announced", () => fetched({ bytes: object, sizeBytes: object.length + 1 }));
});

describe("other content than this machine knows", () => {
  /** As if it had been stored here. */
  const remember = async (objectKey: string, version: number, sha256: string) => {
    const named = { agentId: "main", objectKey, orderId: "o", region: "us-east-1", version, sha256 };
    const facts = { sealedBytes: object.length, plainSha256: "", source: "", paidThrough: "", storedMs: 0 };
    (await core.session()).catalogue.put({ ...named, ...facts });
  };
  const wrappedOf = async (bytes: Buffer) => wrappedDek(await readHeader(new ByteReader(pieces(bytes))));

  attack("Rolled back: older bytes of the same name", async () => {
    await remember("back", 2, "2".repeat(64));
    const bytes = await sealedAs("back");
    expect(await fetched({ bytes }, "back")).toContain("offers other content for back");
    // Its own wrapped key says so before a byte is fetched; that of the newer content beside the older bytes does not help.
    expect(await fetched({ bytes, wrappedDek: await wrappedOf(await sealedAs("back", 3)) }, "back")).toMatch(
      /version \d .*: it was rolled back/,
    );
    return fetched({ bytes, wrappedDek: await wrappedOf(bytes) }, "back");
  });
  attack("Brought back: what this machine deleted", async () => {
    const bytes = await sealedAs("gone");
    await remember("gone", 1, sha256Of(bytes));
    (await core.session()).catalogue.remove("main", "gone");
    return fetched({ bytes, wrappedDek: await wrappedOf(bytes) }, "gone");
  });
  attack("Other content of the same version", async () => {
    await remember("twin", 1, "2".repeat(64));
    const bytes = await sealedAs("twin");
    return fetched({ bytes, wrappedDek: await wrappedOf(bytes) }, "twin");
  });
  attack("An old-format object in a new one's place", async () => {
    const bytes = Buffer.from(patterned(1000));
    await remember("notes", 1, sha256Of(bytes));
    return fetched({ bytes, wrappedDek: Buffer.from(patterned(60)).toString("base64") });
  });

  test("newer content from another machine of the owner's is taken, and is what is known then", async () => {
    await remember("shared", 2, "2".repeat(64));
    const third = await sealedAs("shared", 3);
    offered = { bytes: third, wrappedDek: await wrappedOf(third) };
    await core.fetch({ objectKey: "shared", destination: join(room, "third") });
    const second = await sealedAs("shared", 2);
    expect(await fetched({ bytes: second, wrappedDek: await wrappedOf(second) }, "shared")).toMatch(
      /version \d .*: it was rolled back/,
    );
    // Whoever insists may have it; what is known stays what it is.
    offered = { bytes: second, wrappedDek: await wrappedOf(second) };
    await core.fetch({ objectKey: "shared", destination: join(room, "second"), acceptChanged: true });
    expect((await core.session()).catalogue.known("main", "shared")).toMatchObject({
      version: 3,
      sha256: sha256Of(third),
    });
  });
});
