/** The wallet, as far as the client needs one: an address and a signature over EIP-712 data. */

/** Signs EIP-712 data; a viem account is one. */
export interface Signer {
  readonly address: `0x${string}`;
  signTypedData(data: {
    domain: object;
    types: Record<string, readonly { name: string; type: string }[]>;
    primaryType: string;
    message: Record<string, unknown>;
  }): Promise<`0x${string}`>;
}
