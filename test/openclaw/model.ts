/** A model that does what it is told: an OpenAI-compatible server that answers by a script. No key, no network. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

export type Line = { readonly text: string } | { readonly tool: string; readonly args: Record<string, unknown> };

export interface Asked {
  readonly model: string;
  readonly stream?: boolean;
  readonly messages: readonly { role: string; content: unknown; tool_call_id?: string }[];
  readonly tools?: readonly { function: { name: string; parameters: Record<string, unknown> } }[];
}

export interface Model {
  readonly port: number;
  readonly asked: Asked[];
  /** The next lines it says, one a turn. */
  say(...lines: readonly Line[]): void;
  close(): Promise<void>;
}

export async function startModel(): Promise<Model> {
  const asked: Asked[] = [];
  let lines: Line[] = [];
  const server = createServer(async (request, response) => {
    let text = "";
    for await (const piece of request) text += piece;
    if (request.method !== "POST") return void response.end(JSON.stringify({ data: [] }));
    const body = JSON.parse(text) as Asked;
    asked.push(body);
    const line = lines.shift() ?? { text: "done" };
    const id = `chatcmpl-${asked.length}`;
    const base = { id, object: "chat.completion.chunk", created: 1, model: body.model };
    const call = "tool" in line ? { name: line.tool, arguments: JSON.stringify(line.args) } : undefined;
    const tool_calls = [{ index: 0, id: `call_${asked.length}`, type: "function", function: call }];
    const delta =
      "tool" in line ? { role: "assistant", content: null, tool_calls } : { role: "assistant", content: line.text };
    const finish_reason = "tool" in line ? "tool_calls" : "stop";
    const usage = { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15 };
    if (!body.stream) {
      response.writeHead(200, { "content-type": "application/json" });
      response.end(
        JSON.stringify({
          ...base,
          object: "chat.completion",
          choices: [{ index: 0, message: delta, finish_reason }],
          usage,
        }),
      );
      return;
    }
    response.writeHead(200, { "content-type": "text/event-stream" });
    for (const chunk of [
      { ...base, choices: [{ index: 0, delta, finish_reason: null }] },
      { ...base, choices: [{ index: 0, delta: {}, finish_reason }] },
      { ...base, choices: [], usage },
    ])
      response.write(`data: ${JSON.stringify(chunk)}\n\n`);
    response.end("data: [DONE]\n\n");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    port: (server.address() as AddressInfo).port,
    asked,
    say: (...next) => {
      lines = [...next];
    },
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}
