/** What a card of the stand-ins' catalogue must say: written by hand, from AWS's price page. */
import type { RegionRates } from "#contract/rates";

export const REGIONS = ["us-east-1", "eu-north-1", "ap-northeast-1", "sa-east-1"];

const ratesOf = (storage: string[], egress: string[], writePer1000: string, readPer1000: string): RegionRates => {
  const tiers = (ends: number[], prices: string[]) =>
    prices.map((usd, index) => {
      const upToGb = ends[index];
      return upToGb === undefined ? { usd } : { upToGb, usd };
    });
  return {
    storageGbMonth: tiers([51_200, 512_000], storage),
    egressGb: tiers([10_240, 51_200, 153_600], egress),
    writePer1000,
    readPer1000,
  };
};
const usual = ratesOf(["0.023", "0.022", "0.021"], ["0.09", "0.085", "0.07", "0.05"], "0.005", "0.0004");

export const CARD: Record<string, RegionRates> = {
  "us-east-1": usual,
  "eu-north-1": usual,
  "ap-northeast-1": ratesOf(["0.025", "0.024", "0.023"], ["0.114", "0.089", "0.086", "0.084"], "0.0047", "0.00037"),
  "sa-east-1": ratesOf(["0.0405", "0.039", "0.037"], ["0.15", "0.138", "0.126", "0.114"], "0.007", "0.00056"),
};
