/** Is it up? Asked over HTTP, the way the ones who will use it ask. */

/** `undefined` when ready, else why not yet. */
export type Probe = () => Promise<string | undefined>;

const ANSWER_WITHIN_MS = 2_000;

/** A server that answers at all, and not with a fault of its own, is up. */
export function answers(url: string): Probe {
  return async () => {
    const response = await fetch(url, { redirect: "manual", signal: AbortSignal.timeout(ANSWER_WITHIN_MS) });
    const body = await response.text();
    return response.status < 500 ? undefined : `it answers ${response.status}: ${body.slice(0, 400)}`;
  };
}

/** A chain is up when it says which chain it is. */
export function answersChainId(rpcUrl: string, chainId: number): Probe {
  return async () => {
    const response = await fetch(rpcUrl, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ jsonrpc: "2.0", id: 1, method: "eth_chainId", params: [] }),
      signal: AbortSignal.timeout(ANSWER_WITHIN_MS),
    });
    const reply: unknown = await response.json();
    const result = typeof reply === "object" && reply !== null && "result" in reply ? reply.result : undefined;
    return result === `0x${chainId.toString(16)}` ? undefined : `it says it is chain ${String(result)}`;
  };
}
