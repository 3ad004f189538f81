/**
 * Which door each part of the stack listens at: usual numbers, ways to change them, and a clear word when one is taken.
 */
import { once } from "node:events";
import { createServer } from "node:net";
import { StackFailure } from "./failure.ts";

export type PortName = "edge" | "s3" | "chain" | "secrets" | "pricing";
export type Ports = Readonly<Record<PortName, number>>;

interface Door {
  readonly who: string;
  readonly flag: string;
  readonly variable: string;
  readonly usual: number;
}

/** In the order `--port-base` counts them. */
export const DOORS: Readonly<Record<PortName, Door>> = {
  edge: { who: "the edge", flag: "--edge-port", variable: "MNEMOSPARK_EDGE_PORT", usual: 8787 },
  s3: { who: "the S3 server", flag: "--s3-port", variable: "MNEMOSPARK_S3_PORT", usual: 9000 },
  chain: { who: "the chain", flag: "--chain-port", variable: "MNEMOSPARK_CHAIN_PORT", usual: 8545 },
  secrets: { who: "Secrets Manager", flag: "--secrets-port", variable: "MNEMOSPARK_SECRETS_PORT", usual: 9001 },
  pricing: { who: "AWS's prices", flag: "--pricing-port", variable: "MNEMOSPARK_PRICING_PORT", usual: 9002 },
};

export const PORT_NAMES: readonly PortName[] = ["edge", "s3", "chain", "secrets", "pricing"];
const BASE = { flag: "--port-base", variable: "MNEMOSPARK_PORT_BASE" };
const HIGHEST = 65_535;

export interface PortWishes {
  /** What was typed after each flag, by flag name. */
  readonly flags: Readonly<Record<string, string | undefined>>;
  readonly variables: Readonly<Record<string, string | undefined>>;
}

/** A flag goes before `--port-base`, that before a variable, that before the usual number. */
export function choosePorts({ flags, variables }: PortWishes): Ports {
  const flagBase = numberFrom(BASE.flag, flags[BASE.flag]);
  const variableBase = numberFrom(BASE.variable, variables[BASE.variable]);
  const fromBase = (base: number | undefined, place: number) =>
    base === undefined || base === 0 ? base : numberFrom(BASE.flag, String(base + place));
  const choose = (name: PortName): number => {
    const door = DOORS[name];
    const place = PORT_NAMES.indexOf(name);
    return (
      numberFrom(door.flag, flags[door.flag]) ??
      fromBase(flagBase, place) ??
      numberFrom(door.variable, variables[door.variable]) ??
      fromBase(variableBase, place) ??
      door.usual
    );
  };
  return {
    edge: choose("edge"),
    s3: choose("s3"),
    chain: choose("chain"),
    secrets: choose("secrets"),
    pricing: choose("pricing"),
  };
}

function numberFrom(source: string, text: string | undefined): number | undefined {
  if (text === undefined || text === "") return undefined;
  const port = Number(text);
  if (/^\d+$/.test(text) && port <= HIGHEST) return port;
  throw new StackFailure(`${source} must be a port from 1 to ${HIGHEST}, or 0 for any free one; it is "${text}".`);
}

/** Makes sure every port is free and picks one for each 0. */
export async function takePorts(ports: Ports): Promise<Ports> {
  const taken: Record<PortName, number> = { ...ports };
  const owner = new Map<number, PortName>();
  // Named ones first, so that a free one is never picked from among them.
  for (const name of [...PORT_NAMES].sort((a, b) => Number(ports[a] === 0) - Number(ports[b] === 0))) {
    const rival = ports[name] === 0 ? undefined : owner.get(ports[name]);
    if (rival !== undefined) {
      const [one, other] = [DOORS[rival], DOORS[name]];
      throw new StackFailure(
        `Port ${ports[name]} is meant for both ${one.who} and ${other.who}. Change one with ${one.flag} or ${other.flag}.`,
      );
    }
    do taken[name] = await takePort(name, ports[name]);
    while (owner.has(taken[name]));
    owner.set(taken[name], name);
  }
  return taken;
}

/** The port itself, or a free one for 0; throws when it cannot be had. */
export async function takePort(name: PortName, port: number): Promise<number> {
  const { who, flag } = DOORS[name];
  const server = createServer();
  try {
    server.listen({ port, host: "127.0.0.1", exclusive: true });
    await once(server, "listening");
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    const why =
      code === "EADDRINUSE"
        ? "is taken by another program"
        : code === "EACCES"
          ? "is not allowed to you"
          : String(error);
    throw new StackFailure(`Port ${port} ${why}, and ${who} wants it. Choose another with ${flag}.`);
  }
  const address = server.address();
  server.close();
  await once(server, "close");
  if (address === null || typeof address === "string") throw new Error("a TCP server has an address with a port");
  return address.port;
}
