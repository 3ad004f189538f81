/**
 * AWS's own client machinery for BCM Pricing Calculator. Its generated package cannot be had from the registry used here, so the
 * package's parts are put together: the SDK's client, signer, JSON 1.0 protocol and command builder (all of them AWS's), and the
 * shapes of six operations, transcribed from the service's public model (2024-06-19) into the SDK's own schema notation.
 * `botocore.py` beside this holds the stand-in against a client whose model AWS ships itself.
 */

import { PricingClient } from "@aws-sdk/client-pricing";
import { AwsJson1_0Protocol } from "@aws-sdk/core/protocols";
import { makeBuilder, ServiceException } from "@smithy/core/client";
import { getEndpointPlugin } from "@smithy/core/endpoints";
import { TypeRegistry } from "@smithy/core/schema";

const NS = "com.amazonaws.bcmpricingcalculator";

/** Schema notation of the SDK: kind, namespace, name, traits, member names, member schemas. 0 text, 1 number, 4 timestamp. */
const TEXT = 0;
const NUMBER = 1;
const TIME = 4;
type Schema = number | readonly unknown[] | (() => Schema);
const structure = (name: string, members: Record<string, Schema>) => [
  3,
  NS,
  name,
  0,
  Object.keys(members),
  Object.values(members),
];
const list = (name: string, member: Schema) => [1, NS, name, 0, member];
const token = [TEXT, { idempotencyToken: 1 }];

const summary = {
  id: TEXT,
  name: TEXT,
  createdAt: TIME,
  expiresAt: TIME,
  rateType: TEXT,
  rateTimestamp: TIME,
  status: TEXT,
  totalCost: NUMBER,
  costCurrency: TEXT,
  failureMessage: TEXT,
};
const quantity = structure("WorkloadEstimateUsageQuantity", { unit: TEXT, amount: NUMBER });
const line = {
  serviceCode: TEXT,
  usageType: TEXT,
  operation: TEXT,
  location: TEXT,
  id: TEXT,
  usageAccountId: TEXT,
  group: TEXT,
  quantity,
  cost: NUMBER,
  currency: TEXT,
  status: TEXT,
};
const entry = structure("BatchCreateWorkloadEstimateUsageEntry", {
  serviceCode: TEXT,
  usageType: TEXT,
  operation: TEXT,
  key: TEXT,
  group: TEXT,
  usageAccountId: TEXT,
  amount: NUMBER,
});
const strings = list("StringList", TEXT);

/** Requests and responses; model.test.ts holds them against the model. */
export const TRANSCRIBED: Record<string, readonly [request: Record<string, Schema>, response: Record<string, Schema>]> =
  {
    CreateWorkloadEstimate: [{ name: TEXT, clientToken: token, rateType: TEXT }, summary],
    BatchCreateWorkloadEstimateUsage: [
      { workloadEstimateId: TEXT, usage: list("Entries", entry), clientToken: token },
      {
        items: list("Items", structure("BatchCreateWorkloadEstimateUsageItem", { ...line, key: TEXT })),
        errors: list(
          "Errors",
          structure("BatchCreateWorkloadEstimateUsageError", { key: TEXT, errorCode: TEXT, errorMessage: TEXT }),
        ),
      },
    ],
    GetWorkloadEstimate: [{ identifier: TEXT }, summary],
    ListWorkloadEstimateUsage: [
      { workloadEstimateId: TEXT, nextToken: TEXT, maxResults: NUMBER },
      { items: list("Lines", structure("WorkloadEstimateUsageItem", line)), nextToken: TEXT },
    ],
    ListWorkloadEstimates: [
      {
        createdAtFilter: structure("FilterTimestamp", { afterTimestamp: TIME, beforeTimestamp: TIME }),
        filters: list(
          "Filters",
          structure("ListWorkloadEstimatesFilter", { name: TEXT, values: strings, matchOption: TEXT }),
        ),
        nextToken: TEXT,
        maxResults: NUMBER,
      },
      { items: list("Summaries", structure("WorkloadEstimateSummary", summary)), nextToken: TEXT },
    ],
    DeleteWorkloadEstimate: [{ identifier: TEXT }, {}],
  };

const errors = TypeRegistry.for(NS);
errors.registerError(
  [-3, "smithy.ts.sdk.synthetic.com.amazonaws.bcmpricingcalculator", "ServiceException", 0, [], []],
  ServiceException,
);

export interface BcmClient {
  // biome-ignore lint/suspicious/noExplicitAny: transcribed shapes have no types
  send(operation: string, input: object): Promise<any>;
}

export function bcmClient(config: {
  endpoint: string;
  credentials: { accessKeyId: string; secretAccessKey: string };
}): BcmClient {
  const client = new PricingClient({
    ...config,
    region: "us-east-1",
    maxAttempts: 1,
    serviceId: "BCM Pricing Calculator",
    signingName: "bcm-pricing-calculator",
    protocol: AwsJson1_0Protocol as never,
    protocolSettings: {
      defaultNamespace: NS,
      errorTypeRegistries: [errors],
      version: "2024-06-19",
      serviceTarget: "AWSBCMPricingCalculator",
    },
    httpAuthSchemeProvider: ({ region }: { region?: string }) => [
      {
        schemeId: "aws.auth#sigv4",
        signingProperties: { name: "bcm-pricing-calculator", region },
        propertiesExtractor: (own: unknown, context: unknown) => ({ signingProperties: { config: own, context } }),
      },
    ],
  } as never);
  const build = makeBuilder(
    { Endpoint: { type: "builtInParams", name: "endpoint" }, Region: { type: "builtInParams", name: "region" } },
    "AWSBCMPricingCalculator",
    "BCMPricingCalculatorClient",
    getEndpointPlugin as never,
  );
  return {
    async send(operation, input) {
      const [request, response] = TRANSCRIBED[operation] ?? [{}, {}];
      const schema = [
        9,
        NS,
        operation,
        0,
        structure(`${operation}Request`, request),
        structure(`${operation}Response`, response),
      ];
      const Command = build({}, () => [], operation, schema as never);
      return client.send(new Command(input as never) as never);
    },
  };
}
