/** The local proxy from outside: where its token lies, and who answers at its address. */
import { randomBytes } from "node:crypto";
import * as http from "node:http";
import { join } from "node:path";
import type { Settings } from "../config.ts";
import { Fault } from "../faults.ts";
import { ensurePrivateDirectory, KeyError, readPrivate, writePrivateNew } from "../private-file.ts";

export function tokenPath(settings: Settings): string {
  return join(settings.home, "proxy.token");
}

/** The bearer token of this machine's proxy: made once, private, read by whoever may act for the owner. */
export async function loadOrCreateToken(settings: Settings): Promise<string> {
  const path = tokenPath(settings);
  await ensurePrivateDirectory(settings.home);
  for (let tries = 0; tries < 2; tries++) {
    const found = await readPrivate(path, 256);
    const token = found?.bytes === undefined ? undefined : Buffer.from(found.bytes).toString("utf8").trim();
    if (token !== undefined && /^[0-9a-f]{64}$/.test(token)) return token;
    if (found !== undefined)
      throw new Fault("bad_token", `${path} is no token.`, { next: `Delete ${path}; a new one is made.` });
    await writePrivateNew(path, `${randomBytes(32).toString("hex")}\n`).catch((error: unknown) => {
      if (!(error instanceof KeyError && error.code === "exists")) throw error;
    });
  }
  throw new Error(`invariant: ${path} was just written`);
}

/** Who answers where the proxy should. */
export function probeProxy(settings: Settings): Promise<"ours" | "stranger" | "nobody"> {
  const { port, socket } = settings.proxy;
  const where = socket === undefined ? { host: "127.0.0.1", port } : { socketPath: socket };
  return new Promise((resolve) => {
    const request = http.get({ ...where, path: "/health", timeout: 2_000, agent: false }, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (piece: string) => {
        if (text.length < 4096) text += piece;
      });
      response.on("end", () => resolve(text.includes('"service":"mnemospark"') ? "ours" : "stranger"));
      response.on("error", () => resolve("stranger"));
    });
    request.on("timeout", () => request.destroy());
    request.on("error", () => resolve("nobody"));
  });
}
