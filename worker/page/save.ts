/**
 * Where opened bytes go. With the File System Access API (Chrome, Edge) straight to disk, any size: the file takes its place only
 * when it is complete and verified. Elsewhere they are collected first, which ends where the browser's memory does.
 */
import { collect } from "./open.ts";

interface Writable extends WritableStream<Uint8Array> {
  abort(reason?: unknown): Promise<void>;
}
interface PickedFile {
  createWritable(): Promise<Writable>;
}
type Picker = (options: { suggestedName: string }) => Promise<PickedFile>;

export interface Sink {
  /** All or nothing: a stream that errs leaves no file. */
  take(plain: ReadableStream<Uint8Array>, expectedBytes: number): Promise<void>;
}

/** Must be called in a click, before anything is waited for. Undefined when the person changed their mind. */
export async function chooseSink(name: string): Promise<Sink | undefined> {
  const picker = (window as { showSaveFilePicker?: Picker }).showSaveFilePicker;
  if (!picker) return { take: async (plain, expected) => saveBlob(await collect(plain, expected), name) };
  try {
    const file = await picker.call(window, { suggestedName: name });
    // pipeTo closes the file at the end of the stream and aborts it, leaving nothing, when the stream errs.
    return { take: async (plain) => plain.pipeTo(await file.createWritable()) };
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") return undefined;
    // Where the picker is forbidden (some managed machines), the old way still works.
    return { take: async (plain, expected) => saveBlob(await collect(plain, expected), name) };
  }
}

/** As a download, never as a document: the type is nobody's to open. */
export function saveBlob(blob: Blob, name: string): void {
  const url = URL.createObjectURL(new Blob([blob], { type: "application/octet-stream" }));
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}
