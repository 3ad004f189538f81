/**
 * `kill -9`, at random moments: many uploads and downloads killed once each, and one upload and one download killed again and again.
 * Each ends byte-identical, with one payment on the chain and within the downloads that the paid period includes.
 */
import assert from "node:assert/strict";
import { randomInt } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdtemp, readdir } from "node:fs/promises";
import { join } from "node:path";
import { INCLUDED_DOWNLOADS } from "#contract/limits";
import { type Machine, sha256 } from "./machine.ts";

/** A process has hardly begun before this. */
const SOONEST_MS = 50;
/** How often one upload is tried that ends before it was killed often enough, and how much sooner each is killed. */
const TRIES = 6;
const SOONER = 0.8;

export async function killedUploads(machine: Machine, source: string, kills: number): Promise<string[]> {
  const measured = await machine.untilDone(["upload", source, "name:measured"]);
  const names: string[] = [];
  for (let turn = 0; names.length < kills; turn++) {
    const name = `killed-${turn}`;
    const first = await machine.run(["upload", source, `name:${name}`], randomInt(SOONEST_MS, measured.ms));
    if (!first.killed) continue;
    const { answer } = await machine.untilDone(["upload", source, `name:${name}`]);
    assert.equal((answer["object"] as { state?: string } | undefined)?.state, "stored");
    names.push(name);
  }
  const payments = await machine.payments();
  const { objects } = (await machine.run(["ls"])).answer as unknown as { objects: { key: string }[] };
  assert.equal(payments, objects.length, "as many transfers as objects");
  assert.equal(new Set(objects.map(({ key }) => key)).size, objects.length);
  console.log(
    `uploads: ${kills} killed once each (0-${measured.ms} ms), all resumed; ${objects.length} objects, ${payments} payments`,
  );
  return names;
}

export async function killedDownloads(machine: Machine, names: readonly string[], source: string): Promise<void> {
  const wanted = await sha256(source);
  const into = await mkdtemp(join(machine.room, "into-"));
  const measured = await machine.untilDone(["download", "measured", `to:${join(into, "measured")}`]);
  let cut = 0;
  for (const name of names) {
    const to = join(into, name);
    const first = await machine.run(["download", name, `to:${to}`], randomInt(SOONEST_MS, measured.ms));
    if (first.killed) cut += 1;
    assert.ok(!existsSync(to) || (await sha256(to)) === wanted, "whole or not there");
    if (!existsSync(to)) await machine.untilDone(["download", name, `to:${to}`]);
    else await machine.untilDone(["resume"]);
    assert.equal(await sha256(to), wanted);
    await tookOneDownload(machine, name);
  }
  await nothingLeft(machine, into);
  console.log(
    `downloads: ${cut} of ${names.length} killed once each (0-${measured.ms} ms), all byte-identical, each took one download of the allowance`,
  );
}

/** One upload, killed so often; taken up again each time by the same command. @returns its name */
export async function oneUpload(machine: Machine, source: string, kills: number, latestMs: number): Promise<string> {
  for (let tries = 1; ; tries++) {
    const name = `often-${tries}`;
    const before = await machine.payments();
    const command = ["upload", source, `name:${name}`];
    const steps = await killAgainAndAgain(machine, command, kills, Math.round(latestMs * SOONER ** (tries - 1)));
    // Chance, or a fast machine, may let it end early; then the next one is it, and is given less time.
    if (steps.length < kills && tries < TRIES) continue;
    assert.equal(steps.length, kills, "it was stored before it had been killed so often");
    const { answer } = await machine.untilDone(command);
    assert.equal((answer["object"] as { state?: string } | undefined)?.state, "stored");
    assert.equal((await machine.payments()) - before, 1, "one payment");
    console.log(`one upload, killed ${steps.length} times (${tally(steps)}): stored, 1 payment`);
    return name;
  }
}

/** One download, killed so often. */
export async function oneDownload(machine: Machine, name: string, source: string, kills: number, latestMs: number) {
  const into = await mkdtemp(join(machine.room, "into-"));
  const to = join(into, "back");
  const before = await machine.payments();
  const command = ["download", name, `to:${to}`];
  const steps = await killAgainAndAgain(machine, command, kills, latestMs);
  assert.equal(steps.length, kills, "it was over before it had been killed so often");
  await machine.untilDone(command);
  assert.equal(await sha256(to), await sha256(source), "byte-identical");
  assert.equal(await machine.payments(), before, "nothing was bought");
  const left = await tookOneDownload(machine, name);
  await nothingLeft(machine, into);
  console.log(
    `one download, killed ${steps.length} times (${tally(steps)}): byte-identical, ${left} of ${INCLUDED_DOWNLOADS} downloads left, nothing bought`,
  );
}

/** Two processes told to do the same: one does, the other says who is at it; whoever comes later finds it done. */
export async function twoAtOnce(machine: Machine, source: string, name: string): Promise<void> {
  const before = await machine.payments();
  const command = ["upload", source, `name:${name}`];
  const both = await Promise.all([machine.run(command), machine.run(command)]);
  assert.ok(
    both.some(({ code }) => code === 0),
    JSON.stringify(both),
  );
  for (const { code, answer } of both)
    if (code !== 0) assert.deepEqual([code, answer["error"]?.["code"]], [75, "operation_running"]);
  assert.equal((await machine.payments()) - before, 1, "one payment");
  const codes = both.map(({ code }) => code).join(" and ");
  console.log(`two processes at the same upload: ended with ${codes}, 1 payment`);
}

/** In which step each kill found it. */
async function killAgainAndAgain(machine: Machine, command: readonly string[], kills: number, latestMs: number) {
  const steps: string[] = [];
  while (steps.length < kills) {
    const { killed, code, answer } = await machine.run(command, randomInt(SOONEST_MS, latestMs));
    if (code === 0) break;
    assert.ok(killed || code === 75, `${command.join(" ")} ended with ${code}: ${JSON.stringify(answer)}`);
    if (killed) steps.push(await stepOf(machine));
  }
  return steps;
}

/** Of the operation that is open. */
async function stepOf(machine: Machine): Promise<string> {
  const { operations } = (await machine.run(["op-status"])).answer as unknown as {
    operations?: { state: string; step: string }[];
  };
  return operations?.find(({ state }) => state === "waiting")?.step ?? "start";
}

function tally(steps: readonly string[]): string {
  const counts = new Map<string, number>();
  for (const step of steps) counts.set(step, (counts.get(step) ?? 0) + 1);
  return [...counts].map(([step, count]) => `${count} in ${step}`).join(", ");
}

async function tookOneDownload(machine: Machine, name: string): Promise<number> {
  const { object } = (await machine.run(["stat", name])).answer;
  const left = Number(object?.["downloads_left"]);
  assert.equal(left, INCLUDED_DOWNLOADS - 1, `${name} has ${left} downloads left`);
  return left;
}

/** Nothing half-written: at the destination there is nothing but what was asked for, and no work in progress. */
async function nothingLeft(machine: Machine, directory: string): Promise<void> {
  assert.deepEqual(
    (await readdir(directory)).filter((name) => name.startsWith(".")),
    [],
  );
  assert.deepEqual(await readdir(join(machine.home, "operations")), []);
}
