/**
 * Shows opened bytes without ever running them: by what they are, not by what they are called; as text, or as an image or sound
 * under a type we chose. HTML, SVG and PDF are documents that may carry scripts, so they are text here or nothing.
 */
import { h } from "./dom.ts";

const TEXT_BYTES_MAX = 256 * 1024;

const MAGIC: readonly { type: string; at: number; bytes: string }[] = [
  { type: "image/png", at: 0, bytes: "\x89PNG\r\n\x1a\n" },
  { type: "image/jpeg", at: 0, bytes: "\xff\xd8\xff" },
  { type: "image/gif", at: 0, bytes: "GIF8" },
  { type: "image/webp", at: 8, bytes: "WEBP" },
  { type: "image/avif", at: 4, bytes: "ftypavif" },
  { type: "video/mp4", at: 4, bytes: "ftyp" },
  { type: "video/webm", at: 0, bytes: "\x1a\x45\xdf\xa3" },
  { type: "audio/wav", at: 8, bytes: "WAVE" },
  { type: "audio/mpeg", at: 0, bytes: "ID3" },
  { type: "audio/ogg", at: 0, bytes: "OggS" },
  { type: "audio/flac", at: 0, bytes: "fLaC" },
];

export interface Preview {
  readonly node: HTMLElement;
  /** Frees what the preview holds. */
  close(): void;
}

/** Undefined when there is no safe way to show it; it can still be saved. */
export async function previewOf(content: Blob, name: string): Promise<Preview | undefined> {
  const start = new Uint8Array(await content.slice(0, 64).arrayBuffer());
  const type = typeOf(start);
  if (type !== undefined) return mediaOf(content, type, name);
  const text = await textOf(content);
  if (text === undefined) return undefined;
  const cut = content.size > TEXT_BYTES_MAX;
  const node = h(
    "div",
    {},
    h("pre", { class: "text", tabindex: "0", "aria-label": `Text of ${name}` }, text),
    cut && h("p", { class: "hint" }, "Only the beginning is shown; save the file to read on."),
  );
  return { node, close: () => node.replaceChildren() };
}

function typeOf(start: Uint8Array): string | undefined {
  const latin = String.fromCharCode(...start);
  return MAGIC.find(({ at, bytes }) => latin.startsWith(bytes, at))?.type;
}

function mediaOf(content: Blob, type: string, name: string): Preview {
  const url = URL.createObjectURL(new Blob([content], { type }));
  const kind = type.slice(0, type.indexOf("/"));
  const node =
    kind === "image"
      ? h("img", { class: "image", src: url, alt: `Preview of ${name}` })
      : h(kind === "video" ? "video" : "audio", { class: "media", src: url, controls: true, "aria-label": name });
  return {
    node,
    close: () => {
      node.removeAttribute("src");
      URL.revokeObjectURL(url);
    },
  };
}

/** The beginning, if it is UTF-8 without control characters. */
async function textOf(content: Blob): Promise<string | undefined> {
  const bytes = new Uint8Array(await content.slice(0, TEXT_BYTES_MAX).arrayBuffer());
  try {
    // `stream`: a character cut in two by the limit is no fault.
    const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes, { stream: content.size > bytes.length });
    // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what this looks for
    return /[\u0000-\u0008\u000e-\u001a\u001c-\u001f]/.test(text) ? undefined : text;
  } catch {
    return undefined;
  }
}

/** A gzipped archive (the old client's) unpacked as far as the limit; undefined beyond it: a small file may claim to be a huge one. */
export async function ungzip(content: Blob, bytesMax: number): Promise<Blob | undefined> {
  const start = new Uint8Array(await content.slice(0, 2).arrayBuffer());
  if (start[0] !== 0x1f || start[1] !== 0x8b) return content;
  const reader = content.stream().pipeThrough(new DecompressionStream("gzip")).getReader();
  const pieces: Uint8Array<ArrayBuffer>[] = [];
  let bytes = 0;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return new Blob(pieces);
      bytes += value.byteLength;
      if (bytes > bytesMax) return void (await reader.cancel());
      pieces.push(value);
    }
  } catch {
    return undefined;
  }
}
