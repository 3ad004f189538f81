/** Whether a sealed file is one of the client before this one, by its first bytes. */
import { open } from "node:fs/promises";
import { VERSION_LINE } from "../envelope/header.ts";
import { formatOf } from "../envelope/legacy.ts";

export async function looksLegacy(path: string): Promise<boolean> {
  const handle = await open(path, "r");
  try {
    const start = Buffer.alloc(VERSION_LINE.length);
    const { bytesRead } = await handle.read(start, 0, start.length, 0);
    return formatOf(start.subarray(0, bytesRead)) === "legacy";
  } finally {
    await handle.close();
  }
}
