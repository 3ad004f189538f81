/** The Price List query API's `GetProducts`: products that match all filters, each as a JSON text, page by page. */
import { createHash } from "node:crypto";
import * as z from "zod";
import type { Result } from "../aws/json-server.ts";
import { parseInput } from "../aws/parse-input.ts";
import type { Product } from "./catalogue.ts";

const input = z.strictObject({
  ServiceCode: z.string().min(1),
  Filters: z
    .array(
      z.strictObject({
        Type: z.enum(["TERM_MATCH", "EQUALS", "CONTAINS", "ANY_OF", "NONE_OF"]),
        Field: z.string().min(1).max(1024),
        Value: z.string().min(1).max(1024),
      }),
    )
    .max(50)
    .default([]),
  FormatVersion: z.string().max(32).default("aws_v1"),
  NextToken: z.string().optional(),
  MaxResults: z.int().min(1).max(100).default(100),
});

/** `pageSize`: never more than so many at once, whatever is asked for, so that pages are met. */
export function getProducts(body: Buffer, catalogue: readonly Product[], pageSize: number): Result {
  const parsed = parseInput(input, body, "InvalidParameterException");
  if ("refusal" in parsed) return parsed;
  const { ServiceCode, Filters, FormatVersion, NextToken, MaxResults } = parsed.value;
  const refuse = (code: string, message: string): Result => ({ refusal: { code, message } });
  if (FormatVersion !== "aws_v1") return refuse("InvalidParameterException", `Unknown format ${FormatVersion}.`);
  const found = catalogue.filter(
    (product) =>
      product.serviceCode === ServiceCode &&
      Filters.every(({ Type, Field, Value }) => {
        const own = Field === "productFamily" ? product.family : product.attributes[Field];
        if (Type === "TERM_MATCH" || Type === "EQUALS") return own?.toLowerCase() === Value.toLowerCase();
        if (Type === "CONTAINS") return own?.includes(Value) ?? false;
        const named = Value.split(",").includes(own ?? "");
        return Type === "ANY_OF" ? named : !named;
      }),
  );
  if (!catalogue.some((product) => product.serviceCode === ServiceCode))
    return refuse("NotFoundException", `The service ${ServiceCode} is not known.`);
  const from = NextToken === undefined ? 0 : Number(Buffer.from(NextToken, "base64url").toString());
  if (!Number.isSafeInteger(from) || from < 0) return refuse("InvalidNextTokenException", "The token is not ours.");
  const to = from + Math.min(MaxResults, pageSize);
  const PriceList = found.slice(from, to).map((product) => JSON.stringify(listed(product)));
  const more = to < found.length ? { NextToken: Buffer.from(String(to)).toString("base64url") } : {};
  return { value: { FormatVersion: "aws_v1", PriceList, ...more }, log: ServiceCode };
}

function listed({ serviceCode, family, attributes, unit, tiers }: Product): object {
  const sku = createHash("sha256").update(JSON.stringify(attributes)).digest("hex").slice(0, 16).toUpperCase();
  const term = `${sku}.JRTCKXETXF`;
  const dimensions = tiers.map(({ from, to, usd }, index) => {
    const rateCode = `${term}.${String(index).padStart(10, "0")}`;
    const range = { beginRange: String(from), endRange: to === undefined ? "Inf" : String(to) };
    const description = `$${usd} per ${unit}`;
    return [rateCode, { unit, ...range, description, appliesTo: [], rateCode, pricePerUnit: { USD: usd } }];
  });
  return {
    product: { productFamily: family, attributes, sku },
    serviceCode,
    terms: {
      OnDemand: {
        [term]: {
          // The order of an object's members means nothing, and AWS keeps none.
          priceDimensions: Object.fromEntries(dimensions.reverse()),
          sku,
          effectiveDate: "2026-10-01T00:00:00Z",
          offerTermCode: "JRTCKXETXF",
          termAttributes: {},
        },
      },
    },
    version: "20261101000000",
    publicationDate: "2026-11-01T00:00:00Z",
  };
}
