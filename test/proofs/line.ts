/** A line to S3 of a certain width, so that there is time to be killed in: bytes pass unchanged, no faster than it says. */

import type { AddressInfo } from "node:net";
import { connect, createServer, type Socket } from "node:net";
import { Transform } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";

export interface Line {
  readonly origin: string;
  /** Where it leads to; known once that has started. */
  upstreamPort: number;
  /** Bytes a second, of both directions together and all connections. Infinity: as fast as they come. */
  bytesPerSecond: number;
  close(): Promise<void>;
}

export async function openLine(): Promise<Line> {
  const sockets = new Set<Socket>();
  /** When the line is free again for the next piece. */
  let freeAtMs = 0;
  const width = () =>
    new Transform({
      transform(piece: Buffer, _encoding, pass) {
        const nowMs = Date.now();
        freeAtMs = Math.max(nowMs, freeAtMs) + (piece.length / line.bytesPerSecond) * 1000;
        void sleep(freeAtMs - nowMs).then(() => pass(null, piece));
      },
    });
  const server = createServer((near) => {
    const far = connect(line.upstreamPort, "127.0.0.1");
    for (const [socket, other] of [[near, far] as const, [far, near] as const]) {
      sockets.add(socket);
      socket.on("close", () => {
        sockets.delete(socket);
        other.destroy();
      });
      socket.on("error", () => other.destroy());
      socket.pipe(width()).pipe(other);
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const line: Line = {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    upstreamPort: 0,
    bytesPerSecond: Number.POSITIVE_INFINITY,
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return line;
}
