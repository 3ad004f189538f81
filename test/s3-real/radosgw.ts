/**
 * A radosgw of one's own on loopback: one monitor, one OSD in memory, one gateway; no cephx, no manager, nothing kept. It is there to
 * be a second opinion about S3, written by other people, so it is configured for speed and for nothing else.
 */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { closeSync, existsSync, mkdirSync, openSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { type Account, accounts } from "../s3/subject.ts";

const run = promisify(execFile);

export const PROGRAMS = ["radosgw", "radosgw-admin", "ceph", "ceph-mon", "ceph-osd", "ceph-authtool", "monmaptool"];
export const PACKAGES = ["radosgw", "ceph-mon", "ceph-osd", "ceph-common"];

export interface Radosgw {
  readonly origin: string;
  readonly version: string;
  stop(): Promise<void>;
}

export function missingPrograms(): string[] {
  const folders = (process.env["PATH"] ?? "").split(":").concat("/usr/bin", "/usr/sbin");
  return PROGRAMS.filter((name) => !folders.some((folder) => existsSync(join(folder, name))));
}

export async function startRadosgw(extra: readonly Account[] = []): Promise<Radosgw> {
  const directory = await mkdtemp(join(tmpdir(), "radosgw-"));
  const children: ChildProcess[] = [];
  const stop = async () => {
    // Nothing is kept, so nothing needs a goodbye; a memstore OSD takes its time over one.
    for (const child of children.toReversed()) await ended(child);
    await rm(directory, { recursive: true, force: true, maxRetries: 5 });
  };
  try {
    return { ...(await startParts(directory, children, [...accounts, ...extra])), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function startParts(directory: string, children: ChildProcess[], users: readonly Account[]) {
  const [gateway, monitor] = [await freePort(), await freePort()];
  for (const name of ["mon", "osd", "run", "log", "crash"]) mkdirSync(join(directory, name));
  const file = join(directory, "ceph.conf");
  const fsid = crypto.randomUUID();
  writeFileSync(file, configuration(directory, fsid, gateway, monitor));
  const ceph = async (program: string, ...args: string[]) =>
    (await run(program, ["-c", file, ...args], { timeout: 120_000, maxBuffer: 1 << 24 })).stdout;
  const daemon = (program: string, ...args: string[]) => {
    const log = openSync(join(directory, "log", `${program}.out`), "a");
    const child = spawn(program, ["-c", file, ...args, "-f"], { stdio: ["ignore", log, log] });
    closeSync(log);
    children.push(child);
    return child;
  };

  const keyring = join(directory, "keyring");
  const map = join(directory, "monmap");
  await run("ceph-authtool", [keyring, "--create-keyring", "--gen-key", "-n", "mon.", "--cap", "mon", "allow *"]);
  await run("monmaptool", ["--create", "--fsid", fsid, "--addv", "a", `[v1:127.0.0.1:${monitor}]`, map]);
  await ceph("ceph-mon", "-i", "a", "--mkfs", "--monmap", map, "--keyring", keyring);
  daemon("ceph-mon", "-i", "a");
  await until("the monitor", () => ceph("ceph", "--connect-timeout", "3", "-s"));

  const osd = crypto.randomUUID();
  await ceph("ceph", "osd", "new", osd);
  await ceph("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", osd);
  let process = daemon("ceph-osd", "-i", "0");
  await until("the OSD", async () => {
    // Now and then it asks the monitor too early, is told "wrong fsid" and gives up.
    if (process.exitCode !== null) process = daemon("ceph-osd", "-i", "0");
    if (!(await ceph("ceph", "osd", "stat")).includes("1 up")) throw new Error("not up yet");
  });

  // The user id is what S3 calls the owner, and what the suite knows as the account.
  for (const { accountId, accessKeyId, secretAccessKey } of users) {
    const user = ["--uid", accountId, "--display-name", accountId, "--max-buckets", "100000"];
    await ceph(
      "radosgw-admin",
      "user",
      "create",
      ...user,
      "--access-key",
      accessKeyId,
      "--secret-key",
      secretAccessKey,
    );
  }
  daemon("radosgw", "-n", "client.rgw");
  const origin = `http://127.0.0.1:${gateway}`;
  await until("the gateway", () => fetch(origin));
  return { origin, version: (await run("radosgw", ["--version"])).stdout.trim() };
}

function configuration(directory: string, fsid: string, gateway: number, monitor: number): string {
  return `[global]
fsid = ${fsid}
mon host = [v1:127.0.0.1:${monitor}]
ms bind ipv6 = false
public network = 127.0.0.0/8
public addr = 127.0.0.1
cluster addr = 127.0.0.1
auth cluster required = none
auth service required = none
auth client required = none
run dir = ${directory}/run
admin socket = ${directory}/run/$name.$pid.asok
pid file = ${directory}/run/$name.pid
log file = ${directory}/log/$name.log
crash dir = ${directory}/crash
keyring = ${directory}/keyring
setuser match path =
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 1
osd pool default pgp num = 1
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
osd crush update on start = true
osd class update on start = false
osd max object name len = 2048
osd objectstore = memstore
osd data = ${directory}/osd
memstore device bytes = 4294967296
mon data = ${directory}/mon
mon data avail crit = 1
mon allow pool size one = true
mon warn on pool no redundancy = false
mon max pg per osd = 2000
paxos propose interval = 0.05
mon tick interval = 1
osd heartbeat interval = 1
mon osd report timeout = 600
[client.rgw]
rgw frontends = beast endpoint=127.0.0.1:${gateway} tcp_nodelay=1
rgw thread pool size = 32
rgw enable usage log = false
rgw enable gc threads = false
rgw enable quota threads = false
rgw run sync thread = false
rgw dynamic resharding = false
rgw dns name = localhost
rgw relaxed region enforcement = true
rgw relaxed s3 bucket names = false
`;
}

async function until(what: string, ready: () => Promise<unknown>): Promise<void> {
  let last: unknown;
  const deadline = Date.now() + 45_000;
  while (Date.now() < deadline) {
    try {
      await ready();
      return;
    } catch (error) {
      last = error;
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }
  throw new Error(`${what} of radosgw does not come up: ${String(last)}`);
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGKILL");
  await gone;
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() =>
        address && typeof address === "object" ? resolve(address.port) : reject(new Error("no port")),
      );
    });
  });
}
