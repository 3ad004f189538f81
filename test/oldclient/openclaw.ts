/**
 * What the published client finds as `openclaw` on its PATH: the three `cron` commands that it runs after an upload and a delete,
 * over a file. Everything else is refused, as an older host refuses what it does not know.
 */
import { randomUUID } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";

export interface CronJob {
  readonly id: string;
  readonly name: string;
  readonly schedule: { readonly kind: "cron"; readonly expr: string; readonly tz: string };
  readonly agentId: string;
  readonly payload: { readonly kind: "agentTurn"; readonly message: string };
}

export function jobsIn(file: string): CronJob[] {
  return existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as CronJob[]) : [];
}

function run(file: string, [group, verb, ...rest]: readonly string[]): object {
  if (group !== "cron") throw new Error(`unknown command: ${group} ${verb}`);
  const option = (name: string) => rest[rest.indexOf(name) + 1] ?? "";
  const jobs = jobsIn(file);
  switch (verb) {
    case "add": {
      const job: CronJob = {
        id: randomUUID(),
        name: option("--name"),
        schedule: { kind: "cron", expr: option("--cron"), tz: option("--tz") },
        agentId: option("--agent"),
        payload: { kind: "agentTurn", message: option("--message") },
      };
      writeFileSync(file, JSON.stringify([...jobs, job]));
      return job;
    }
    case "list":
      return { jobs };
    case "rm": {
      writeFileSync(file, JSON.stringify(jobs.filter((job) => job.id !== rest[0])));
      return { ok: true, removed: jobs.some((job) => job.id === rest[0]) };
    }
    default:
      throw new Error(`unknown command: cron ${verb}`);
  }
}

if (import.meta.main) {
  const [file = "", ...args] = process.argv.slice(2);
  try {
    console.log(JSON.stringify(run(file, args)));
  } catch (error) {
    console.error(String(error));
    process.exitCode = 1;
  }
}
