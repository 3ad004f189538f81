/** Where the demo runs: the local stack that is up already, or one of its own that it stops again. */
import { joinStack } from "../stack/join.ts";
import type { Ports } from "../stack/ports.ts";
import { startStack } from "../stack/stack.ts";

export interface Place {
  readonly edgeUrl: string;
  readonly chainUrl: string;
  readonly payTo: `0x${string}`;
  /** Joined rather than started: it goes on when the demo ends. */
  readonly joined: boolean;
  /** Gives a wallet USDC, as somebody who funds an agent would. */
  fund(address: `0x${string}`, microUsdc: bigint): Promise<unknown>;
  /** Resolves with a sentence if a part of a stack of our own dies. */
  readonly failed: Promise<Error>;
  stop(): Promise<void>;
}

export interface PlaceOptions {
  readonly stateDirectory: string;
  readonly ports: Partial<Ports>;
  readonly reset: boolean;
  readonly tell: (line: string) => void;
  readonly signal: AbortSignal;
}

export async function openPlace(options: PlaceOptions): Promise<Place> {
  const running = options.reset ? undefined : await joinStack(options.stateDirectory);
  if (running) {
    options.tell(`joining the stack at ${running.urls.edge}`);
    return {
      edgeUrl: running.urls.edge,
      chainUrl: running.urls.chain,
      payTo: running.payTo,
      joined: true,
      fund: running.fund,
      failed: new Promise(() => {}),
      stop: async () => {},
    };
  }
  const stack = await startStack({
    stateDirectory: options.stateDirectory,
    ports: options.ports,
    reset: options.reset,
    signal: options.signal,
    tell: (line) => options.tell(`starting ${line}`),
  });
  return {
    edgeUrl: stack.urls.edge,
    chainUrl: stack.urls.chain,
    payTo: stack.payTo,
    joined: false,
    fund: stack.chain.fund,
    failed: stack.failed,
    stop: stack.stop,
  };
}
