/**
 * The tree that is being restored: what is on disk below the root, and what still waits for the end (links, modes and
 * times of directories). It holds the promise that every parent of what is written is a real directory made here.
 */
import { constants } from "node:fs";
import { chmod, copyFile, link, lutimes, mkdir, open, symlink, utimes } from "node:fs/promises";
import { join } from "node:path";
import type { Entry } from "./entry.ts";
import { leavesRoot } from "./links.ts";
import { ArchiveError } from "./refusal.ts";

export interface TreeCounts {
  readonly files: number;
  readonly directories: number;
  readonly symlinks: number;
  /** Sum of the file sizes; a hard link adds nothing. */
  readonly bytes: number;
}

/** The system writes out together what is asked for together. */
const FLUSHED_AT_ONCE = 8;

type Present = "file" | "symlink" | "directory" | "implied directory";

export class Tree {
  readonly #root: string;
  readonly #present = new Map<string, Present>();
  readonly #symlinks: Entry[] = [];
  readonly #directories: Entry[] = [];
  #files = 0;
  #linked = 0;
  #bytes = 0;

  /** `root` is a directory that nobody else can write to, and is empty. */
  constructor(root: string) {
    this.#root = root;
  }

  /** Writes one file; `content` must yield exactly `entry.size` bytes. */
  async addFile(entry: Entry, content: AsyncIterable<Uint8Array>): Promise<void> {
    await this.#claim(entry.path, "file");
    const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | (constants.O_NOFOLLOW ?? 0);
    const handle = await open(this.#disk(entry.path), flags, 0o600);
    try {
      let written = 0;
      for await (const piece of content) {
        await handle.writeFile(piece);
        written += piece.length;
      }
      if (written !== entry.size) throw new ArchiveError("bad_archive", `${entry.path} ends before its size.`);
      await handle.utimes(entry.mtimeS, entry.mtimeS);
      await handle.chmod(entry.mode);
    } finally {
      await handle.close();
    }
    this.#files += 1;
    this.#bytes += entry.size;
  }

  /** Places an entry without content. */
  async add(entry: Entry): Promise<void> {
    if (entry.kind === "directory") return this.#addDirectory(entry);
    if (entry.kind === "symlink") {
      await this.#claim(entry.path, "symlink");
      this.#symlinks.push(entry);
      return;
    }
    if (this.#present.get(entry.target) !== "file") {
      throw new ArchiveError(
        "escape",
        `${entry.path} is a hard link to ${entry.target}, which the archive has not made.`,
      );
    }
    await this.#claim(entry.path, "file");
    const [from, to] = [this.#disk(entry.target), this.#disk(entry.path)];
    await link(from, to).catch(() => copyFile(from, to, constants.COPYFILE_EXCL));
    this.#files += 1;
  }

  /** Makes the links, then sets modes and times of directories from the deepest up. Returns the links left out. */
  async finish(outward: "refuse" | "leave-out"): Promise<{ path: string; target: string }[]> {
    const links = new Map(this.#symlinks.map((entry) => [entry.path, entry.target]));
    const leftOut: { path: string; target: string }[] = [];
    for (const { path, target, mtimeS } of this.#symlinks) {
      if (leavesRoot(path, target, links)) {
        if (outward === "refuse") {
          throw new ArchiveError("escape", `${path} links to ${JSON.stringify(target)}, outside of the archive.`);
        }
        leftOut.push({ path, target });
        continue;
      }
      await symlink(target, this.#disk(path));
      await lutimes(this.#disk(path), mtimeS, mtimeS);
      this.#linked += 1;
    }
    // Whatever order the archive names them in, a path is longer than those of its ancestors.
    const deepestFirst = this.#directories.toSorted((a, b) => b.path.length - a.path.length);
    for (const { path, mode, mtimeS } of deepestFirst) {
      await utimes(this.#disk(path), mtimeS, mtimeS);
      await chmod(this.#disk(path), mode);
    }
    return leftOut;
  }

  /** Every file to the disk: what gets its final name must be there after a power cut too. At the end, when it costs least. */
  async flush(): Promise<void> {
    const files = [...this.#present].filter(([, kind]) => kind === "file").map(([path]) => path);
    const work = async () => {
      for (let path = files.pop(); path !== undefined; path = files.pop()) {
        // One that its own mode forbids to open is left to the system.
        const handle = await open(this.#disk(path), constants.O_RDONLY).catch(() => undefined);
        await handle?.sync().finally(() => handle.close());
      }
    };
    await Promise.all(Array.from({ length: FLUSHED_AT_ONCE }, work));
  }

  roots(): string[] {
    return [...this.#present.keys()].filter((path) => !path.includes("/"));
  }

  counts(): TreeCounts {
    const directories = [...this.#present.values()].filter((kind) => kind.endsWith("directory")).length;
    return { files: this.#files, directories, symlinks: this.#linked, bytes: this.#bytes };
  }

  async #addDirectory(entry: Entry): Promise<void> {
    // The archive's own root: its place exists, and the destination's mode is the owner's affair.
    if (entry.path === "") return;
    if (this.#present.get(entry.path) === "implied directory") this.#present.set(entry.path, "directory");
    else {
      await this.#claim(entry.path, "directory");
      await mkdir(this.#disk(entry.path), { mode: 0o700 });
    }
    this.#directories.push(entry);
  }

  /** Takes a path for an entry: free, and every parent a directory of ours, made now if the archive never named it. */
  async #claim(path: string, kind: Present): Promise<void> {
    if (this.#present.has(path)) throw new ArchiveError("duplicate", `The archive names ${path} twice.`);
    const segments = path.split("/");
    for (let depth = 1; depth < segments.length; depth++) {
      const parent = segments.slice(0, depth).join("/");
      const there = this.#present.get(parent);
      if (there === undefined) {
        this.#present.set(parent, "implied directory");
        await mkdir(this.#disk(parent), { mode: 0o700 });
      } else if (!there.endsWith("directory")) {
        throw new ArchiveError("escape", `${path} would be written through ${parent}, which is a ${there}.`);
      }
    }
    this.#present.set(path, kind);
  }

  #disk(path: string): string {
    return join(this.#root, path);
  }
}
