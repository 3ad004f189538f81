/**
 * Runs vitest, and notices when it says nothing any more. Every test has a limit of its own, so a long silence is no test: once in
 * dozens of runs on a loaded machine the last word of the workerd runner was lost and vitest waited for it for ever. Such a run is
 * ended and begun once more, loudly; a failing test is never repeated.
 */
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

const SILENCE_MS = Number(process.env["MNEMOSPARK_TEST_SILENCE_MS"] ?? 5 * 60_000);
const VITEST = fileURLToPath(new URL("../node_modules/vitest/vitest.mjs", import.meta.url));

/** @returns the exit code, or undefined for a run that fell silent and was ended. */
function run(): Promise<number | undefined> {
  // A group of its own, so that nothing of a run that is ended is left.
  const child = spawn(process.execPath, [VITEST, "run", ...process.argv.slice(2)], {
    stdio: ["inherit", "pipe", "pipe"],
    detached: true,
    env: { ...process.env, ...(process.stdout.isTTY ? { FORCE_COLOR: "1" } : {}) },
  });
  const end = (signal: NodeJS.Signals) => {
    try {
      if (child.pid) process.kill(-child.pid, signal);
    } catch {
      // Already gone.
    }
  };
  let silent = false;
  const fallSilent = () => {
    silent = true;
    end("SIGKILL");
  };
  let timer = setTimeout(fallSilent, SILENCE_MS);
  const heard = (to: NodeJS.WriteStream) => (piece: Buffer) => {
    to.write(piece);
    clearTimeout(timer);
    timer = setTimeout(fallSilent, SILENCE_MS);
  };
  child.stdout.on("data", heard(process.stdout));
  child.stderr.on("data", heard(process.stderr));
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => end(signal));
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code) => {
      clearTimeout(timer);
      resolve(silent ? undefined : (code ?? 1));
    });
  });
}

const warn = (text: string) => console.error(`\n*** vitest said nothing for ${SILENCE_MS / 1000} s: ${text} ***\n`);

let code = await run();
if (code === undefined) {
  warn("it was ended, and is run once more");
  code = await run();
}
if (code === undefined) warn("it was ended, again; nothing is proven");
process.exit(code ?? 1);
