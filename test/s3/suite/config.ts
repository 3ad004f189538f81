/** The bucket's configuration documents: stored, returned as they were, gone when deleted, refused when malformed. */
import { beforeEach, describe, expect } from "vitest";
import { base64Hash, expectRefusal, expectStatus, makeBucket, send } from "../client.ts";
import { check, it } from "../judge.ts";
import type { Subject } from "../subject.ts";

const DOCUMENTS = {
  publicAccessBlock:
    "<PublicAccessBlockConfiguration><BlockPublicAcls>true</BlockPublicAcls><IgnorePublicAcls>true</IgnorePublicAcls><BlockPublicPolicy>false</BlockPublicPolicy><RestrictPublicBuckets>true</RestrictPublicBuckets></PublicAccessBlockConfiguration>",
  ownershipControls:
    "<OwnershipControls><Rule><ObjectOwnership>ObjectWriter</ObjectOwnership></Rule></OwnershipControls>",
  lifecycle:
    "<LifecycleConfiguration><Rule><ID>sweep</ID><Filter></Filter><Status>Enabled</Status><AbortIncompleteMultipartUpload><DaysAfterInitiation>35</DaysAfterInitiation></AbortIncompleteMultipartUpload></Rule></LifecycleConfiguration>",
  tagging:
    "<Tagging><TagSet><Tag><Key>wallet</Key><Value>0xAbC 007 </Value></Tag><Tag><Key>n</Key><Value></Value></Tag></TagSet></Tagging>",
  cors: "<CORSConfiguration><CORSRule><AllowedOrigin>https://a.example</AllowedOrigin><AllowedMethod>PUT</AllowedMethod><AllowedMethod>GET</AllowedMethod><AllowedHeader>*</AllowedHeader><ExposeHeader>etag</ExposeHeader><MaxAgeSeconds>60</MaxAgeSeconds></CORSRule></CORSConfiguration>",
  encryption:
    "<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>AES256</SSEAlgorithm></ApplyServerSideEncryptionByDefault><BucketKeyEnabled>true</BucketKeyEnabled></Rule></ServerSideEncryptionConfiguration>",
} as const;

const MISSING = {
  publicAccessBlock: "NoSuchPublicAccessBlockConfiguration",
  ownershipControls: "OwnershipControlsNotFoundError",
  lifecycle: "NoSuchLifecycleConfiguration",
  tagging: "NoSuchTagSet",
  cors: "NoSuchCORSConfiguration",
} as const;

const NAMES = Object.keys(DOCUMENTS) as (keyof typeof DOCUMENTS)[];

export function configSuite(subject: () => Subject): void {
  describe("bucket configuration", () => {
    let bucket = "";
    const put = (name: string, body: string, proof = true) =>
      send(subject(), `/${bucket}?${name}`, {
        method: "PUT",
        body,
        headers: proof ? { "content-md5": base64Hash("md5", body) } : {},
      });
    const get = (name: string) => send(subject(), `/${bucket}?${name}`);
    const remove = (name: string) => send(subject(), `/${bucket}?${name}`, { method: "DELETE" });
    beforeEach(async () => {
      bucket = await makeBucket(subject());
    });

    it.each(NAMES)("%s is returned as it was stored", async (name) => {
      const stored = await put(name, DOCUMENTS[name]);
      await expectStatus(stored, name === "tagging" ? 204 : 200);
      const text = await (await get(name)).text();
      expect(text.replace(/^<\?xml[^>]*>\s*/, "").replace(/ xmlns="[^"]*"/, "")).toBe(DOCUMENTS[name]);
    });

    it.each(Object.entries(MISSING))("%s says %s once deleted", async (name, code) => {
      await put(name, DOCUMENTS[name as keyof typeof DOCUMENTS]);
      await expectStatus(await remove(name), 204);
      await expectRefusal(await get(name), 404, code);
    });

    it.each(NAMES)("%s refuses another document and no document", async (name) => {
      for (const body of ["<Wrong></Wrong>", "not xml", "", DOCUMENTS[name].replace("<", "<!DOCTYPE x><")]) {
        await expectRefusal(await put(name, body), 400, "MalformedXML");
      }
    });

    it("a write must prove its body", async () => {
      await expectRefusal(await put("tagging", DOCUMENTS.tagging, false), 400, "InvalidRequest");
      const headers = { "content-md5": base64Hash("md5", "other") };
      const response = await send(subject(), `/${bucket}?tagging`, { method: "PUT", headers, body: DOCUMENTS.tagging });
      await expectRefusal(response, 400, "BadDigest");
    });

    it("a new bucket blocks public access, has ACLs off and is encrypted", async () => {
      expect((await (await get("publicAccessBlock")).text()).match(/>true</g)).toHaveLength(4);
      expect(await (await get("ownershipControls")).text()).toContain("BucketOwnerEnforced");
      expect(await (await get("encryption")).text()).toContain("AES256");
      expect(await (await get("versioning")).text()).toContain("VersioningConfiguration");
      const acl = await send(subject(), `/${bucket}/x`, {
        method: "PUT",
        body: "x",
        headers: { "x-amz-acl": "public-read" },
      });
      await expectRefusal(acl, 400, "AccessControlListNotSupported");
    });

    it("tags are checked", async () => {
      const tag = (key: string, value: string) => `<Tag><Key>${key}</Key><Value>${value}</Value></Tag>`;
      const set = (inner: string) => `<Tagging><TagSet>${inner}</TagSet></Tagging>`;
      await expectRefusal(await put("tagging", set(tag("a", "1") + tag("a", "2"))), 400, "InvalidTag");
      await expectRefusal(await put("tagging", set(tag("k".repeat(129), "1"))), 400, "InvalidTag");
      await expectRefusal(await put("tagging", set(tag("aws:x", "1"))), 400, "InvalidTag");
      await expectRefusal(await put("tagging", set(tag("a", "&lt;script&gt;"))), 400, "InvalidTag");
    });

    it("an unknown CORS method and a lifecycle rule without an action are refused", async () => {
      await expectRefusal(await put("cors", DOCUMENTS.cors.replace("PUT", "PATCH")), 400, "InvalidRequest");
      const idle = DOCUMENTS.lifecycle.replace(/<Abort.*Upload>/, "");
      await expectRefusal(await put("lifecycle", idle), 400, "InvalidRequest");
    });

    it("a lifecycle rule without an id gets one", async () => {
      await expectStatus(await put("lifecycle", DOCUMENTS.lifecycle.replace("<ID>sweep</ID>", "")), 200);
      expect(await (await get("lifecycle")).text()).toMatch(/<ID>\w+<\/ID>/);
    });

    it("a policy is kept byte for byte", async () => {
      const policy = `{"Version":"2012-10-17", "Statement":[{"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":["arn:aws:s3:::${bucket}","arn:aws:s3:::${bucket}/*"],"Condition":{"Bool":{"aws:SecureTransport":"false"}}}]}`;
      await expectRefusal(await get("policy"), 404, "NoSuchBucketPolicy");
      await expectStatus(await put("policy", policy), 204);
      expect(await (await get("policy")).text()).toBe(policy);
      await expectStatus(await remove("policy"), 204);
      await expectRefusal(await get("policy"), 404, "NoSuchBucketPolicy");
    });

    it("a malformed policy and one for another bucket are refused", async () => {
      const policy = (resource: string, effect = "Deny") =>
        JSON.stringify({
          Version: "2012-10-17",
          Statement: [{ Effect: effect, Principal: "*", Action: "s3:GetObject", Resource: resource }],
        });
      await expectRefusal(await put("policy", "not json"), 400, "MalformedPolicy");
      await expectRefusal(await put("policy", "{}"), 400, "MalformedPolicy");
      await expectRefusal(await put("policy", policy("arn:aws:s3:::other/*")), 400, "MalformedPolicy");
      await expectRefusal(await put("policy", policy(`arn:aws:s3:::${bucket}/*`, "Maybe")), 400, "MalformedPolicy");
    });

    it("a public policy is refused while BlockPublicPolicy holds", async () => {
      const policy = JSON.stringify({
        Version: "2012-10-17",
        Statement: [{ Effect: "Allow", Principal: "*", Action: "s3:GetObject", Resource: `arn:aws:s3:::${bucket}/*` }],
      });
      await expectRefusal(await put("policy", policy), 403, "AccessDenied");
      await expectStatus(await put("publicAccessBlock", DOCUMENTS.publicAccessBlock), 200);
      await expectStatus(await put("policy", policy), 204);
    });

    it("configuration writes at the same time are all kept", async () => {
      await Promise.all(NAMES.map((name) => put(name, DOCUMENTS[name])));
      for (const name of NAMES) expect((await get(name)).status).toBe(200);
      expect(await (await get("tagging")).text()).toContain("0xAbC 007 ");
      expect(await (await get("lifecycle")).text()).toContain("sweep");
    });
  });
  corsSuite(subject);
}

function corsSuite(subject: () => Subject): void {
  describe("CORS", () => {
    it("a preflight and the request after it follow the bucket's rules", async () => {
      const bucket = await makeBucket(subject());
      const url = `${subject().origin}/${bucket}/x`;
      const preflight = (headers: Record<string, string>) => fetch(url, { method: "OPTIONS", headers });
      const asked = { origin: "https://a.example", "access-control-request-method": "PUT" };
      await expectRefusal(await preflight(asked), 403, "AccessForbidden");
      const body = DOCUMENTS.cors;
      const headers = { "content-md5": base64Hash("md5", body) };
      await expectStatus(await send(subject(), `/${bucket}?cors`, { method: "PUT", body, headers }), 200);

      const granted = await preflight({ ...asked, "access-control-request-headers": "content-type, x-amz-meta-a" });
      expect(granted.status).toBe(200);
      expect(granted.headers.get("access-control-allow-origin")).toBe("https://a.example");
      check(() => expect(granted.headers.get("access-control-allow-methods")).toBe("PUT, GET"));
      expect(granted.headers.get("access-control-allow-headers")).toBe("content-type, x-amz-meta-a");
      expect(granted.headers.get("access-control-max-age")).toBe("60");
      await expectRefusal(await preflight({ ...asked, origin: "https://b.example" }), 403, "AccessForbidden");
      await expectRefusal(
        await preflight({ ...asked, "access-control-request-method": "DELETE" }),
        403,
        "AccessForbidden",
      );
      await expectRefusal(await preflight({ origin: "https://a.example" }), 400, "BadRequest");

      const put = await send(subject(), `/${bucket}/x`, {
        method: "PUT",
        body: "x",
        headers: { origin: "https://a.example" },
      });
      expect(put.headers.get("access-control-allow-origin")).toBe("https://a.example");
      expect(put.headers.get("access-control-expose-headers")).toBe("etag");
      const other = await send(subject(), `/${bucket}/x`, { headers: { origin: "https://b.example" } });
      expect(other.headers.get("access-control-allow-origin")).toBe(null);
    });
  });
}
