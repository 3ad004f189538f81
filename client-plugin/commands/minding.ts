/** `cloud` commands about the client itself: how it stands, what it spent, what is under way, what is wrong. */
import { diagnose } from "../doctor.ts";
import { Fault } from "../faults.ts";
import { adviceOf } from "../kit.ts";
import { newNotices } from "../notices.ts";
import { renewalsOn } from "../renewals.ts";
import type { Operation } from "../state/operations.ts";
import { standingWarning } from "../warning.ts";
import type { Command, Context } from "./command.ts";
import type { Parsed } from "./grammar.ts";
import { bytes, dollars, table } from "./words.ts";

const ID = { "operation-id": { kind: "text", help: "as the command said", also: ["id"] } } as const;

function find({ core }: Context, args: Parsed): Operation {
  const id = args.text("operation-id") ?? args.words[0];
  if (id === undefined) throw new Fault("bad_arguments", 'Missing required argument "operation-id".');
  const found = core.operations.find(id);
  if (!found) throw new Fault("operation_not_found", `Operation not found: ${id}`);
  return found;
}

const stateOf = (operation: Operation) =>
  operation.state === "open" ? (operation.running ? "running" : "waiting") : operation.state;

const status: Command = {
  name: "status",
  summary: "wallet, caps, service, what is under way",
  words: [],
  flags: {},
  examples: ["cloud status", "cloud status --json"],
  async run({ core, call }) {
    const { settings } = core;
    const wallet = await core.findWallet();
    const session = wallet === undefined ? undefined : await core.session();
    const spent = session?.spending.spent(Date.now()) ?? { day: 0n, month: 0n };
    const open = core.operations.list({ openOnly: true, limit: 50 });
    const service = await core.health().then(
      () => "reachable",
      (error: unknown) => (error instanceof Error ? error.message : String(error)),
    );
    const balance = await core.balance().then(
      ({ microUsdc }) => microUsdc,
      () => undefined,
    );
    const warning = session === undefined ? undefined : await standingWarning(core);
    const notices = session === undefined ? [] : await newNotices(core, "status");
    const { caps } = settings;
    const advice =
      wallet === undefined ? undefined : await adviceOf(core, { dir: settings.home, wallet: wallet.address });
    const text = [
      `Wallet: ${wallet?.address ?? `none (\`${call("wallet create")}\`)`}${balance === undefined ? "" : `, ${dollars(balance)} USDC`}`,
      `Caps: ${dollars(caps.perCall)} a payment; ${dollars(spent.day)} of ${dollars(caps.perDay)} in 24 hours; ${dollars(spent.month)} of ${dollars(caps.perMonth)} in 30 days`,
      `Service: ${settings.baseUrl} on ${settings.network.label}: ${service}`,
      ...(renewalsOn(core) ? [] : [`Renewals are off (\`${call("cloud renewals on")}\`).`]),
      ...(warning === undefined ? [] : [`⚠️ ${warning.message} ${warning.next}`]),
      ...notices.map((notice) => `⚠️ ${notice}`),
      ...(open.length === 0 ? ["Nothing is under way."] : [operations(open)]),
      ...(advice === undefined ? [] : [`⚠️ ${advice} → \`${call("keys kit")}\``]),
      ...[...core.warnings, ...(wallet?.warnings ?? [])].map((warning) => `⚠️ ${warning}`),
    ].join("\n");
    const limits = {
      perCall: caps.perCall.toString(),
      perDay: caps.perDay.toString(),
      perMonth: caps.perMonth.toString(),
    };
    return {
      text,
      data: {
        wallet:
          wallet === undefined
            ? null
            : { address: wallet.address, source: wallet.source, balanceMicroUsdc: balance?.toString() ?? null },
        limitsMicroUsdc: limits,
        spentMicroUsdc: { day: spent.day.toString(), month: spent.month.toString() },
        service: {
          url: settings.baseUrl,
          network: settings.network.caip2,
          state: service,
          payees: session?.payees() ?? [],
        },
        operations: open.map(view),
        renewals: renewalsOn(core) ? "on" : "off",
        renewalWarning: warning ?? null,
        notices,
      },
    };
  },
};

function operations(list: readonly Operation[]): string {
  const rows = list.map((each) => [
    each.id,
    each.kind,
    each.objectKey,
    stateOf(each),
    `${each.step} ${progress(each)}`,
  ]);
  return table(["OPERATION", "KIND", "NAME", "STATE", "STEP"], rows);
}

function progress({ doneBytes, totalBytes }: Operation): string {
  return totalBytes === 0 ? "" : `${bytes(doneBytes)} of ${bytes(totalBytes)}`;
}

function view(operation: Operation) {
  const { id, kind, objectKey, agentId, step, doneBytes, totalBytes, fault, result, createdMs, updatedMs } = operation;
  const times = { createdAt: new Date(createdMs).toISOString(), updatedAt: new Date(updatedMs).toISOString() };
  return {
    id,
    kind,
    objectKey,
    agentId,
    state: stateOf(operation),
    step,
    doneBytes,
    totalBytes,
    fault: fault ?? null,
    result: result ?? null,
    ...times,
  };
}

const opStatus: Command = {
  name: "op-status",
  summary: "how an operation goes; without an id, the last ones",
  words: ["operation-id"],
  flags: { ...ID, cancel: { kind: "switch", help: "stop it" } },
  examples: ["cloud op-status", "cloud op-status operation-id:OP"],
  async run(context, args) {
    if (args.text("operation-id") === undefined && args.words[0] === undefined) {
      const last = context.core.operations.list({ limit: 15 });
      return {
        text: last.length === 0 ? "No operations yet." : operations(last),
        data: { operations: last.map(view) },
      };
    }
    if (args.has("cancel")) return cancel.run(context, args);
    const operation = find(context, args);
    const facts = {
      "operation-id": operation.id,
      type: operation.kind,
      name: operation.objectKey,
      status: stateOf(operation),
      step: `${operation.step} ${progress(operation)}`.trim(),
      "started-at": new Date(operation.createdMs).toISOString(),
      "updated-at": new Date(operation.updatedMs).toISOString(),
      ...(operation.fault === undefined
        ? {}
        : { "error-code": operation.fault.code, "error-message": operation.fault.message, next: operation.fault.next }),
    };
    return {
      text: Object.entries(facts)
        .map(([name, value]) => `${name}: ${value}`)
        .join("\n"),
      data: { operation: view(operation) },
    };
  },
};

const cancel: Command = {
  name: "cancel",
  summary: "stop an operation; what was paid stays paid",
  words: ["operation-id"],
  flags: ID,
  examples: ["cloud cancel OP"],
  async run(context, args) {
    const operation = find(context, args);
    if (operation.state !== "open")
      return { text: `${operation.id} is ${operation.state} already.`, data: { operation: view(operation) } };
    const now = await context.core.cancel(operation);
    const text = now.state === "cancelled" ? `${now.id} is cancelled.` : `${now.id} is being cancelled.`;
    return { text: `${text} What was paid stays paid.`, data: { operation: view(now) } };
  },
};

const resume: Command = {
  name: "resume",
  summary: "go on with what was interrupted",
  words: ["operation-id"],
  flags: ID,
  examples: ["cloud resume", "cloud resume OP"],
  async run(context, args) {
    const { core, onStep, signal, approve } = context;
    if (args.words[0] !== undefined || args.text("operation-id") !== undefined) {
      const operation = find(context, args);
      await core.resume(operation, { onStep, signal, approve });
      return opStatus.run(context, args);
    }
    const failures: string[] = [];
    await core.resumeAll({
      onStep,
      signal,
      onError: ({ id }, error) => failures.push(`${id}: ${error instanceof Error ? error.message : error}`),
    });
    return {
      text: failures.join("\n") || "Nothing is left open.",
      data: { failures },
      unfinished: failures.length > 0,
    };
  },
};

const doctor: Command = {
  name: "doctor",
  summary: "what is wrong, and what to type",
  words: [],
  flags: {},
  examples: ["cloud doctor"],
  async run({ core }) {
    const findings = await diagnose(core);
    const mark = { ok: "✅", warning: "⚠️", error: "❌" } as const;
    const text = findings
      .map(({ level, what, next }) => `${mark[level]} ${what}${next === undefined ? "" : `\n   → ${next}`}`)
      .join("\n");
    return { text, data: { findings } };
  },
};

export const mindingCommands: readonly Command[] = [status, opStatus, cancel, resume, doctor];
