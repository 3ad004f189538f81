/** ListObjectsV2, one page: keys behind a given one, in the order of their UTF-8 bytes. */
import { XMLParser } from "fast-xml-parser";
import * as z from "zod";
import type { Store } from "../../../durable/ports.ts";
import type { S3Client } from "./client.ts";

const Listing = z.object({
  ListBucketResult: z.object({
    IsTruncated: z.enum(["true", "false"]),
    Contents: z.array(z.object({ Key: z.string(), Size: z.string(), LastModified: z.string() })).default([]),
  }),
});
const parser = new XMLParser({ parseTagValue: false, isArray: (name) => name === "Contents" });

export async function list(s3: S3Client, page: Parameters<Store["list"]>[0]): ReturnType<Store["list"]> {
  const answer = await s3.send({
    method: "GET",
    region: page.region,
    bucket: page.bucket,
    query: {
      "list-type": "2",
      "encoding-type": "url",
      "max-keys": String(page.maxKeys),
      prefix: page.prefix,
      ...(page.startAfter === undefined ? {} : { "start-after": page.startAfter }),
    },
  });
  if (answer.ok === undefined) return { end: "unknown", detail: answer.detail };
  // The sweep removed an emptied bucket: nothing is listed, which is the truth.
  if (!answer.ok && answer.code === "NoSuchBucket") return { end: "done", entries: [], truncated: false };
  if (!answer.ok && answer.status === 400) return { end: "refused", detail: answer.code };
  if (!answer.ok) return { end: "unknown", detail: `ListObjectsV2 answered ${answer.status} ${answer.code}` };
  const { ListBucketResult: result } = Listing.parse(parser.parse(answer.body));
  return {
    end: "done",
    entries: result.Contents.map((entry) => ({
      key: decodeURIComponent(entry.Key.replaceAll("+", " ")),
      sizeBytes: Number(entry.Size),
      lastModified: entry.LastModified,
    })),
    truncated: result.IsTruncated === "true",
  };
}
