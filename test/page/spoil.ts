/** Somebody who can write to the bucket: puts other bytes where an object is. */
import { AwsV4Signer } from "aws4fetch";
import { REGION } from "../live/shop.ts";
import type { Live } from "../live/stack.ts";

export interface Place {
  readonly bucket: string;
  readonly key: string;
}

export async function bytesAt(live: Live, place: Place): Promise<Buffer> {
  return Buffer.from(await (await send(live, "GET", place)).arrayBuffer());
}

export async function replaceAt(live: Live, place: Place, bytes: Buffer): Promise<void> {
  await send(live, "PUT", place, bytes);
}

async function send({ stack }: Live, method: string, { bucket, key }: Place, body?: Buffer): Promise<Response> {
  const path = [bucket, ...key.split("/")].map(encodeURIComponent).join("/");
  const signer = new AwsV4Signer({
    method,
    url: `${stack.urls.s3}/${path}`,
    ...(body ? { body: new Uint8Array(body) } : {}),
    ...stack.keys.s3,
    service: "s3",
    region: REGION,
    singleEncode: false,
  });
  const { url, headers } = await signer.sign();
  const response = await fetch(url, { method, headers, ...(body ? { body: new Uint8Array(body) } : {}) });
  if (!response.ok) throw new Error(`S3 refused ${method} ${key}: ${response.status} ${await response.text()}`);
  return response;
}
