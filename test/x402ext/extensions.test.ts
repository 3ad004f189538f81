/** Identifiers read by hand, a catalogue entry that is true, and an OpenAPI document that lists what the router routes. */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { UploadRequest } from "#contract/api";
import { UPLOAD_BAZAAR, UPLOAD_EXAMPLE } from "#contract/bazaar";
import { readPaymentIdentifier } from "#contract/extensions";
import { openapiDocument } from "#contract/openapi";
import { OPERATIONS } from "#contract/operations";
import { parseWallet } from "#contract/wallet";
import { networkOf, requirementsOf } from "#contract/x402";

describe("a payment identifier", () => {
  const read = (id: unknown) => readPaymentIdentifier({ "payment-identifier": { info: { required: false, id } } });

  test.each(["pay_7d5d747be160e280", "A".repeat(128), "a-b_c-d_e-f_g-h_"])("may be %s", (id) => {
    expect(read(id)).toEqual({ kind: "id", id });
  });

  test.each([
    ["fifteen chars___"],
    ["short"],
    ["A".repeat(129)],
    ["sixteen chars ok"],
    ["ünïcode_ünïcode_"],
    [42],
    [{}],
  ])("may not be %j", (id) => {
    expect(read(id).kind).toBe("malformed");
  });

  test("that is not there is none, whatever stands in its place", () => {
    for (const echoed of [
      undefined,
      {},
      { "payment-identifier": null },
      { "payment-identifier": [] },
      { "payment-identifier": { info: { required: false } } },
      { "payment-identifier": { info: "text" } },
    ])
      expect(readPaymentIdentifier(echoed)).toEqual({ kind: "none" });
  });

  test("is read without looking at the client's schema", () => {
    const schema = new Proxy({}, { get: () => expect.fail("the schema was read") });
    const id = "pay_7d5d747be160e280";
    expect(readPaymentIdentifier({ "payment-identifier": { info: { id }, schema } })).toEqual({ kind: "id", id });
  });
});

describe("discovery", () => {
  test("the declared example is a request the route takes, under the schema it declares", () => {
    expect(UploadRequest.safeParse(UPLOAD_EXAMPLE).success).toBe(true);
    const { input } = UPLOAD_BAZAAR.info;
    const declared = UPLOAD_BAZAAR.schema.properties.input;
    for (const name of declared.required) expect(input).toHaveProperty(name);
    for (const name of declared.properties.body.required) expect(input.body).toHaveProperty(name);
    expect(input.body.content_sha256).toMatch(new RegExp(declared.properties.body.properties.content_sha256.pattern));
  });

  test("openapi lists every route of the router, and no other", () => {
    const source = readFileSync(new URL("../../worker/http.ts", import.meta.url), "utf8");
    const routed = [...source.matchAll(/^ {2}on\(\[([^\]]+)\], "([^"]+)"/gm)].flatMap(([, methods = "", path = ""]) =>
      methods.split(",").map((method) => `${method.trim().replaceAll('"', "")} ${path.replace(/:(\w+)/g, "{$1}")}`),
    );
    const listed = OPERATIONS.flatMap(({ methods, path }) =>
      methods.map((method) => `${method.toUpperCase()} ${path}`),
    );
    expect(listed.sort()).toEqual([...routed, "GET /healthz"].sort());
  });

  test("the document is whole: unique operation ids, a schema for each body, a price where one pays", () => {
    const network = networkOf(84_532);
    const payTo = parseWallet(`0x${"1".repeat(40)}`);
    if (!network || !payTo) throw new Error("no network");
    const offer = requirementsOf({ network, payTo, amount: 10_000n, resourceUrl: "", description: "" });
    const document = openapiDocument("https://edge.example", offer);
    const operations = Object.values(document.paths).flatMap((item) => Object.values(item)) as {
      operationId: string;
      requestBody?: { content: { "application/json": { schema: { properties: object } } } };
      "x-payment-info"?: object;
    }[];
    expect(new Set(operations.map(({ operationId }) => operationId)).size).toBe(operations.length);
    const bodies = operations.flatMap(({ requestBody }) => requestBody?.content["application/json"].schema ?? []);
    expect(bodies.length).toBeGreaterThan(5);
    for (const schema of bodies) expect(schema).toHaveProperty("properties");
    expect(operations.filter((operation) => operation["x-payment-info"])).toHaveLength(2);
    expect(document.info).toMatchObject({ title: "mnemospark", "x-guidance": expect.stringContaining("x402") });
    expect(JSON.parse(JSON.stringify(document))).toEqual(document);
  });
});
