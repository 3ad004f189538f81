/**
 * `node test/proofs/wycheproof.ts DIR`: Project Wycheproof's vectors against the primitives as the sealed format calls them, in Node and
 * as the browser page does. DIR is a checkout of https://github.com/C2SP/wycheproof (Apache-2.0); the vectors are not part of this
 * repository. Prints what was tried; exit 0 only when every vector came out as it should.
 */
import { createCipheriv, createDecipheriv, hkdfSync } from "node:crypto";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { x25519 } from "@noble/curves/ed25519.js";

interface Vector {
  readonly tcId: number;
  readonly result: "valid" | "invalid" | "acceptable";
  readonly [field: string]: string | number;
}
interface Group {
  readonly ivSize?: number;
  readonly keySize?: number;
  readonly tagSize?: number;
  readonly tests: readonly Vector[];
}

/** The one that the age library brings along. */
const ofAge = createRequire(import.meta.resolve("age-encryption"));
const { chacha20poly1305 } = (await import(
  ofAge.resolve("@noble/ciphers/chacha.js")
)) as typeof import("@noble/ciphers/chacha.js");

const [directory] = process.argv.slice(2);
if (directory === undefined) throw new Error("wanted the directory of a checkout of C2SP/wycheproof");
let failed = 0;

const hex = (vector: Vector, field: string) => Buffer.from(String(vector[field]), "hex");

/** `work` answers the bytes of `field`, or throws where the vector is to be refused. */
async function tried(
  what: string,
  file: string,
  select: (group: Group) => readonly Vector[],
  work: (vector: Vector) => Uint8Array | Promise<Uint8Array>,
  field: string,
): Promise<void> {
  const json = JSON.parse(readFileSync(join(directory ?? "", "testvectors_v1", `${file}_test.json`), "utf8"));
  const vectors = (json.testGroups as Group[]).flatMap(select);
  const wrong: string[] = [];
  for (const vector of vectors) {
    const came = await Promise.resolve()
      .then(() => work(vector))
      .then(
        (bytes) => Buffer.from(bytes).toString("hex"),
        () => undefined,
      );
    // "acceptable" may be taken or refused, but never answered wrongly.
    const right =
      came === vector[field] ? vector.result !== "invalid" : came === undefined && vector.result !== "valid";
    if (!right) wrong.push(`${vector.tcId} (${vector.result})`);
  }
  failed += wrong.length;
  console.log(
    `${what}: ${vectors.length} vectors, ${wrong.length === 0 ? "all as they should be" : `WRONG: ${wrong}`}`,
  );
}

function opened(cipher: "aes-256-gcm" | "chacha20-poly1305", vector: Vector): Uint8Array {
  const [key, iv] = [hex(vector, "key"), hex(vector, "iv")];
  const decipher =
    cipher === "aes-256-gcm"
      ? createDecipheriv(cipher, key, iv, { authTagLength: 16 })
      : createDecipheriv(cipher, key, iv, { authTagLength: 16 });
  decipher.setAAD(hex(vector, "aad"), { plaintextLength: hex(vector, "ct").length });
  decipher.setAuthTag(hex(vector, "tag"));
  const plain = decipher.update(hex(vector, "ct"));
  decipher.final();
  return plain;
}

function sealed(vector: Vector): Uint8Array {
  const cipher = createCipheriv("aes-256-gcm", hex(vector, "key"), hex(vector, "iv"), { authTagLength: 16 });
  cipher.setAAD(hex(vector, "aad"));
  return Buffer.concat([cipher.update(hex(vector, "msg")), cipher.final()]);
}

async function openedInBrowser(vector: Vector): Promise<Uint8Array> {
  const key = await crypto.subtle.importKey("raw", hex(vector, "key"), "AES-GCM", false, ["decrypt"]);
  const algorithm = { name: "AES-GCM", iv: hex(vector, "iv"), additionalData: hex(vector, "aad"), tagLength: 128 };
  const bytes = Buffer.concat([hex(vector, "ct"), hex(vector, "tag")]);
  return new Uint8Array(await crypto.subtle.decrypt(algorithm, key, bytes));
}

const all = ({ tests }: Group) => tests;
const ours = ({ ivSize, keySize, tagSize, tests }: Group) =>
  ivSize === 96 && keySize === 256 && tagSize === 128 ? tests : [];

await tried("AES-256-GCM, opening (node:crypto)", "aes_gcm", ours, (vector) => opened("aes-256-gcm", vector), "msg");
await tried(
  "AES-256-GCM, sealing (node:crypto)",
  "aes_gcm",
  (group) => ours(group).filter(({ result }) => result === "valid"),
  sealed,
  "ct",
);
await tried("AES-256-GCM, opening (WebCrypto, as the page)", "aes_gcm", ours, openedInBrowser, "msg");
await tried(
  "ChaCha20-Poly1305, opening (node:crypto)",
  "chacha20_poly1305",
  ours,
  (vector) => opened("chacha20-poly1305", vector),
  "msg",
);
await tried(
  "ChaCha20-Poly1305, opening (the age library's, as the page)",
  "chacha20_poly1305",
  ours,
  (vector) =>
    chacha20poly1305(hex(vector, "key"), hex(vector, "iv"), hex(vector, "aad")).decrypt(
      Buffer.concat([hex(vector, "ct"), hex(vector, "tag")]),
    ),
  "msg",
);
await tried(
  "X25519 (recovery recipient)",
  "x25519",
  all,
  (vector) => x25519.getSharedSecret(hex(vector, "private"), hex(vector, "public")),
  "shared",
);
await tried(
  "HKDF-SHA256 (node:crypto)",
  "hkdf_sha256",
  all,
  (vector) =>
    new Uint8Array(
      hkdfSync("sha256", hex(vector, "ikm"), hex(vector, "salt"), hex(vector, "info"), Number(vector["size"])),
    ),
  "okm",
);
process.exit(failed === 0 ? 0 : 1);
