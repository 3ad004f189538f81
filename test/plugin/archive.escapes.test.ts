/** Archives made to break out, and what is left after each attempt: nothing. */
import { chmodSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { mkdtemp } from "node:fs/promises";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { type Header, pack } from "tar-stream";
import { describe, expect, test } from "vitest";
import { leavesRoot } from "../../client-plugin/archive/links.ts";
import { type UnpackOptions, unpackArchive } from "../../client-plugin/archive/unpack.ts";
import { collect, pieces, refusal, scratch } from "./fixture.ts";

const root = scratch();

type Made = Partial<Header> & { readonly name: string; readonly body?: string };

function tarOf(entries: readonly Made[]): Promise<Buffer> {
  const packing = pack();
  for (const { body, ...header } of entries) {
    if (header.type === undefined || header.type === "file") packing.entry(header, body ?? "x");
    else packing.entry(header);
  }
  packing.finalize();
  return collect(packing as AsyncIterable<Uint8Array>);
}

/** Unpacks into `<case>/out`, beside a file that no archive may touch; says how it ended and what is left. */
async function attempt(archive: Uint8Array, options: Partial<UnpackOptions> = {}) {
  const dir = await mkdtemp(join(root, "case-"));
  writeFileSync(join(dir, "precious"), "untouched");
  const destination = join(dir, "out");
  const base = { source: pieces(archive, 999), destination, maxEntries: 100, maxBytes: 1e6 };
  const code = await refusal(unpackArchive({ ...base, ...options }));
  expect(readFileSync(join(dir, "precious"), "utf8")).toBe("untouched");
  return { code, left: readdirSync(dir).filter((name) => name !== "precious") };
}

const link = (name: string, linkname: string): Made => ({ name, type: "symlink", linkname });
const folder = (name: string): Made => ({ name, type: "directory" });

describe("refused, and nothing is left", () => {
  test.each<[string, string, readonly Made[]]>([
    ["a parent", "escape", [{ name: "../precious" }]],
    ["a parent in the middle", "escape", [{ name: "a/../../precious" }]],
    ["a parent at the end", "escape", [folder("a"), folder("a/..")]],
    ["an absolute path", "escape", [{ name: "/etc/evil" }]],
    ["an empty name", "bad_name", [{ name: "" }]],
    ["only a dot", "bad_name", [{ name: "." }]],
    ["an empty segment", "bad_name", [{ name: "a//b" }]],
    ["a NUL", "bad_name", [{ name: "a", pax: { path: "a\0b" } }]],
    ["an endless name", "bad_name", [{ name: "a", pax: { path: "x".repeat(5_000) } }]],
    ["a very deep name", "bad_name", [{ name: "a", pax: { path: "x/".repeat(200) } }]],
    ["an absolute link", "escape", [link("l", "/etc")]],
    ["a link to the parent", "escape", [link("l", "..")]],
    ["a link deep inside that climbs out", "escape", [folder("a"), link("a/l", "../../x")]],
    [
      "a link that leaves through another",
      "escape",
      [folder("a"), folder("a/b"), link("a/b/up", "../.."), link("t", "a/b/up/../x")],
    ],
    ["a link without target", "bad_name", [{ name: "l", type: "symlink", linkname: "\0", pax: { linkpath: "\0" } }]],
    ["a file written through a link", "escape", [link("d", "."), { name: "d/x" }]],
    ["a directory made through a link", "escape", [link("d", "sub"), folder("d/x")]],
    ["a directory in a link's place", "duplicate", [link("d", "."), folder("d")]],
    ["a file below a file", "escape", [{ name: "f" }, { name: "f/x" }]],
    ["a hard link to the outside", "escape", [{ name: "h", type: "link", linkname: "../precious" }]],
    ["a hard link to an absolute path", "escape", [{ name: "h", type: "link", linkname: "/etc/passwd" }]],
    [
      "a hard link to nothing the archive made",
      "escape",
      [{ name: "h", type: "link", linkname: "later" }, { name: "later" }],
    ],
    ["a hard link to a link", "escape", [link("l", "x"), { name: "h", type: "link", linkname: "l" }]],
    ["a device", "unsupported_entry", [{ name: "d", type: "character-device" }]],
    ["a pipe", "unsupported_entry", [{ name: "p", type: "fifo" }]],
    ["a file twice", "duplicate", [{ name: "f" }, { name: "f" }]],
    ["a file twice in two spellings", "duplicate", [{ name: "f" }, { name: "./f" }]],
    ["a directory twice", "duplicate", [folder("d"), folder("d")]],
  ])("%s", async (_, code, entries) => {
    expect(await attempt(await tarOf([{ name: "first" }, ...entries]))).toEqual({ code, left: [] });
  });

  test("too many entries, too many bytes, a gzip bomb", async () => {
    const many = await tarOf(Array.from({ length: 101 }, (_, at) => ({ name: `f${at}` })));
    expect(await attempt(many)).toEqual({ code: "too_large", left: [] });
    const large = await tarOf([{ name: "f", body: "x".repeat(2_000_000) }]);
    expect(await attempt(large)).toEqual({ code: "too_large", left: [] });
    const bomb = gzipSync(Buffer.concat([large, Buffer.alloc(50_000_000)]));
    expect(await attempt(bomb, { gzip: true })).toEqual({ code: "too_large", left: [] });
  });

  test("what is no archive, half an archive, or fails while it is read", async () => {
    const archive = await tarOf([{ name: "f", body: "x".repeat(5_000) }, { name: "g" }]);
    expect(await attempt(Buffer.alloc(2_000, 7))).toEqual({ code: "bad_archive", left: [] });
    expect(await attempt(archive.subarray(0, 3_000))).toEqual({ code: "bad_archive", left: [] });
    expect(await attempt(archive, { gzip: true })).toEqual({ code: "bad_archive", left: [] });
    expect(await attempt(gzipSync(archive).subarray(0, -20), { gzip: true })).toEqual({
      code: "bad_archive",
      left: [],
    });
    const broken = new Error("connection lost");
    async function* failing() {
      yield archive.subarray(0, 2_000);
      throw Object.assign(broken, { code: "ECONNRESET" });
    }
    expect(await attempt(archive, { source: failing() })).toEqual({ code: "ECONNRESET", left: [] });
    expect(await attempt(archive, { source: failing(), gzip: true })).toMatchObject({ left: [] });
  });
});

describe("the destination", () => {
  test("may be an empty directory; not a full one, a file, or a link to a directory", async () => {
    const archive = await tarOf([{ name: "f" }]);
    const dir = await mkdtemp(join(root, "case-"));
    for (const name of ["empty", "full"]) mkdirSync(join(dir, name));
    writeFileSync(join(dir, "full", "mine"), "mine");
    writeFileSync(join(dir, "file"), "mine");
    symlinkSync("empty", join(dir, "link"));
    const into = (name: string) => attempt(archive, { destination: join(dir, name) }).then(({ code }) => code);
    for (const name of ["full", "file", "link"]) expect(await into(name)).toBe("destination_not_empty");
    expect(await into("empty")).toBe("nothing was refused");
    expect(readdirSync(join(dir, "empty"))).toEqual(["f"]);
    expect(readdirSync(dir)).toEqual(["empty", "file", "full", "link"]);
  });

  test("is looked at before a byte is asked for", async () => {
    let asked = false;
    const source = (async function* () {
      asked = true;
      yield new Uint8Array(0);
    })();
    expect((await attempt(new Uint8Array(0), { source, destination: root })).code).toBe("destination_not_empty");
    expect(asked).toBe(false);
  });

  test("gets modes from the deepest directory up, in whatever order the archive names them", async () => {
    const dir = await mkdtemp(join(root, "case-"));
    const archive = await tarOf([
      { name: "a/b/f" },
      { ...folder("a/b"), mode: 0o500 },
      { ...folder("a"), mode: 0o100 },
    ]);
    const destination = join(dir, "out");
    await unpackArchive({ source: pieces(archive), destination, maxEntries: 10, maxBytes: 1e6 });
    expect(statSync(join(destination, "a")).mode & 0o777).toBe(0o100);
    expect(statSync(join(destination, "a", "b")).mode & 0o777).toBe(0o500);
    for (const path of ["a", "a/b"]) chmodSync(join(destination, path), 0o700);
  });

  test("set-uid and set-gid bits do not come back", async () => {
    const { code } = await attempt(await tarOf([{ name: "f", mode: 0o6755 }]));
    expect(code).toBe("nothing was refused");
  });
});

describe("links that stay inside", () => {
  const links = new Map([
    ["up", "a"],
    ["a/b/top", "../.."],
    ["loop", "loop"],
  ]);
  test.each([
    ["l", "a", false],
    ["l", "up/b", false],
    ["a/l", "../up/../x", false],
    ["a/b/c/l", "../../../x", false],
    ["l", "loop/x", false],
    ["l", "missing/../x", false],
    ["l", "a/b/top/x", false],
    ["l", "a/b/top/..", true],
    ["l", "missing/../../x", true],
    ["a/l", "../..", true],
    ["l", "//x", true],
  ])("%s -> %s leaves: %s", (path, target, leaves) => {
    expect(leavesRoot(path, target, links)).toBe(leaves);
  });
});
