/**
 * The name a browser saves a download under (RFC 6266). An object key is the client's own text and may be a path's enemy: the plain
 * form is ASCII letters that every file system takes, the extended form (RFC 8187) keeps what was written, less what deceives.
 */
import { utf8ToBytes } from "#contract/bytes";

/** File systems end names at 255 bytes; some room is left for what a browser puts behind the name of a second copy. */
const NAME_BYTES_MAX = 200;

export function attachment(objectKey: string): string {
  const plain = tame(objectKey.normalize("NFKD").replace(/[^A-Za-z0-9._ ()+=,@~-]/g, "_"));
  const extended = tame(objectKey.replace(DECEIVES, "_"));
  return `attachment; filename="${plain}"; filename*=UTF-8''${percentEncode(extended)}`;
}

/** Controls, marks that turn the writing direction or hide, and what Windows and shells read as more than a letter. */
const DECEIVES = /[\p{Cc}\p{Cf}\p{Co}\p{Cn}\p{Zl}\p{Zp}<>:"/\\|?*%]/gu;

/** No hidden file, no trailing dot or space (Windows drops them), never empty, never cut inside a character. */
function tame(name: string): string {
  let cut = name;
  while (utf8ToBytes(cut).length > NAME_BYTES_MAX) cut = [...cut].slice(0, -1).join("");
  return cut.replace(/^[. ]+/, "_").replace(/[. ]+$/, "_") || "_";
}

/** RFC 8187 attr-char is what encodeURIComponent leaves alone, less these. */
function percentEncode(text: string): string {
  return encodeURIComponent(text).replace(/['()*]/g, (letter) => `%${letter.charCodeAt(0).toString(16).toUpperCase()}`);
}
