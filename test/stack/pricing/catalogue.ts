/**
 * What the stand-ins sell: AWS's public prices of a few regions, in the Price List's own words, between products that look like the
 * right ones and are not (free, regional, of another storage class).
 */
export interface Tier {
  readonly from: number;
  /** Absent: without end. */
  readonly to?: number;
  readonly usd: string;
}

export interface Product {
  readonly serviceCode: string;
  readonly family: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly unit: string;
  readonly tiers: readonly Tier[];
}

interface Sheet {
  readonly region: string;
  readonly location: string;
  readonly code: string;
  readonly storage: readonly [string, string, string];
  readonly egress: readonly [string, string, string, string];
  readonly write: string;
  readonly read: string;
}

const SHEETS: readonly Sheet[] = [
  {
    region: "us-east-1",
    location: "US East (N. Virginia)",
    code: "",
    storage: ["0.0230000000", "0.0220000000", "0.0210000000"],
    egress: ["0.0900000000", "0.0850000000", "0.0700000000", "0.0500000000"],
    write: "0.0000050000",
    read: "0.0000004000",
  },
  {
    region: "eu-north-1",
    location: "EU (Stockholm)",
    code: "EUN1-",
    storage: ["0.0230000000", "0.0220000000", "0.0210000000"],
    egress: ["0.0900000000", "0.0850000000", "0.0700000000", "0.0500000000"],
    write: "0.0000050000",
    read: "0.0000004000",
  },
  {
    region: "ap-northeast-1",
    location: "Asia Pacific (Tokyo)",
    code: "APN1-",
    storage: ["0.0250000000", "0.0240000000", "0.0230000000"],
    egress: ["0.1140000000", "0.0890000000", "0.0860000000", "0.0840000000"],
    write: "0.0000047000",
    read: "0.0000003700",
  },
  {
    region: "sa-east-1",
    location: "South America (Sao Paulo)",
    code: "SAE1-",
    storage: ["0.0405000000", "0.0390000000", "0.0370000000"],
    egress: ["0.1500000000", "0.1380000000", "0.1260000000", "0.1140000000"],
    write: "0.0000070000",
    read: "0.0000005600",
  },
];

const flat = (usd: string): Tier[] => [{ from: 0, usd }];
const stepped = (ends: readonly number[], prices: readonly string[]): Tier[] =>
  prices.map((usd, index) => {
    const to = ends[index];
    return { from: ends[index - 1] ?? 0, usd, ...(to === undefined ? {} : { to }) };
  });

function productsOf({ region, location, code, storage, egress, write, read }: Sheet): Product[] {
  const here = { location, locationType: "AWS Region", regionCode: region };
  const stored = (usage: string, more: Record<string, string>, tiers: Tier[]): Product => ({
    serviceCode: "AmazonS3",
    family: "Storage",
    attributes: { ...here, servicecode: "AmazonS3", usagetype: `${code}${usage}`, operation: "", ...more },
    unit: "GB-Mo",
    tiers,
  });
  const asked = (usage: string, group: string, usd: string): Product => ({
    serviceCode: "AmazonS3",
    family: "API Request",
    attributes: { ...here, servicecode: "AmazonS3", usagetype: `${code}${usage}`, group, operation: "" },
    unit: "Requests",
    tiers: flat(usd),
  });
  const moved = (usage: string, transferType: string, to: Record<string, string>, tiers: Tier[]): Product => ({
    serviceCode: "AWSDataTransfer",
    family: "Data Transfer",
    attributes: {
      servicecode: "AWSDataTransfer",
      fromLocation: location,
      fromLocationType: "AWS Region",
      fromRegionCode: region,
      usagetype: `${code}${usage}`,
      transferType,
      operation: "",
      ...to,
    },
    unit: "GB",
    tiers,
  });
  const standard = { volumeType: "Standard", storageClass: "General Purpose" };
  const external = { toLocation: "External", toLocationType: "Other" };
  return [
    stored("TimedStorage-ByteHrs", standard, stepped([51_200, 512_000], storage)),
    stored(
      "TimedStorage-ByteHrs",
      { volumeType: "INTAAS3ObjectOverhead", storageClass: "Intelligent-Tiering", operation: "INTAAS3ObjectOverhead" },
      flat("0.0010000000"),
    ),
    stored(
      "TimedStorage-RRS-ByteHrs",
      { volumeType: "Reduced Redundancy", storageClass: "General Purpose" },
      flat("0.024"),
    ),
    stored(
      "TimedStorage-SIA-ByteHrs",
      { volumeType: "Standard - Infrequent Access", storageClass: "Infrequent Access" },
      flat("0.0125"),
    ),
    // What some lists carry beside the real one: the same product, for nothing.
    stored("TimedStorage-ByteHrs", { ...standard, operation: "FreeTier" }, flat("0.0000000000")),
    asked("Requests-Tier1", "S3-API-Tier1", write),
    asked("Requests-Tier2", "S3-API-Tier2", read),
    asked("Requests-SIA-Tier1", "S3-API-SIA-Tier1", "0.0000100000"),
    asked("Requests-FreeTier1", "S3-API-Tier1", "0.0000000000"),
    moved("DataTransfer-Out-Bytes", "AWS Outbound", external, stepped([10_240, 51_200, 153_600], egress)),
    moved("DataTransfer-Out-OBytes", "AWS Outbound", external, flat("0.0000000000")),
    moved(
      "USW2-AWS-Out-Bytes",
      "InterRegion Outbound",
      { toLocation: "US West (Oregon)", toLocationType: "AWS Region" },
      flat("0.02"),
    ),
    moved("DataTransfer-In-Bytes", "AWS Inbound", external, flat("0.0000000000")),
    moved("MRAP-Out-Bytes", "AWS Outbound", external, flat("0.0033000000")),
  ];
}

export const CATALOGUE: readonly Product[] = [
  ...SHEETS.flatMap(productsOf),
  {
    serviceCode: "AWSDataTransfer",
    family: "Data Transfer",
    attributes: {
      servicecode: "AWSDataTransfer",
      fromLocation: "Global",
      fromLocationType: "AWS Global",
      toLocation: "External",
      transferType: "AWS Outbound",
      usagetype: "Global-DataTransfer-Out-Bytes",
      operation: "",
    },
    unit: "GB",
    tiers: [{ from: 0, to: 100, usd: "0.0000000000" }],
  },
];
