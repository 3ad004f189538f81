/** The one operation the edge needs, with the answers and the refusals AWS gives. */
import { createHash } from "node:crypto";
import * as z from "zod";
import { parseInput } from "../aws/parse-input.ts";
import type { Refusal } from "../aws/signature.ts";

export interface Vault {
  readonly region: string;
  readonly accountId: string;
  /** Secret strings by name. */
  readonly secrets: Readonly<Record<string, string>>;
  readonly createdAtMs: number;
}

export type Answer = { readonly value: SecretValue } | { readonly refusal: Refusal };

interface SecretValue {
  readonly ARN: string;
  readonly CreatedDate: number;
  readonly Name: string;
  readonly SecretString: string;
  readonly VersionId: string;
  readonly VersionStages: readonly string[];
}

const input = z.object({
  SecretId: z.string().min(1).max(2048),
  VersionId: z.string().min(32).max(64).optional(),
  VersionStage: z.string().min(1).max(256).optional(),
});

const refuse = (code: string, message: string): Answer => ({ refusal: { code, message } });
const notFound = (what: string) =>
  refuse("ResourceNotFoundException", `Secrets Manager can't find the specified secret${what}.`);

/** AWS ends an ARN with six characters of its own; ours come from the name, so they stay the same over restarts. */
function arnOf(name: string, vault: Vault): string {
  const suffix = createHash("sha256").update(name).digest("hex").slice(0, 6);
  return `arn:aws:secretsmanager:${vault.region}:${vault.accountId}:secret:${name}-${suffix}`;
}

/** There is one version of each secret; its name must not be made from the value, which it would help to guess. */
function versionOf(name: string, vault: Vault): string {
  const hex = createHash("sha256").update(`${name}\n${vault.createdAtMs}`).digest("hex");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20, 32)].join("-");
}

export function getSecretValue(body: Buffer, vault: Vault): Answer {
  const parsed = parseInput(input, body);
  if ("refusal" in parsed) return parsed;
  const { SecretId, VersionId, VersionStage } = parsed.value;
  const name = Object.keys(vault.secrets).find((known) => {
    const arn = arnOf(known, vault);
    return SecretId === known || SecretId === arn || SecretId === arn.slice(0, -7);
  });
  const secret = name === undefined ? undefined : vault.secrets[name];
  if (name === undefined || secret === undefined) return notFound("");
  const version = versionOf(name, vault);
  if (VersionStage !== undefined && VersionStage !== "AWSCURRENT") {
    return notFound(` value for staging label: ${VersionStage}`);
  }
  if (VersionId !== undefined && VersionId !== version) return notFound(` value for VersionId: ${VersionId}`);
  const value = {
    ARN: arnOf(name, vault),
    CreatedDate: Math.floor(vault.createdAtMs / 1000),
    Name: name,
    SecretString: secret,
    VersionId: version,
    VersionStages: ["AWSCURRENT"],
  };
  return { value };
}
