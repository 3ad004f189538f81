/**
 * A stand-in for AWS Secrets Manager, which cannot be had here: its JSON 1.1 protocol, its signature check, one operation.
 *
 * It says which secret was read, never what it is.
 */
import { type JsonServer, startJsonServer } from "../aws/json-server.ts";
import { takePort } from "../ports.ts";
import { getSecretValue, type Vault } from "./get-secret-value.ts";

export interface SecretsManagerOptions {
  /** 0 picks a free one. */
  readonly port: number;
  /** Secret strings by name. */
  readonly secrets: Readonly<Record<string, string>>;
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string };
  readonly region?: string;
  readonly accountId?: string;
  readonly log?: (line: string) => void;
}

export type SecretsManager = JsonServer;

export async function startSecretsManager(options: SecretsManagerOptions): Promise<SecretsManager> {
  const { credentials, secrets, region = "us-east-1", accountId = "000000000001", log = () => {} } = options;
  const vault: Vault = { region, accountId, secrets, createdAtMs: Date.now() };
  const read = (body: Buffer) => {
    const result = getSecretValue(body, vault);
    return "refusal" in result ? result : { ...result, log: result.value.Name };
  };
  return startJsonServer({
    port: await takePort("secrets", options.port),
    services: [
      {
        target: "secretsmanager",
        signedAs: "secretsmanager",
        version: "1.1",
        credentials,
        region,
        operations: { GetSecretValue: read },
      },
    ],
    log,
  });
}
