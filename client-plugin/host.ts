/**
 * What this plugin uses of OpenClaw, typed after the SDK of 2026.9.6 (all of it experimental there). Types only and our own, so
 * the plugin builds and its tests run without OpenClaw; `npm run test:openclaw` is what proves that they fit the real one.
 */
export interface Logger {
  info(message: string): void;
  warn(message: string): void;
  error(message: string): void;
}

export interface ToolDefinition {
  readonly name: string;
  readonly label: string;
  readonly description: string;
  readonly parameters: Record<string, unknown>;
  execute(
    callId: string,
    args: unknown,
    signal?: AbortSignal,
  ): Promise<{ content: { type: "text"; text: string }[]; details: unknown }>;
}

export interface ToolHostContext {
  readonly workspaceDir?: string;
  readonly agentId?: string;
}

export interface ServiceContext {
  readonly stateDir: string;
  readonly logger: Logger;
  readonly serviceHealth?: { reportFailure(error: unknown): void; clearFailure(): void };
}

export interface CommandContext {
  readonly args?: string;
  readonly agentId?: string;
}

export type ApprovalDecision = "allow-once" | "allow-always" | "deny" | "timeout" | "cancelled";

export interface ToolCallVerdict {
  readonly params?: Record<string, unknown>;
  readonly block?: boolean;
  readonly blockReason?: string;
  readonly requireApproval?: {
    readonly title: string;
    readonly description: string;
    readonly severity: "info" | "warning" | "critical";
    readonly scope?: { kind: "payment"; amount: string; currency: string; target: string };
    readonly allowedDecisions: readonly ApprovalDecision[];
    readonly timeoutMs: number;
    onResolution(decision: ApprovalDecision): void;
  };
}

export interface Host {
  readonly pluginConfig?: Record<string, unknown>;
  readonly config?: unknown;
  readonly registrationMode?: string;
  readonly logger: Logger;
  readonly runtime?: {
    readonly agent?: { resolveAgentWorkspaceDir?(config: unknown, agentId: string): string | undefined };
  };
  registerTool(
    make: (context: ToolHostContext) => ToolDefinition[],
    options: { names: readonly string[]; optional?: boolean },
  ): void;
  registerCommand(command: {
    name: string;
    description: string;
    acceptsArgs: boolean;
    requireAuth: boolean;
    agentPromptGuidance?: readonly string[];
    handler(context: CommandContext): Promise<{ text: string; isError?: boolean }>;
  }): void;
  registerService(service: {
    id: string;
    reload?: { configPrefixes: readonly string[] };
    start(context: ServiceContext): Promise<void>;
    stop(context: ServiceContext): Promise<void>;
  }): void;
  registerCli(
    registrar: (context: { program: CommanderProgram }) => void,
    options: {
      commands: readonly string[];
      descriptors: readonly { name: string; description: string; hasSubcommands: boolean }[];
    },
  ): void;
  on(
    hook: "before_tool_call",
    handler: (
      event: { toolName: string; params: Record<string, unknown> },
      context: { agentId?: string },
    ) => Promise<ToolCallVerdict | undefined>,
    options?: { matcher?: readonly string[] },
  ): void;
}

/** The part of `commander` that a pass-through command needs. */
export interface CommanderProgram {
  command(name: string): CommanderProgram;
  description(text: string): CommanderProgram;
  argument(name: string, description: string): CommanderProgram;
  allowUnknownOption(): CommanderProgram;
  helpOption(flag: boolean): CommanderProgram;
  action(run: (words: string[]) => Promise<void>): CommanderProgram;
}
