/**
 * Unit prices from AWS's BCM Pricing Calculator (PRD R2), which tells none: it tells what usage costs. A workload estimate is created,
 * filled with lines of usage, polled until it is worked out, read and deleted; prices are the slopes between its costs.
 *
 * Amounts lie at the ends of AWS's published tiers and halfway in between: if halfway does not cost half, the tiers are not where we
 * think, and nothing is taken. Lines of one kind might share their tiers, so each estimate holds one line of a kind.
 */
import * as z from "zod";
import { decimalUp } from "#contract/decimal";
import type { RegionRates } from "#contract/rates";
import type { PriceSource, Taken } from "../../../durable/ports.ts";
import type { AwsCredentials, AwsJsonService } from "./json-api.ts";
import { answerTo, askPatiently, limited, NotTaken, type Pause } from "./patience.ts";
import { cardTiers, per1000, type Step } from "./tiers.ts";
import { EGRESS, READS, STORAGE, usageTypeOf, WRITES } from "./usage-codes.ts";

export interface CalculatorConfig {
  /** Absent for AWS itself, which serves it in one place. */
  readonly endpoint: string | undefined;
  readonly credentials: AwsCredentials;
  readonly accountId: string;
  readonly pause: Pause;
  readonly newToken: () => string;
}

const REGION = "us-east-1";
/** Of the API: entries of one batch, lines of one page, estimates of one page. */
const BATCH_MAX = 25;
const PAGE_MAX = 300;
const ESTIMATES_PAGE_MAX = 25;
const POLLS_MAX = 40;
/** Between two looks: growing, since small estimates are worked out at once and AWS counts requests. */
const POLL_MS = 500;
const POLL_MAX_MS = 4_000;
/** Estimates of ours carry this name; one that is older than an hour was left behind by a run that died. */
const NAME = "mnemospark-rates-";
const LEFT_BEHIND_S = 3_600;

interface Meter {
  readonly kind: "storage" | "egress" | "write" | "read";
  readonly serviceCode: string;
  readonly usage: string;
  /** How AWS names the unit, as far as it does. */
  readonly unit: RegExp;
  /** Where tiers end, on AWS's price pages; the last has no end. */
  readonly ends: readonly number[];
  /** Amount in the last tier: prices of requests are so small that it takes many to see them. */
  readonly top: number;
}

const METERS: readonly Meter[] = [
  {
    kind: "storage",
    serviceCode: "AmazonS3",
    usage: STORAGE,
    unit: /^GB-Mo(?:nth)?s?$/i,
    ends: [51_200, 512_000],
    top: 1_024_000,
  },
  {
    kind: "egress",
    serviceCode: "AWSDataTransfer",
    usage: EGRESS,
    unit: /^GB$/i,
    ends: [10_240, 51_200, 153_600],
    top: 307_200,
  },
  { kind: "write", serviceCode: "AmazonS3", usage: WRITES, unit: /^Requests?$/i, ends: [], top: 1_000_000_000 },
  { kind: "read", serviceCode: "AmazonS3", usage: READS, unit: /^Requests?$/i, ends: [], top: 1_000_000_000 },
];

/** Halfway and at the end of each tier: 25600, 51200, 281600, … */
function marksOf({ ends, top }: Meter): number[] {
  return [...ends, top].flatMap((end, index) => [((ends[index - 1] ?? 0) + end) / 2, end]);
}

const Created = z.object({ id: z.string() });
const Filled = z.object({
  errors: z.array(z.object({ key: z.string().optional(), errorCode: z.string().optional() })).nullish(),
});
const State = z.object({ status: z.string(), failureMessage: z.string().nullish() });
const Lines = z.object({
  items: z.array(
    z.object({
      usageType: z.string(),
      quantity: z.object({ unit: z.string().nullish(), amount: z.number() }),
      cost: z.number(),
      currency: z.string(),
      status: z.string(),
    }),
  ),
  nextToken: z.string().nullish(),
});
const Estimates = z.object({ items: z.array(z.object({ id: z.string(), name: z.string() })).nullish() });

interface Line {
  readonly region: string;
  readonly meter: Meter;
  readonly usageType: string;
  readonly amount: number;
}

/** Costs by usage type and amount. */
type Costs = Map<string, number>;
const costKey = (usageType: string, amount: number) => `${usageType}|${amount}`;

export function openCalculator(config: CalculatorConfig): PriceSource {
  return {
    name: "AWS BCM Pricing Calculator (before discounts)",
    label: "calculator",
    async take(regions, nowMs): Promise<Taken> {
      try {
        return { end: "done", regions: await new Run(config).ratesOf(regions, nowMs) };
      } catch (error) {
        return { end: "unknown", detail: String(error instanceof NotTaken ? error.message : error).slice(0, 500) };
      }
    },
  };
}

class Run {
  readonly #config: CalculatorConfig;
  readonly #service: AwsJsonService;
  readonly #pause: Pause;

  constructor(config: CalculatorConfig) {
    this.#config = config;
    this.#pause = limited(config.pause);
    this.#service = {
      endpoint: config.endpoint ?? `https://bcm-pricing-calculator.${REGION}.api.aws`,
      region: REGION,
      service: "bcm-pricing-calculator",
      target: "AWSBCMPricingCalculator",
      version: "1.0",
      credentials: config.credentials,
    };
  }

  async ratesOf(regions: readonly string[], nowMs: number): Promise<Record<string, RegionRates>> {
    await this.#removeLeftBehind(nowMs);
    const costs: Costs = new Map();
    const sheets = Math.max(...METERS.map((meter) => marksOf(meter).length));
    for (let sheet = 0; sheet < sheets; sheet++) await this.#work(linesOf(regions, sheet), costs);
    return Object.fromEntries(regions.map((region) => [region, ratesFrom(region, costs)]));
  }

  /** One estimate, from creation to deletion. */
  async #work(lines: readonly Line[], costs: Costs): Promise<void> {
    const { newToken } = this.#config;
    const { id } = Created.parse(
      await this.#ask("CreateWorkloadEstimate", {
        name: `${NAME}${newToken().slice(0, 8)}`,
        clientToken: newToken(),
        rateType: "BEFORE_DISCOUNTS",
      }),
    );
    try {
      for (let from = 0; from < lines.length; from += BATCH_MAX) await this.#fill(id, lines, from);
      await this.#workedOut(id);
      await this.#read(id, lines, costs);
    } finally {
      // One that cannot be deleted now is found by its name tomorrow.
      await askPatiently(this.#service, "DeleteWorkloadEstimate", { identifier: id }, this.#config.pause);
    }
  }

  async #fill(id: string, lines: readonly Line[], from: number): Promise<void> {
    const usage = lines.slice(from, from + BATCH_MAX).map(({ meter, usageType, amount }, index) => ({
      serviceCode: meter.serviceCode,
      usageType,
      // As the Price List has it for these products.
      operation: "",
      key: `line${from + index}`,
      usageAccountId: this.#config.accountId,
      amount,
    }));
    const clientToken = this.#config.newToken();
    const filled = Filled.parse(
      await this.#ask("BatchCreateWorkloadEstimateUsage", { workloadEstimateId: id, usage, clientToken }),
    );
    const [error] = filled.errors ?? [];
    if (error) {
      const line = usage.find(({ key }) => key === error.key);
      throw new NotTaken(`the calculator answers ${error.errorCode} to ${line?.serviceCode} ${line?.usageType}`);
    }
  }

  async #workedOut(id: string): Promise<void> {
    for (let poll = 0; poll < POLLS_MAX; poll++) {
      const { status, failureMessage } = State.parse(await this.#ask("GetWorkloadEstimate", { identifier: id }));
      if (status === "VALID") return;
      if (status !== "UPDATING")
        throw new NotTaken(`the estimate is ${status}: ${failureMessage ?? "no reason given"}`);
      await this.#pause(Math.min(POLL_MS * (poll + 1), POLL_MAX_MS));
    }
    throw new NotTaken("the estimate was not worked out in time");
  }

  async #read(id: string, lines: readonly Line[], costs: Costs): Promise<void> {
    let nextToken: string | null | undefined;
    let count = 0;
    do {
      const page = Lines.parse(
        await this.#ask("ListWorkloadEstimateUsage", {
          workloadEstimateId: id,
          maxResults: PAGE_MAX,
          ...(nextToken ? { nextToken } : {}),
        }),
      );
      for (const item of page.items) {
        const line = lines.find(({ usageType }) => usageType === item.usageType);
        const unit = item.quantity.unit ?? undefined;
        if (!line || item.quantity.amount !== line.amount || (unit !== undefined && !line.meter.unit.test(unit)))
          throw new NotTaken(`asked for ${line?.amount} of ${item.usageType}, told of ${item.quantity.amount} ${unit}`);
        if (item.status !== "VALID" || item.currency !== "USD")
          throw new NotTaken(`the cost of ${item.usageType} is ${item.status}, in ${item.currency}`);
        costs.set(costKey(item.usageType, line.amount), item.cost);
        count += 1;
      }
      nextToken = page.nextToken;
    } while (nextToken && count < lines.length);
    if (count !== lines.length) throw new NotTaken(`${count} of ${lines.length} lines were told`);
  }

  async #removeLeftBehind(nowMs: number): Promise<void> {
    const { items } = Estimates.parse(
      await this.#ask("ListWorkloadEstimates", {
        createdAtFilter: { beforeTimestamp: Math.floor(nowMs / 1_000) - LEFT_BEHIND_S },
        filters: [{ name: "NAME", values: [NAME], matchOption: "STARTS_WITH" }],
        maxResults: ESTIMATES_PAGE_MAX,
      }),
    );
    for (const { id, name } of items ?? [])
      if (name.startsWith(NAME)) await this.#ask("DeleteWorkloadEstimate", { identifier: id });
  }

  #ask(operation: string, input: object): Promise<unknown> {
    return answerTo(operation, askPatiently(this.#service, operation, input, this.#pause));
  }
}

/** The lines of one estimate: of every kind of usage in every region the amount at its turn, while it has any left. */
function linesOf(regions: readonly string[], sheet: number): Line[] {
  return regions.flatMap((region) =>
    METERS.flatMap((meter) => {
      const amount = marksOf(meter)[sheet];
      return amount === undefined ? [] : [{ region, meter, usageType: usageTypeIn(region, meter), amount }];
    }),
  );
}

function usageTypeIn(region: string, { usage }: Meter): string {
  const usageType = usageTypeOf(region, usage);
  if (usageType === undefined) throw new NotTaken(`AWS's billing code of ${region} is not known here`);
  return usageType;
}

function ratesFrom(region: string, costs: Costs): RegionRates {
  const steps = (kind: Meter["kind"]) => {
    const meter = METERS.find((each) => each.kind === kind);
    if (!meter) throw new Error(`no meter measures ${kind}`);
    const usageType = usageTypeIn(region, meter);
    return stepsFrom(usageType, meter, (amount) => costs.get(costKey(usageType, amount)) ?? 0);
  };
  return {
    storageGbMonth: cardTiers(steps("storage")),
    egressGb: cardTiers(steps("egress")),
    writePer1000: per1000(steps("write")),
    readPer1000: per1000(steps("read")),
  };
}

/** Costs are doubles, exact to far below this (a millionth of a dollar, in pico-dollars) … */
const EXACT = 1_000_000n;
/** … unless they were rounded to the cent; then the difference of two is out by up to a cent. */
const CENT = 10_000_000_000n;

function stepsFrom(usageType: string, { ends, top }: Meter, usdOf: (amount: number) => number): Step[] {
  const picoOf = (amount: number) => {
    const pico = decimalUp(String(usdOf(amount)), 12);
    if (pico === undefined) throw new NotTaken(`a cost of ${usdOf(amount)} for ${usageType}`);
    return pico;
  };
  const bounds = [0, ...ends, top];
  const inCents = bounds.every((bound) => bound === 0 || Number(usdOf(bound).toFixed(2)) === usdOf(bound));
  const leeway = inCents ? CENT : EXACT;
  return bounds.slice(1).map((end, index) => {
    const from = bounds[index] ?? 0;
    const base = from === 0 ? 0n : picoOf(from);
    const whole = picoOf(end) - base;
    const half = picoOf((from + end) / 2) - base;
    if (distance(half * 2n, whole) > leeway * 2n)
      throw new NotTaken(`the price of ${usageType} changes between ${from} and ${end}`);
    return { upTo: end === top ? undefined : end, pico: simplest(whole, BigInt(end - from), leeway) };
  });
}

/** Prices have few digits: the price with the fewest that explains the cost. */
function simplest(pico: bigint, amount: bigint, leeway: bigint): bigint {
  for (let decimals = 2n; decimals <= 12n; decimals++) {
    const grain = 10n ** (12n - decimals);
    const price = ((pico + (amount * grain) / 2n) / (amount * grain)) * grain;
    if (distance(price * amount, pico) <= leeway) return price;
  }
  return pico / amount;
}

function distance(a: bigint, b: bigint): bigint {
  return a > b ? a - b : b - a;
}
