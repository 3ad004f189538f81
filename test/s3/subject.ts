/** One S3 server under test, and the two accounts that live on it. The suites know nothing else about it. */
export interface Subject {
  /** Origin, no trailing slash. */
  readonly origin: string;
  /** Access log entries so far; absent where the server keeps them out of reach. */
  readonly log?: () => readonly unknown[];
  readonly close: () => Promise<void>;
}

export interface Account {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly accountId: string;
}

export const alice: Account = {
  accessKeyId: "AKIAALICE00000000000",
  secretAccessKey: "alice/secret+key",
  accountId: "111111111111",
};
export const bob: Account = {
  accessKeyId: "AKIABOB0000000000000",
  secretAccessKey: "bob-secret",
  accountId: "222222222222",
};

export const accounts: readonly Account[] = [alice, bob];
export const regions = ["us-east-1", "eu-west-1", "eu-central-1"];
export const hostSuffix = "localhost";

let count = 0;
/** A bucket name no other test has. */
export function freshName(what = "bucket"): string {
  count += 1;
  return `${what}-${process.pid}-${Date.now().toString(36)}-${count}`;
}
