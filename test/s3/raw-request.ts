/** HTTP by hand: what no client library would send. Answers with whatever came back until the connection ended. */
import { connect } from "node:net";

export function rawRequest(
  url: string,
  method: string,
  headers: string,
  body: string,
  options: { readonly cut?: boolean; readonly host?: string } = {},
): Promise<string> {
  const { hostname, port, host, pathname, search } = new URL(url);
  return new Promise((resolve) => {
    const socket = connect(Number(port), hostname);
    let answer = "";
    socket.on("data", (data) => {
      answer += data.toString("latin1");
      if (answer.includes("</Error>")) socket.destroy();
    });
    socket.on("error", () => undefined);
    socket.on("close", () => resolve(answer));
    socket.write(
      `${method} ${pathname}${search} HTTP/1.1\r\nhost: ${options.host ?? host}\r\n${headers}\r\n${body}`,
      () => {
        if (options.cut) setTimeout(() => socket.destroy(), 30);
      },
    );
  });
}
