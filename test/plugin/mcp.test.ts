/** The MCP server as an agent's host runs it: a child process, stdio, the official client. */
import { join } from "node:path";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { afterAll, beforeAll, expect, test } from "vitest";
import { buildPackage } from "../../client-plugin/build.ts";
import { scratch } from "./fixture.ts";
import { type Service, startService } from "./service.ts";

const room = scratch();
let service: Service;
const client = new Client({ name: "test", version: "1" });

beforeAll(async () => {
  service = await startService();
  await buildPackage(join(room, "dist"));
  const env = {
    PATH: process.env["PATH"] ?? "",
    HOME: room,
    NODE_NO_WARNINGS: "1",
    MNEMOSPARK_HOME: join(room, "home"),
    MNEMOSPARK_BACKEND_API_BASE_URL: service.url,
    MNEMOSPARK_RPC_URL: "http://127.0.0.1:9",
    MNEMOSPARK_NETWORK: "base-sepolia",
    MNEMOSPARK_WALLET_KEY: `0x${"11".repeat(32)}`,
    MNEMOSPARK_CAP_PER_CALL: "0.001",
  };
  await client.connect(
    new StdioClientTransport({ command: process.execPath, args: [join(room, "dist", "cli.js"), "mcp"], env }),
  );
});
afterAll(async () => {
  await client.close();
  await service.close();
});

test("tells its tools with closed schemas and honest hints", async () => {
  const { tools } = await client.listTools();
  expect(tools.map(({ name }) => name)).toHaveLength(9);
  for (const tool of tools) expect(tool.inputSchema["additionalProperties"]).toBe(false);
  const hints = Object.fromEntries(tools.map(({ name, annotations }) => [name, annotations]));
  expect(hints["mnemospark_list"]).toMatchObject({ readOnlyHint: true, destructiveHint: false });
  expect(hints["mnemospark_delete"]).toMatchObject({ readOnlyHint: false, destructiveHint: true });
});

test("answers with structure, and refuses with a code that says whether to try again", async () => {
  const quoted = await client.callTool({ name: "mnemospark_quote", arguments: { path: join(room, "dist") } });
  expect(quoted.structuredContent).toMatchObject({ quote: { amount: "10000", dollars: "$0.01", currency: "USDC" } });
  const capped = await client.callTool({ name: "mnemospark_store", arguments: { path: join(room, "dist") } });
  expect(capped).toMatchObject({
    isError: true,
    structuredContent: { error: { code: "above_cap", retryable: false } },
  });
  const wrong = await client.callTool({ name: "mnemospark_fetch", arguments: { nam: "x" } });
  expect(wrong).toMatchObject({ isError: true, structuredContent: { error: { code: "bad_arguments" } } });
  const keys = await client.callTool({ name: "mnemospark_store", arguments: { path: join(room, "home") } });
  expect(keys).toMatchObject({ isError: true, structuredContent: { error: { code: "path_refused" } } });
});
