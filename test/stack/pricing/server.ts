/**
 * Stand-ins for the AWS services that know about money and cannot be had here: BCM Pricing Calculator, Price List, Cost Explorer. One
 * server, since each request names its service in its target and in its signature.
 */
import { type Heard, type JsonServer, type JsonService, type Result, startJsonServer } from "../aws/json-server.ts";
import type { Refusal } from "../aws/signature.ts";
import { openCalculator } from "./calculator.ts";
import { CATALOGUE, type Product } from "./catalogue.ts";
import { type DailyCost, getCostForecast } from "./cost-explorer.ts";
import { getProducts } from "./price-list.ts";

export interface PricingOptions {
  /** 0 picks a free one. */
  readonly port: number;
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string };
  readonly accountId?: string;
  /** What AWS sells today; asked anew with each request. */
  readonly catalogue?: () => readonly Product[];
  /** What the account spends a day, asked anew with each request; nothing, and Cost Explorer has nothing to tell from. */
  readonly dailyCosts?: () => readonly DailyCost[];
  /** How the calculator shows a cost. */
  readonly shown?: (usd: number) => number;
  readonly pageSize?: number;
  /** Says no in the service's stead, before it has done anything; may wait. */
  readonly fault?: (operation: string) => Refusal | undefined | Promise<Refusal | undefined>;
  readonly nowMs?: () => number;
  readonly log?: (line: string) => void;
  readonly overhear?: (heard: Heard) => void;
}

export interface PricingServer extends JsonServer {
  /** Names of workload estimates that nobody deleted. */
  estimatesLeft(): string[];
}

export async function startPricing(options: PricingOptions): Promise<PricingServer> {
  const { port, credentials, dailyCosts = () => [], nowMs = Date.now, pageSize = 100 } = options;
  const { accountId = "000000000001", catalogue = () => CATALOGUE, fault = () => undefined } = options;
  const here = { credentials, region: "us-east-1" };
  const shown = options.shown === undefined ? {} : { shown: options.shown };
  const calculator = openCalculator({ catalogue, accountId, nowMs, pageSize, ...shown });
  const services: JsonService[] = [
    {
      ...here,
      target: "AWSBCMPricingCalculator",
      signedAs: "bcm-pricing-calculator",
      version: "1.0",
      operations: calculator.operations,
    },
    {
      ...here,
      target: "AWSPriceListService",
      signedAs: "pricing",
      version: "1.1",
      operations: { GetProducts: (body) => getProducts(body, catalogue(), pageSize) },
    },
    {
      ...here,
      target: "AWSInsightsIndexService",
      signedAs: "ce",
      version: "1.1",
      operations: { GetCostForecast: (body) => getCostForecast(body, dailyCosts(), nowMs()) },
    },
  ];
  const server = await startJsonServer({
    port,
    services: services.map((service) => ({ ...service, operations: faulty(service.operations, fault) })),
    overhear: options.overhear,
    ...(options.log === undefined ? {} : { log: options.log }),
  });
  return { ...server, estimatesLeft: calculator.left };
}

function faulty(operations: JsonService["operations"], fault: NonNullable<PricingOptions["fault"]>) {
  return Object.fromEntries(
    Object.entries(operations).map(([name, perform]) => [
      name,
      async (body: Buffer): Promise<Result> => {
        const refusal = await fault(name);
        return refusal ? { refusal } : perform(body);
      },
    ]),
  );
}
