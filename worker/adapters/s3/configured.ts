/**
 * Which stores there are and which regions each serves. AWS (or one S3-compatible server) is named by variables of its own and is the
 * store `s3`; any others stand in one JSON secret, because each has credentials. An operator without AWS gives only that.
 */
import * as z from "zod";
import { Region } from "#contract/fields";
import type { StoreKind } from "./client.ts";
import type { StoreConfig } from "./store.ts";

const Text = z.string().min(1);
const Style = z.enum(["path", "virtual"]);
const Account = z.string().regex(/^\d{12}$/, "wanted 12 digits");

/** One store of `STORES`. A misspelt field is refused: it would be a setting that silently does not hold. */
const Listed = z.strictObject({
  endpoint: z.url(),
  regions: z.array(Region).min(1),
  kind: z.enum(["r2", "other"]).optional(),
  style: Style.optional(),
  signing_region: Text.optional(),
  account_id: Account.optional(),
  access_key_id: Text,
  secret_access_key: Text,
  bucket_quota: z.int().positive().optional(),
});

const Json = z.string().transform((text, context): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    context.addIssue({ code: "custom", message: "wanted JSON" });
    return z.NEVER;
  }
});

const Regions = Text.transform((text) => text.split(",").map((each) => each.trim())).pipe(z.array(Region));
const Whole = z
  .string()
  .regex(/^\d{1,9}$/, "wanted a whole number")
  .transform(Number);

/** Variables and secrets about storage; env.ts puts them among its own. */
export const StoreSettings = {
  AWS_ACCOUNT_ID: Account.optional(),
  S3_REGIONS: Regions.optional(),
  S3_ENDPOINT: z.url().optional(),
  S3_STYLE: Style.optional(),
  S3_ACCESS_KEY_ID: Text.optional(),
  S3_SECRET_ACCESS_KEY: Text.optional(),
  S3_BUCKET_QUOTA: Whole.optional(),
  /** `{"<name>": {endpoint, regions, access_key_id, …}}`. */
  STORES: Json.pipe(
    z.record(z.string().regex(/^[a-z0-9-]{1,32}$/, "wanted a short lower-case name"), Listed),
  ).optional(),
};
const Settings = z.object(StoreSettings);
type Settings = z.infer<typeof Settings>;

export interface Configured {
  readonly stores: ReadonlyMap<string, StoreConfig>;
  /** In the order they are sold; the first is the default. */
  readonly regions: readonly string[];
  readonly storeOf: Readonly<Record<string, string>>;
}

/** What the settings say, or what is wrong with them. */
export function readStores(settings: Settings): ({ ok: true } & Configured) | { ok: false; detail: string } {
  const own = ownStore(settings);
  if (typeof own === "string") return { ok: false, detail: own };
  const listed = Object.entries(settings.STORES ?? {}).map(([name, store]) => ({ name, ...listedStore(store) }));
  const all = [...(own ? [own] : []), ...listed];
  if (all.length === 0) return { ok: false, detail: "S3_REGIONS is missing, and there is no STORES instead" };
  if (own && listed.some(({ name }) => name === own.name))
    return { ok: false, detail: `STORES: the name ${own.name} is that of the S3_ settings` };
  const storeOf: Record<string, string> = {};
  for (const { name, regions } of all)
    for (const region of regions) {
      if (storeOf[region] !== undefined)
        return { ok: false, detail: `the region ${region} is served by ${storeOf[region]} and by ${name}; wanted one` };
      storeOf[region] = name;
    }
  return {
    ok: true,
    stores: new Map(all.map(({ name, config }) => [name, config])),
    regions: Object.keys(storeOf),
    storeOf,
  };
}

interface Named {
  readonly name: string;
  readonly regions: readonly string[];
  readonly config: StoreConfig;
}

/** The store of the `S3_` settings, all of them or none. */
function ownStore(settings: Settings): Named | string | undefined {
  const { S3_REGIONS, S3_ENDPOINT, S3_ACCESS_KEY_ID, S3_SECRET_ACCESS_KEY, AWS_ACCOUNT_ID } = settings;
  const needed = { AWS_ACCOUNT_ID, S3_REGIONS, S3_ACCESS_KEY_ID, S3_SECRET_ACCESS_KEY };
  const missing = Object.entries(needed).flatMap(([name, value]) => (value === undefined ? [name] : []));
  if (missing.length === Object.keys(needed).length) return undefined;
  if (!AWS_ACCOUNT_ID || !S3_REGIONS || !S3_ACCESS_KEY_ID || !S3_SECRET_ACCESS_KEY)
    return `${missing.join(", ")} ${missing.length === 1 ? "is" : "are"} missing`;
  const kind = kindOf(S3_ENDPOINT);
  const config: StoreConfig = {
    kind,
    accountId: kind === "r2" ? undefined : AWS_ACCOUNT_ID,
    accessKeyId: S3_ACCESS_KEY_ID,
    secretAccessKey: S3_SECRET_ACCESS_KEY,
    endpoint: S3_ENDPOINT,
    style: settings.S3_STYLE ?? "path",
    signingRegion: kind === "r2" ? "auto" : undefined,
    bucketQuota: settings.S3_BUCKET_QUOTA,
  };
  return { name: "s3", regions: S3_REGIONS, config };
}

function listedStore(store: z.infer<typeof Listed>): Omit<Named, "name"> {
  const kind = store.kind ?? kindOf(store.endpoint);
  const config: StoreConfig = {
    kind,
    accountId: store.account_id,
    accessKeyId: store.access_key_id,
    secretAccessKey: store.secret_access_key,
    endpoint: store.endpoint,
    style: store.style ?? "path",
    // "When using the S3 API, the region for an R2 bucket is auto" (R2, S3 API compatibility).
    signingRegion: store.signing_region ?? (kind === "r2" ? "auto" : undefined),
    bucketQuota: store.bucket_quota,
  };
  return { regions: store.regions, config };
}

function kindOf(endpoint: string | undefined): StoreKind {
  if (endpoint === undefined) return "aws";
  return new URL(endpoint).hostname.endsWith(".r2.cloudflarestorage.com") ? "r2" : "other";
}

/** Regions served by stores of these kinds. */
export function regionsOf({ stores, regions, storeOf }: Configured, kinds: readonly StoreKind[]): string[] {
  return regions.filter((region) => kinds.some((kind) => stores.get(storeOf[region] ?? "")?.kind === kind));
}

/** The hosts that presigned URLs lead to, as Content-Security-Policy spells them: buckets in the host are subdomains. */
export function browserOrigins({ stores, regions, storeOf }: Configured): string[] {
  const origins = regions.map((region) => {
    const { endpoint, style } = stores.get(storeOf[region] ?? "") ?? {};
    if (endpoint === undefined) return `https://*.s3.${region}.amazonaws.com`;
    const { origin } = new URL(endpoint);
    return style === "virtual" ? origin.replace("://", "://*.") : origin;
  });
  return [...new Set(origins)];
}
