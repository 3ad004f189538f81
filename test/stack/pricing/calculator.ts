/**
 * BCM Pricing Calculator, as far as workload estimates go: created, filled with lines of usage, worked out after a while, listed,
 * deleted. What a line costs is worked out here in plain floating point, tier by tier, as the service's own doubles are.
 */
import { randomUUID } from "node:crypto";
import * as z from "zod";
import type { Result } from "../aws/json-server.ts";
import { parseInput } from "../aws/parse-input.ts";
import type { Product } from "./catalogue.ts";

const id = z.string().regex(/^[a-f0-9]{8}-[a-f0-9]{4}-[a-f0-9]{4}-[a-f0-9]{4}-[a-f0-9]{12}$/);
const word = (max: number) =>
  z
    .string()
    .max(max)
    .regex(/^[-a-zA-Z0-9._:, /()]*$/);
const clientToken = z
  .string()
  .min(1)
  .max(64)
  .regex(/^[\u0021-\u007E]+$/)
  .optional();
const nextToken = z.string().max(2048).optional();
const createInput = z.strictObject({
  name: z
    .string()
    .max(64)
    .regex(/^[a-zA-Z0-9-]+$/),
  clientToken,
  rateType: z.enum(["BEFORE_DISCOUNTS", "AFTER_DISCOUNTS", "AFTER_DISCOUNTS_AND_COMMITMENTS"]).optional(),
  tags: z.record(z.string(), z.string()).optional(),
});
const entry = z.strictObject({
  serviceCode: word(32),
  usageType: word(128),
  operation: word(32),
  key: z
    .string()
    .max(10)
    .regex(/^[a-zA-Z0-9]*$/),
  group: z
    .string()
    .max(30)
    .regex(/^[a-zA-Z0-9-]*$/)
    .optional(),
  usageAccountId: z.string().regex(/^\d{12}$/),
  amount: z.number(),
});
const fillInput = z.strictObject({ workloadEstimateId: id, usage: z.array(entry).min(1).max(25), clientToken });
const oneInput = z.strictObject({ identifier: id });
const usageInput = z.strictObject({
  workloadEstimateId: id,
  nextToken,
  maxResults: z.int().min(1).max(300).optional(),
});
const listInput = z.strictObject({
  createdAtFilter: z
    .strictObject({ afterTimestamp: z.number().optional(), beforeTimestamp: z.number().optional() })
    .optional(),
  filters: z
    .array(
      z.strictObject({
        name: z.literal("NAME"),
        values: z.array(z.string()).min(1),
        matchOption: z.enum(["EQUALS", "STARTS_WITH", "CONTAINS"]).optional(),
      }),
    )
    .optional(),
  nextToken,
  maxResults: z.int().min(1).max(25).optional(),
});

type Line = z.infer<typeof entry> & { readonly id: string; readonly product: Product };

interface Estimate {
  readonly id: string;
  readonly name: string;
  readonly createdAt: number;
  readonly rateType: string;
  readonly lines: Line[];
  /** How often it will be asked for before it is worked out. */
  pending: number;
}

export interface CalculatorOptions {
  readonly catalogue: () => readonly Product[];
  readonly accountId: string;
  readonly nowMs: () => number;
  /** Looks at an estimate before it is worked out. */
  readonly pending?: number;
  /** Lines on a page of `ListWorkloadEstimateUsage`. */
  readonly pageSize?: number;
  /** Costs are shown so. */
  readonly shown?: (usd: number) => number;
}

/** Cost of an amount: each tier's share of it at the tier's price. */
export function costOf({ tiers }: Product, amount: number): number {
  let usd = 0;
  for (const { from, to = Number.POSITIVE_INFINITY, usd: price } of tiers)
    usd += Math.max(0, Math.min(amount, to) - from) * Number(price);
  return usd;
}

export function openCalculator(options: CalculatorOptions) {
  const { catalogue, accountId, nowMs, pending = 2, pageSize = 300, shown = (usd: number) => usd } = options;
  const estimates = new Map<string, Estimate>();
  const answered = new Map<string, Result>();

  const missing = (resourceId: string): Result => ({
    refusal: {
      code: "ResourceNotFoundException",
      message: `Workload estimate ${resourceId} does not exist.`,
      status: 404,
      more: { resourceId, resourceType: "WorkloadEstimate" },
    },
  });
  const costOfLine = ({ product, amount }: Line) => shown(costOf(product, amount));
  const summary = (estimate: Estimate) => ({
    id: estimate.id,
    name: estimate.name,
    createdAt: estimate.createdAt,
    expiresAt: estimate.createdAt + 365 * 86_400,
    rateType: estimate.rateType,
    rateTimestamp: estimate.createdAt,
    status: estimate.pending > 0 ? "UPDATING" : "VALID",
    totalCost: estimate.lines.reduce((sum, line) => sum + costOfLine(line), 0),
    costCurrency: "USD",
  });
  const itemOf = (line: Line) => ({
    id: line.id,
    serviceCode: line.serviceCode,
    usageType: line.usageType,
    operation: line.operation,
    location: line.product.attributes["location"] ?? line.product.attributes["fromLocation"],
    usageAccountId: line.usageAccountId,
    ...(line.group === undefined ? {} : { group: line.group }),
    quantity: { unit: line.product.unit, amount: line.amount },
    cost: costOfLine(line),
    currency: "USD",
    status: "VALID",
  });
  /** The same token, the same answer, and nothing done twice. */
  const once = (token: string | undefined, act: () => Result): Result => {
    const before = token === undefined ? undefined : answered.get(token);
    const result = before ?? act();
    if (token !== undefined && "value" in result) answered.set(token, result);
    return result;
  };

  const operations: Record<string, (body: Buffer) => Result> = {
    CreateWorkloadEstimate(body) {
      const parsed = parseInput(createInput, body);
      if ("refusal" in parsed) return parsed;
      const { name, rateType = "BEFORE_DISCOUNTS" } = parsed.value;
      return once(parsed.value.clientToken, () => {
        const estimate = { id: randomUUID(), name, createdAt: nowMs() / 1000, rateType, lines: [], pending: 0 };
        estimates.set(estimate.id, estimate);
        return { value: summary(estimate), log: name };
      });
    },

    BatchCreateWorkloadEstimateUsage(body) {
      const parsed = parseInput(fillInput, body);
      if ("refusal" in parsed) return parsed;
      const { workloadEstimateId, usage } = parsed.value;
      const estimate = estimates.get(workloadEstimateId);
      if (!estimate) return missing(workloadEstimateId);
      return once(parsed.value.clientToken, () => {
        const items: object[] = [];
        const errors: object[] = [];
        for (const each of usage) {
          const fault = faultOf(each, estimate);
          if (typeof fault === "string")
            errors.push({ key: each.key, errorCode: fault, errorMessage: `${each.usageType}` });
          else {
            const line = { ...each, id: randomUUID(), product: fault };
            estimate.lines.push(line);
            items.push({ ...itemOf(line), key: each.key });
          }
        }
        estimate.pending = pending;
        return { value: { items, errors }, log: `${items.length} lines` };
      });
    },

    GetWorkloadEstimate(body) {
      const parsed = parseInput(oneInput, body);
      if ("refusal" in parsed) return parsed;
      const estimate = estimates.get(parsed.value.identifier);
      if (!estimate) return missing(parsed.value.identifier);
      const value = summary(estimate);
      estimate.pending = Math.max(0, estimate.pending - 1);
      return { value, log: value.status };
    },

    ListWorkloadEstimateUsage(body) {
      const parsed = parseInput(usageInput, body);
      if ("refusal" in parsed) return parsed;
      const { workloadEstimateId, nextToken: token, maxResults = 300 } = parsed.value;
      const estimate = estimates.get(workloadEstimateId);
      if (!estimate) return missing(workloadEstimateId);
      const from = Number(token ?? "0");
      const to = from + Math.min(maxResults, pageSize);
      const more = to < estimate.lines.length ? { nextToken: String(to) } : {};
      return { value: { items: estimate.lines.slice(from, to).map(itemOf), ...more } };
    },

    ListWorkloadEstimates(body) {
      const parsed = parseInput(listInput, body);
      if ("refusal" in parsed) return parsed;
      const { createdAtFilter: { beforeTimestamp = Number.POSITIVE_INFINITY } = {}, filters = [] } = parsed.value;
      const found = [...estimates.values()].filter(
        ({ name, createdAt }) =>
          createdAt < beforeTimestamp &&
          filters.every(({ values, matchOption = "EQUALS" }) =>
            values.some((value) => (matchOption === "STARTS_WITH" ? name.startsWith(value) : name === value)),
          ),
      );
      return { value: { items: found.slice(0, parsed.value.maxResults ?? 25).map(summary) } };
    },

    DeleteWorkloadEstimate(body) {
      const parsed = parseInput(oneInput, body);
      if ("refusal" in parsed) return parsed;
      estimates.delete(parsed.value.identifier);
      return { value: {} };
    },
  };

  /** A usage type and operation name one product; two lines of one kind would share its tiers, so the second is refused. */
  function faultOf(each: z.infer<typeof entry>, estimate: Estimate): Product | string {
    if (each.usageAccountId !== accountId || !(each.amount > 0)) return "BAD_REQUEST";
    const twin = (line: Line) => line.usageType === each.usageType && line.operation === each.operation;
    if (estimate.lines.some(twin)) return "CONFLICT";
    const found = catalogue().find(
      ({ serviceCode, attributes }) =>
        serviceCode === each.serviceCode &&
        attributes["usagetype"] === each.usageType &&
        attributes["operation"] === each.operation,
    );
    return found ?? "NOT_FOUND";
  }

  return { operations, left: () => [...estimates.values()].map(({ name }) => name) };
}
