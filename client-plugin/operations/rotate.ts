/**
 * A new key for the wallet, and the key of every stored object wrapped under it: no byte is sent or fetched. The key before stays in
 * its file, because the object in the bucket still carries its own stanza, and because anything left over can then be opened.
 *
 * Whatever dies: a key is made once per operation, since its name is written down before and after; an object whose key is wrapped
 * anew already is left alone; the service changes a wrapped key only for whoever names the one in force.
 */
import type { ListedObject } from "#contract/objects";
import { ApiError } from "../api.ts";
import type { Settings } from "../config.ts";
import { parseWrappedDek } from "../envelope/kek.ts";
import { isLegacyDek, rewrapLegacyDek } from "../envelope/legacy.ts";
import { EnvelopeError } from "../envelope/refusal.ts";
import { rewrapDek } from "../envelope/rewrap.ts";
import { Fault } from "../faults.ts";
import { type KeyPlace, loadOrCreateKek, rotateKek } from "../keys.ts";
import type { Session } from "../session.ts";
import type { Operation, Operations } from "../state/operations.ts";
import type { Running, RunOptions } from "./runner.ts";

export interface Rotated {
  readonly operationId: string;
  /** The current key. */
  readonly kid: string;
  /** The key before; undefined where only what was left over was wrapped anew. */
  readonly before: string | undefined;
  readonly rewrapped: number;
  /** Under the current key before. */
  readonly already: number;
  /** What is still under another key, and why. */
  readonly left: readonly { readonly name: string; readonly why: string }[];
}

/** The core, as far as a rotation needs it. */
export interface KeyHolder {
  readonly settings: Settings;
  readonly operations: Operations;
  session(): Promise<Session>;
  list(ask: { agentId: string }): Promise<ListedObject[]>;
  run<T>(operation: Operation, options: RunOptions, work: (running: Running) => Promise<{ result: T }>): Promise<T>;
}

interface RotateFacts {
  readonly before?: string;
  readonly kid?: string;
}

const TRIES = 3;

/** `makeKey: false`: no new key; what is under older ones comes under the current one. */
export async function beginRotate(core: KeyHolder, makeKey: boolean): Promise<Operation> {
  const { wallet } = await core.session();
  const place = { dir: core.settings.home, wallet: wallet.address };
  const facts = makeKey ? {} : { kid: (await loadOrCreateKek(place)).kid };
  const named = { agentId: "*", objectKey: "keys" };
  return core.operations.begin({ kind: "rotate", wallet: wallet.address, ...named, facts }).operation;
}

export async function runRotate(core: KeyHolder, operation: Operation, options: RunOptions): Promise<Rotated> {
  const session = await core.session();
  const place = { dir: core.settings.home, wallet: session.wallet.address };
  return core.run(operation, options, async (running) => {
    const { before, kid } = await keyStep(place, operation.facts as RotateFacts, running);
    running.begin("rewrap", { kid });
    const ends = await rewrapAll(core, session, running.signal);
    session.log.activity("keys.rotated", { kid, rewrapped: String(ends.rewrapped), left: String(ends.left.length) });
    return { result: { operationId: operation.id, kid, before, ...ends } };
  });
}

/** The name of the key before is written down first: whoever comes back and finds another one current knows that it was made. */
async function keyStep(place: KeyPlace, facts: RotateFacts, running: Running) {
  if (facts.kid !== undefined) return { before: facts.before, kid: facts.kid };
  const current = await loadOrCreateKek(place);
  const before = facts.before ?? current.kid;
  if (facts.before === undefined) running.begin("rotate", { before });
  const kid = current.kid === before ? (await rotateKek(place)).current.kid : current.kid;
  running.begin("rotate", { kid });
  return { before, kid };
}

async function rewrapAll(core: KeyHolder, session: Session, signal: AbortSignal) {
  const { kid, kek } = await session.keys.current();
  const keks = await session.keys.all();
  const left: { name: string; why: string }[] = [];
  let rewrapped = 0;
  let already = 0;
  for (const object of await core.list({ agentId: "*" })) {
    signal.throwIfAborted();
    if (object.state !== "stored") continue;
    const end = await rewrapOne(session, { kid, kek, keks, signal }, object);
    if (end === "already") already += 1;
    else if (end === "rewrapped") rewrapped += 1;
    else if (end !== "gone") left.push({ name: `${object.agent_id}/${object.key}`, why: end.why });
  }
  return { rewrapped, already, left };
}

interface NewKey {
  readonly kid: string;
  readonly kek: Uint8Array;
  readonly keks: readonly Uint8Array[];
  readonly signal: AbortSignal;
}

async function rewrapOne(
  session: Session,
  key: NewKey,
  first: ListedObject,
): Promise<"already" | "rewrapped" | "gone" | { readonly why: string }> {
  const named = { agent_id: first.agent_id, object_key: first.key };
  let object = first;
  for (let tries = 1; ; tries++) {
    const replaces = object.wrapped_dek;
    if (replaces === undefined) return { why: "it was stored without a wrapped key, by another client" };
    try {
      const wrapped_dek = await rewrapped(session, key, object, replaces);
      if (wrapped_dek === undefined) return "already";
      await session.api.rewrap({ ...named, replaces, wrapped_dek }, { signal: key.signal });
      return "rewrapped";
    } catch (error) {
      if (error instanceof EnvelopeError || error instanceof Fault) return { why: error.message };
      if (!(error instanceof ApiError)) throw error;
      const { code } = error.problem;
      if (code === "object_not_found") return "gone";
      if (code === "rewraps_used") return { why: error.message };
      // Replaced, or wrapped anew by another machine, since it was listed.
      if (code !== "wrapped_dek_changed" || tries >= TRIES) throw error;
      object = await session.api.stat(named, { signal: key.signal });
    }
  }
}

/** Undefined where it is under the current key. */
async function rewrapped(
  session: Session,
  { kid, kek, keks }: NewKey,
  { agent_id: agentId, key: objectKey }: ListedObject,
  wrapped: string,
): Promise<string | undefined> {
  if (isLegacyDek(wrapped)) {
    const current = keks.slice(0, 1);
    return opensUnder(wrapped, current, kek) ? undefined : rewrapLegacyDek(wrapped, keks, kek);
  }
  if (parseWrappedDek(wrapped).args[0] === kid) return undefined;
  const context = session.context(agentId, objectKey);
  const made = await rewrapDek({ wrappedDek: wrapped, kekFor: session.keys.lookup, context, kek });
  const known = session.catalogue.known(agentId, objectKey);
  // Harmless for the bytes, which keep their own stanza; but a service that does this is not to be helped.
  if (known !== undefined && made.version < known.version)
    throw new Fault("rolled_back", `the service answers the key of version ${made.version}; ${known.version} is known`);
  return made.wrappedDek;
}

function opensUnder(wrapped: string, keks: readonly Uint8Array[], kek: Uint8Array): boolean {
  try {
    return rewrapLegacyDek(wrapped, keks, kek) !== "";
  } catch {
    return false;
  }
}
