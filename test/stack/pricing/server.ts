/**
 * Stand-ins for the AWS services that know about money and cannot be had here. One server, since each request names its service in
 * its target and in its signature.
 */
import { type Heard, type JsonServer, startJsonServer } from "../aws/json-server.ts";
import { type DailyCost, getCostForecast } from "./cost-explorer.ts";

export interface PricingOptions {
  /** 0 picks a free one. */
  readonly port: number;
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string };
  /** What the account spends a day; none, and Cost Explorer has nothing to tell from. */
  readonly dailyCosts?: readonly DailyCost[];
  readonly nowMs?: () => number;
  readonly log?: (line: string) => void;
  readonly overhear?: (heard: Heard) => void;
}

export type PricingServer = JsonServer;

export function startPricing(options: PricingOptions): Promise<PricingServer> {
  const { port, credentials, dailyCosts = [], nowMs = Date.now, log = () => {} } = options;
  const here = { credentials, region: "us-east-1" };
  return startJsonServer({
    port,
    log,
    overhear: options.overhear,
    services: [
      {
        ...here,
        target: "AWSInsightsIndexService",
        signedAs: "ce",
        version: "1.1",
        operations: { GetCostForecast: (body) => getCostForecast(body, dailyCosts, nowMs()) },
      },
    ],
  });
}
