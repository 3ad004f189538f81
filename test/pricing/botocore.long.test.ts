/**
 * `npm run botocore` where it can be run: our requests against those of AWS's own Python SDK, and the extract of its models against the
 * models. Where Python has no botocore that knows the calculator (Debian's is older), it says so; the extract is held by model.test.ts.
 */
import { execFile, execFileSync } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";

const PYTHON = process.env["PYTHON"] ?? "python3";
const KNOWS = "import botocore.session; botocore.session.get_session().get_service_model('bcm-pricing-calculator')";

function lacking(): string | undefined {
  try {
    execFileSync(PYTHON, ["-c", KNOWS], { stdio: "pipe" });
    return undefined;
  } catch (error) {
    const [last = String(error)] = String((error as { stderr?: unknown }).stderr ?? error)
      .trimEnd()
      .split("\n")
      .slice(-1);
    return last;
  }
}

test("AWS's Python SDK asks what we ask, and its models are the extract's", { timeout: 120_000 }, async (context) => {
  const why = lacking();
  if (why !== undefined) {
    console.warn(`NOT HELD AGAINST botocore: ${PYTHON} has none that knows BCM Pricing Calculator (${why})`);
    context.skip();
  }
  const program = join(import.meta.dirname, "botocore", "compare.ts");
  const { stdout } = await promisify(execFile)(process.execPath, [program]);
  expect(stdout).toMatch(/botocore [\d.]+: (\d+) answers understood, \1 of \1 requests equal/);
  expect(stdout).toMatch(/^model\.json, of botocore [\d.]+, is/m);
});
