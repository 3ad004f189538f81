/**
 * The catalogue as an object of its own, so that another machine of the owner's knows what there should be: which names, at which
 * version, with which bytes. An object like any other (sealed, one JSON file in it), bought once with room to grow and replaced in place.
 *
 * Every machine holds all it knows in its own records and only ever adds to them: of two entries for a name the later one counts, by an
 * order on which all machines agree. So whoever writes last may for a while hide what another wrote in the same moment, but not lose
 * it: the other has it still, and writes both with its next change. An old catalogue that is offered again takes nothing away.
 */
import { randomBytes } from "node:crypto";
import { readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import * as z from "zod";
import { bytesToUtf8, sha256Hex } from "#contract/bytes";
import { formatDollars, type MicroUsdc, parseMicroUsdc } from "#contract/money";
import type { StatReply } from "#contract/objects";
import { ApiError } from "./api.ts";
import { packArchive, planArchive } from "./archive/pack.ts";
import type { Settings } from "./config.ts";
import { sealToFile } from "./envelope/files.ts";
import { explain, Fault } from "./faults.ts";
import { send } from "./operations/send.ts";
import { ensurePrivateDirectory, replacePrivate } from "./private-file.ts";
import type { Session } from "./session.ts";
import type { KnownContent, Pins } from "./state/catalogue.ts";
import type { Log } from "./state/log.ts";

/** An agent of its own, so that no list of what agents stored shows it. */
export const CATALOGUE = { agentId: "mnemospark", objectKey: "catalogue" } as const;
/** Some five thousand names. Storage of it costs far less than the minimum price; the included downloads are hundreds of small ones. */
export const CATALOGUE_ROOM_BYTES = 1024 * 1024;

/** Its length tells only roughly how many names there are. What is smaller debits as much anyway. */
const PAD_BYTES = 4_096;
/** The service takes 60 contents an hour. What is not written now is written with the next change. */
const BETWEEN_MS = 60_000;
/** A machine that was never told looks this often whether another has begun a catalogue. */
const LOOK_EVERY_MS = 24 * 3_600_000;
const TRIES = 4;

/** The core, as far as this needs it. */
export interface Cataloguer {
  readonly settings: Settings;
  readonly pins: Pins;
  readonly log: Log;
  session(): Promise<Session>;
  fetch(
    ask: Named & Cancel & { destination: string; acceptChanged: boolean },
  ): Promise<{ path: string; sha256: string }>;
  store(
    ask: Named & Cancel & { path: string; quoteId: string; maxAmount: bigint },
  ): Promise<{ readonly order?: { readonly amount: string } }>;
}

interface Named {
  readonly agentId: string;
  readonly objectKey: string;
}

interface Cancel {
  readonly signal?: AbortSignal | undefined;
}

const Json = z.object({
  what: z.literal("mnemospark catalogue"),
  format: z.literal(1),
  /** SHA-256 of the sealed catalogue that this one was made from. */
  previous: z.string().nullable(),
  entries: z.array(
    z.object({
      agent: z.string(),
      key: z.string(),
      version: z.int().min(1),
      /** Of the sealed object. */
      sha256: z.string(),
      bytes: z.int().min(0),
      deleted: z.boolean().optional(),
      at: z.int(),
    }),
  ),
});

export type CatalogueSwitch = "on" | "off" | "unasked";

export async function catalogueSwitch(core: Cataloguer): Promise<CatalogueSwitch> {
  const said = core.pins.read(pin(await core.session(), "switch"));
  return said === "on" || said === "off" ? said : "unasked";
}

export async function switchCatalogue(core: Cataloguer, on: boolean): Promise<void> {
  core.pins.replace(pin(await core.session(), "switch"), on ? "on" : "off");
}

/** How many names this machine knows more about than the catalogue that was last read or written. */
export async function isUnwritten(core: Cataloguer): Promise<boolean> {
  const session = await core.session();
  return digestOf(entriesOf(session)) !== core.pins.read(pin(session, "digest"));
}

/** What is at the service, its entries merged into this machine's records; undefined where there is none. */
export async function pullCatalogue(core: Cataloguer, signal?: AbortSignal): Promise<StatReply | undefined> {
  const session = await core.session();
  const found = await lookAt(session, signal);
  if (found === undefined || found.state !== "stored") return found;
  if (core.pins.read(pin(session, "merged")) === found.content_sha256) return found;
  const room = await roomOf(core);
  for (const left of await readdir(room)) if (left.startsWith("pulled-")) await rm(join(room, left), { force: true });
  const destination = join(room, `pulled-${randomBytes(6).toString("hex")}`);
  // Merging takes nothing away, so an older one, or one of the same version, is no harm.
  const { path, sha256 } = await core.fetch({ ...CATALOGUE, destination, acceptChanged: true, signal });
  const entries = parse(await readFile(path));
  await rm(path, { force: true });
  for (const entry of entries) session.catalogue.learn(entry);
  core.pins.replace(pin(session, "digest"), digestOf(entries));
  core.pins.replace(pin(session, "merged"), sha256);
  return found;
}

/** Reads what is there, and writes what this machine knows beyond it. */
export async function syncCatalogue(core: Cataloguer, signal?: AbortSignal): Promise<"absent" | "current" | "written"> {
  for (let tries = 1; ; tries++) {
    const found = await pullCatalogue(core, signal);
    if (found === undefined) return "absent";
    if (found.state === "stored" && !(await isUnwritten(core))) return "current";
    if (await write(core, found, signal)) return "written";
    if (tries >= TRIES)
      throw new Fault("catalogue_busy", "Other machines keep writing the sealed catalogue.", { retryable: true });
  }
}

/** The room for it, micro-USDC for 30 days. */
export async function priceOfCatalogue(core: Cataloguer, signal?: AbortSignal) {
  const session = await core.session();
  const ask = { ...CATALOGUE, sizeBytes: CATALOGUE_ROOM_BYTES, region: core.settings.region };
  return session.price(ask, signal);
}

/** Buys it, at most for `maxAmount`. @throws Fault `price_above_max` */
export async function buyCatalogue(core: Cataloguer, maxAmount: MicroUsdc, signal?: AbortSignal): Promise<string> {
  const price = await priceOfCatalogue(core, signal);
  const amount = parseMicroUsdc(price.amount) ?? 0n;
  if (amount > maxAmount)
    throw new Fault(
      "price_above_max",
      `It costs ${formatDollars(amount)}; at most ${formatDollars(maxAmount)} was agreed.`,
    );
  const session = await core.session();
  const path = await writeJson(core, entriesOf(session), null);
  const done = await core.store({ ...CATALOGUE, path, quoteId: price.quote_id, maxAmount, signal });
  return done.order?.amount ?? price.amount;
}

/** Before something is fetched: what another machine wrote. Never in the way of the fetch. */
export async function beforeFetch(core: Cataloguer, name: Named, signal?: AbortSignal): Promise<void> {
  if (isCatalogue(name) || !(await isWanted(core))) return;
  await quietly(core, "read", () => pullCatalogue(core, signal));
}

/** After something was stored or deleted. What is done stays done, whatever becomes of this. */
export async function afterChange(core: Cataloguer, name: Named, signal?: AbortSignal): Promise<void> {
  if (isCatalogue(name) || !(await isWanted(core))) return;
  const last = Number(core.pins.read(pin(await core.session(), "written")) ?? 0);
  if (Date.now() - last >= BETWEEN_MS) await quietly(core, "written", () => syncCatalogue(core, signal));
}

function isCatalogue({ agentId, objectKey }: Named): boolean {
  return agentId === CATALOGUE.agentId && objectKey === CATALOGUE.objectKey;
}

/** Also on a machine that was never told, where another of the owner's has begun one: it is paid for already. */
async function isWanted(core: Cataloguer): Promise<boolean> {
  const said = await catalogueSwitch(core);
  if (said !== "unasked") return said === "on";
  const session = await core.session();
  const last = Number(core.pins.read(pin(session, "looked")) ?? 0);
  if (Date.now() - last < LOOK_EVERY_MS) return false;
  core.pins.replace(pin(session, "looked"), String(Date.now()));
  const found = await lookAt(session).catch(() => undefined);
  if (found === undefined) return false;
  await switchCatalogue(core, true);
  return true;
}

async function quietly(core: Cataloguer, what: string, work: () => Promise<unknown>): Promise<void> {
  await work().catch((error: unknown) =>
    core.log.activity("catalogue.failed", { what: `could not be ${what}`, why: explain(error).message }),
  );
}

async function lookAt(session: Session, signal?: AbortSignal): Promise<StatReply | undefined> {
  const named = { agent_id: CATALOGUE.agentId, object_key: CATALOGUE.objectKey };
  return session.api.stat(named, signal === undefined ? {} : { signal }).catch((error: unknown) => {
    if (error instanceof ApiError && error.problem.code === "object_not_found") return undefined;
    throw error;
  });
}

/** False when another machine wrote meanwhile: then all is read again first. */
async function write(core: Cataloguer, found: StatReply, signal?: AbortSignal): Promise<boolean> {
  const session = await core.session();
  const entries = entriesOf(session);
  const previous = found.state === "stored" ? found.content_sha256 : null;
  const source = packArchive(await planArchive(await writeJson(core, entries, previous)));
  const version = 1 + (session.catalogue.known(CATALOGUE.agentId, CATALOGUE.objectKey)?.version ?? 0);
  const path = join(await roomOf(core), `sealed-${randomBytes(6).toString("hex")}`);
  try {
    const { kek } = await session.keys.current();
    const context = { ...session.context(CATALOGUE.agentId, CATALOGUE.objectKey), version };
    const recovery = await session.recovery();
    const sealed = await sealToFile({ source, kek, context, recovery, path });
    refuseGrown(sealed.sealedBytes, found);
    const content = {
      agent_id: CATALOGUE.agentId,
      object_key: CATALOGUE.objectKey,
      content_length_bytes: sealed.sealedBytes,
      content_sha256: sealed.sha256Hex,
      wrapped_dek: sealed.wrappedDek,
    };
    const order_id = found.order_id;
    const asking = signal === undefined ? {} : { signal };
    const upload = await session.api.upload({ order_id, ...content }, asking);
    const stop = signal ?? new AbortController().signal;
    const { plan } = await send({
      session,
      orderId: order_id,
      content,
      upload,
      path,
      signal: stop,
      onProgress: () => {},
    });
    const now = await lookAt(session, signal);
    if (now?.content_sha256 !== found.content_sha256) return false;
    await session.api.confirm({ order_id, plan }, asking);
    const facts = {
      version,
      sha256: sealed.sha256Hex,
      sealedBytes: sealed.sealedBytes,
      deleted: false,
      atMs: Date.now(),
    };
    session.catalogue.learn({ ...CATALOGUE, ...facts });
    core.pins.replace(pin(session, "digest"), digestOf(entries));
    core.pins.replace(pin(session, "merged"), sealed.sha256Hex);
    core.pins.replace(pin(session, "written"), String(Date.now()));
    return true;
  } catch (error) {
    // A newer one of another machine's was confirmed in between.
    if (error instanceof ApiError && ["bytes_mismatch", "plan_gone"].includes(error.problem.code)) return false;
    throw error;
  } finally {
    await rm(path, { force: true });
  }
}

function refuseGrown(sealedBytes: number, { size_bytes_max }: StatReply): void {
  if (sealedBytes <= size_bytes_max) return;
  throw new Fault("catalogue_full", `The catalogue needs ${sealedBytes} bytes; there is room for ${size_bytes_max}.`, {
    next: `Delete it (\`mnemospark delete ${CATALOGUE.objectKey} agent:${CATALOGUE.agentId}\`) and buy it anew.`,
  });
}

function entriesOf(session: Session): KnownContent[] {
  return session.catalogue.allKnown().filter((entry) => !isCatalogue(entry));
}

function digestOf(entries: readonly KnownContent[]): string {
  const lines = entries.map(({ agentId, objectKey, version, sha256, deleted, atMs }) =>
    JSON.stringify([agentId, objectKey, version, sha256, deleted, atMs]),
  );
  return sha256Hex(lines.toSorted().join("\n"));
}

async function writeJson(core: Cataloguer, known: readonly KnownContent[], previous: string | null): Promise<string> {
  const entries = known.map(
    ({ agentId: agent, objectKey: key, version, sha256, sealedBytes: bytes, deleted, atMs: at }) => ({
      ...{ agent, key, version, sha256, bytes },
      ...(deleted ? { deleted } : {}),
      at,
    }),
  );
  const json: z.infer<typeof Json> = { what: "mnemospark catalogue", format: 1, previous, entries };
  const text = Buffer.from(JSON.stringify(json));
  const padded = Buffer.alloc(Math.ceil(text.length / PAD_BYTES) * PAD_BYTES, " ");
  text.copy(padded);
  const path = join(await roomOf(core), "catalogue.json");
  await replacePrivate(path, padded);
  return path;
}

function parse(bytes: Uint8Array): KnownContent[] {
  const json = Json.safeParse(JSON.parse(bytesToUtf8(bytes) ?? "null"));
  if (!json.success)
    throw new Fault("catalogue_malformed", "The sealed catalogue is of another kind than this client knows.");
  return json.data.entries.map(({ agent, key, version, sha256, bytes: sealedBytes, deleted = false, at }) => ({
    agentId: agent,
    objectKey: key,
    ...{ version, sha256, sealedBytes, deleted },
    atMs: at,
  }));
}

async function roomOf(core: Cataloguer): Promise<string> {
  const room = join(core.settings.home, "catalogue");
  await ensurePrivateDirectory(room);
  return room;
}

function pin({ wallet }: Session, what: "switch" | "digest" | "merged" | "written" | "looked"): string {
  return `catalogue ${what} ${wallet.address}`;
}
