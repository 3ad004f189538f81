/** One call of the product's client in a process of its own, which somebody may kill. Prints what it comes to, as JSON. */
import { setTimeout as sleep } from "node:timers/promises";
import { Fault } from "../../client-plugin/faults.ts";
import { openClient } from "../demo/client.ts";

export interface Call {
  readonly verb: "store" | "fetch";
  readonly edgeUrl: string;
  readonly chainUrl: string;
  readonly payTo: string;
  readonly home: string;
  readonly key: `0x${string}`;
  readonly objectKey: string;
  /** What is stored, or where it comes back. */
  readonly path: string;
}

const call = JSON.parse(process.argv[2] ?? "{}") as Call;
const config = { capPerCall: "100", capPerDay: "100", capPerMonth: "100" };
for (;;) {
  const core = await openClient({ ...call, config });
  try {
    const { objectKey, path } = call;
    const done =
      call.verb === "store"
        ? await core.store({ path, objectKey })
        : await core.fetch({ objectKey, destination: path });
    console.log(JSON.stringify(done, (_, value) => (typeof value === "bigint" ? value.toString() : value)));
    process.exit(0);
  } catch (error) {
    // A process that was killed still holds its operation for a few seconds.
    if (!(error instanceof Fault && error.retryable)) throw error;
    await sleep(1_000);
  } finally {
    core.close();
  }
}
