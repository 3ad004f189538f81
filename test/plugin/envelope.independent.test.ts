/** The independent reader in docs/ opens what we seal, and refuses what we refuse. It shares no line with the client. */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";
import { identityToRecipient } from "age-encryption";
import { describe, expect, test } from "vitest";
import { readHeader } from "../../client-plugin/envelope/header.ts";
import { kidOf } from "../../client-plugin/envelope/kek.ts";
import { ByteReader } from "../../client-plugin/envelope/reader.ts";
import { rewrap } from "../../client-plugin/envelope/rewrap.ts";
import { context, kek, patterned, pieces, recovery, scratch, sealed } from "./fixture.ts";
import legacy from "./vectors/legacy.json" with { type: "json" };

const SCRIPT = fileURLToPath(new URL("../../docs/open_object.py", import.meta.url));
const able = spawnSync("python3", ["-c", "import cryptography"]).status === 0;
if (!able)
  console.warn("SKIPPED: the independent reader wants python3 with the package cryptography; neither was changed.");

const directory = scratch();
let serial = 0;

function keyFile(name: string, content: Uint8Array | string): string {
  const path = join(directory, name);
  writeFileSync(path, content);
  return path;
}

function read(object: Uint8Array, ...options: string[]) {
  const [from, to] = [join(directory, `${serial}.age`), join(directory, `${serial++}.plain`)];
  writeFileSync(from, object);
  const { status, stderr } = spawnSync("python3", [SCRIPT, ...options, from, to], { encoding: "utf8" });
  const left = existsSync(`${to}.partial`);
  return { status, stderr, left, plain: existsSync(to) ? readFileSync(to) : undefined };
}

const named = (objectId = context.objectId) => {
  const { wallet, version } = context;
  return ["--wallet", wallet, "--object-id", objectId, "--object-version", String(version)];
};

describe.skipIf(!able)("docs/open_object.py", () => {
  const withKek = ["--kek", keyFile("kek", kek)];

  test.each([0, 1, 65_535, 65_536, 65_537, 200_000])("opens %i bytes by the wallet's key", async (size) => {
    const plain = patterned(size);
    const { status, plain: got } = read(await sealed(plain), ...withKek, ...named());
    expect(status).toBe(0);
    expect(got?.equals(plain)).toBe(true);
  });

  test("opens by the recovery key, and by a rotated key", async () => {
    const plain = patterned(70_000);
    const object = await sealed(plain, { recovery: await identityToRecipient(recovery.identity) });
    const identity = keyFile("identity", `# public key: age1…\n${recovery.identity}\n`);
    expect(read(object, "--identity", identity).plain?.equals(plain)).toBe(true);
    const stranger = keyFile("stranger", recovery.stranger);
    expect(read(object, "--identity", stranger).stderr).toContain("not sealed for this recovery key");
    const next = new Uint8Array(32).fill(9);
    const header = await readHeader(new ByteReader(pieces(object)));
    const kekFor = (kid: string) => (kid === kidOf(kek) ? kek : undefined);
    const { wrappedDek } = await rewrap({ header, kekFor, context, kek: next });
    const rotated = ["--kek", keyFile("next", next), "--wrapped-dek", wrappedDek, ...named()];
    expect(read(object, ...rotated).plain?.equals(plain)).toBe(true);
  });

  test("refuses a flipped byte anywhere, another name, another key; and leaves nothing behind", async () => {
    const object = await sealed(patterned(70_000));
    const header = (await readHeader(new ByteReader(pieces(object)))).bytes.length;
    for (const at of [3, 40, 100, header - 5, header + 3, header + 40, header + 65_600, object.length - 1]) {
      const damaged = Uint8Array.from(object);
      damaged.set([(object[at] ?? 0) ^ 1], at);
      const result = read(damaged, ...withKek, ...named());
      expect(result, `byte ${at}`).toMatchObject({ status: 1, plain: undefined, left: false });
      expect(result.stderr).not.toContain("Traceback");
    }
    for (const cut of [object.length - 1, object.length - 70, header + 16 + 65_552])
      expect(read(object.subarray(0, cut), ...withKek, ...named()).status, `cut at ${cut}`).toBe(1);
    expect(read(object, ...withKek, ...named("main/other")).stderr).toContain("does not open");
    const other = ["--kek", keyFile("other", new Uint8Array(32))];
    expect(read(object, ...other, ...named()).stderr).toContain("sealed under key");
  });

  test("opens the earlier client's objects, and no damaged one", () => {
    const object = Buffer.from(legacy.object, "base64");
    const old = ["--old-format", ...withKek, "--wrapped-dek", legacy.wrappedDek];
    const tar = gunzipSync(read(object, ...old).plain ?? Buffer.alloc(0)).toString("latin1");
    expect(tar).toContain(legacy.path);
    expect(tar).toContain(legacy.content);
    expect(read(object.subarray(0, -1), ...old)).toMatchObject({ status: 1, plain: undefined, left: false });
    expect(read(object, ...withKek, ...named()).stderr).toContain("--old-format");
  });
});
