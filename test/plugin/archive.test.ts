/** A folder goes in, the same folder comes out: by us, by GNU tar, in constant memory, with the length known beforehand. */
import { execFileSync, spawnSync } from "node:child_process";
import {
  chmodSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { mkdtemp } from "node:fs/promises";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { compareTrees } from "../../client-plugin/archive/compare.ts";
import { encodeEntry } from "../../client-plugin/archive/header.ts";
import { packArchive, planArchive } from "../../client-plugin/archive/pack.ts";
import { unpackArchive } from "../../client-plugin/archive/unpack.ts";
import { collect, patterned, pieces, refusal, scratch } from "./fixture.ts";

const root = scratch();
const fresh = () => mkdtemp(join(root, "case-"));
const CAPS = { maxEntries: 10_000, maxBytes: 1e9 };

/** A folder with everything that is awkward to store. */
async function awkward(): Promise<string> {
  const dir = join(await fresh(), "folder");
  mkdirSync(join(dir, "empty"), { recursive: true });
  mkdirSync(join(dir, "deep", "x".repeat(120), "y".repeat(120)), { recursive: true });
  writeFileSync(join(dir, "deep", "x".repeat(120), "y".repeat(120), "leaf"), "leaf");
  writeFileSync(join(dir, "n".repeat(255)), "long");
  writeFileSync(join(dir, "Größe – 日本語 😀"), "unicode");
  writeFileSync(join(dir, 'line\nbreak = "quote" \\ back'), "odd");
  writeFileSync(join(dir, "empty-file"), "");
  writeFileSync(join(dir, "block"), patterned(512));
  writeFileSync(join(dir, "large"), patterned(1_200_001));
  writeFileSync(join(dir, "tool"), "#!/bin/sh\n");
  chmodSync(join(dir, "tool"), 0o755);
  writeFileSync(join(dir, "secret"), "s");
  chmodSync(join(dir, "secret"), 0o400);
  linkSync(join(dir, "block"), join(dir, "block-again"));
  symlinkSync("large", join(dir, "to-file"));
  symlinkSync("../folder-of-nobody", join(dir, "deep", "dangling"));
  symlinkSync("deep", join(dir, "to-dir"));
  symlinkSync(`deep/${"x".repeat(120)}/ü`, join(dir, "to-long"));
  utimesSync(join(dir, "large"), 1_000_000_000, 1_000_000_000);
  utimesSync(join(dir, "block"), 4_102_444_800, 4_102_444_800);
  utimesSync(join(dir, "empty"), 1_234_567_890, 1_234_567_890);
  chmodSync(join(dir, "empty"), 0o500);
  return dir;
}

async function restored(archive: Uint8Array, size = 10_000): Promise<string> {
  const destination = join(await fresh(), "restored");
  await unpackArchive({ source: pieces(archive, size), destination, ...CAPS });
  return destination;
}

describe("pack and unpack", () => {
  test("everything awkward comes back, with modes, times and links", async () => {
    const dir = await awkward();
    const plan = await planArchive(dir);
    const archive = await collect(packArchive(plan));
    expect(archive.length).toBe(plan.archiveBytes);
    const back = join(await restored(archive), "folder");
    expect(await compareTrees(dir, back)).toMatchObject({
      identical: true,
      files: plan.files,
      bytes: plan.contentBytes,
    });
    expect(statSync(join(back, "large")).mtimeMs).toBe(1_000_000_000_000);
    expect(statSync(join(back, "block")).mtimeMs).toBe(4_102_444_800_000);
    expect(statSync(join(back, "empty")).mtimeMs).toBe(1_234_567_890_000);
    expect(statSync(join(back, "empty")).mode & 0o777).toBe(0o500);
    expect(statSync(join(back, "secret")).mode & 0o777).toBe(0o400);
    expect(readlinkSync(join(back, "deep", "dangling"))).toBe("../folder-of-nobody");
    expect(statSync(join(back, "block")).nlink).toBe(1);
  });

  test("the same tree is the same archive, in byte order, whatever order it was made in", async () => {
    const [one, two] = [join(await fresh(), "same"), join(await fresh(), "same")];
    const names = ["b", "a", "Z", "é", "a.b", "10", "9"];
    for (const [dir, order] of [
      [one, names],
      [two, names.toReversed()],
    ] as const) {
      mkdirSync(dir);
      for (const name of order) writeFileSync(join(dir, name), name);
      for (const path of [...names, ""]) utimesSync(join(dir, path), 1e9, 1e9);
    }
    const [a, b] = [await planArchive(one), await planArchive(two)];
    expect(a.entries.map((entry) => entry.path.slice(5))).toEqual(
      ["10", "9", "Z", "a", "a.b", "b", "é"].toSpliced(0, 0, ""),
    );
    expect((await collect(packArchive(a))).equals(await collect(packArchive(b)))).toBe(true);
  });

  test("a single file is one entry, and a link named by the caller is followed", async () => {
    const dir = await fresh();
    writeFileSync(join(dir, "note.txt"), "note");
    symlinkSync("note.txt", join(dir, "latest"));
    for (const name of ["note.txt", "latest"]) {
      const plan = await planArchive(join(dir, name));
      expect(plan.entries).toHaveLength(1);
      const back = await restored(await collect(packArchive(plan)));
      expect(readFileSync(join(back, name), "utf8")).toBe("note");
      expect(lstatSync(join(back, name)).isFile()).toBe(true);
    }
  });

  test("any sizes and names: exact length and identical content", async () => {
    const name = fc.string({ unit: "grapheme", minLength: 1, maxLength: 40 }).filter((text) => {
      return (
        text.isWellFormed() && !/[/\0]/.test(text) && text !== "." && text !== ".." && Buffer.byteLength(text) < 250
      );
    });
    const size = fc.constantFrom(0, 1, 511, 512, 513, 70_000);
    const tree = fc.uniqueArray(fc.tuple(name, name, size), { maxLength: 6, selector: ([dir]) => dir });
    await fc.assert(
      fc.asyncProperty(tree, async (entries) => {
        const dir = join(await fresh(), "t");
        mkdirSync(dir);
        for (const [folder, file, bytes] of entries) {
          mkdirSync(join(dir, folder));
          writeFileSync(join(dir, folder, file), patterned(bytes));
        }
        const plan = await planArchive(dir);
        const archive = await collect(packArchive(plan));
        expect(archive.length).toBe(plan.archiveBytes);
        expect((await compareTrees(dir, join(await restored(archive, 777), "t"))).identical).toBe(true);
      }),
      { numRuns: 25 },
    );
  });

  test("plain tar reads it", async () => {
    const dir = await awkward();
    const archive = await collect(packArchive(await planArchive(dir)));
    const out = await fresh();
    const tar = spawnSync("tar", ["-x", "-p", "--warning=no-timestamp", "-C", out], { input: archive });
    expect(tar.stderr.toString()).toBe("");
    expect(tar.status).toBe(0);
    expect((await compareTrees(dir, join(out, "folder"))).identical).toBe(true);
    expect(statSync(join(out, "folder", "block")).mtimeMs).toBe(4_102_444_800_000);
  });

  test.each(["gnu", "posix", "ustar"])("we read what tar writes (%s), hard links and gzip included", async (format) => {
    const dir = join(await fresh(), "folder");
    mkdirSync(join(dir, "sub"), { recursive: true });
    const long = format === "ustar" ? "plain" : "ü".repeat(100);
    writeFileSync(join(dir, "sub", long), patterned(3_000));
    linkSync(join(dir, "sub", long), join(dir, "twin"));
    symlinkSync("sub", join(dir, "link"));
    const archive = execFileSync("tar", [`--format=${format}`, "-cz", "-C", dir, "."], {
      stdio: ["ignore", "pipe", "ignore"],
    });
    const destination = join(await fresh(), "out");
    const result = await unpackArchive({ source: pieces(archive), destination, gzip: true, ...CAPS });
    expect(result).toMatchObject({ files: 2, symlinks: 1 });
    expect((await compareTrees(dir, destination)).identical).toBe(true);
  });

  test("sizes beyond ustar's eleven digits are spelled in pax and stay parseable", () => {
    const entry = { path: "huge", kind: "file", size: 9 * 1024 ** 3, mode: 0o644, mtimeS: -5, target: "" } as const;
    const text = Buffer.from(encodeEntry(entry)).toString("latin1");
    expect(text).toContain("19 size=9663676416\n");
    expect(text).toContain("12 mtime=-5\n");
    expect(encodeEntry(entry).length % 512).toBe(0);
    expect(text.slice(257, 265)).toBe("ustar\x0000");
  });

  test("progress ends at the archive's length; a large file passes in bounded pieces", async () => {
    const dir = join(await fresh(), "big");
    mkdirSync(dir);
    writeFileSync(join(dir, "zeros"), "");
    truncateSync(join(dir, "zeros"), 64 * 1024 ** 2);
    const plan = await planArchive(dir);
    let [last, total, largest] = [0, 0, 0];
    const onProgress = (bytes: number): void => {
      last = bytes;
    };
    for await (const piece of packArchive(plan, onProgress)) {
      total += piece.length;
      largest = Math.max(largest, piece.length);
    }
    expect([last, total]).toEqual([plan.archiveBytes, plan.archiveBytes]);
    expect(largest).toBeLessThanOrEqual(512 * 1024);
  });
});

describe("what cannot be packed says so", () => {
  test("pipes are left out with a warning, outward links are stored with one", async () => {
    const dir = join(await fresh(), "folder");
    mkdirSync(dir);
    execFileSync("mkfifo", [join(dir, "pipe")]);
    writeFileSync(join(dir, "file"), "f");
    symlinkSync("/etc/hostname", join(dir, "abs"));
    symlinkSync("file", join(dir, "fine"));
    const plan = await planArchive(dir);
    expect(plan.warnings.map((warning) => warning.path)).toEqual(["folder/pipe", "folder/abs"]);
    const archive = await collect(packArchive(plan));
    const destination = join(await fresh(), "out");
    const options = { destination, ...CAPS, outwardLinks: "leave-out" } as const;
    const result = await unpackArchive({ source: pieces(archive), ...options });
    expect(result).toMatchObject({
      roots: ["folder"],
      symlinks: 1,
      leftOut: [{ path: "folder/abs", target: "/etc/hostname" }],
    });
    expect(readdirSync(join(destination, "folder"))).toEqual(["file", "fine"]);
    expect((await compareTrees(dir, join(destination, "folder"))).differences).toEqual([
      { path: "abs", what: "only in first" },
    ]);
  });

  test("a file that grows, shrinks, vanishes or is written to meanwhile", async () => {
    const changes: [string, (path: string) => void][] = [
      ["grown", (path) => writeFileSync(path, patterned(2_000_001))],
      ["shrunk", (path) => truncateSync(path, 1_999_999)],
      ["gone", (path) => unlinkSync(path)],
    ];
    for (const [what, change] of changes) {
      const path = join(await fresh(), "file");
      writeFileSync(path, patterned(2_000_000));
      const plan = await planArchive(path);
      change(path);
      expect(await refusal(collect(packArchive(plan))), what).toBe("changed");
    }
    const underway: [string, (path: string) => void][] = [
      ["touched", (path) => utimesSync(path, 5, 5)],
      ["cut", (path) => truncateSync(path, 600_000)],
    ];
    for (const [what, change] of underway) {
      const path = join(await fresh(), "file");
      writeFileSync(path, patterned(2_000_000));
      const midway = (bytes: number): void => {
        if (bytes > 512 && bytes < 1_000_000) change(path);
      };
      expect(await refusal(collect(packArchive(await planArchive(path), midway))), what).toBe("changed");
    }
  });

  test("nothing there, the root, a pipe, a name that is not UTF-8, too many entries", async () => {
    const dir = await fresh();
    execFileSync("mkfifo", [join(dir, "pipe")]);
    expect(await refusal(planArchive(join(dir, "none")))).toBe("missing");
    expect(await refusal(planArchive("/"))).toBe("not_packable");
    expect(await refusal(planArchive(join(dir, "pipe")))).toBe("not_packable");
    expect(await refusal(planArchive(root, { maxEntries: 2 }))).toBe("too_large");
    writeFileSync(Buffer.concat([Buffer.from(`${dir}/bad-`), Buffer.of(0xff)]), "x");
    expect(await refusal(planArchive(dir))).toBe("unreadable_name");
  });
});

describe("compareTrees", () => {
  test("finds every kind of difference, and says where", async () => {
    const [a, b] = [await fresh(), await fresh()];
    for (const dir of [a, b]) {
      mkdirSync(join(dir, "sub"));
      writeFileSync(join(dir, "sub", "same"), patterned(600_000));
    }
    const both = (name: string, left: (path: string) => void, right: (path: string) => void): void => {
      left(join(a, name));
      right(join(b, name));
    };
    const write = (content: Uint8Array | string) => (path: string) => writeFileSync(path, content);
    const late = patterned(600_000);
    late[599_999] = 1;
    both("content", write(patterned(600_000)), write(late));
    both("size", write("1"), write("12"));
    both("type", write("1"), (path) => mkdirSync(path));
    both(
      "link",
      (path) => symlinkSync("x", path),
      (path) => symlinkSync("y", path),
    );
    both("exec", write("1"), (path) => writeFileSync(path, "1", { mode: 0o755 }));
    both("left", write("1"), () => undefined);
    both("right", () => undefined, write("1"));
    const result = await compareTrees(a, b);
    expect(result.identical).toBe(false);
    expect(Object.fromEntries(result.differences.map(({ path, what }) => [path, what]))).toEqual({
      content: "content",
      size: "size",
      type: "type",
      link: "link target",
      exec: "executable",
      left: "only in first",
      right: "only in second",
    });
    expect(await refusal(compareTrees(a, join(b, "none")))).toBe("missing");
  });
});
