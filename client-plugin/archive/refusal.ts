/** The one error of the archive: a code for callers, a sentence with the path for people. */

export type ArchiveRefusal =
  /** Nothing is at the path that was to be packed or compared. */
  | "missing"
  /** The path itself is neither a file nor a folder. */
  | "not_packable"
  /** A file name is not UTF-8; leaving the file out in silence would be losing it. */
  | "unreadable_name"
  /** A file changed between planning and reading, or while it was read. */
  | "changed"
  /** More entries or bytes than the caller allows. */
  | "too_large"
  /** The destination is not a new or empty directory. */
  | "destination_not_empty"
  /** An entry would leave the destination, or would be written through a link. */
  | "escape"
  /** An entry's name is empty, too long or not spelled as a relative path. */
  | "bad_name"
  /** Two entries claim one path. */
  | "duplicate"
  /** A device, a pipe, or a kind of entry we do not know. */
  | "unsupported_entry"
  /** The stream is not a whole tar archive. */
  | "bad_archive";

export class ArchiveError extends Error {
  readonly code: ArchiveRefusal;

  constructor(code: ArchiveRefusal, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "ArchiveError";
    this.code = code;
  }
}
