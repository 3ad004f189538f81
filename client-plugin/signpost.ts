/**
 * A note in the client's own directory. Whoever finds it after the plugin is gone must know what opens what, before it is tidied away:
 * uninstalling removes code and settings, never this.
 */
import { lstat } from "node:fs/promises";
import { join } from "node:path";
import { writePrivateNew } from "./private-file.ts";

const NOTE = `What mnemospark keeps on this machine. Uninstalling the plugin leaves it here, on purpose.

keys/            open what is stored; without them (or the recovery kit) nobody can, not even the service
key/, wallet/    the wallet's private key: the money, and the right to what is stored
journal.db       operations and payments: what may be going on, and what was signed
object.log, logs/  what happened
proxy.token      lets programs of yours use the local proxy
downloads/       what was fetched without saying where to

To leave for good: \`mnemospark ls\`, fetch or \`mnemospark delete\` what is there, move the USDC, then delete this directory.
What is neither renewed nor deleted is erased by the service two days after its paid time.
`;

/** Written once. A directory that cannot take a note is found out about by what needs it more. */
export async function signpost(home: string): Promise<void> {
  const path = join(home, "README.txt");
  const there = await lstat(path).catch(() => undefined);
  if (there === undefined) await writePrivateNew(path, NOTE).catch(() => undefined);
}
