/** Ports: who wins when several say, and what is said when one is taken. */
import { createServer } from "node:net";
import { describe, expect, onTestFinished, test } from "vitest";
import { choosePorts, takePort, takePorts } from "../stack/ports.ts";

const choose = (flags: Record<string, string>, variables: Record<string, string> = {}) =>
  choosePorts({ flags, variables });
const usual = { edge: 8787, s3: 9000, chain: 8545, secrets: 9001, pricing: 9002 };

describe("choosing", () => {
  test("the usual numbers, until something else is said", () => {
    expect(choose({})).toEqual(usual);
    expect(choose({}, { MNEMOSPARK_EDGE_PORT: "" })).toEqual(usual);
  });

  test("a flag goes before the base flag, that before a variable, that before the base variable", () => {
    const variables = { MNEMOSPARK_PORT_BASE: "7000", MNEMOSPARK_S3_PORT: "7777" };
    expect(choose({}, variables)).toEqual({ edge: 7000, s3: 7777, chain: 7002, secrets: 7003, pricing: 7004 });
    expect(choose({ "--port-base": "6000", "--chain-port": "1234" }, variables)).toEqual({
      edge: 6000,
      s3: 6001,
      chain: 1234,
      secrets: 6003,
      pricing: 6004,
    });
    expect(choose({ "--port-base": "0" })).toEqual({ edge: 0, s3: 0, chain: 0, secrets: 0, pricing: 0 });
  });

  test.each(["-1", "65536", "http", "80.5", "0x50", " 80"])("%s is not a port", (text) => {
    expect(() => choose({ "--edge-port": text })).toThrow("--edge-port must be a port from 1 to 65535");
    expect(() => choose({}, { MNEMOSPARK_SECRETS_PORT: text })).toThrow("MNEMOSPARK_SECRETS_PORT must be a port");
  });

  test("a base too high for the last port is refused", () => {
    expect(() => choose({ "--port-base": "65534" })).toThrow("--port-base must be a port");
  });
});

describe("taking", () => {
  test("a port taken by another program: which, who wants it, what to type", async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    onTestFinished(() => void server.close());
    const address = server.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    await expect(takePort("s3", port)).rejects.toThrow(
      `Port ${port} is taken by another program, and the S3 server wants it. Choose another with --s3-port.`,
    );
  });

  test("0 picks free ones, each its own", async () => {
    const ports = await takePorts({ edge: 0, s3: 0, chain: 0, secrets: 0, pricing: 0 });
    expect(new Set(Object.values(ports)).size).toBe(5);
    expect(Math.min(...Object.values(ports))).toBeGreaterThan(1023);
  });

  test("one number for two is refused before either starts", async () => {
    const port = await takePort("edge", 0);
    await expect(takePorts({ edge: port, s3: 0, chain: port, secrets: 0, pricing: 0 })).rejects.toThrow(
      `Port ${port} is meant for both the edge and the chain. Change one with --edge-port or --chain-port.`,
    );
  });
});
