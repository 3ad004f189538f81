/**
 * What stands before a usage type on AWS's bills, per region: `EUN1-TimedStorage-ByteHrs` is Stockholm's. Documented in "Understanding
 * your AWS billing and usage reports for Amazon S3"; N. Virginia has none, Ireland kept the oldest one.
 */
const CODES: Readonly<Record<string, string>> = {
  "us-east-1": "",
  "us-east-2": "USE2-",
  "us-west-1": "USW1-",
  "us-west-2": "USW2-",
  "ca-central-1": "CAN1-",
  "sa-east-1": "SAE1-",
  "eu-west-1": "EU-",
  "eu-west-2": "EUW2-",
  "eu-west-3": "EUW3-",
  "eu-central-1": "EUC1-",
  "eu-central-2": "EUC2-",
  "eu-north-1": "EUN1-",
  "eu-south-1": "EUS1-",
  "eu-south-2": "EUS2-",
  "af-south-1": "AFS1-",
  "me-south-1": "MES1-",
  "me-central-1": "MEC1-",
  "ap-east-1": "APE1-",
  "ap-south-1": "APS3-",
  "ap-south-2": "APS5-",
  "ap-northeast-1": "APN1-",
  "ap-northeast-2": "APN2-",
  "ap-northeast-3": "APN3-",
  "ap-southeast-1": "APS1-",
  "ap-southeast-2": "APS2-",
  "ap-southeast-3": "APS4-",
  "ap-southeast-4": "APS6-",
};

/** S3 Standard, what is kept. */
export const STORAGE = "TimedStorage-ByteHrs";
/** PUT, COPY, POST, LIST. */
export const WRITES = "Requests-Tier1";
/** GET and all others. */
export const READS = "Requests-Tier2";
/** To the internet. */
export const EGRESS = "DataTransfer-Out-Bytes";

/** Undefined where the code of a region is not known here. */
export function usageTypeOf(region: string, usage: string): string | undefined {
  const code = CODES[region];
  return code === undefined ? undefined : `${code}${usage}`;
}

/** One usage type in every region there is. */
export function everyUsageType(usage: string): string[] {
  return Object.values(CODES).map((code) => `${code}${usage}`);
}
