/**
 * AWS Secrets Manager `GetSecretValue` (JSON 1.1), signed by aws4fetch with credentials of its own that may do nothing else.
 * The relayer's key is read at run time and kept in memory only (PRD R8c); no variable of this service ever holds it.
 */
import * as z from "zod";
import type { Secrets } from "../../durable/ports.ts";
import { type AwsJsonService, callAws } from "./aws/json-api.ts";

export interface SecretsConfig {
  readonly endpoint: string;
  readonly region: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

const Answer = z.object({ SecretString: z.string() });

export function openSecrets(config: SecretsConfig): Secrets {
  const { endpoint, region, accessKeyId, secretAccessKey } = config;
  const service: AwsJsonService = {
    endpoint,
    region,
    service: "secretsmanager",
    target: "secretsmanager",
    version: "1.1",
    credentials: { accessKeyId, secretAccessKey },
  };
  return {
    async relayerKey(secretId) {
      const answer = await callAws(service, "GetSecretValue", { SecretId: secretId });
      // The body of an error names the secret, never its value; the body of a success must not reach a log.
      if (answer.ok === undefined) throw new Error(`Secrets Manager: ${answer.detail}`);
      if (!answer.ok) throw new Error(`Secrets Manager answered ${answer.status}: ${answer.code} ${answer.message}`);
      return keyIn(Answer.parse(answer.value).SecretString, secretId);
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
