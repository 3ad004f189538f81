/** The tools over MCP (stdio), for agents that are not OpenClaw: the same core, the same checks, the same journal. */
import { Server } from "@modelcontextprotocol/sdk/server/index.js";
import { StdioServerTransport } from "@modelcontextprotocol/sdk/server/stdio.js";
import { CallToolRequestSchema, ListToolsRequestSchema } from "@modelcontextprotocol/sdk/types.js";
import type { Core } from "./core.ts";
import { jsonSchema } from "./tools/schemas.ts";
import { runTool, TOOLS } from "./tools/tools.ts";
import { VERSION } from "./version.ts";

/** Serves until the other side closes its end. */
export async function serveMcp(core: Core, workspace: string | undefined): Promise<void> {
  const server = new Server(
    { name: "mnemospark", version: VERSION },
    {
      capabilities: { tools: {} },
      instructions:
        "Encrypted storage that pays for itself in USDC. Ask mnemospark_status first, mnemospark_quote for a price, then mnemospark_store. Repeating a call resumes it and never pays twice.",
    },
  );
  server.setRequestHandler(ListToolsRequestSchema, () => ({
    tools: TOOLS.map(({ name, label, description, readOnly, destructive, idempotent }) => ({
      name,
      title: label,
      description,
      inputSchema: jsonSchema(name) as { type: "object" },
      // Without these a host must assume the worst.
      annotations: {
        title: label,
        readOnlyHint: readOnly,
        destructiveHint: destructive,
        idempotentHint: idempotent,
        openWorldHint: true,
      },
    })),
  }));
  server.setRequestHandler(CallToolRequestSchema, async ({ params }, { signal }) => {
    const result = await runTool(params.name, params.arguments, { core, workspace, signal });
    const content = result.ok ? result.data : { error: result.error };
    return {
      content: [{ type: "text" as const, text: JSON.stringify(content) }],
      structuredContent: content as Record<string, unknown>,
      isError: !result.ok,
    };
  });
  const transport = new StdioServerTransport();
  const closed = new Promise<void>((resolve) => {
    server.onclose = resolve;
    process.stdin.once("end", resolve);
  });
  await server.connect(transport);
  await closed;
  await server.close();
}
