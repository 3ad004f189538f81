/**
 * A wallet of the browser (EIP-1193) signs what a session may not do. The proof covers method, host, path and body of the one
 * request it is for; the page asks for nothing else and sends the wallet nothing that was stored. A chunk of its own.
 */
import { bytesToHex, sha256Hex, utf8ToBytes } from "#contract/bytes";
import { encodeProof, PROOF_CHAIN_IDS, PROOF_HEADER, proofTypedData } from "#contract/proof";
import { parseWallet, type Wallet } from "#contract/wallet";
import { post } from "./edge.ts";
import type { Provider } from "./provider.ts";

export class NotSigned extends Error {
  constructor(sentence: string, options?: ErrorOptions) {
    super(sentence, options);
    this.name = "NotSigned";
  }
}

export interface Signing {
  readonly provider: Provider;
  /** Whose storage it is: no other account's signature would count. */
  readonly wallet: string;
  readonly chainId: number;
  readonly nowMs: number;
}

/** @throws NotSigned, Refused */
export async function deleteObject(signing: Signing, agent: string, key: string): Promise<void> {
  const body = { wallet_address: signing.wallet, agent_id: agent, object_key: key };
  await post("/storage/delete", body, { [PROOF_HEADER]: await proofOf(signing, "/storage/delete", body) });
}

/** `X-Wallet-Signature` for one POST of this body to this path. */
export async function proofOf(signing: Signing, path: string, body: object): Promise<string> {
  const { provider, chainId } = signing;
  const wallet = await accountOf(signing);
  const active = await activeChain(provider);
  const chain = PROOF_CHAIN_IDS.find((id) => id === active) ?? (await switchTo(provider, chainId));
  const unsigned = {
    version: "2" as const,
    wallet,
    nonce: `0x${bytesToHex(crypto.getRandomValues(new Uint8Array(32)))}` as const,
    timestampS: Math.floor(signing.nowMs / 1000),
    claimed: {
      method: "POST",
      path,
      host: location.host,
      query: "",
      bodyHash: `0x${sha256Hex(utf8ToBytes(JSON.stringify(body)))}`,
    },
  };
  const signature = await signTyped(provider, wallet, proofTypedData(unsigned, chain));
  return encodeProof({ ...unsigned, signature });
}

interface TypedData {
  readonly domain: object;
  readonly types: object;
  readonly primaryType: string;
  readonly message: object;
}

/** `eth_signTypedData_v4`, with the domain's own type spelled out as wallets want it. @throws NotSigned */
export async function signTyped(provider: Provider, wallet: Wallet, data: TypedData): Promise<`0x${string}`> {
  const EIP712Domain = [
    { name: "name", type: "string" },
    { name: "version", type: "string" },
    { name: "chainId", type: "uint256" },
    { name: "verifyingContract", type: "address" },
  ];
  const whole = { ...data, types: { EIP712Domain, ...data.types } };
  const text = JSON.stringify(whole, (_, value: unknown) => (typeof value === "bigint" ? value.toString() : value));
  const signature = await provider
    .request({ method: "eth_signTypedData_v4", params: [wallet, text] })
    .catch((cause) => {
      throw new NotSigned("The wallet did not sign; nothing was changed.", { cause });
    });
  if (typeof signature !== "string" || !/^0x[0-9a-f]+$/i.test(signature))
    throw new NotSigned("The wallet answered with something that is no signature; nothing was changed.");
  return signature as `0x${string}`;
}

export async function accountOf({ provider, wallet }: Signing): Promise<Wallet> {
  const accounts = await provider.request({ method: "eth_requestAccounts" }).catch((cause) => {
    throw new NotSigned("The wallet did not connect; nothing was changed.", { cause });
  });
  const offered = Array.isArray(accounts) ? accounts.flatMap((account) => parseWallet(account) ?? []) : [];
  const ours = offered.find((account) => account === wallet);
  if (ours) return ours;
  throw new NotSigned(
    `The browser’s wallet offers ${offered.join(", ") || "no account"}; this storage is ${wallet}’s.`,
  );
}

async function activeChain(provider: Provider): Promise<number | undefined> {
  const answer = await provider.request({ method: "eth_chainId" }).catch(() => undefined);
  return typeof answer === "string" ? Number(answer) : undefined;
}

/** Some wallets sign typed data only for the chain they are on. @throws NotSigned */
export async function switchTo(provider: Provider, chainId: number): Promise<number> {
  if ((await activeChain(provider)) === chainId) return chainId;
  const params = [{ chainId: `0x${chainId.toString(16)}` }];
  await provider.request({ method: "wallet_switchEthereumChain", params }).catch((cause) => {
    throw new NotSigned(`The wallet is not on Base (chain ${chainId}); switch it and try again.`, { cause });
  });
  return chainId;
}
