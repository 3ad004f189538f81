/**
 * `npm run test:s3-real`: the S3 suite, the Store adapter and the whole product against a real radosgw. Installs it from Debian where it is
 * not there. Where it cannot be had this says so and fails: a run that tested nothing is no success.
 */
import { spawnSync } from "node:child_process";
import { missingPrograms, PACKAGES } from "./radosgw.ts";

function loudly(sentence: string): never {
  const bar = "!".repeat(78);
  console.error(`\n${bar}\n!! NOT TESTED against a real S3 server: ${sentence}\n${bar}\n`);
  process.exit(1);
}

function install(): void {
  const missing = missingPrograms();
  if (missing.length === 0) return;
  console.log(`missing: ${missing.join(", ")}; installing ${PACKAGES.join(", ")} with apt-get`);
  const root = process.getuid?.() === 0;
  const apt = (...args: string[]) => {
    const command = [...(root ? [] : ["sudo", "-n"]), "apt-get", "-o", "DPkg::Lock::Timeout=300", ...args];
    const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
    return spawnSync(command[0] ?? "", command.slice(1), { stdio: "inherit", env }).status === 0;
  };
  const packages = ["install", "-y", "--no-install-recommends", ...PACKAGES];
  if (!apt(...packages) && !(apt("update") && apt(...packages)))
    loudly(`${PACKAGES.join(", ")} cannot be installed here (wanted: Debian or Ubuntu, apt-get, and root or sudo).`);
  const still = missingPrograms();
  if (still.length > 0) loudly(`${still.join(", ")} did not come with the packages.`);
}

install();
const vitest = spawnSync("vitest", ["run", ...process.argv.slice(2)], {
  stdio: "inherit",
  env: { ...process.env, MNEMOSPARK_TEST_S3_REAL: "1" },
});
process.exit(vitest.status ?? 1);
