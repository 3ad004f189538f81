/** The same dialect as the Worker over R2 that `npm run dev` starts, in workerd, on a real port. */
import { fileURLToPath } from "node:url";
import { createTestHarness } from "wrangler";
import { accounts, hostSuffix, regions, type Subject } from "./subject.ts";

export async function startWorkerServer(): Promise<Subject> {
  const credentials = Object.fromEntries(accounts.map(({ accessKeyId, ...rest }) => [accessKeyId, rest]));
  const harness = createTestHarness({
    root: fileURLToPath(new URL("../stack/s3", import.meta.url)),
    workers: [
      {
        configPath: "wrangler.toml",
        vars: {
          S3_CREDENTIALS: JSON.stringify(credentials),
          S3_REGIONS: regions.join(","),
          S3_HOST_SUFFIX: hostSuffix,
        },
      },
    ],
  });
  const { url } = await harness.listen();
  return {
    origin: url.origin,
    log: () => harness.getLogs().flatMap(({ message }) => parseLine(message)),
    close: () => harness.close(),
  };
}

function parseLine(message: string): unknown[] {
  try {
    return [JSON.parse(message)];
  } catch {
    return [];
  }
}
