/**
 * AWS Secrets Manager `GetSecretValue` (JSON 1.1), signed by aws4fetch with credentials of its own that may do nothing else.
 * The relayer's key is read at run time and kept in memory only (PRD R8c); no variable of this service ever holds it.
 */
import { AwsV4Signer } from "aws4fetch";
import * as z from "zod";
import type { Secrets } from "../../durable/ports.ts";

export interface SecretsConfig {
  readonly endpoint: string;
  readonly region: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

const Answer = z.object({ SecretString: z.string() });
const TIMEOUT_MS = 5_000;

export function openSecrets(config: SecretsConfig): Secrets {
  return {
    async relayerKey(secretId) {
      const signer = new AwsV4Signer({
        method: "POST",
        url: new URL("/", config.endpoint).href,
        headers: { "content-type": "application/x-amz-json-1.1", "x-amz-target": "secretsmanager.GetSecretValue" },
        body: JSON.stringify({ SecretId: secretId }),
        accessKeyId: config.accessKeyId,
        secretAccessKey: config.secretAccessKey,
        service: "secretsmanager",
        region: config.region,
        signQuery: false,
        allHeaders: true,
      });
      const signed = await signer.sign();
      const response = await fetch(signed.url, {
        method: signed.method,
        headers: signed.headers,
        body: JSON.stringify({ SecretId: secretId }),
        redirect: "manual",
        signal: AbortSignal.timeout(TIMEOUT_MS),
      });
      // The body of an error names the secret, never its value; the body of a success must not reach a log.
      if (!response.ok)
        throw new Error(`Secrets Manager answered ${response.status}: ${(await response.text()).slice(0, 200)}`);
      return keyIn(Answer.parse(await response.json()).SecretString, secretId);
    },
  };
}

/** The bare key, or a JSON object with one: both are what people put into Secrets Manager. */
function keyIn(secret: string, secretId: string): `0x${string}` {
  const text = secret.trim();
  const bare = text.startsWith("{") ? fieldOf(text) : text;
  const hex = /^(?:0x)?([0-9a-fA-F]{64})$/.exec(bare)?.[1];
  if (hex === undefined) throw new Error(`the secret ${secretId} is not a private key of 64 hex digits`);
  return `0x${hex.toLowerCase()}`;
}

function fieldOf(json: string): string {
  const fields = JSON.parse(json) as Record<string, unknown>;
  const value = fields["private_key"] ?? fields["privateKey"] ?? fields["key"];
  return typeof value === "string" ? value.trim() : "";
}
