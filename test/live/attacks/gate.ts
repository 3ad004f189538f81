/** A door before the chain's RPC that can be shut: refused like a machine that is down, or answered with a fault. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export class Gate {
  state: "open" | "gone" | "faulty" = "open";
  target = "";
  readonly url: string;
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  static async open(): Promise<Gate> {
    const answer = async (request: IncomingMessage, response: ServerResponse) => {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk as Buffer);
      // The edge's heart beats before the chain behind the gate is known.
      if (gate.state === "gone" || gate.target === "") request.socket.destroy();
      else if (gate.state === "faulty") response.writeHead(503).end("no backend is healthy");
      else {
        const headers = { "content-type": "application/json" };
        const said = await fetch(gate.target, { method: "POST", headers, body: Buffer.concat(chunks) });
        response.writeHead(said.status, headers).end(await said.text());
      }
    };
    const server = createServer((request, response) => {
      // A node that went away, or a caller that did: the line is cut, as it would be without the gate.
      answer(request, response).catch(() => request.socket.destroy());
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const gate = new Gate(server);
    return gate;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
