/** The fresh process of the demo: it has the wallet, the client's home and a name, and gets the folder back. */
import { readFile } from "node:fs/promises";
import { restore } from "../../client-plugin/core.ts";
import { openClient } from "./client.ts";

export interface Restoration {
  readonly destination: string;
  /** The archive's top-level entry. */
  readonly root: string;
  readonly host: string;
}

if (import.meta.main) {
  const args = JSON.parse(process.argv[2] ?? "{}") as Record<string, string>;
  const need = (name: string): string => args[name] ?? fail(`restore needs ${name}`);
  try {
    const key = (await readFile(need("keyFile"), "utf8")).trim() as `0x${string}`;
    const client = openClient({ edgeUrl: need("edgeUrl"), key, home: need("home"), payTo: need("payTo") });
    const back = await restore(client, {
      objectKey: need("objectKey"),
      agentId: "main",
      destination: need("destination"),
    });
    const answer: Restoration = {
      destination: back.unpacked.destination,
      root: back.unpacked.roots[0] ?? "",
      host: back.host,
    };
    console.log(JSON.stringify(answer));
  } catch (error) {
    fail(error instanceof Error ? error.message : String(error));
  }
}

function fail(sentence: string): never {
  console.error(sentence);
  process.exit(1);
}
