/** A content in parts: each part is as bound as a whole PUT, what is there is not sent again, and one order leaves one object. */
import { createHash } from "node:crypto";
import {
  CreateMultipartUploadCommand,
  ListMultipartUploadsCommand,
  PutObjectCommand,
  S3Client,
} from "@aws-sdk/client-s3";
import { describe, expect, test } from "vitest";
import { ConfirmReply, UploadReply } from "#contract/api";
import { DownloadReply } from "#contract/objects";
import { compositeSha256, partCount, partSpan } from "#contract/parts";
import { PartsReply, type UploadTarget } from "#contract/upload";
import { Api } from "../../../client-plugin/api.ts";
import { verifyStorageReceipt } from "../../../client-plugin/receipt.ts";
import { transfersFrom } from "../chain.ts";
import { ask, read, type Said } from "../door.ts";
import { buy, type Content, contentOf, put, REGION, refusedBy, uploadBody } from "../shop.ts";
import type { Live } from "../stack.ts";

const MIB = 1024 ** 2;
const PART = 5 * MIB;
const SIZE = 11 * MIB;
const SHAPE = { mode: "multipart", part_bytes: PART };

/** Three parts, of which the last is short: so short that the local S3 reads it to its end before it refuses it. */
function large(seed: string): Content {
  const bytes = Buffer.alloc(SIZE, seed);
  return { bytes, sha256: createHash("sha256").update(bytes).digest("hex") };
}

const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");
const partOf = ({ bytes }: Content, part: number) => {
  const span = partSpan(bytes.length, PART, part);
  if (!span) throw new Error(`there is no part ${part}`);
  return bytes.subarray(span.offset, span.offset + span.lengthBytes);
};
const pinOf = (content: Content, part: number) => ({ part, sha256: sha256(partOf(content, part)) });
const all = [1, 2, 3];

export function parts(live: () => Live): void {
  const bought = async (name: string, content: Content) => {
    const owner = live().wallet();
    const { said } = await buy(live().edge, owner, name, content, SHAPE);
    return { owner, plan: read(UploadReply, said) };
  };
  const byTicket = (plan: UploadReply, path: string, body: object): Promise<Said> =>
    ask(live().edge, { path, body, headers: { "x-mnemospark-ticket": plan.ticket } });
  const askParts = (plan: UploadReply, pins: object[]) =>
    byTicket(plan, "/storage/upload/parts", { order_id: plan.order_id, plan: plan.plan.plan, parts: pins });
  const again = (plan: UploadReply, name: string, content: Content) => {
    const { region: _, ...body } = uploadBody(name, content, SHAPE);
    return byTicket(plan, "/storage/upload", { order_id: plan.order_id, ...body });
  };
  const confirm = (plan: UploadReply) => byTicket(plan, "/storage/upload/confirm", { order_id: plan.order_id });
  const send = (target: UploadTarget | undefined, bytes: Uint8Array, lie: Record<string, string> = {}) => {
    const { "content-length": _, ...headers } = target?.headers ?? {};
    return fetch(target?.url ?? "", { method: "PUT", headers: { ...headers, ...lie }, body: Buffer.from(bytes) });
  };
  const sendAll = async (plan: UploadReply, content: Content, which = all) => {
    const { targets } = read(
      PartsReply,
      await askParts(
        plan,
        which.map((part) => pinOf(content, part)),
      ),
    );
    for (const target of targets) expect((await send(target, partOf(content, target.part))).status).toBe(200);
    return targets;
  };
  const s3 = () =>
    new S3Client({
      endpoint: live().stack.urls.s3,
      region: REGION,
      forcePathStyle: true,
      credentials: live().stack.keys.s3,
    });
  const openUploads = async (plan: UploadReply) =>
    (await s3().send(new ListMultipartUploadsCommand({ Bucket: plan.bucket_name }))).Uploads ?? [];

  describe.concurrent("a content in parts", () => {
    test("is bound part by part, resumed without sending twice, and confirmed under what S3 verified", async () => {
      const content = large("the whole ");
      const { owner, plan } = await bought("parts", content);
      expect(plan).toMatchObject({ upload_url: "", already_stored: false });
      expect(plan.plan).toMatchObject({ targets: [], multipart: { part_bytes: PART, parts: 3, stored: [] } });
      const [first, second] = await sendAll(plan, content, [1, 2]);
      // S3 itself refuses what was not announced.
      expect(await refusedBy(await send(first, Buffer.alloc(PART, "x")))).toBe("400 XAmzContentSHA256Mismatch");
      const [last] = read(PartsReply, await askParts(plan, [pinOf(content, 3)])).targets;
      expect(await refusedBy(await send(last, Buffer.alloc(MIB - 1)))).toBe("403 SignatureDoesNotMatch");
      const moved = last && { ...last, url: last.url.replace("partNumber=3&", "partNumber=2&") };
      expect(await refusedBy(await send(moved, partOf(content, 3)))).toBe("403 SignatureDoesNotMatch");
      // And the service what was announced otherwise, or is no part of what was paid for.
      expect(await askParts(plan, [{ part: 2, sha256: "ab".repeat(32) }])).toMatchObject({
        status: 409,
        json: { code: "bytes_mismatch" },
      });
      expect(await askParts(plan, [{ part: 4, sha256: "ab".repeat(32) }])).toMatchObject({
        status: 400,
        json: { code: "size_out_of_range" },
      });
      expect(await askParts(plan, [pinOf(content, 1), pinOf(content, 1)])).toMatchObject({ status: 400 });
      expect(await confirm(plan)).toMatchObject({ status: 404, json: { code: "bytes_not_found", parts_missing: 1 } });
      const resumed = read(UploadReply, await again(plan, "parts", content));
      expect(resumed.plan).toMatchObject({ plan: plan.plan.plan, multipart: { stored: [1, 2] } });
      // The same part again is the same part.
      expect((await send(second, partOf(content, 2))).status).toBe(200);
      await sendAll(plan, content, [3]);
      const replies = await Promise.all([1, 2, 3].map(() => confirm(plan)));
      const done = replies.map((said) => read(ConfirmReply, said));
      const composite = compositeSha256(all.map((part) => pinOf(content, part).sha256));
      const checksum = { type: "COMPOSITE", sha256: composite, part_bytes: PART, parts: partCount(SIZE, PART) };
      for (const one of done)
        expect(one).toMatchObject({ state: "stored", s3_key: plan.plan.s3_key, size_bytes: SIZE, checksum });
      const signer = done[0]?.receipt?.signer ?? "";
      expect(await verifyStorageReceipt(done[0]?.receipt, signer)).toMatchObject({
        ok: true,
        payload: { content_sha256: composite, part_bytes: PART, size_bytes: SIZE },
      });
      expect(await refusedBy(await send(last, partOf(content, 3)))).toBe("404 NoSuchUpload");
      expect(read(UploadReply, await again(plan, "parts", content)).already_stored).toBe(true);
      expect(await openUploads(plan)).toEqual([]);
      const named = { wallet_address: owner.address, object_key: "parts" };
      const got = read(DownloadReply, await ask(live().edge, { path: "/storage/download", body: named, by: owner }));
      expect(got).toMatchObject({ content_sha256: content.sha256, checksum });
      expect(sha256(new Uint8Array(await (await fetch(got.download_url)).arrayBuffer()))).toBe(content.sha256);
      expect(await transfersFrom(live().stack, owner.address)).toHaveLength(1);
    });

    test("has one upload in S3, whoever asks at once, and finds the one whose beginner died", async () => {
      const content = large("at once ");
      const { plan } = await bought("at once", content);
      const other = large("another ");
      const key = plan.plan.s3_key.replace(/\.1$/, ".2");
      const orphan = await s3().send(
        new CreateMultipartUploadCommand({ Bucket: plan.bucket_name, Key: key, ChecksumAlgorithm: "SHA256" }),
      );
      const asked = await Promise.all(all.map(() => again(plan, "at once", other)));
      const plans = asked.map((said) => read(UploadReply, said).plan);
      expect(new Set(plans.map((each) => each.s3_key))).toEqual(new Set([key]));
      const uploads = (await openUploads(plan)).filter((upload) => upload.Key === key);
      expect(uploads.map((upload) => upload.UploadId)).toEqual([orphan.UploadId]);
      // The content before it was given up; its URLs are not given out any more.
      expect(await askParts(plan, [pinOf(content, 1)])).toMatchObject({ status: 410, json: { code: "plan_gone" } });
    });

    test("that is not what was announced is removed, and the order stays paid", async () => {
      const content = large("announced ");
      const { plan } = await bought("foreign", content);
      await sendAll(plan, content);
      const place = { Bucket: plan.bucket_name, Key: plan.plan.s3_key };
      await s3().send(new PutObjectCommand({ ...place, Body: "something else" }));
      expect(await confirm(plan)).toMatchObject({ status: 409, json: { code: "bytes_mismatch" } });
      const next = read(UploadReply, await again(plan, "foreign", content));
      expect(next.plan.s3_key).not.toBe(plan.plan.s3_key);
      await sendAll(next, content);
      expect(read(ConfirmReply, await confirm(next)).s3_key).toBe(next.plan.s3_key);
    });

    test("is aborted with its object: nothing is left that would cost or could come back", async () => {
      const content = large("deleted ");
      const { owner, plan } = await bought("deleted", content);
      const [target] = await sendAll(plan, content, [3]);
      const body = { wallet_address: owner.address, object_key: "deleted" };
      expect((await ask(live().edge, { path: "/storage/delete", body, by: owner })).status).toBe(200);
      expect(await openUploads(plan)).toEqual([]);
      expect(await refusedBy(await send(target, partOf(content, 3)))).toBe("404 NoSuchUpload");
      expect(await askParts(plan, [pinOf(content, 2)])).toMatchObject({ status: 410 });
    });

    test("may turn into one PUT and back, and leaves one object", async () => {
      const content = large("changes ");
      const { plan } = await bought("changes", content);
      await sendAll(plan, content, [1]);
      const { region: _, ...body } = uploadBody("changes", content);
      const whole = read(UploadReply, await byTicket(plan, "/storage/upload", { order_id: plan.order_id, ...body }));
      expect(whole.plan.multipart).toBeUndefined();
      expect((await put(whole, content.bytes)).status).toBe(200);
      const done = read(ConfirmReply, await confirm(plan));
      expect(done).toMatchObject({
        s3_key: whole.plan.s3_key,
        checksum: { type: "FULL_OBJECT", sha256: content.sha256 },
      });
      // Stored is stored, in whatever shape it is asked for.
      expect(read(UploadReply, await again(plan, "changes", content))).toMatchObject({ already_stored: true });
    });

    test("of a size S3 would not complete is refused before anybody pays", async () => {
      const asked = (more: object) =>
        ask(live().edge, { path: "/storage/upload", body: uploadBody("never", contentOf("x"), more) });
      const size = PART * 10_000 + 1;
      expect(await asked({ ...SHAPE, content_length_bytes: size })).toMatchObject({
        status: 400,
        json: { code: "size_out_of_range" },
      });
      expect(await asked({ part_bytes: PART })).toMatchObject({ status: 400, json: { code: "malformed" } });
      expect(await asked({ content_length_bytes: 50_000_000_000_001 })).toMatchObject({ status: 400 });
      expect(await asked({ content_length_bytes: 50_000_000_000_000 })).toMatchObject({ status: 402 });
    });
  });

  test.each([-3_600_000, 3_600_000])(
    "a client whose clock is %d ms wrong goes by the service's, and says so",
    async (wrongMs) => {
      const notices: string[] = [];
      const signer = live().wallet();
      const nowMs = () => Date.now() + wrongMs;
      const onNotice = (text: string) => void notices.push(text);
      const api = new Api({ baseUrl: live().edge, signer, chainId: 84_532, nowMs, onNotice });
      for (let n = 0; n < 2; n++) expect((await api.list()).objects).toEqual([]);
      expect(notices).toEqual([expect.stringMatching(/^this machine's clock is -?3(?:59[5-9]|60[0-5]) s ahead/)]);
    },
  );
}
