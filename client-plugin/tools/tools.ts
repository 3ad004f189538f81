/**
 * The tools an agent has, for every host alike (OpenClaw, MCP, the local proxy). Arguments are checked here, because not every
 * host does. Prices are exact; a failure says by its code whether and how to try again.
 */
import { resolve } from "node:path";
import { formatDollars } from "#contract/money";
import type { Core } from "../core.ts";
import { explain, Fault } from "../faults.ts";
import { newNotices } from "../notices.ts";
import { payNow, renewalsOn, renewedBy } from "../renewals.ts";
import type { Operation } from "../state/operations.ts";
import { standingWarning } from "../warning.ts";
import { readablePath, writablePath } from "./paths.ts";
import { SCHEMAS, type ToolArguments, type ToolName } from "./schemas.ts";

export interface ToolContext {
  readonly core: Core;
  readonly workspace?: string | undefined;
  readonly agentId?: string | undefined;
  /** Aborts waiting, never the operation: what is paid goes on. */
  readonly signal?: AbortSignal | undefined;
  /** Keeps an operation running after the tool has answered. */
  readonly background?: ((work: Promise<unknown>) => void) | undefined;
}

export interface ToolInfo {
  readonly name: ToolName;
  readonly label: string;
  readonly description: string;
  readonly readOnly: boolean;
  readonly destructive: boolean;
  readonly idempotent: boolean;
}

const info = (name: ToolName, label: string, kind: "read" | "write" | "destroy", description: string): ToolInfo => ({
  name,
  label,
  description,
  readOnly: kind === "read",
  destructive: kind === "destroy",
  idempotent: true,
});

export const TOOLS: readonly ToolInfo[] = [
  info(
    "mnemospark_status",
    "Storage status",
    "read",
    "Wallet address and balance, spending limits, service, operations under way, and what could not be renewed (renewalWarning: tell the user); or one operation by its id. Never keys.",
  ),
  info(
    "mnemospark_quote",
    "Price of storing",
    "read",
    "Exact price of storing a file or folder for 30 days. Pays nothing. The quote holds for one hour; give its id to mnemospark_store.",
  ),
  info(
    "mnemospark_list",
    "List stored objects",
    "read",
    "What is stored and until when it is paid. At most 200 entries a page; follow nextCursor.",
  ),
  info(
    "mnemospark_store",
    "Store a file or folder",
    "write",
    "Encrypts a file or folder on this machine, pays for 30 days in USDC from the agent's own wallet, sends it and verifies it. Calling it again resumes and never pays twice. Payments above the operator's caps need a person's approval.",
  ),
  info(
    "mnemospark_fetch",
    "Get a stored object back",
    "write",
    "Downloads, verifies and decrypts a stored file or folder. It appears whole or not at all. A period includes three downloads of an object.",
  ),
  info(
    "mnemospark_delete",
    "Delete a stored object",
    "destroy",
    "Deletes a stored object for good. Nothing is refunded. A person is asked first.",
  ),
  info(
    "mnemospark_backup",
    "Back up the workspace",
    "write",
    "Stores the workspace (or a given path) as one encrypted backup. With dry_run it only says what it would cost.",
  ),
  info(
    "mnemospark_restore",
    "Restore a backup",
    "write",
    "Gets a backup back into a new place, never over what is there.",
  ),
  info(
    "mnemospark_renew",
    "Renew a stored object",
    "write",
    "Pays the next 30 days of one stored object, or with all: true of everything due within 30 days by one payment. What was paid already is not paid again.",
  ),
];

export type ToolResult =
  | { readonly ok: true; readonly data: Record<string, unknown> }
  | { readonly ok: false; readonly error: ReturnType<typeof explain> };

const WAIT_S = 100;

export async function runTool(name: string, args: unknown, context: ToolContext): Promise<ToolResult> {
  try {
    if (!isTool(name)) throw new Fault("unknown_tool", `There is no tool ${name}.`);
    const parsed = SCHEMAS[name].safeParse(args ?? {});
    if (!parsed.success) {
      const issues = parsed.error.issues.map((issue) => `${issue.path.join(".") || "arguments"}: ${issue.message}`);
      throw new Fault("bad_arguments", issues.join("; "));
    }
    const run = RUN[name] as (args: unknown, context: ToolContext) => Promise<Record<string, unknown>>;
    const data = await run(parsed.data, context);
    context.core.log.activity("tool", { tool: name, ok: true });
    return { ok: true, data };
  } catch (error) {
    const fault = explain(error);
    context.core.log.activity("tool", { tool: name, ok: false, code: fault.code, message: fault.message });
    return { ok: false, error: fault };
  }
}

function isTool(name: string): name is ToolName {
  return Object.hasOwn(SCHEMAS, name);
}

const RUN: {
  readonly [N in ToolName]: (args: ToolArguments<N>, context: ToolContext) => Promise<Record<string, unknown>>;
} = {
  async mnemospark_status({ operation_id }, { core }) {
    if (operation_id !== undefined) {
      const operation = core.operations.find(operation_id);
      if (!operation) throw new Fault("operation_not_found", `Operation not found: ${operation_id}`);
      return { operation: view(operation) };
    }
    const { wallet, spending } = await core.session();
    const balance = await core.balance().catch(() => undefined);
    const { caps, network } = core.settings;
    const spent = spending.spent(Date.now());
    return {
      wallet: {
        address: wallet.address,
        source: wallet.source,
        network: network.caip2,
        balance: money(balance?.microUsdc),
      },
      limits: { perCall: money(caps.perCall), perDay: money(caps.perDay), perMonth: money(caps.perMonth) },
      spent: { lastDay: money(spent.day), lastMonth: money(spent.month) },
      operations: core.operations.list({ openOnly: true, limit: 20 }).map(view),
      renewals: renewalsOn(core) ? "on" : "off",
      renewalWarning: (await standingWarning(core)) ?? null,
      warnings: [...wallet.warnings, ...(await newNotices(core, "status"))],
    };
  },

  async mnemospark_quote({ path, name, region, agent_id }, context) {
    return { quote: await quote(context, { path, name, region, agent_id }) };
  },

  async mnemospark_list({ prefix, limit = 50, cursor, agent_id }, { core, agentId }) {
    const { api } = await core.session();
    const page = await api.list({
      agent_id: agent_id ?? agentId ?? core.settings.agentId,
      max_keys: limit,
      ...(prefix === undefined ? {} : { prefix }),
      ...(cursor === undefined ? {} : { continuation_token: cursor }),
    });
    const objects = page.objects.map(
      ({ key, size_bytes, state, paid_through, delete_after, region, content_sha256 }) => ({
        name: key,
        sealedBytes: size_bytes,
        state,
        paidThrough: paid_through,
        deleteAfter: delete_after,
        region,
        sha256: content_sha256,
      }),
    );
    return { objects, nextCursor: page.next_continuation_token };
  },

  mnemospark_store: (args, context) => store(args, context),

  async mnemospark_fetch({ name, destination, overwrite, max_amount, wait_s, agent_id }, context) {
    const to = destination === undefined ? undefined : await writablePath(destination, rules(context));
    const ask = {
      objectKey: name,
      agentId: agent_id ?? context.agentId,
      destination: to,
      overwrite,
      maxAmount: max_amount === undefined ? undefined : BigInt(max_amount),
    };
    return finishing(context, await context.core.beginFetch(ask), wait_s, "file");
  },

  async mnemospark_delete({ name, agent_id }, { core, agentId }) {
    return { deleted: await core.remove({ objectKey: name, agentId: agent_id ?? agentId }) };
  },

  async mnemospark_renew({ name, all, max_amount, agent_id }, { core, agentId }) {
    const maxAmount = max_amount === undefined ? undefined : BigInt(max_amount);
    if ((name !== undefined) === (all === true)) throw new Fault("bad_arguments", "Give name, or all: true.");
    if (name === undefined) {
      const statements = await payNow(core, { maxAmount });
      return { statements, renewed: renewedBy(statements) };
    }
    return { renewed: await core.renew({ objectKey: name, agentId: agent_id ?? agentId, maxAmount }) };
  },

  async mnemospark_backup({ path, name, dry_run, ...more }, context) {
    const from = path ?? context.workspace;
    if (from === undefined) throw new Fault("bad_arguments", "path: this host has no workspace; name what to back up.");
    const agent = more.agent_id ?? context.agentId ?? context.core.settings.agentId;
    const dated = name ?? backupName(agent);
    if (dry_run === true) return { quote: await quote(context, { path: from, name: dated, agent_id: more.agent_id }) };
    return store({ path: from, name: dated, ...more }, context);
  },

  async mnemospark_restore({ name, destination, wait_s, agent_id }, context) {
    const to = await writablePath(destination, rules(context));
    const operation = await context.core.beginFetch({
      objectKey: name,
      agentId: agent_id ?? context.agentId,
      destination: to,
    });
    return finishing(context, operation, wait_s, "file");
  },
};

type StoreArguments = ToolArguments<"mnemospark_store">;

async function store(args: StoreArguments, context: ToolContext): Promise<Record<string, unknown>> {
  const path = await readablePath(args.path, rules(context));
  const operation = await context.core.beginStore({
    path,
    objectKey: args.name,
    agentId: args.agent_id ?? context.agentId,
    region: args.region,
    quoteId: args.quote_id,
    maxAmount: args.max_amount === undefined ? undefined : BigInt(args.max_amount),
    idempotencyKey: args.idempotency_key,
    periods: args.periods,
  });
  return finishing(context, operation, args.wait_s, "object");
}

/** Runs the operation, and answers when it is done or the time is over; then it goes on by itself. */
async function finishing(
  context: ToolContext,
  operation: Operation,
  waitS: number | undefined,
  as: "object" | "file",
): Promise<Record<string, unknown>> {
  const work = context.core.resume(operation);
  context.background?.(work.catch(() => undefined));
  let timer: NodeJS.Timeout | undefined;
  const patience = new Promise<"later">((resolve) => {
    timer = setTimeout(() => resolve("later"), (waitS ?? WAIT_S) * 1000);
    context.signal?.addEventListener("abort", () => resolve("later"), { once: true });
  });
  const first = await Promise.race([work, patience]).finally(() => clearTimeout(timer));
  if (first !== "later") return { [as]: first };
  // Whoever hears nothing more of it must not bring the process down.
  work.catch(() => undefined);
  const now = context.core.operations.find(operation.id) ?? operation;
  return {
    operation: view(now),
    hint: "It goes on. Ask mnemospark_status with this operation_id, or make the same call again.",
  };
}

/** One backup a day under one name: the same call on the same day resumes, it does not buy twice. */
export function backupName(agent: string): string {
  return `backup-${agent}-${new Date(Date.now()).toISOString().slice(0, 10)}`;
}

export interface QuoteAsk {
  readonly path: string;
  readonly name?: string | undefined;
  readonly region?: string | undefined;
  readonly agent_id?: string | undefined;
}

export async function quote(
  context: ToolContext,
  ask: QuoteAsk,
): Promise<Record<string, unknown> & { id: string; amount: string }> {
  const path = await readablePath(ask.path, rules(context));
  const agentId = ask.agent_id ?? context.agentId;
  const quoted = await context.core.quote({ path, objectKey: ask.name, agentId, region: ask.region });
  const { price } = quoted;
  const payTo = (await context.core.session()).payees()[0];
  return {
    id: price.quote_id,
    name: price.object_key,
    amount: price.amount,
    currency: "USDC",
    dollars: formatDollars(BigInt(price.amount)),
    payTo: payTo ?? null,
    days: price.included.days,
    downloads: price.included.downloads,
    parts: price.parts,
    region: price.location,
    files: quoted.files,
    sealedBytes: quoted.sealedBytes,
    expiresAt: price.expires_at,
    warnings: quoted.warnings,
  };
}

function rules({ core, workspace }: ToolContext) {
  return { settings: core.settings, workspace: workspace === undefined ? undefined : resolve(workspace) };
}

function view({ id, kind, objectKey, state, running, step, doneBytes, totalBytes, fault, result }: Operation) {
  return {
    id,
    kind,
    name: objectKey,
    state: state === "open" ? (running ? "running" : "waiting") : state,
    step,
    doneBytes,
    totalBytes,
    fault: fault ?? null,
    result: result ?? null,
  };
}

function money(microUsdc: bigint | undefined) {
  return microUsdc === undefined ? null : { microUsdc: microUsdc.toString(), dollars: formatDollars(microUsdc) };
}
