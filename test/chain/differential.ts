/**
 * Three judges of one payment: ours (parse, compare, signature, simulation), the reference facilitator's `verify`, and the token
 * itself by `eth_call`. Where they differ the difference must be written down in differential-cases.ts.
 */
import type { PaymentPayload } from "@x402/core/types";
import { ExactEvmScheme } from "@x402/evm/exact/facilitator";
import { encodeFunctionData, type Hex, parseAbi } from "viem";
import { generatePrivateKey, type PrivateKeyAccount } from "viem/accounts";
import { jsonToBase64 } from "#contract/base64";
import type { Wallet } from "#contract/wallet";
import { type Ask, type Authorization, readPayment, requirementsOf, transferTypedData } from "#contract/x402";
import { paymentFault } from "#rules/payment";
import { openContractSigned } from "../../worker/adapters/base/contract-wallet.ts";
import { buildSettlement } from "../../worker/adapters/base-transactions.ts";
import { openChain } from "../../worker/adapters/base-usdc.ts";
import { digestOf, recoverSigner, recoverTextSigner } from "../../worker/adapters/signature.ts";
import { signedBy } from "../../worker/flow/signed.ts";
import { LOOPING, obedient, place, REFUSING } from "./contract-wallets.ts";
import { type Case, disfigure, spell, type Verdicts } from "./differential-cases.ts";
import { signerOf } from "./facilitator-server.ts";
import { FEES, network, World, walletOf } from "./fixture.ts";

const OFFER_URL = "https://store.example/storage/upload";
const TOKEN = parseAbi([
  "function transferWithAuthorization(address from, address to, uint256 value, uint256 validAfter, uint256 validBefore, bytes32 nonce, bytes signature)",
]);

interface Payers {
  readonly owner: PrivateKeyAccount;
  readonly stranger: PrivateKeyAccount;
  readonly poor: PrivateKeyAccount;
  readonly address: Record<Case["payer"], Wallet>;
  /** Used by a real transfer of the rich payer. */
  readonly usedNonce: Hex;
}

export class Court {
  readonly #world: World;
  readonly #payers: Payers;
  readonly #ask: Ask;
  readonly #stock: ExactEvmScheme;
  readonly #chain: ReturnType<typeof openChain>;
  readonly #contractSigned: ReturnType<typeof openContractSigned>;

  private constructor(world: World, payers: Payers) {
    this.#world = world;
    this.#payers = payers;
    const description = "a test";
    this.#ask = { network, payTo: world.payTo, amount: 50_000n, resourceUrl: OFFER_URL, description };
    this.#stock = new ExactEvmScheme(signerOf(world, world.relayerKey, 1_000));
    this.#chain = openChain(network, [world.chain.rpcUrl]);
    this.#contractSigned = openContractSigned(network, [world.chain.rpcUrl]);
  }

  static async open(): Promise<Court> {
    const world = await World.open(0);
    const [owner, stranger, poor] = [await world.payer(), await world.payer(), await world.payer(10n)];
    const contracts = { contract: obedient(owner.address), refusing: REFUSING, looping: LOOPING };
    const address: Record<string, Wallet> = { rich: walletOf(owner.address), poor: walletOf(poor.address) };
    for (const [name, code] of Object.entries(contracts)) {
      const { address: at } = await world.payer();
      address[name] = walletOf(at);
      await place(world.chain, at, code);
    }
    const spent = await world.sign(owner);
    await world.land((nonce) => buildSettlement(network, spent, nonce, FEES));
    const usedNonce = spent.authorization.nonce;
    return new Court(world, { owner, stranger, poor, address: address as Payers["address"], usedNonce });
  }

  close(): Promise<void> {
    return this.#world.chain.stop();
  }

  async judge(c: Case): Promise<Verdicts> {
    const payload = await this.#payloadOf(c);
    const [ours, stock, token] = await Promise.all([this.#ours(payload), this.#theirs(payload), this.#token(payload)]);
    return { ours: ours === "yes", stock: stock === "yes", token: token === "yes", words: { ours, stock, token } };
  }

  async #ours(payload: unknown): Promise<string> {
    const header = readPayment(jsonToBase64(payload), null);
    if (header.kind !== "payment") return header.kind;
    const { authorization, signature } = header.payment;
    const fault = paymentFault(header.payment, this.#ask, BigInt(Math.floor(Date.now() / 1000)));
    if (fault) return fault.reason;
    const ports = {
      signerOf: (data: object, bytes: Hex) => recoverSigner(data as Parameters<typeof recoverSigner>[0], bytes),
      signerOfText: recoverTextSigner,
      contractSigned: (data: object | string, bytes: Hex, address: Wallet) =>
        this.#contractSigned(address, digestOf(data as Parameters<typeof digestOf>[0]), bytes),
    };
    const signing = await signedBy(ports, authorization.from, signature, [transferTypedData(network, authorization)]);
    if (signing !== "signed") return signing;
    return (await this.#chain.simulate(authorization, signature, this.#world.relayer)) ?? "yes";
  }

  async #theirs(payload: unknown): Promise<string> {
    try {
      const said = await this.#stock.verify(payload as PaymentPayload, requirementsOf(this.#ask) as never);
      return said.isValid ? "yes" : (said.invalidReason ?? "no");
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
  }

  async #token(payload: { payload: { signature: Hex; authorization: Record<string, unknown> } }): Promise<string> {
    try {
      const a = payload.payload.authorization;
      const number = (name: string) => BigInt(a[name] as string);
      const lower = (name: string) => String(a[name]).toLowerCase() as Hex;
      const data = encodeFunctionData({
        abi: TOKEN,
        functionName: "transferWithAuthorization",
        args: [
          lower("from"),
          lower("to"),
          number("value"),
          number("validAfter"),
          number("validBefore"),
          lower("nonce"),
          payload.payload.signature,
        ],
      });
      await this.#world.chain.client.call({ account: this.#world.relayer, to: network.usdc, data, gas: 160_000n });
      return "yes";
    } catch (error) {
      return error instanceof Error ? error.message.slice(0, 200) : String(error);
    }
  }

  async #payloadOf(c: Case) {
    const nowS = BigInt(Math.floor(Date.now() / 1000));
    const authorization: Authorization = {
      from: this.#payers.address[c.payer],
      to: c.to === "us" ? this.#world.payTo : this.#world.relayer,
      value: { exact: 50_000n, less: 49_999n, more: 50_001n, zero: 0n }[c.value],
      validAfterS: { past: nowS - 600n, zero: 0n, future: nowS + 300n }[c.after],
      validBeforeS: { soon: nowS + 120n, margin: nowS + 20n, past: nowS - 60n, far: nowS + 4_000n, never: 2n ** 255n }[
        c.before
      ],
      nonce: c.nonce === "used" ? this.#payers.usedNonce : generatePrivateKey(),
    };
    const resource = { same: { url: OFFER_URL }, other: { url: `${OFFER_URL}/other` }, absent: undefined }[c.resource];
    const written = spell(c.spelling, {
      from: authorization.from,
      to: authorization.to,
      value: authorization.value.toString(),
      validAfter: authorization.validAfterS.toString(),
      validBefore: authorization.validBeforeS.toString(),
      nonce: authorization.nonce,
    });
    const payload = { signature: await this.#signatureOf(c, authorization), authorization: written };
    return { x402Version: 2, ...(resource ? { resource } : {}), accepted: this.#accepted(c.accepted), payload };
  }

  #accepted(kind: Case["accepted"]) {
    const honest = requirementsOf(this.#ask);
    const lies: Record<Case["accepted"], object> = {
      honest: {},
      scheme: { scheme: "upto" },
      network: { network: "eip155:8453" },
      v1_network: { network: network.v1 },
      asset: { asset: this.#world.relayer },
      payTo: { payTo: this.#world.relayer },
      amount: { amount: "1" },
      extra: { extra: { name: "USD Coin", version: "1" } },
      lower_case: { asset: honest.asset.toLowerCase() },
    };
    return { ...honest, ...lies[kind] };
  }

  async #signatureOf(c: Case, authorization: Authorization): Promise<Hex> {
    const data = transferTypedData(network, authorization);
    const lies: Record<string, object> = {
      name: { name: "USD Coin" },
      version: { version: "1" },
      chain: { chainId: 8453 },
      token: { verifyingContract: this.#world.relayer },
    };
    const owner = c.payer === "poor" ? this.#payers.poor : this.#payers.owner;
    const signer = c.signer === "owner" ? owner : this.#payers.stranger;
    const signature = await signer.signTypedData({ ...data, domain: { ...data.domain, ...lies[c.signature] } });
    return disfigure(c.signature, signature);
  }
}
