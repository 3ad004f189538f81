/** The supervisor: whatever way it ends, it leaves nothing running; whatever way a child ends, it says so. */
import { spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, onTestFinished, test } from "vitest";
import { type ChildPlan, type Family, startFamily } from "../stack/processes.ts";
import { answers } from "../stack/readiness.ts";
import { isRunning, scratchDirectory, until } from "./scratch.ts";

const program = fileURLToPath(new URL("./programs/family.ts", import.meta.url));

async function family(): Promise<Family> {
  const started = await startFamily();
  onTestFinished(() => started.stop());
  return started;
}

const plan = (name: string, script: string, more: Partial<ChildPlan> = {}): ChildPlan => ({
  name,
  command: process.execPath,
  args: ["-e", script],
  logFile: join(scratchDirectory(), `${name}.log`),
  ready: async () => undefined,
  ...more,
});
const never = async () => "it says it is not ready";

describe("a supervisor that ends", () => {
  test.each(["SIGINT", "SIGTERM", "SIGKILL"] as const)(
    "by %s leaves neither children nor grandchildren",
    async (signal) => {
      const logs = scratchDirectory();
      const supervisor = spawn(process.execPath, ["--no-warnings", program, logs], {
        stdio: ["ignore", "pipe", "inherit"],
      });
      let output = "";
      supervisor.stdout.on("data", (chunk) => {
        output += chunk;
      });
      const log = join(logs, "stubborn.log");
      const grandchild = () => (existsSync(log) ? /grandchild (\d+)/.exec(readFileSync(log, "utf8"))?.[1] : undefined);
      await until("the family is complete", () => output.includes("leash") && grandchild() !== undefined);
      const pids = [...output.matchAll(/(?:quiet|stubborn|leash) (\d+)/g)].map((match) => Number(match[1]));
      pids.push(Number(grandchild()));
      expect(pids).toHaveLength(4);
      expect(pids.filter(isRunning)).toEqual(pids);

      supervisor.kill(signal);
      await until("all are gone", () => pids.every((pid) => !isRunning(pid)));
    },
  );
});

describe("a child", () => {
  test("that ends unasked is named, with its last words", async () => {
    const parent = await family();
    await parent.start(plan("steady", "setInterval(() => {}, 1000)"));
    const child = await parent.start(
      plan("weak", "setTimeout(() => { console.log('my last words'); process.exit(3) }, 200)"),
    );
    const failure = await parent.failed;
    expect(failure.message).toBe("weak ended with code 3, which nobody asked for.\nweak | my last words");
    expect(isRunning(child.pid)).toBe(false);
  });

  test("that ends while starting is not waited for", async () => {
    const parent = await family();
    const start = parent.start(plan("hasty", "console.error('no such file'); process.exit(1)", { ready: never }));
    await expect(start).rejects.toThrow("hasty ended with code 1, which nobody asked for.\nhasty | no such file");
  });

  test("that never becomes ready is given up, with the reason", async () => {
    const parent = await family();
    const start = parent.start(plan("slow", "setInterval(() => {}, 1000)", { ready: never, readyWithinMs: 300 }));
    await expect(start).rejects.toThrow("slow did not become ready (0.3 s allowed): it says it is not ready");
  });

  test("that cannot be run at all is named", async () => {
    const parent = await family();
    const start = parent.start(plan("absent", "", { command: "/nowhere/at/all" }));
    await expect(start).rejects.toThrow("Could not start absent:");
  });

  test("that answers with faults has its answer shown before the time is up", async () => {
    const server = createServer((_request, response) => response.writeHead(500).end("PAY_TO is not an address"));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    onTestFinished(() => void server.close());
    const address = server.address();
    const port = typeof address === "object" ? address?.port : undefined;
    const parent = await family();
    const refusing = plan("refusing", "setInterval(() => {}, 1000)", { ready: answers(`http://127.0.0.1:${port}/`) });
    await expect(parent.start(refusing)).rejects.toThrow("it answers 500: PAY_TO is not an address");
  });
});

test("children are stopped in the other order than they were started", async () => {
  const parent = await startFamily();
  const order: string[] = [];
  for (const name of ["first", "second", "third"]) {
    const child = await parent.start(plan(name, "setInterval(() => {}, 1000)"));
    void child.ended.then((how) => order.push(how));
  }
  await parent.stop();
  expect(order).toEqual(["third ended by SIGTERM", "second ended by SIGTERM", "first ended by SIGTERM"]);
  await until("the leash is gone too", () => !isRunning(parent.leashPid));
});
