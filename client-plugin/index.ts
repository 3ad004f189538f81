/**
 * The OpenClaw plugin: registers the faces and nothing else. The gateway loads it twice in one process and reloads it on a config
 * change, so a load holds no money and no key: only an open journal, which is shared with every other load by its file.
 */
import { ASKED_TOOLS, judgeCall } from "./approval.ts";
import type { Context } from "./commands/command.ts";
import { tokenize } from "./commands/grammar.ts";
import { runCommand } from "./commands/index.ts";
import { readSettings } from "./config.ts";
import { Core } from "./core.ts";
import { explain } from "./faults.ts";
import type { CommandContext, Host, ToolDefinition, ToolHostContext } from "./host.ts";
import { type RunningProxy, startProxy } from "./proxy/proxy.ts";
import { keepRenewed } from "./renewals.ts";
import { jsonSchema } from "./tools/schemas.ts";
import { runTool, TOOLS, type ToolInfo } from "./tools/tools.ts";
import { VERSION } from "./version.ts";

/** Deleting has to be switched on by the operator (tools.alsoAllow). */
const OPTIONAL = ["mnemospark_delete"];
const GUIDANCE =
  "To store, list or restore files in cloud storage use the mnemospark_* tools yourself; do not ask the user to type /cloud.";

function register(host: Host): void {
  const mode = host.registrationMode ?? "full";
  if (mode === "setup-only") return;
  const load = new Load(host);
  registerCli(host, load);
  if (mode === "cli-metadata") return;
  registerTools(host, load);
  registerCommands(host, load);
  registerService(host, load);
}

/** One evaluation of this plugin. Opens the journal at first need. */
class Load {
  readonly host: Host;
  readonly #work = new Set<Promise<unknown>>();
  #core: Promise<Core> | undefined;

  constructor(host: Host) {
    this.host = host;
  }

  core(stateDir?: string): Promise<Core> {
    this.#core ??= this.#open(stateDir);
    return this.#core;
  }

  async #open(stateDir: string | undefined): Promise<Core> {
    try {
      return await Core.open(readSettings({ config: this.host.pluginConfig, stateDir }));
    } catch (error) {
      // What stopped it may be repaired; the next call tries again.
      this.#core = undefined;
      throw error;
    }
  }

  readonly background = (work: Promise<unknown>): void => {
    const kept = work.catch((error: unknown) => this.host.logger.warn(`mnemospark: ${explain(error).message}`));
    this.#work.add(kept);
    void kept.finally(() => this.#work.delete(kept));
  };

  workspaceOf(agentId: string | undefined): string | undefined {
    return this.host.runtime?.agent?.resolveAgentWorkspaceDir?.(this.host.config, agentId ?? "main");
  }
}

function registerTools(host: Host, load: Load): void {
  const make = (info: ToolInfo, context: ToolHostContext): ToolDefinition => ({
    name: info.name,
    label: info.label,
    description: info.description,
    parameters: jsonSchema(info.name),
    async execute(_callId, args, signal) {
      const core = await load.core();
      const workspace = context.workspaceDir ?? load.workspaceOf(context.agentId);
      const { agentId } = context;
      const result = await runTool(info.name, args, { core, workspace, agentId, signal, background: load.background });
      // `ok` and `error` are how the host tells a failure; what was asked for stands under names of its own.
      const details = result.ok ? result.data : { ok: false, error: result.error };
      return { content: [{ type: "text", text: JSON.stringify(details) }], details };
    },
  });
  for (const optional of [false, true]) {
    const infos = TOOLS.filter(({ name }) => OPTIONAL.includes(name) === optional);
    const names = infos.map(({ name }) => name);
    host.registerTool((context) => infos.map((info) => make(info, context)), {
      names,
      ...(optional ? { optional } : {}),
    });
  }
  host.on(
    "before_tool_call",
    async (event, { agentId }) => {
      if (!ASKED_TOOLS.some((name) => name === event.toolName)) return undefined;
      return judgeCall(event, { core: await load.core(), workspace: load.workspaceOf(agentId), agentId });
    },
    { matcher: ASKED_TOOLS },
  );
}

function registerCommands(host: Host, load: Load): void {
  const command = (name: string, prefix: string[], description: string) =>
    host.registerCommand({
      name,
      description,
      acceptsArgs: true,
      requireAuth: true,
      ...(name === "cloud" ? { agentPromptGuidance: [GUIDANCE] } : {}),
      handler: (context) => chat(load, [...prefix, ...tokenize(context.args ?? "")], context),
    });
  command("wallet", ["wallet"], "mnemospark: the agent's wallet");
  command("cloud", ["cloud"], "mnemospark: encrypted cloud storage, paid in USDC");
  // Names are global and the first plugin wins; this one is ours alone.
  command("mnemospark", [], "mnemospark: wallet and cloud storage");
}

async function chat(
  load: Load,
  words: string[],
  { agentId }: CommandContext,
): Promise<{ text: string; isError?: boolean }> {
  try {
    const core = await load.core();
    const json = words.indexOf("--json");
    if (json >= 0) words.splice(json, 1);
    const context: Context = {
      core,
      call: (line) => (line.startsWith("wallet") || line.startsWith("cloud") ? `/${line}` : `/mnemospark ${line}`),
      background: (operation) => load.background(core.resume(operation)),
      isChat: true,
      agentId,
    };
    const answer = await runCommand(context, words);
    return { text: json >= 0 ? JSON.stringify(answer.data) : answer.text };
  } catch (error) {
    const { message, next, retryable } = explain(error);
    return { text: `${message}\n${next}${retryable ? " (It may be tried again.)" : ""}`, isError: true };
  }
}

function registerService(host: Host, load: Load): void {
  let proxy: RunningProxy | undefined;
  let stopping = new AbortController();
  let stopRenewals = () => {};
  host.registerService({
    id: "mnemospark",
    reload: { configPrefixes: ["plugins.entries.mnemospark"] },
    async start({ stateDir, logger, serviceHealth }) {
      stopping = new AbortController();
      const core = await load.core(stateDir);
      for (const warning of core.warnings) logger.warn(`mnemospark: ${warning}`);
      if (core.settings.proxy.enabled) {
        try {
          proxy = await startProxy({ core, background: load.background });
          logger.info(`mnemospark: proxy on ${typeof proxy.at === "number" ? `127.0.0.1:${proxy.at}` : proxy.at}`);
          serviceHealth?.clearFailure();
        } catch (error) {
          // The commands and tools do without the proxy; only its callers miss it.
          const { message, next } = explain(error);
          logger.warn(`mnemospark: ${message} ${next}`);
          serviceHealth?.reportFailure(error);
        }
      }
      stopRenewals = keepRenewed(core, (sentence) => logger.warn(`mnemospark: ${sentence}`));
      load.background(
        core.resumeAll({
          signal: stopping.signal,
          onError: ({ id }, error) => logger.warn(`mnemospark: ${id}: ${explain(error).message}`),
        }),
      );
    },
    async stop({ logger, stateDir }) {
      stopping.abort(new Error("the gateway stops"));
      stopRenewals();
      await proxy?.close();
      proxy = undefined;
      // It may be an uninstall; nothing else tells the owner what is left behind, nor that it must be.
      const { settings } = await load.core(stateDir);
      logger.info(`mnemospark: stopped; keys and wallet stay in ${settings.home}`);
    },
  });
}

function registerCli(host: Host, load: Load): void {
  const description = "mnemospark: wallet and encrypted cloud storage";
  host.registerCli(
    ({ program }) => {
      program
        .command("mnemospark")
        .description(description)
        .argument("[words...]", "as the mnemospark command")
        .allowUnknownOption()
        .helpOption(false)
        .action(async (words) => {
          const answer = await chat(load, [...words], {});
          console.log(answer.text);
          if (answer.isError) process.exitCode = 1;
        });
    },
    { commands: ["mnemospark"], descriptors: [{ name: "mnemospark", description, hasSubcommands: false }] },
  );
}

export default {
  id: "mnemospark",
  name: "mnemospark",
  description: "Encrypted cloud storage an agent buys by itself: paid in USDC from its own wallet.",
  version: VERSION,
  register,
};
