/** Finds a wallet that the browser has: announced (EIP-6963), or in the old place. */

export interface Provider {
  request(call: { method: string; params?: unknown }): Promise<unknown>;
}

let announced: Provider | undefined;

export function listenForWallets(): void {
  addEventListener("eip6963:announceProvider", (event) => {
    const provider = (event as CustomEvent<{ provider?: Provider }>).detail?.provider;
    if (provider) announced ??= provider;
  });
  dispatchEvent(new Event("eip6963:requestProvider"));
}

export function findProvider(): Provider | undefined {
  return (window as { ethereum?: Provider }).ethereum ?? announced;
}
