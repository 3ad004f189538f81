/**
 * What the published client takes for Base mainnet. Before it pays it asks `https://mainnet.base.org` for its USDC there, whatever
 * chain the service is on, and no setting of its own changes that. So it is given a proxy by environment (HTTPS_PROXY), which knows
 * this one host and answers with the balance on the local chain.
 */
import { once } from "node:events";
import { createServer as createHttp } from "node:http";
import { createServer as createHttps } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import { decodeFunctionData, encodeFunctionResult, erc20Abi, type Hex } from "viem";
import type { Chain } from "../stack/chain/chain.ts";
import { selfSigned } from "./certificate.ts";

const HOST = "mainnet.base.org";
/** USDC on Base mainnet. */
const USDC_MAINNET = "0x833589fcd6edb6e08f4c7c32d4f71b54bda02913";

export interface Mainnet {
  readonly proxyUrl: string;
  /** To be trusted by whoever goes through the proxy. */
  readonly certificate: string;
  /** Everything that was asked for through the proxy. */
  readonly asked: string[];
  stop(): Promise<void>;
}

export async function startMainnet(chain: Chain): Promise<Mainnet> {
  const { key, cert } = selfSigned(HOST);
  const asked: string[] = [];
  const sockets = new Set<Socket>();
  const rpc = createHttps({ key, cert }, async (request, response) => {
    const call = JSON.parse(Buffer.concat(await request.toArray()).toString()) as Call;
    asked.push(`${HOST} ${call.method}`);
    const answer = await answerTo(chain, call);
    response
      .setHeader("content-type", "application/json")
      .end(JSON.stringify({ jsonrpc: "2.0", id: call.id, ...answer }));
  });
  const proxy = createHttp((_, response) => response.writeHead(403).end());
  proxy.on("connect", (request, socket: Socket) => {
    sockets.add(socket);
    socket.on("error", () => {}).on("close", () => sockets.delete(socket));
    if (request.url !== `${HOST}:443`) {
      asked.push(`refused ${request.url}`);
      socket.end("HTTP/1.1 403 Forbidden\r\n\r\n");
      return;
    }
    socket.write("HTTP/1.1 200 Connection established\r\n\r\n");
    rpc.emit("connection", socket);
  });
  proxy.listen(0, "127.0.0.1");
  await once(proxy, "listening");
  return {
    proxyUrl: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`,
    certificate: cert,
    asked,
    stop: async () => {
      for (const socket of sockets) socket.destroy();
      proxy.close();
      await once(proxy, "close");
    },
  };
}

interface Call {
  readonly id: number;
  readonly method: string;
  readonly params: readonly { readonly to?: string; readonly data?: Hex }[];
}

async function answerTo(chain: Chain, { method, params }: Call): Promise<object> {
  const [call] = params;
  if (method !== "eth_call" || call?.to?.toLowerCase() !== USDC_MAINNET || call.data === undefined)
    return { error: { code: -32601, message: `${method} is not answered here` } };
  const asked = decodeFunctionData({ abi: erc20Abi, data: call.data });
  if (asked.functionName !== "balanceOf") return { error: { code: -32601, message: `no ${asked.functionName} here` } };
  const result = await chain.usdcBalance(asked.args[0]);
  return { result: encodeFunctionResult({ abi: erc20Abi, functionName: "balanceOf", result }) };
}
