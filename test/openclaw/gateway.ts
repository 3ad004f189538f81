/**
 * A real OpenClaw gateway, headless: loopback only, no model key, no channel, a home of its own. Spoken to as its own clients do:
 * WebSocket for chat and approvals, HTTP for tools, its command line for plugins.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes, randomUUID } from "node:crypto";
import { createWriteStream } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { dirname, join } from "node:path";

export interface GatewayOptions {
  readonly openclaw: string;
  readonly home: string;
  /** `plugins.entries.mnemospark.config`. */
  readonly plugin: Readonly<Record<string, unknown>>;
  /** The scripted model's port. */
  readonly modelPort: number;
  /** Agents of the roster, where a plugin wants others than the one that is there by itself. */
  readonly agents?: readonly object[];
  /** Folders of plugins that are run from where they are. */
  readonly load?: readonly string[];
  /** For the gateway, its plugins and its command line. */
  readonly variables?: Readonly<Record<string, string>>;
}

export interface Ran {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

type Json = Record<string, unknown>;
type Frame = { type: string; id?: string; ok?: boolean; event?: string; payload?: Json; error?: { message?: string } };

const READY_MS = 180_000;

export class Gateway {
  readonly home: string;
  readonly state: string;
  readonly workspace: string;
  /** All it ever said, by whichever door. */
  readonly heard: string[] = [];
  readonly #openclaw: string;
  readonly #options: GatewayOptions;
  readonly #token = randomBytes(24).toString("hex");
  #port = 0;
  #process: ChildProcess | undefined;
  #socket: WebSocket | undefined;
  readonly #pending = new Map<string, { resolve: (payload: Json) => void; reject: (error: Error) => void }>();
  readonly #listeners = new Set<(frame: Frame) => void>();

  private constructor(options: GatewayOptions) {
    this.home = options.home;
    this.state = join(options.home, ".openclaw");
    this.workspace = join(options.home, "workspace");
    this.#openclaw = options.openclaw;
    this.#options = options;
  }

  static async create(options: GatewayOptions): Promise<Gateway> {
    const gateway = new Gateway(options);
    gateway.#port = await freePort();
    await mkdir(gateway.state, { recursive: true, mode: 0o700 });
    await mkdir(gateway.workspace, { recursive: true });
    await gateway.configure(options.plugin, options.modelPort);
    return gateway;
  }

  get #configFile(): string {
    return join(this.state, "openclaw.json");
  }

  async configure(plugin: Readonly<Record<string, unknown>>, modelPort: number): Promise<void> {
    const model = {
      id: "fake-1",
      name: "fake-1",
      contextWindow: 128_000,
      maxTokens: 4096,
      input: ["text"],
      reasoning: false,
    };
    const { agents, load } = this.#options;
    const config = {
      gateway: {
        mode: "local",
        port: this.#port,
        bind: "loopback",
        auth: { mode: "token", token: this.#token },
        controlUi: { enabled: false },
      },
      update: { checkOnStart: false },
      discovery: { mdns: { mode: "off" } },
      logging: { file: join(this.state, "gateway.log") },
      models: {
        catalogRefresh: { enabled: false },
        providers: {
          fake: {
            baseUrl: `http://127.0.0.1:${modelPort}/v1`,
            apiKey: "x",
            api: "openai-completions",
            models: [model],
          },
        },
      },
      agents: {
        defaults: { workspace: this.workspace, skipBootstrap: true, model: { primary: "fake/fake-1" } },
        ...(agents === undefined ? {} : { list: agents }),
      },
      tools: { toolSearch: false, alsoAllow: ["mnemospark_delete"] },
      plugins: {
        allow: ["mnemospark"],
        slots: { memory: "none" },
        ...(load === undefined ? {} : { load: { paths: load } }),
        entries: { mnemospark: { enabled: true, config: plugin } },
      },
    };
    await writeFile(this.#configFile, JSON.stringify(config, null, 2), { mode: 0o600 });
  }

  /** Changes the plugin's settings as an operator does, in the file; the gateway sees it by itself. */
  async changePlugin(change: Readonly<Record<string, unknown>>): Promise<void> {
    const config = JSON.parse(await readFile(this.#configFile, "utf8"));
    // What is undefined is taken out again.
    Object.assign(config.plugins.entries.mnemospark.config, change);
    await writeFile(this.#configFile, JSON.stringify(config, null, 2), { mode: 0o600 });
  }

  get #environment(): Record<string, string> {
    return {
      PATH: `${dirname(process.execPath)}:${process.env["PATH"]}`,
      HOME: this.home,
      LANG: "C.UTF-8",
      TMPDIR: process.env["TMPDIR"] ?? "/tmp",
      NO_COLOR: "1",
      CI: "1",
      DO_NOT_TRACK: "1",
      OPENCLAW_OFFLINE: "1",
      OPENCLAW_NO_AUTO_UPDATE: "1",
      OPENCLAW_DISABLE_BONJOUR: "1",
      OPENCLAW_NO_RESPAWN: "1",
      OPENCLAW_EXEC_SHELL_SNAPSHOT: "0",
      OPENCLAW_SKIP_CHANNELS: "1",
      OPENCLAW_SKIP_CRON: "1",
      // The package brings all it needs: nothing may be fetched to install it.
      npm_config_offline: "true",
      npm_config_update_notifier: "false",
      ...this.#options.variables,
    };
  }

  cli(args: readonly string[], timeoutMs = 180_000): Promise<Ran> {
    return new Promise((resolve) => {
      let out = "";
      let err = "";
      const child = spawn(process.execPath, [join(this.#openclaw, "openclaw.mjs"), ...args], {
        env: this.#environment,
        stdio: ["ignore", "pipe", "pipe"],
      });
      const late = setTimeout(() => child.kill("SIGKILL"), timeoutMs);
      child.stdout.on("data", (piece) => {
        out += piece;
      });
      child.stderr.on("data", (piece) => {
        err += piece;
      });
      child.on("close", (code) => {
        clearTimeout(late);
        this.heard.push(out, err);
        resolve({ code, out, err });
      });
    });
  }

  async start(): Promise<void> {
    const log = join(this.home, "gateway.out.log");
    const sink = createWriteStream(log, { flags: "a" });
    const child = spawn(process.execPath, [join(this.#openclaw, "openclaw.mjs"), "gateway", "run"], {
      env: this.#environment,
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#process = child;
    child.stdout.pipe(sink);
    child.stderr.pipe(sink);
    for (const deadline = Date.now() + READY_MS; Date.now() < deadline; ) {
      if (child.exitCode !== null)
        throw new Error(`the gateway ended with ${child.exitCode}\n${await readFile(log, "utf8")}`);
      const ready = await fetch(`http://127.0.0.1:${this.#port}/readyz`, { signal: AbortSignal.timeout(1000) })
        .then((response) => response.json() as Promise<{ ready?: boolean }>)
        .catch(() => undefined);
      if (ready?.ready) return;
      await pause(100);
    }
    throw new Error(`the gateway was not ready in ${READY_MS / 1000} s\n${await readFile(log, "utf8")}`);
  }

  /** @returns its exit code. */
  async stop(signal: NodeJS.Signals = "SIGTERM"): Promise<number | null> {
    const child = this.#process;
    this.#socket?.close();
    this.#socket = undefined;
    this.#process = undefined;
    if (!child || child.exitCode !== null) return child?.exitCode ?? null;
    const ended = new Promise<number | null>((resolve) => child.once("exit", resolve));
    child.kill(signal);
    const late = setTimeout(() => child.kill("SIGKILL"), 30_000);
    return ended.finally(() => clearTimeout(late));
  }

  async tool(name: string, args: Json = {}): Promise<{ status: number; body: Json }> {
    const response = await fetch(`http://127.0.0.1:${this.#port}/tools/invoke`, {
      method: "POST",
      headers: { authorization: `Bearer ${this.#token}`, "content-type": "application/json" },
      body: JSON.stringify({ tool: name, args }),
      signal: AbortSignal.timeout(120_000),
    });
    const text = await response.text();
    this.heard.push(text);
    return { status: response.status, body: JSON.parse(text) as Json };
  }

  async rpc(method: string, params: Json = {}): Promise<Json> {
    const socket = await this.#connect();
    const id = randomUUID();
    return new Promise((resolve, reject) => {
      const late = setTimeout(() => reject(new Error(`${method} was not answered`)), 60_000);
      const settle = (work: () => void) => {
        clearTimeout(late);
        work();
      };
      this.#pending.set(id, {
        resolve: (payload) => settle(() => resolve(payload)),
        reject: (error) => settle(() => reject(error)),
      });
      socket.send(JSON.stringify({ type: "req", id, method, params }));
    });
  }

  /** Nobody is at the other end any more. */
  async leave(): Promise<void> {
    const socket = this.#socket;
    if (!socket) return;
    const closed = new Promise((resolve) => socket.addEventListener("close", resolve, { once: true }));
    socket.close();
    await closed;
  }

  on(listener: (frame: Frame) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** What a person types, or says to the agent; the text of the final answer. */
  async chat(message: string, timeoutMs = 180_000): Promise<string> {
    await this.#connect();
    const idempotencyKey = randomUUID();
    let off = () => {};
    const answer = new Promise<string>((resolve, reject) => {
      const late = setTimeout(() => reject(new Error(`no answer to ${message}`)), timeoutMs);
      off = this.on(({ event, payload }) => {
        if (event !== "chat" || payload?.["runId"] !== idempotencyKey) return;
        if (!["final", "error", "aborted"].includes(String(payload["state"]))) return;
        clearTimeout(late);
        const content = (payload["message"] as { content?: { text?: string }[] } | undefined)?.content ?? [];
        resolve(content.map((each) => each.text ?? "").join(""));
      });
    });
    try {
      await this.rpc("chat.send", { sessionKey: "agent:main:main", message, idempotencyKey });
      return await answer;
    } finally {
      off();
    }
  }

  #connect(): Promise<WebSocket> {
    if (this.#socket) return Promise.resolve(this.#socket);
    const socket = new WebSocket(`ws://127.0.0.1:${this.#port}`);
    return new Promise((resolve, reject) => {
      socket.onerror = () => reject(new Error("the gateway's socket failed"));
      socket.onclose = () => {
        if (this.#socket === socket) this.#socket = undefined;
      };
      socket.onmessage = ({ data }) => {
        this.heard.push(String(data));
        const frame = JSON.parse(String(data)) as Frame;
        if (frame.type === "event" && frame.event === "connect.challenge") {
          this.#pending.set("hello", {
            resolve: () => {
              this.#socket = socket;
              resolve(socket);
            },
            reject,
          });
          const scopes = ["operator.admin", "operator.read", "operator.write", "operator.approvals"];
          const client = { id: "gateway-client", version: "0.0.0", platform: process.platform, mode: "backend" };
          const caps = ["plugin-approvals", "approvals"];
          const params = {
            minProtocol: 4,
            maxProtocol: 4,
            client,
            role: "operator",
            scopes,
            caps,
            auth: { token: this.#token },
          };
          socket.send(JSON.stringify({ type: "req", id: "hello", method: "connect", params }));
        } else if (frame.type === "res") {
          const waiting = this.#pending.get(frame.id ?? "");
          this.#pending.delete(frame.id ?? "");
          if (frame.ok) waiting?.resolve(frame.payload ?? {});
          else waiting?.reject(new Error(frame.error?.message ?? "refused"));
        } else if (frame.type === "event") for (const listener of this.#listeners) listener(frame);
      };
    });
  }
}

export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" && address ? address.port : 0));
    });
  });
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
