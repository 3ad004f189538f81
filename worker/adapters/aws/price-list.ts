/**
 * Unit prices from AWS's Price List query API (`GetProducts`): the second source. A product is taken by what it is, never by being
 * cheap: exactly one must be left of each kind after the free ones are put aside, its unit must be the expected one and its tiers must
 * follow each other without a gap.
 */
import * as z from "zod";
import { decimalUp } from "#contract/decimal";
import type { RegionRates } from "#contract/rates";
import type { PriceSource, Taken } from "../../../durable/ports.ts";
import type { AwsCredentials, AwsJsonService } from "./json-api.ts";
import { answerTo, askPatiently, limited, NotTaken, type Pause } from "./patience.ts";
import { cardTiers, per1000, type Step } from "./tiers.ts";
import { EGRESS, READS, STORAGE, WRITES } from "./usage-codes.ts";

export interface PriceListConfig {
  /** Absent for AWS itself, which serves it in a few places. */
  readonly endpoint: string | undefined;
  readonly credentials: AwsCredentials;
  readonly pause: Pause;
}

const REGION = "us-east-1";
/** Of the API. */
const PAGE_MAX = 100;
/** Of ours: the filters leave a handful of products. */
const PAGES_MAX = 20;

interface Wanted {
  readonly serviceCode: string;
  readonly usage: string;
  readonly unit: string;
  filters(region: string): Record<string, string>;
}

const STORED: Wanted = {
  serviceCode: "AmazonS3",
  usage: STORAGE,
  unit: "GB-Mo",
  filters: (regionCode) => ({
    regionCode,
    productFamily: "Storage",
    volumeType: "Standard",
    storageClass: "General Purpose",
  }),
};
const WRITTEN: Wanted = {
  serviceCode: "AmazonS3",
  usage: WRITES,
  unit: "Requests",
  filters: (regionCode) => ({ regionCode, group: "S3-API-Tier1" }),
};
const READ: Wanted = { ...WRITTEN, usage: READS, filters: (regionCode) => ({ regionCode, group: "S3-API-Tier2" }) };
const SENT: Wanted = {
  serviceCode: "AWSDataTransfer",
  usage: EGRESS,
  unit: "GB",
  filters: (fromRegionCode) => ({ fromRegionCode, transferType: "AWS Outbound", toLocation: "External" }),
};

const Page = z.object({ PriceList: z.array(z.string()), NextToken: z.string().nullish() });
const Dimension = z.object({
  unit: z.string(),
  beginRange: z.string(),
  endRange: z.string(),
  pricePerUnit: z.record(z.string(), z.string()),
});
const Term = z.object({ effectiveDate: z.string(), priceDimensions: z.record(z.string(), Dimension) });
const Product = z.object({
  product: z.object({ sku: z.string(), attributes: z.record(z.string(), z.string()) }),
  terms: z.object({ OnDemand: z.record(z.string(), Term).optional() }),
});
type Product = z.infer<typeof Product>;

/** One region of one run. */
interface Asking {
  readonly region: string;
  readonly nowMs: number;
  readonly pause: Pause;
}

export function openPriceList({ endpoint, credentials, pause }: PriceListConfig): PriceSource {
  const service: AwsJsonService = {
    endpoint: endpoint ?? `https://api.pricing.${REGION}.amazonaws.com`,
    region: REGION,
    service: "pricing",
    target: "AWSPriceListService",
    version: "1.1",
    credentials,
  };

  const productsOf = async (
    { serviceCode, filters }: Wanted,
    { region, pause: patience }: Asking,
  ): Promise<Product[]> => {
    const found: Product[] = [];
    let token: string | null | undefined;
    for (let page = 0; page < PAGES_MAX; page++) {
      const input = {
        ServiceCode: serviceCode,
        Filters: Object.entries(filters(region)).map(([Field, Value]) => ({ Type: "TERM_MATCH", Field, Value })),
        FormatVersion: "aws_v1",
        ...(token ? { NextToken: token } : {}),
        MaxResults: PAGE_MAX,
      };
      const told = Page.parse(await answerTo("GetProducts", askPatiently(service, "GetProducts", input, patience)));
      found.push(...told.PriceList.map((text) => Product.parse(JSON.parse(text))));
      token = told.NextToken;
      if (!token) return found;
    }
    throw new NotTaken(`more than ${PAGES_MAX} pages of ${serviceCode} in ${region}`);
  };

  const stepsOf = async (wanted: Wanted, asking: Asking) =>
    theOne(await productsOf(wanted, asking), wanted, asking.region, asking.nowMs);

  const ratesOf = async (asking: Asking): Promise<RegionRates> => ({
    storageGbMonth: cardTiers(await stepsOf(STORED, asking)),
    egressGb: cardTiers(await stepsOf(SENT, asking)),
    writePer1000: per1000(await stepsOf(WRITTEN, asking)),
    readPer1000: per1000(await stepsOf(READ, asking)),
  });

  return {
    name: "AWS Price List",
    label: "price-list",
    async take(regions, nowMs): Promise<Taken> {
      try {
        const taken: Record<string, RegionRates> = {};
        const patience = limited(pause);
        for (const region of regions) taken[region] = await ratesOf({ region, nowMs, pause: patience });
        return { end: "done", regions: taken };
      } catch (error) {
        return { end: "unknown", detail: String(error instanceof NotTaken ? error.message : error).slice(0, 500) };
      }
    },
  };
}

/** The tiers of the one product this is about; two that say the same are one. */
function theOne(products: readonly Product[], { usage, unit }: Wanted, region: string, nowMs: number): Step[] {
  // A region's code stands before the usage type, and nothing else may: "Requests-SIA-Tier1" is another class's.
  const right = new RegExp(`^(?:[A-Z]+[0-9]*-)?${usage}$`);
  const candidates = products
    .filter(({ product: { attributes } }) => right.test(attributes["usagetype"] ?? ""))
    .filter(({ product: { attributes } }) => /^(?:AWS Region|)$/.test(locationType(attributes)))
    .map((product) => stepsIn(product, unit, nowMs))
    .filter((steps) => steps.some(({ pico }) => pico > 0n));
  const different = new Map(
    candidates.map((steps) => [steps.map(({ upTo, pico }) => `${upTo}:${pico}`).join(), steps]),
  );
  const [steps] = different.values();
  if (steps === undefined || different.size > 1)
    throw new NotTaken(`${different.size} products in the Price List are ${usage} in ${region}, wanted one`);
  return steps;
}

const locationType = (attributes: Record<string, string>) =>
  attributes["fromLocationType"] ?? attributes["locationType"] ?? "";

function stepsIn({ product: { sku }, terms }: Product, unit: string, nowMs: number): Step[] {
  const [term] = Object.values(terms.OnDemand ?? {})
    .filter(({ effectiveDate }) => Date.parse(effectiveDate) <= nowMs)
    .sort((a, b) => Date.parse(b.effectiveDate) - Date.parse(a.effectiveDate));
  const steps = Object.values(term?.priceDimensions ?? {})
    .map((dimension) => {
      const usd = dimension.pricePerUnit["USD"];
      const pico = usd === undefined ? undefined : decimalUp(usd, 12);
      if (dimension.unit !== unit || pico === undefined)
        throw new NotTaken(`SKU ${sku} is priced ${usd} per ${dimension.unit}, wanted dollars per ${unit}`);
      return { from: Number(dimension.beginRange), to: dimension.endRange, pico };
    })
    .sort((a, b) => a.from - b.from);
  const seamless = steps.every(
    ({ from }, index) => from === (index === 0 ? 0 : Number(steps[index - 1]?.to)) && Number.isSafeInteger(from),
  );
  if (steps.length === 0 || !seamless || steps.at(-1)?.to !== "Inf")
    throw new NotTaken(`the tiers of SKU ${sku} do not follow each other from 0 to Inf`);
  return steps.map(({ to, pico }) => ({ upTo: to === "Inf" ? undefined : Number(to), pico }));
}
