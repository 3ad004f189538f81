/** The stand-in against the clients it must satisfy: AWS's own, and the small one a Worker uses. */
import {
  GetSecretValueCommand,
  ResourceNotFoundException,
  SecretsManagerClient,
  SecretsManagerServiceException,
} from "@aws-sdk/client-secrets-manager";
import { AwsClient } from "aws4fetch";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type SecretsManager, startSecretsManager } from "../stack/secrets-manager/server.ts";

const credentials = { accessKeyId: "AKIALOCALEXAMPLE", secretAccessKey: "local/secret+access/key" };
const name = "mnemospark/relayer-private-key";
const value = "0x00112233445566778899aabbccddeeff";
const log: string[] = [];
let server: SecretsManager;

beforeAll(async () => {
  server = await startSecretsManager({
    port: 0,
    secrets: { [name]: value },
    credentials,
    log: (line) => log.push(line),
  });
});
afterAll(() => server.stop());

const sdk = (overrides: { region?: string; secretAccessKey?: string; accessKeyId?: string } = {}) =>
  new SecretsManagerClient({
    endpoint: server.url,
    region: overrides.region ?? "us-east-1",
    maxAttempts: 1,
    credentials: { ...credentials, ...overrides },
  });

const codeOf = async (call: Promise<unknown>) => {
  const error = await call.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof SecretsManagerServiceException))
    throw new Error(`not refused as AWS refuses: ${String(error)}`);
  return `${error.$metadata.httpStatusCode} ${error.name}`;
};

describe("AWS's own client", () => {
  test("reads a secret by name, by ARN and by the ARN without its ending", async () => {
    const first = await sdk().send(new GetSecretValueCommand({ SecretId: name }));
    expect(first).toMatchObject({ Name: name, SecretString: value, VersionStages: ["AWSCURRENT"] });
    expect(first.CreatedDate).toBeInstanceOf(Date);
    const arn = first.ARN ?? "";
    expect(arn).toMatch(
      /^arn:aws:secretsmanager:us-east-1:000000000001:secret:mnemospark\/relayer-private-key-[0-9a-f]{6}$/,
    );
    for (const SecretId of [arn, arn.slice(0, -7)]) {
      expect((await sdk().send(new GetSecretValueCommand({ SecretId }))).SecretString).toBe(value);
    }
    const version = { SecretId: name, VersionId: first.VersionId, VersionStage: "AWSCURRENT" };
    expect((await sdk().send(new GetSecretValueCommand(version))).SecretString).toBe(value);
  });

  test("is told that a secret is not there", async () => {
    const call = sdk().send(new GetSecretValueCommand({ SecretId: "nobody/knows" }));
    await expect(call).rejects.toBeInstanceOf(ResourceNotFoundException);
    const previous = new GetSecretValueCommand({ SecretId: name, VersionStage: "AWSPREVIOUS" });
    await expect(sdk().send(previous)).rejects.toBeInstanceOf(ResourceNotFoundException);
  });

  test.each([
    ["a wrong secret key", { secretAccessKey: "wrong" }, "400 InvalidSignatureException"],
    ["a stranger's key", { accessKeyId: "AKIASTRANGER" }, "400 UnrecognizedClientException"],
    ["another region", { region: "eu-north-1" }, "400 InvalidSignatureException"],
  ])("is refused with %s", async (_what, overrides, refusal) => {
    expect(await codeOf(sdk(overrides).send(new GetSecretValueCommand({ SecretId: name })))).toBe(refusal);
  });
});

describe("a small signer", () => {
  const call = async (change: {
    target?: string;
    body?: string;
    sentBody?: string;
    datetime?: string;
    service?: string;
    drop?: string;
    unsigned?: Record<string, string>;
  }) => {
    const aws = new AwsClient({ ...credentials, region: "us-east-1", service: change.service ?? "secretsmanager" });
    const body = change.body ?? JSON.stringify({ SecretId: name });
    const signed = await aws.sign(server.url, {
      method: "POST",
      headers: {
        "content-type": "application/x-amz-json-1.1",
        "x-amz-target": change.target ?? "secretsmanager.GetSecretValue",
      },
      body,
      ...(change.datetime === undefined ? {} : { aws: { datetime: change.datetime } }),
    });
    const headers = new Headers(signed.headers);
    if (change.drop !== undefined) headers.delete(change.drop);
    for (const [key, text] of Object.entries(change.unsigned ?? {})) headers.set(key, text);
    const response = await fetch(server.url, { method: "POST", headers, body: change.sentBody ?? body });
    const reply = (await response.json()) as { __type?: string; SecretString?: string };
    return { status: response.status, type: reply.__type, value: reply.SecretString };
  };
  const stamp = (ms: number) => new Date(Date.now() + ms).toISOString().replaceAll(/[-:]|\.\d+/g, "");
  const minutes = 60_000;

  test("reads a secret", async () => {
    expect(await call({})).toEqual({ status: 200, type: undefined, value });
    expect(await call({ datetime: stamp(-14 * minutes) })).toMatchObject({ status: 200 });
  });

  test.each([
    ["a stale date", { datetime: stamp(-16 * minutes) }, "InvalidSignatureException"],
    ["a date to come", { datetime: stamp(16 * minutes) }, "InvalidSignatureException"],
    ["another service", { service: "s3" }, "InvalidSignatureException"],
    ["a body changed on the way", { sentBody: '{"SecretId":"other"}' }, "InvalidSignatureException"],
    ["a header of ours left unsigned", { unsigned: { "x-amz-extra": "1" } }, "InvalidSignatureException"],
    ["no signature", { drop: "authorization" }, "MissingAuthenticationTokenException"],
    ["half a signature", { unsigned: { authorization: "AWS4-HMAC-SHA256 x" } }, "IncompleteSignatureException"],
    ["no date", { drop: "x-amz-date" }, "InvalidSignatureException"],
    ["another operation", { target: "secretsmanager.DeleteSecret" }, "UnknownOperationException"],
    ["a body that is not JSON", { body: "{" }, "SerializationException"],
    ["a body without a name", { body: "{}" }, "ValidationException"],
    ["far too long a body", { body: `{"SecretId":"${"x".repeat(70_000)}"}` }, "ValidationException"],
  ])("is refused with %s", async (_what, change, type) => {
    expect(await call(change)).toEqual({ status: 400, type, value: undefined });
  });
});

test("the log names what was read and never holds a value", () => {
  expect(log).toContain(`GetSecretValue ${name}`);
  expect(log.join("\n")).not.toContain(value);
});
