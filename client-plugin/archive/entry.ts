/**
 * Judges one tar header before anything is written: the border where foreign names become our own types.
 */
import type { Header } from "tar-stream";
import { ArchiveError } from "./refusal.ts";
import { PERMISSIONS } from "./walk.ts";

/** An entry whose path is relative, clean and stays below the root. */
export interface Entry {
  readonly kind: "file" | "directory" | "symlink" | "hardlink";
  /** Segments joined by `/`; empty for the archive's own root directory (`./`). */
  readonly path: string;
  /** Content bytes. */
  readonly size: number;
  readonly mode: number;
  readonly mtimeS: number;
  /** Symlink: the target as stored. Hard link: the clean path of the entry it names. Empty for the rest. */
  readonly target: string;
}

const PATH_BYTES_MAX = 4096;
const DEPTH_MAX = 128;

/** @throws ArchiveError `bad_name`, `escape`, `unsupported_entry` */
export function judgeEntry(header: Header): Entry {
  const kind = kindOf(header);
  const linkname = header.linkname ?? ""; // null at run time when the field is empty
  if (kind === "symlink" && (linkname === "" || linkname.includes("\0"))) {
    throw new ArchiveError("bad_name", `${JSON.stringify(header.name)} links to an unusable name.`);
  }
  const path = cleanPath(header.name, kind === "directory");
  const target = kind === "hardlink" ? cleanPath(linkname, false) : kind === "symlink" ? linkname : "";
  return {
    kind,
    path,
    size: kind === "file" ? header.size : 0,
    mode: header.mode & PERMISSIONS,
    mtimeS: timeOf(header),
    target,
  };
}

function kindOf(header: Header): Entry["kind"] {
  switch (header.type) {
    case "file":
    case "contiguous-file":
      return "file";
    case "directory":
    case "symlink":
      return header.type;
    case "link":
      return "hardlink";
    default:
      throw new ArchiveError("unsupported_entry", `${JSON.stringify(header.name)} is a device, a pipe or unknown.`);
  }
}

/** Drops `.` segments and one trailing slash, as older archives have them; refuses every other liberty. */
function cleanPath(name: string, isDirectory: boolean): string {
  const shown = JSON.stringify(name);
  if (name === "" || name.includes("\0")) throw new ArchiveError("bad_name", `The entry name ${shown} is not a name.`);
  if (name.startsWith("/")) throw new ArchiveError("escape", `The entry ${shown} has an absolute path.`);
  // On Windows a backslash separates and a colon names a drive or a stream.
  if (process.platform === "win32" && /[\\:]/.test(name))
    throw new ArchiveError("escape", `The entry ${shown} is not portable.`);
  if (Buffer.byteLength(name) > PATH_BYTES_MAX)
    throw new ArchiveError("bad_name", "An entry name is longer than a path.");

  const segments = (name.endsWith("/") ? name.slice(0, -1) : name).split("/").filter((segment) => segment !== ".");
  if (segments.includes("..")) throw new ArchiveError("escape", `The entry ${shown} climbs out with "..".`);
  if (segments.includes("")) throw new ArchiveError("bad_name", `The entry ${shown} has an empty segment.`);
  if (segments.length > DEPTH_MAX) throw new ArchiveError("bad_name", `The entry ${shown} is nested too deep.`);
  if (segments.length === 0 && !isDirectory) throw new ArchiveError("bad_name", `The entry ${shown} is not a name.`);
  return segments.join("/");
}

/** pax's time when there is one (tar-stream does not apply it), else ustar's; 0 if neither is a time. */
function timeOf(header: Header): number {
  const pax = header.pax;
  const stated = typeof pax === "object" && pax !== null && "mtime" in pax ? Number(pax.mtime) : undefined;
  const seconds = stated ?? header.mtime.getTime() / 1000;
  // The range of a JavaScript date, and far more than any file system keeps.
  return Math.abs(seconds) <= 8.64e12 ? seconds : 0;
}
