/** `cloud` commands that put something there: in one go, or in the published client's three steps. */
import { resolve } from "node:path";
import type { StoredAhead } from "../ahead.ts";
import { Fault } from "../faults.ts";
import type { Stored } from "../operations/store.ts";
import { renewalsOn } from "../renewals.ts";
import type { Operation } from "../state/operations.ts";
import { micro, periodsOf } from "./amounts.ts";
import { AGENT, type Answer, type Command, type Context, PUBLISHED } from "./command.ts";
import type { Parsed } from "./grammar.ts";
import { signedText } from "./mandating.ts";
import { bytes, day, dollars, fenced, quoted } from "./words.ts";

const NAME = {
  name: {
    kind: "text",
    help: "its name at the service; the path's own name if not given",
    also: ["object-key", "key"],
  },
} as const;
const REGION = { region: { kind: "text", help: "an AWS region, us-east-1 if not given", also: ["location"] } } as const;
const ASYNC = {
  async: { kind: "switch", help: "answer at once, go on in the background" },
  orchestrator: { kind: "text", help: "taken from callers of the earlier client; has no effect" },
  "timeout-seconds": { kind: "text", help: "taken from callers of the earlier client; has no effect" },
} as const;

const upload: Command = {
  name: "upload",
  summary: "store a file or folder: seal, pay, send, verify (or go on with a priced backup)",
  words: ["path"],
  flags: {
    ...NAME,
    ...REGION,
    max: { kind: "text", help: "pay at most this many dollars", also: ["max-price"] },
    "quote-id": { kind: "text", help: "a price asked before", also: ["quote"] },
    "object-id": { kind: "text", help: "a backup made before", also: ["object"] },
    "object-id-hash": { kind: "text", help: "compared with the backup's", also: ["hash"] },
    periods: { kind: "text", help: "sign so many renewals beforehand, 1 to 12", also: ["mandates"] },
    ...AGENT,
    ...PUBLISHED,
    ...ASYNC,
  },
  examples: [
    "cloud upload ./notes",
    "cloud upload ./notes periods:12",
    "cloud upload ./notes name:my-notes max:0.25",
    "cloud upload quote-id:Q object-id:ID",
  ],
  async run(context, args) {
    await sameWallet(context, args);
    const [path] = args.words;
    const { core } = context;
    if (path === undefined) {
      const operation = parked(context, args);
      const hash = args.text("object-id-hash");
      const sealed = operation.facts["sealed"] as Stored["sealed"] | undefined;
      if (hash !== undefined && sealed !== undefined && hash.toLowerCase() !== sealed.plainSha256)
        throw new Fault("hash_mismatch", "Cannot upload storage object: object-id-hash does not match local archive.");
      const ask = { path: String(operation.facts["path"]), objectKey: operation.objectKey, agentId: operation.agentId };
      return store(context, args, { ...ask, quoteId: args.text("quote-id"), periods: periodsOf(args.text("periods")) });
    }
    const names = {
      objectKey: args.text("name"),
      agentId: args.text("agent") ?? context.agentId,
      region: args.text("region"),
    };
    return store(
      context,
      args,
      {
        path,
        ...names,
        maxAmount: micro(args.text("max")),
        quoteId: args.text("quote-id"),
        periods: periodsOf(args.text("periods")),
      },
      core.settings.region,
    );
  },
};

type Ask = Parameters<Context["core"]["store"]>[0];

async function store(context: Context, args: Parsed, ask: Ask, _region?: string): Promise<Answer> {
  const { core, onStep, signal, approve } = context;
  if (args.has("async")) {
    const operation = await core.beginStore(ask);
    await context.background(operation);
    return started(context, operation);
  }
  return stored(context, await core.store({ ...ask, onStep, signal, approve }));
}

export function started(context: Context, operation: Operation): Answer {
  const text = `Operation started in background. operation-id: ${operation.id}\norchestrator: inline\n${fenced(context.call(`cloud op-status operation-id:${operation.id}`))}`;
  return { text, data: { operationId: operation.id, state: "started" } };
}

function stored(context: Context, done: StoredAhead): Answer {
  const { objectKey, order, stored: at, sealed } = done;
  const lines = [
    `Your file \`${done.operationId}\` with key \`${objectKey}\` has been stored using \`aws\` in folder \`${at?.bucket}\` in region \`${at?.region}\``,
    `${sealed.files} files, ${bytes(sealed.sealedBytes)} sealed; paid ${dollars(order?.amount ?? "0")} USDC (${order?.transId}); kept until ${day(at?.paidThrough ?? "")}.`,
    ...sealed.warnings.slice(0, 5).map((warning) => `⚠️ ${warning}`),
    "",
    "To get it back, on this machine or another with this wallet and its keys:",
    fenced(context.call(`cloud download name:${quoted(objectKey)}`)),
    ...(done.mandates === undefined ? [] : [signedText(context, done.mandates)]),
    ...(done.mandatesFault === undefined
      ? []
      : [`⚠️ Stored, but no renewals were signed: ${done.mandatesFault.message} ${done.mandatesFault.next}`]),
    ...(done.mandates === undefined && renewalsOn(context.core)
      ? [
          `It is renewed by itself while OpenClaw runs (\`${context.call("cloud renewals off")}\` ends that).`,
          `With this machine off too: \`${context.call(`cloud mandates add ${quoted(objectKey)} periods:12`)}\``,
        ]
      : []),
    "Thank you for using mnemospark!",
  ];
  return { text: lines.join("\n"), data: { object: done } };
}

const backup: Command = {
  name: "backup",
  summary: "seal a file or folder here, ready to be priced and uploaded; pays nothing",
  words: ["path"],
  flags: { ...NAME, ...REGION, ...AGENT, ...ASYNC },
  examples: ["cloud backup ./notes name:my-notes"],
  async run(context, args) {
    const [path] = args.words;
    if (path === undefined) throw new Fault("bad_arguments", "Cannot build storage object: which file or folder?");
    const { core, onStep, signal } = context;
    const names = {
      objectKey: args.text("name"),
      agentId: args.text("agent") ?? context.agentId,
      region: args.text("region"),
    };
    const done = await core.store({ path, ...names, until: "seal", onStep, signal });
    const { address } = (await core.session()).wallet;
    const gb = (done.sealed.sealedBytes / 1e9).toFixed(9);
    const region = args.text("region") ?? core.settings.region;
    const next = `cloud price-storage wallet-address:${address} object-id:${done.operationId} object-id-hash:${done.sealed.plainSha256} gb:${gb} provider:aws region:${region}`;
    const text = [
      `Backup archive: \`${resolve(path)}\` (sealed, ${bytes(done.sealed.sealedBytes)}, ${done.sealed.files} files)`,
      `friendly-name: ${done.objectKey}`,
      `object-id: ${done.operationId}`,
      `object-id-hash: ${done.sealed.plainSha256}`,
      `object-size: ${gb}`,
      ...done.sealed.warnings.slice(0, 5).map((warning) => `⚠️ ${warning}`),
      "",
      "Next, request a storage quote.",
      fenced(context.call(next)),
      `Or pay and store it now: \`${context.call(`cloud upload object-id:${done.operationId}`)}\``,
      "The default region is us-east-1.",
    ].join("\n");
    return { text, data: { backup: done } };
  },
};

const price: Command = {
  name: "price",
  summary: "what storing costs, exactly; pays nothing",
  words: ["path"],
  flags: {
    ...NAME,
    ...REGION,
    "object-id": { kind: "text", help: "a backup made before", also: ["object"] },
    "object-id-hash": { kind: "text", help: "of that backup", also: ["hash"] },
    gb: { kind: "text", help: "of that backup" },
    ...AGENT,
    ...PUBLISHED,
  },
  examples: ["cloud price ./notes", "cloud price-storage object-id:ID"],
  async run(context, args) {
    await sameWallet(context, args);
    const [path] = args.words;
    const { core } = context;
    if (path === undefined) return priceOfBackup(context, parked(context, args));
    const names = {
      objectKey: args.text("name"),
      agentId: args.text("agent") ?? context.agentId,
      region: args.text("region"),
    };
    const quote = await core.quote({ path, ...names });
    const next = `cloud upload ${quoted(path)} name:${quoted(quote.price.object_key)} quote-id:${quote.price.quote_id}`;
    const text = [
      `Storing ${quote.files} files (${bytes(quote.sealedBytes)} sealed) for ${quote.price.included.days} days in ${quote.price.location} costs **${dollars(quote.price.amount)}**, ${quote.price.included.downloads} downloads included.`,
      ...quote.warnings.slice(0, 5).map((warning) => `⚠️ ${warning}`),
      "If you accept this quote, run:",
      fenced(context.call(next)),
      "Quotes are valid for one hour. Please run price-storage again if you need a new quote.",
    ].join("\n");
    return { text, data: { quote } };
  },
};

async function priceOfBackup(context: Context, operation: Operation): Promise<Answer> {
  const { core, onStep, signal, call } = context;
  const path = String(operation.facts["path"]);
  const names = { objectKey: operation.objectKey, agentId: operation.agentId };
  const done = await core.store({ path, ...names, until: "price", onStep, signal });
  const { address } = (await core.session()).wallet;
  const { quote, sealed } = done;
  const next = `cloud upload quote-id:${quote?.quoteId} wallet-address:${address} object-id:${done.operationId} object-id-hash:${sealed.plainSha256}`;
  const text = [
    `Your storage quote \`${quote?.quoteId}\`: storage price \`${dollars(quote?.amount ?? "0")}\` for file \`${done.operationId}\` with file size \`${(sealed.sealedBytes / 1e9).toFixed(9)}\` in \`aws\` \`${operation.facts["region"]}\`.`,
    "If you accept this quote, run:",
    fenced(call(next)),
    "Quotes are valid for one hour. Please run price-storage again if you need a new quote.",
  ].join("\n");
  return { text, data: { backup: done } };
}

/** The open store that an id of the earlier steps names. */
function parked({ core }: Context, args: Parsed): Operation {
  const id = args.text("object-id");
  const quote = args.text("quote-id");
  const open = core.operations.list({ openOnly: true, limit: 1000 }).filter(({ kind }) => kind === "store");
  const found = open.find(
    (operation) =>
      operation.id === id ||
      (quote !== undefined && (operation.facts["quote"] as { quoteId?: string } | undefined)?.quoteId === quote),
  );
  if (found) return found;
  if (id === undefined && quote === undefined)
    throw new Fault("bad_arguments", "What should be stored? Name a path, or the object-id of a backup.", {
      next: "cloud upload PATH [name:NAME]",
    });
  throw new Fault("object_not_found", `There is no open backup ${id ?? quote} on this machine.`, {
    next: "cloud backup PATH",
  });
}

export async function sameWallet({ core }: Context, args: Parsed): Promise<void> {
  const named = args.text("wallet-address");
  if (named === undefined) return;
  const { address } = (await core.session()).wallet;
  if (named.toLowerCase() !== address)
    throw new Fault("wallet_mismatch", `wallet-address ${named} is not this machine's wallet, ${address}.`);
}

export const storingCommands: readonly Command[] = [upload, backup, price];
