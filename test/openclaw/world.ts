/** What the scenes share: the gateway, the stack behind it, the scripted model, and ways to ask and to wait. */
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Stack } from "../stack/stack.ts";
import type { Gateway } from "./gateway.ts";
import type { Model } from "./model.ts";

export interface World {
  readonly room: string;
  readonly host: Gateway;
  readonly model: Model;
  readonly stack: Stack;
  readonly proxyPort: number;
  /** The wallet that `/wallet create` made. */
  address: `0x${string}`;
  /** Micro-USDC of it, by the chain. */
  balance(): Promise<bigint>;
  /** The packed plugin. */
  tarball: string;
  /** What was first stored. */
  readonly original: Uint8Array;
}

export async function step(title: string, work: () => Promise<void>): Promise<void> {
  const startedAtMs = Date.now();
  await work();
  console.log(`ok  ${((Date.now() - startedAtMs) / 1000).toFixed(1).padStart(6)} s  ${title}`);
}

/** One turn of the agent: the model calls the tool, the gateway runs it, the model sees this. */
export async function agent(
  { host, model }: World,
  tool: string,
  args: Record<string, unknown>,
): Promise<Record<string, unknown>> {
  model.say({ tool, args }, { text: "done" });
  const before = model.asked.length;
  await host.chat(`please use ${tool}`);
  const last = model.asked.slice(before).findLast(({ messages }) => messages.some(({ role }) => role === "tool"));
  const said = last?.messages.findLast(({ role }) => role === "tool")?.content;
  const text =
    typeof said === "string"
      ? said
      : ((said as { text?: string }[] | undefined)?.map((each) => each.text ?? "").join("") ?? "");
  try {
    return JSON.parse(text) as Record<string, unknown>;
  } catch {
    return { text };
  }
}

/** Answers every approval that the gateway asks for, until told to stop. */
export function resolveApprovals(
  { host }: World,
  seen: Record<string, unknown>[],
  decision: "allow-once" | "deny",
): () => void {
  return host.on(({ event, payload }) => {
    if (event !== "plugin.approval.requested" || !payload) return;
    seen.push(payload);
    // The answer may be lost with the connection; what counts is what the gateway then does.
    host.rpc("plugin.approval.resolve", { id: payload["id"], decision }).catch(() => undefined);
  });
}

export async function until(holds: () => Promise<boolean>, withinMs = 120_000): Promise<void> {
  for (const deadline = Date.now() + withinMs; Date.now() < deadline; ) {
    if (await holds().catch(() => false)) return;
    await new Promise((resolve) => setTimeout(resolve, 150));
  }
  throw new Error(`it did not come to hold within ${withinMs / 1000} s: ${holds}`);
}

/** Files below that hold the text, other than those named. */
export async function grep(directory: string, text: string | Buffer, but: readonly string[]): Promise<string[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  const holding: string[] = [];
  for (const entry of entries) {
    if (!entry.isFile() || but.includes(entry.name)) continue;
    const path = join(entry.parentPath, entry.name);
    const content = await readFile(path).catch(() => Buffer.alloc(0));
    if (content.includes(text)) holding.push(path);
  }
  return holding;
}

/** `/cloud ls --json`, and other commands in their machine form. */
export async function json<T>({ host }: World, command: string): Promise<T> {
  const said = await host.chat(`${command} --json`);
  try {
    return JSON.parse(said) as T;
  } catch {
    throw new Error(`${command} --json said: ${said}`);
  }
}

/** The operator changes a cap; resolves when the plugin goes by it. */
export async function setCap(world: World, dollars: string, micro: string): Promise<void> {
  await world.host.changePlugin({ capPerCall: dollars });
  await until(
    async () =>
      (await json<{ limitsMicroUsdc: { perCall: string } }>(world, "/cloud status")).limitsMicroUsdc.perCall === micro,
  );
}

export function answers(port: number): Promise<boolean> {
  return fetch(`http://127.0.0.1:${port}/health`).then(
    async (response) => (await response.text()).includes('"service":"mnemospark"'),
    () => false,
  );
}
