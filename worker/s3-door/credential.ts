/** What the host knows about an access key: the secret that signs, and whose it is. */
export interface Credential {
  readonly secretAccessKey: string;
  /** Twelve digits, as AWS account ids are; `x-amz-expected-bucket-owner` is compared with it. */
  readonly accountId: string;
}
