/** The fresh process of the demo: it has the wallet, the client's home and a name, and gets the folder back. */
import { readFile } from "node:fs/promises";
import { openClient } from "./client.ts";

export interface Restoration {
  /** Where it came back. */
  readonly path: string;
}

if (import.meta.main) {
  const args = JSON.parse(process.argv[2] ?? "{}") as Record<string, string>;
  const need = (name: string): string => args[name] ?? fail(`restore needs ${name}`);
  try {
    const key = (await readFile(need("keyFile"), "utf8")).trim() as `0x${string}`;
    const core = await openClient({
      edgeUrl: need("edgeUrl"),
      chainUrl: need("chainUrl"),
      key,
      home: need("home"),
      payTo: need("payTo"),
    });
    const { path } = await core.fetch({ objectKey: need("objectKey"), destination: need("destination") });
    console.log(JSON.stringify({ path } satisfies Restoration));
  } catch (error) {
    fail(error instanceof Error ? error.message : String(error));
  }
}

function fail(sentence: string): never {
  console.error(sentence);
  process.exit(1);
}
