/** Buckets: making, finding, owning and removing them. */
import { describe, expect } from "vitest";
import { expectRefusal, expectStatus, locationDocument, makeBucket, send } from "../client.ts";
import { it } from "../judge.ts";
import { bob, freshName, type Subject } from "../subject.ts";

export function bucketsSuite(subject: () => Subject): void {
  describe("buckets", () => {
    it("us-east-1 is created by saying nothing, another region by naming it", async () => {
      const east = await makeBucket(subject());
      const west = await makeBucket(subject(), { region: "eu-west-1" });
      const at = async (name: string, region: string) =>
        (await send(subject(), `/${name}?location`, { region })).text();
      expect(await at(east, "us-east-1")).toMatch(/<LocationConstraint [^>]*><\/LocationConstraint>/);
      expect(await at(west, "eu-west-1")).toContain(">eu-west-1</LocationConstraint>");
    });

    it("a location constraint must name the endpoint's region", async () => {
      const create = (region: string, constraint?: string) =>
        send(subject(), `/${freshName()}`, {
          method: "PUT",
          region,
          ...(constraint === undefined ? {} : { body: locationDocument(constraint) }),
        });
      await expectRefusal(await create("eu-west-1"), 400, "IllegalLocationConstraintException");
      await expectRefusal(await create("eu-west-1", "eu-central-1"), 400, "IllegalLocationConstraintException");
      await expectRefusal(await create("us-east-1", "us-east-1"), 400, "InvalidLocationConstraint");
      await expectRefusal(await create("eu-west-1", "mars-north-1"), 400, "InvalidLocationConstraint");
    });

    it("a malformed document is refused", async () => {
      const response = await send(subject(), `/${freshName()}`, { method: "PUT", body: "<CreateBucketConfiguration>" });
      await expectRefusal(response, 400, "MalformedXML");
    });

    it.each(["ab", "UPPER", "under_score", "-dash", "dash-", "a..b", "a.-b", "192.168.0.1", "xn--x", "a-s3alias"])(
      "%s is no bucket name",
      async (name) => {
        await expectRefusal(await send(subject(), `/${name}`, { method: "PUT" }), 400, "InvalidBucketName");
      },
    );

    it("a name that is taken says by whom", async () => {
      const name = await makeBucket(subject());
      await expectRefusal(await send(subject(), `/${name}`, { method: "PUT" }), 409, "BucketAlreadyOwnedByYou");
      const other = await send(subject(), `/${name}`, { method: "PUT", account: bob });
      await expectRefusal(other, 409, "BucketAlreadyExists");
    });

    it("two creations at once make one bucket", async () => {
      const name = freshName();
      const all = await Promise.all([1, 2, 3, 4].map(() => send(subject(), `/${name}`, { method: "PUT" })));
      expect(all.map(({ status }) => status).sort()).toEqual([200, 409, 409, 409]);
    });

    it("HeadBucket tells present, foreign and absent apart", async () => {
      const name = await makeBucket(subject());
      const head = (ask: object) => send(subject(), `/${name}`, { method: "HEAD", ...ask });
      const own = await head({});
      expect([own.status, own.headers.get("x-amz-bucket-region")]).toEqual([200, "us-east-1"]);
      expect((await head({ account: bob })).status).toBe(403);
      expect((await head({ headers: { "x-amz-expected-bucket-owner": bob.accountId } })).status).toBe(403);
      expect((await send(subject(), `/${freshName()}`, { method: "HEAD" })).status).toBe(404);
      const elsewhere = await head({ region: "eu-west-1" });
      expect([elsewhere.status, elsewhere.headers.get("x-amz-bucket-region")]).toEqual([400, "us-east-1"]);
    });

    it("only an empty bucket can be deleted", async () => {
      const name = await makeBucket(subject());
      await expectStatus(await send(subject(), `/${name}/x`, { method: "PUT", body: "x" }), 200);
      await expectRefusal(await send(subject(), `/${name}`, { method: "DELETE" }), 409, "BucketNotEmpty");
      await expectStatus(await send(subject(), `/${name}/x`, { method: "DELETE" }), 204);
      await expectStatus(await send(subject(), `/${name}`, { method: "DELETE" }), 204);
      await expectRefusal(await send(subject(), `/${name}`, { method: "DELETE" }), 404, "NoSuchBucket");
      await expectRefusal(await send(subject(), `/${name}/x`), 404, "NoSuchBucket");
    });

    it("ListBuckets shows one's own", async () => {
      const mine = await makeBucket(subject());
      const other = await makeBucket(subject(), { account: bob });
      const text = await (await send(subject(), "/")).text();
      expect(text).toContain(`<Name>${mine}</Name>`);
      expect(text).not.toContain(other);
      const page = await (await send(subject(), `/?prefix=${mine}&max-buckets=1`)).text();
      expect(page).toContain(`<Name>${mine}</Name>`);
      expect(page).not.toContain("ContinuationToken");
    });
  });
}
