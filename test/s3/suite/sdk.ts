/** The unmodified AWS SDK v3 with its default settings, which is what most clients of S3 are. */
import { Readable } from "node:stream";
import {
  CompleteMultipartUploadCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  DeleteBucketCommand,
  DeleteObjectsCommand,
  GetBucketTaggingCommand,
  GetObjectCommand,
  HeadBucketCommand,
  HeadObjectCommand,
  ListBucketsCommand,
  ListObjectsV2Command,
  PutBucketCorsCommand,
  PutBucketLifecycleConfigurationCommand,
  PutBucketTaggingCommand,
  PutObjectCommand,
  PutPublicAccessBlockCommand,
  S3Client,
  UploadPartCommand,
} from "@aws-sdk/client-s3";
import { getSignedUrl } from "@aws-sdk/s3-request-presigner";
import { afterAll, beforeAll, describe, expect } from "vitest";
import { it } from "../judge.ts";
import { alice, freshName, type Subject } from "../subject.ts";

export function sdkSuite(subject: () => Subject): void {
  describe("AWS SDK v3", () => {
    const Bucket = freshName("sdk");
    let client: S3Client;
    const region = "eu-central-1";
    beforeAll(async () => {
      client = new S3Client({ endpoint: subject().origin, region, forcePathStyle: true, credentials: alice });
      await client.send(new CreateBucketCommand({ Bucket, CreateBucketConfiguration: { LocationConstraint: region } }));
    });
    afterAll(() => client.destroy());

    it("puts and gets with its default checksum", async () => {
      const put = await client.send(
        new PutObjectCommand({ Bucket, Key: "plain ü", Body: "hello", Metadata: { a: "1" } }),
      );
      expect(put.ChecksumCRC32).toBe("NhCmhg==");
      const got = await client.send(new GetObjectCommand({ Bucket, Key: "plain ü" }));
      expect([await got.Body?.transformToString(), got.Metadata, got.ChecksumCRC32]).toEqual([
        "hello",
        { a: "1" },
        "NhCmhg==",
      ]);
    });

    it("streams a body of known length (aws-chunked, checksum in the trailer)", async () => {
      const piece = Buffer.alloc(64 * 1024, 7);
      const Body = Readable.from(Array.from({ length: 40 }, () => piece));
      await client.send(
        new PutObjectCommand({
          Bucket,
          Key: "stream",
          Body,
          ContentLength: 40 * piece.length,
          ChecksumAlgorithm: "SHA256",
        }),
      );
      const head = await client.send(new HeadObjectCommand({ Bucket, Key: "stream", ChecksumMode: "ENABLED" }));
      expect(head.ContentLength).toBe(40 * piece.length);
      expect(head.ContentEncoding).toBeUndefined();
      expect(head.ChecksumSHA256).toMatch(/=$/);
      const got = await client.send(new GetObjectCommand({ Bucket, Key: "stream" }));
      expect((await got.Body?.transformToByteArray())?.length).toBe(40 * piece.length);
    });

    it("presigns PUT and GET", async () => {
      const put = await getSignedUrl(
        client,
        new PutObjectCommand({ Bucket, Key: "presigned", ContentType: "text/x" }),
        { expiresIn: 60 },
      );
      expect((await fetch(put, { method: "PUT", body: "by url", headers: { "content-type": "text/x" } })).status).toBe(
        200,
      );
      const get = await getSignedUrl(client, new GetObjectCommand({ Bucket, Key: "presigned" }), { expiresIn: 60 });
      expect(await (await fetch(get)).text()).toBe("by url");
    });

    it("lists, deletes in bulk, and reads refusals by name", async () => {
      const listed = await client.send(new ListObjectsV2Command({ Bucket }));
      const keys = (listed.Contents ?? []).map(({ Key }) => ({ Key }));
      expect(keys.length).toBeGreaterThanOrEqual(3);
      const deleted = await client.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects: keys } }));
      expect([deleted.Deleted?.length, deleted.Errors]).toEqual([keys.length, undefined]);
      await expect(client.send(new GetObjectCommand({ Bucket, Key: "plain ü" }))).rejects.toMatchObject({
        name: "NoSuchKey",
      });
      await expect(client.send(new HeadObjectCommand({ Bucket, Key: "no" }))).rejects.toMatchObject({
        name: "NotFound",
      });
      await expect(
        client.send(new CreateBucketCommand({ Bucket, CreateBucketConfiguration: { LocationConstraint: region } })),
      ).rejects.toMatchObject({ name: "BucketAlreadyOwnedByYou" });
      expect((await client.send(new HeadBucketCommand({ Bucket }))).BucketRegion).toBe(region);
      expect((await client.send(new ListBucketsCommand({}))).Buckets?.map(({ Name }) => Name)).toContain(Bucket);
    });

    it("configures the bucket", async () => {
      await client.send(
        new PutBucketTaggingCommand({ Bucket, Tagging: { TagSet: [{ Key: "wallet", Value: "0xabc" }] } }),
      );
      expect((await client.send(new GetBucketTaggingCommand({ Bucket }))).TagSet).toEqual([
        { Key: "wallet", Value: "0xabc" },
      ]);
      await client.send(
        new PutPublicAccessBlockCommand({ Bucket, PublicAccessBlockConfiguration: { BlockPublicAcls: true } }),
      );
      await client.send(
        new PutBucketCorsCommand({
          Bucket,
          CORSConfiguration: { CORSRules: [{ AllowedMethods: ["PUT"], AllowedOrigins: ["*"] }] },
        }),
      );
      const Rules = [
        {
          ID: "x",
          Status: "Enabled" as const,
          Filter: { Prefix: "" },
          AbortIncompleteMultipartUpload: { DaysAfterInitiation: 35 },
        },
      ];
      await client.send(new PutBucketLifecycleConfigurationCommand({ Bucket, LifecycleConfiguration: { Rules } }));
    });

    it("uploads in parts", async () => {
      const Key = "parts";
      const { UploadId } = await client.send(
        new CreateMultipartUploadCommand({ Bucket, Key, ChecksumAlgorithm: "SHA256" }),
      );
      const Parts = [];
      for (const [index, Body] of [Buffer.alloc(5 * 1024 * 1024, 1), Buffer.from("tail")].entries()) {
        const PartNumber = index + 1;
        const part = await client.send(
          new UploadPartCommand({ Bucket, Key, UploadId, PartNumber, Body, ChecksumAlgorithm: "SHA256" }),
        );
        Parts.push({ PartNumber, ETag: part.ETag, ChecksumSHA256: part.ChecksumSHA256 });
      }
      const done = await client.send(
        new CompleteMultipartUploadCommand({ Bucket, Key, UploadId, MultipartUpload: { Parts }, IfNoneMatch: "*" }),
      );
      expect([done.ETag, done.ChecksumSHA256]).toEqual([expect.stringMatching(/-2"$/), expect.stringMatching(/-2$/)]);
      await expect(client.send(new DeleteBucketCommand({ Bucket }))).rejects.toMatchObject({ name: "BucketNotEmpty" });
    });
  });
}
