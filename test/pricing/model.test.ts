/**
 * AWS's models (model.ts) against all three that speak of them here: our adapters' requests, the stand-ins' answers and refusals, and the
 * transcription in bcm-client.ts. None of them can drift into something AWS does not know.
 */
import { AwsV4Signer } from "aws4fetch";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { parseWallet, type Wallet } from "#contract/wallet";
import { openCalculator } from "../../worker/adapters/aws/calculator.ts";
import { openForecasts } from "../../worker/adapters/aws/cost-explorer.ts";
import { openPriceList } from "../../worker/adapters/aws/price-list.ts";
import type { Heard } from "../stack/aws/json-server.ts";
import { type PricingServer, startPricing } from "../stack/pricing/server.ts";
import { TRANSCRIBED } from "./bcm-client.ts";
import { faultOf, modelOf, SERVICES, type ServiceModel, shapeOf, spoiled, TAKEN_FROM } from "./model.ts";

const credentials = { accessKeyId: "AKIALOCALEXAMPLE", secretAccessKey: "local/secret+access/key" };
const wallet = parseWallet(`0x${"ab".repeat(20)}`) as Wallet;

const heard: Heard[] = [];
const answers: { readonly target: string; readonly body: string }[] = [];
let server: PricingServer;
beforeAll(async () => {
  server = await startPricing({
    port: 0,
    credentials,
    pageSize: 7,
    overhear: (each) => heard.push(each),
    dailyCosts: () => [
      {
        tags: { "mnemospark:wallet": wallet },
        usageType: "TimedStorage-ByteHrs",
        service: "Amazon Simple Storage Service",
        usd: "0.01",
      },
    ],
  });
  const real = globalThis.fetch;
  vi.stubGlobal("fetch", async (...asked: Parameters<typeof fetch>) => {
    const response = await real(...asked);
    const target = new Headers(asked[1]?.headers).get("x-amz-target") ?? "";
    answers.push({ target, body: await response.clone().text() });
    return response;
  });
  await everything(server.url);
  vi.unstubAllGlobals();
});
afterAll(() => server.stop());
afterEach(() => vi.unstubAllGlobals());

/** Each of our adapters, once. */
async function everything(endpoint: string | undefined) {
  const nowMs = Date.now();
  const common = { endpoint, credentials, pause: async () => {} };
  const newToken = () => crypto.randomUUID();
  return [
    await openCalculator({ ...common, accountId: "000000000001", newToken }).take(["us-east-1", "eu-north-1"], nowMs),
    await openPriceList(common).take(["us-east-1"], nowMs),
    await openForecasts(common).storageCost({ wallet, fromMs: nowMs, untilMs: nowMs + 30 * 86_400_000 }, nowMs),
  ];
}

const operations = Object.entries(SERVICES).flatMap(([prefix, service]) =>
  Object.keys(service.operations).map((name) => `${prefix}.${name}`),
);
/** A request of ours as an example; the one with the most in it. */
const exampleOf = (target: string) =>
  heard.filter((each) => each.target === target).sort((a, b) => b.body.length - a.body.length)[0]?.body ?? "{}";

describe(`by the models of ${TAKEN_FROM}`, () => {
  test("our adapters use each operation that was taken, and no other", () => {
    expect([...new Set(heard.map(({ target }) => target))].sort()).toEqual(operations.sort());
  });

  test("every request of ours is one: method, path, content type, members, types and limits", () => {
    for (const { target, method, path, contentType, body } of heard) {
      const { service, operation } = modelOf(target);
      expect([method, path]).toEqual([operation.method, operation.path]);
      expect(contentType).toBe(`application/x-amz-json-${service.jsonVersion}`);
      expect(faultOf(service, operation.input, JSON.parse(body)), `${target} ${body}`).toBeUndefined();
    }
  });

  test("every answer of the stand-ins is one, and nothing is in it that AWS would not say", () => {
    expect(answers).toHaveLength(heard.length);
    for (const { target, body } of answers) {
      const { service, operation } = modelOf(target);
      expect(faultOf(service, operation.output, JSON.parse(body)), `${target} ${body}`).toBeUndefined();
    }
  });

  test("what AWS refuses for its shape, the stand-ins refuse", async () => {
    let count = 0;
    for (const target of operations) {
      const { service, operation } = modelOf(target);
      for (const { said, value } of spoiled(service, operation.input, JSON.parse(exampleOf(target)))) {
        if (faultOf(service, operation.input, value) === undefined) throw new Error(`${target}: ${said} is no fault`);
        const status = await statusOf(service, target, value);
        expect(status, `${target}: ${said}`).toBe(400);
        count += 1;
      }
    }
    expect(count).toBeGreaterThan(80);
  });

  test("AWS is asked where its rules say, and signatures name the service as they do", async () => {
    const asked = new Map<string, Set<string>>();
    vi.stubGlobal("fetch", async (url: string, init: RequestInit) => {
      const headers = new Headers(init.headers);
      const [prefix = ""] = (headers.get("x-amz-target") ?? "").split(".");
      const scope = /Credential=[^/]+\/\d{8}\/([^,]+)\/aws4_request/.exec(headers.get("authorization") ?? "")?.[1];
      asked.set(prefix, (asked.get(prefix) ?? new Set()).add(`${new URL(url).origin} ${scope}`));
      throw new TypeError("AWS is not asked in a test");
    });
    for (const outcome of await everything(undefined)) expect(outcome.end).toBe("unknown");
    expect(Object.fromEntries([...asked].map(([prefix, places]) => [prefix, [...places]]))).toEqual(
      Object.fromEntries(
        Object.entries(SERVICES).map(([prefix, { endpoint, signingName }]) => [
          prefix,
          [`${endpoint} us-east-1/${signingName}`],
        ]),
      ),
    );
  });

  test("the transcription for AWS's own machinery says the same, member by member", () => {
    const service = SERVICES["AWSBCMPricingCalculator"] as ServiceModel;
    expect(Object.keys(TRANSCRIBED).sort()).toEqual(Object.keys(service.operations).sort());
    for (const [name, [request, response]] of Object.entries(TRANSCRIBED)) {
      const operation = service.operations[name];
      for (const [members, shape] of [
        [request, operation?.input],
        [response, operation?.output],
      ] as const)
        expect(differing(service, members, shape ?? ""), `${name}: ${shape}`).toEqual([]);
    }
  });
});

async function statusOf({ signingName, jsonVersion }: ServiceModel, target: string, value: unknown): Promise<number> {
  const signer = new AwsV4Signer({
    ...credentials,
    method: "POST",
    url: new URL("/", server.url).href,
    headers: { "content-type": `application/x-amz-json-${jsonVersion}`, "x-amz-target": target },
    body: JSON.stringify(value),
    service: signingName,
    region: "us-east-1",
    allHeaders: true,
  });
  const { url, headers } = await signer.sign();
  const said = await fetch(url, { method: "POST", headers, body: JSON.stringify(value) });
  await said.arrayBuffer();
  return said.status;
}

/** The SDK's notation of a type: 0 text, 1 number, 4 time; [0, …] text with traits; [1, …] list; [3, …] structure. */
const SCALARS: Readonly<Record<number, readonly string[]>> = {
  0: ["string"],
  1: ["integer", "double"],
  4: ["timestamp"],
};

/** Members that the transcription has and the model has not, or as another type. It may leave out what we never use. */
function differing(service: ServiceModel, members: Readonly<Record<string, unknown>>, shape: string): string[] {
  return Object.entries(members).flatMap(([member, schema]) => {
    const name = shapeOf(service, shape).members?.[member];
    return name === undefined ? [`${shape}.${member} is unknown`] : unlike(service, schema, name, `${shape}.${member}`);
  });
}

function unlike(service: ServiceModel, schema: unknown, name: string, at: string): string[] {
  const known = shapeOf(service, name);
  const parts = Array.isArray(schema) ? (schema as readonly unknown[]) : [schema];
  const [kind] = parts;
  if (kind === 3) {
    const [names, schemas] = [parts[4] as string[], parts[5] as unknown[]];
    const members = Object.fromEntries(names.map((each, index) => [each, schemas[index]]));
    return known.type === "structure" ? differing(service, members, name) : [`${at} is a ${known.type}`];
  }
  if (kind === 1 && parts.length > 1)
    return known.type === "list" ? unlike(service, parts[4], known.member ?? "", `${at}[]`) : [`${at} is no list`];
  return SCALARS[Number(kind)]?.includes(known.type) ? [] : [`${at} is a ${known.type}`];
}
