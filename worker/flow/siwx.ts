/**
 * Sign-in-with-X: who a wallet is by one EIP-4361 signature over a challenge of ours, for wallets that cannot make our own proof.
 *
 * A challenge costs no write: its nonce is random digits and a MAC over place, method and time. It is consumed by the wallet's
 * object in the transaction it opens. What the wallet may then see comes from its ledger, never from what the header says.
 */
import { bytesToHex } from "#contract/bytes";
import { type Refusal, refuse } from "#contract/errors";
import { EXTENSIONS, type Extensions } from "#contract/extensions";
import { SIWX_SKEW_S, SIWX_TTL_S } from "#contract/limits";
import {
  challengeText,
  decodeSignIn,
  SIWX_HEADER,
  SIWX_STATEMENT,
  type SiwxChallenge,
  type SiwxFault,
  type SiwxPlace,
  signInFault,
  signInMessage,
} from "#contract/siwx";
import type { Wallet } from "#contract/wallet";
import type { Call } from "./call.ts";
import type { Ports } from "./ports.ts";
import { signedBy } from "./signed.ts";
import { notSigned, type Who } from "./who.ts";

/** Where a sign-in opens anything at all. What erases, rotates or gives money away in advance is not among them. */
const ROUTES: readonly (readonly [method: string, path: RegExp])[] = [
  ["POST", /^\/price-storage$/],
  ["POST", /^\/storage\/upload$/],
  ["POST", /^\/storage\/upload\/confirm$/],
  ["GET", /^\/storage\/(?:ls|download)$/],
  ["POST", /^\/storage\/(?:ls|download)$/],
  ["GET", /^\/payments\/[A-Za-z0-9_]{1,128}$/],
  ["POST", /^\/auth\/session$/],
];

/** 64 bits of chance and 64 of MAC make the 32 hex digits that clients expect of a nonce. */
const HALF = 16;

export function admitsSignIn(method: string, path: string): boolean {
  return ROUTES.some(([verb, route]) => verb === method && route.test(path));
}

export function challengeFor(ports: Ports, method: string, path: string): SiwxChallenge {
  const place = placeOf(ports, method, path);
  const nowMs = ports.clock.nowMs();
  const issuedAt = new Date(nowMs).toISOString();
  const random = bytesToHex(crypto.getRandomValues(new Uint8Array(HALF / 2)));
  return {
    info: {
      ...wordsOf(place),
      nonce: random + ports.seals.seal("siwx", challengeText(place, issuedAt, random), HALF),
      issuedAt,
      expirationTime: new Date(nowMs + SIWX_TTL_S * 1000).toISOString(),
    },
    supportedChains: [{ chainId: place.network, type: "eip191" }],
  };
}

/** The challenge as the extension of a 402 or a 401; nothing on routes that a sign-in cannot open. */
export function signInExtension(ports: Ports, call: Call): Extensions {
  return admitsSignIn(call.method, call.path)
    ? { [EXTENSIONS.signIn]: challengeFor(ports, call.method, call.path) }
    : {};
}

/** The wallet by its sign-in; undefined when none came. Its nonce is bound where the wallet's object is asked. */
export async function signedIn(
  ports: Ports,
  call: Call,
  named: Wallet | undefined,
): Promise<({ readonly ok: true } & Who) | Refusal | undefined> {
  const header = call.header(SIWX_HEADER);
  if (header === null) return undefined;
  const signIn = decodeSignIn(header);
  if (!signIn)
    return refuse("proof_malformed", "SIGN-IN-WITH-X is not base64 JSON of a signed challenge", why("malformed"));
  const place = placeOf(ports, call.method, call.path);
  const fault = signInFault(signIn, place, ports.clock.nowMs(), SIWX_SKEW_S);
  if (fault) return refuse("proof_invalid", FAULTS[fault](place), why(fault));
  const random = signIn.nonce.slice(0, HALF);
  if (!ports.seals.holds("siwx", challengeText(place, signIn.issuedAt, random), signIn.nonce.slice(HALF)))
    return refuse("proof_invalid", "the nonce was not issued here for this route and time", why("foreign_nonce"));
  // Where and what for in our own words; the client's were only compared with them.
  const info = { ...signIn, ...wordsOf(place) };
  const message = signInMessage(info, signIn.wallet, ports.network.chainId);
  const signing = await signedBy(ports, signIn.wallet, signIn.signature, [message]);
  if (signing !== "signed") return notSigned(signing, signIn.wallet);
  if (named !== undefined && named !== signIn.wallet)
    return refuse(
      "wallet_mismatch",
      `the sign-in is of ${signIn.wallet}; the request names ${named}`,
      why("wallet_mismatch"),
    );
  const proof = {
    nonce: `siwx:${signIn.nonce}`,
    // Of this very call and no other: a second request with the same header meets a nonce that is bound to something else.
    request: crypto.randomUUID(),
    expiresMs: Date.parse(signIn.expirationTime) + 2 * SIWX_SKEW_S * 1000,
  };
  return { ok: true, wallet: signIn.wallet, proof, ticketOrder: undefined, version: undefined, by: "siwx" };
}

function placeOf(ports: Ports, method: string, path: string): SiwxPlace {
  return {
    domain: new URL(ports.publicUrl).host,
    uri: `${ports.publicUrl}${path}`,
    method,
    network: ports.network.caip2,
  };
}

function wordsOf(place: SiwxPlace) {
  return { domain: place.domain, uri: place.uri, version: "1" as const, statement: SIWX_STATEMENT };
}

const FAULTS: Record<SiwxFault, (place: SiwxPlace) => string> = {
  domain_mismatch: (place) => `the sign-in is for another site; this is ${place.domain}`,
  resource_mismatch: (place) => `the sign-in is for another resource; this is ${place.uri}`,
  unsupported_chain: (place) => `the sign-in must be of type eip191 on ${place.network}`,
  altered: () => "the sign-in differs from the challenge in version, statement or times",
  future: () => "the challenge was issued in the future",
  expired: () => `the challenge has expired; it lives ${SIWX_TTL_S} s`,
};

function why(reason: string) {
  return { facts: { reason } };
}
