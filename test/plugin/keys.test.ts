/** Key files: made once, found by name or kid, and refused whenever something about them is not as it should be. */
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { mkdtemp } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { addrHash } from "#contract/wallet";
import { kidOf } from "../../client-plugin/envelope/kek.ts";
import {
  adoptKek,
  allKeks,
  createKek,
  findKek,
  kekLookup,
  loadKek,
  loadOrCreateKek,
  olderKids,
  rotateKek,
} from "../../client-plugin/keys.ts";
import { otherWallet, refusal, scratch, wallet } from "./fixture.ts";

const root = scratch();

/** A client's home, and the path where the wallet's key belongs. With `content`, the key file is already there. */
async function home(content?: string | Uint8Array) {
  const dir = await mkdtemp(join(root, "home-"));
  const place = { dir, wallet };
  const path = join(dir, "keys", `${addrHash(wallet)}.key`);
  mkdirSync(join(dir, "keys"), { mode: 0o700 });
  if (content !== undefined) writeFileSync(path, content, { mode: 0o600 });
  return { place, path, keys: join(dir, "keys") };
}

const mode = (path: string): number => statSync(path).mode & 0o777;

describe("making", () => {
  test("32 raw bytes in a private file, in a private directory, under the old client's name", async () => {
    const place = { dir: join(await mkdtemp(join(root, "home-")), "not", "yet"), wallet };
    expect(await loadKek(place)).toBeUndefined();
    expect(existsSync(place.dir)).toBe(false);
    const made = await createKek(place);
    expect(made.path).toBe(join(place.dir, "keys", `${addrHash(wallet)}.key`));
    expect(Buffer.from(made.kek).equals(readFileSync(made.path))).toBe(true);
    expect(made.kek).toHaveLength(32);
    expect(made.kid).toBe(kidOf(made.kek));
    expect([mode(made.path), mode(join(place.dir, "keys"))]).toEqual([0o600, 0o700]);
    expect(made.warnings).toEqual([]);
    expect(await loadKek(place)).toEqual(made);
    expect(readdirSync(join(place.dir, "keys"))).toEqual([`${addrHash(wallet)}.key`]);
  });

  test("never over an existing key, whatever it holds", async () => {
    for (const content of [new Uint8Array(32), "", "garbage"]) {
      const { place, path, keys } = await home(content);
      expect(await refusal(createKek(place))).toBe("exists");
      expect(readFileSync(path).equals(Buffer.from(content))).toBe(true);
      expect(readdirSync(keys)).toHaveLength(1);
    }
  });

  test("not through a link that waits at the name", async () => {
    const { place, path, keys } = await home();
    symlinkSync(join(keys, "target"), path);
    expect(await refusal(createKek(place))).toBe("exists");
    expect(existsSync(join(keys, "target"))).toBe(false);
  });

  test("once, however many begin together; one wallet's key is not another's", async () => {
    const { place } = await home();
    const all = await Promise.all(Array.from({ length: 12 }, () => loadOrCreateKek(place)));
    expect(new Set(all.map(({ kid }) => kid)).size).toBe(1);
    expect((await loadOrCreateKek({ ...place, wallet: otherWallet })).kid).not.toBe(all[0]?.kid);
  });
});

describe("reading", () => {
  const bytes = Uint8Array.from({ length: 32 }, (_, at) => 200 - at);
  const base64 = Buffer.from(bytes).toString("base64");

  test.each([
    ["raw", bytes],
    ["base64", base64],
    ["base64 with a newline", `${base64}\n`],
  ])("%s", async (_, content) => {
    const { place } = await home(content);
    expect((await loadKek(place))?.kek).toEqual(bytes);
    expect((await loadOrCreateKek(place)).kid).toBe(kidOf(bytes));
  });

  test.each<[string, string | Uint8Array]>([
    ["empty", ""],
    ["31 bytes", new Uint8Array(31)],
    ["33 bytes", new Uint8Array(33)],
    ["hex", Buffer.from(bytes).toString("hex")],
    ["base64 without padding", base64.slice(0, -1)],
    ["base64 of 31 bytes", Buffer.alloc(31).toString("base64")],
    ["a large file", new Uint8Array(5_000)],
  ])("stops at %s, says so, and leaves it alone", async (_, content) => {
    const { place, path } = await home(content);
    expect(await refusal(loadKek(place))).toBe("not_a_key");
    expect(await refusal(loadOrCreateKek(place))).toBe("not_a_key");
    await expect(loadKek(place)).rejects.toThrow(path);
    expect(readFileSync(path).equals(Buffer.from(content))).toBe(true);
  });

  test("stops at links, directories and pipes", async () => {
    const linked = await home();
    writeFileSync(join(linked.keys, "real"), bytes, { mode: 0o600 });
    symlinkSync(join(linked.keys, "real"), linked.path);
    expect(await refusal(loadKek(linked.place))).toBe("not_a_file");

    const directory = await home();
    mkdirSync(directory.path);
    expect(await refusal(loadKek(directory.place))).toBe("not_a_file");

    const pipe = await home();
    execFileSync("mkfifo", ["-m", "600", pipe.path]);
    expect(await refusal(loadKek(pipe.place))).toBe("not_a_file");

    const { place, keys } = await home(bytes);
    const elsewhere = { ...place, dir: await mkdtemp(join(root, "home-")) };
    symlinkSync(keys, join(elsewhere.dir, "keys"));
    expect(await refusal(loadKek(elsewhere))).toBe("not_a_file");
    expect(await refusal(createKek(elsewhere))).toBe("not_a_file");
  });

  test("takes away what others may do, on file and directory, and says so", async () => {
    const { place, path, keys } = await home(bytes);
    chmodSync(path, 0o644);
    chmodSync(keys, 0o755);
    const { kek, warnings } = await loadOrCreateKek(place);
    expect(kek).toEqual(bytes);
    expect(warnings).toHaveLength(2);
    expect(warnings.join("\n")).toContain("mode 644");
    expect([mode(path), mode(keys)]).toEqual([0o600, 0o700]);
    expect((await loadKek(place))?.warnings).toEqual([]);
  });

  test.skipIf(process.geteuid?.() !== 0)("stops at another owner (only root can arrange the case)", async () => {
    const { place, path, keys } = await home(bytes);
    chownSync(path, 12_345, 12_345);
    expect(await refusal(loadKek(place))).toBe("foreign_owner");
    chownSync(path, 0, 0);
    chownSync(keys, 12_345, 12_345);
    expect(await refusal(loadKek(place))).toBe("foreign_owner");
  });
});

describe("older keys", () => {
  test("are found by kid beside the current one", async () => {
    const { place, keys } = await home(new Uint8Array(32).fill(1));
    const older = new Uint8Array(32).fill(2);
    writeFileSync(join(keys, `${addrHash(wallet)}.${kidOf(older)}.key`), older, { mode: 0o600 });
    const current = await loadKek(place);
    expect((await findKek(place, current?.kid ?? ""))?.kek).toEqual(new Uint8Array(32).fill(1));
    expect(await kekLookup(place)(kidOf(older))).toEqual(older);
    expect(await findKek(place, "0123456789abcdef")).toBeUndefined();
    expect(await olderKids(place)).toEqual([kidOf(older)]);
  });

  test("are refused when the content is not what the name says; a kid is never a path", async () => {
    const { place, keys } = await home(new Uint8Array(32));
    writeFileSync(join(keys, `${addrHash(wallet)}.0123456789abcdef.key`), new Uint8Array(32).fill(3), { mode: 0o600 });
    expect(await refusal(findKek(place, "0123456789abcdef"))).toBe("not_a_key");
    mkdirSync(join(keys, `${addrHash(wallet)}...`));
    writeFileSync(join(keys, `${addrHash(wallet)}...`, "x.key"), new Uint8Array(32), { mode: 0o600 });
    expect(await findKek(place, "../x")).toBeUndefined();
    expect(await olderKids({ ...place, dir: join(place.dir, "none") })).toEqual([]);
  });
});

describe("rotating", () => {
  test("makes a new current key and keeps the old one under its kid", async () => {
    const { place, path } = await home();
    const first = await createKek(place);
    const { current, before } = await rotateKek(place);
    expect(before.kid).toBe(first.kid);
    expect(current.kid).not.toBe(first.kid);
    expect((await loadKek(place))?.kid).toBe(current.kid);
    expect(await olderKids(place)).toEqual([first.kid]);
    expect((await findKek(place, first.kid))?.kek).toEqual(first.kek);
    expect(mode(path)).toBe(0o600);
    await rotateKek(place);
    expect((await allKeks(place)).map(({ kid }) => kid).sort()).toEqual([...(await kids(place))].sort());
    expect(await allKeks(place)).toHaveLength(3);
  });

  test("that died between its steps is begun again", async () => {
    const { place, keys } = await home();
    const first = await createKek(place);
    writeFileSync(join(keys, `${addrHash(wallet)}.${first.kid}.key`), first.kek, { mode: 0o600 });
    expect((await allKeks(place)).map(({ kid }) => kid)).toEqual([first.kid]);
    expect((await rotateKek(place)).before.kid).toBe(first.kid);
  });

  test("needs a key", async () => {
    expect(await refusal(rotateKek((await home()).place))).toBe("missing");
  });

  test("an adopted key becomes the current one where there is none, and is kept beside it otherwise", async () => {
    const { place } = await home();
    const [one, two] = [new Uint8Array(32).fill(1), new Uint8Array(32).fill(2)];
    expect(await adoptKek(place, one)).toBe("current");
    expect(await adoptKek(place, two)).toBe("kept");
    expect(await adoptKek(place, one)).toBe("known");
    expect((await loadKek(place))?.kid).toBe(kidOf(one));
    expect((await findKek(place, kidOf(two)))?.kek).toEqual(two);
    expect(await refusal(adoptKek(place, new Uint8Array(31)))).toBe("not_a_key");
  });
});

async function kids(place: { dir: string; wallet: typeof wallet }): Promise<string[]> {
  const current = await loadKek(place);
  return [...(await olderKids(place)), ...(current ? [current.kid] : [])];
}
