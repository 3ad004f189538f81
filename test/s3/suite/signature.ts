/** Who may ask: signatures in the header, signatures in the URL, and everything that must not pass for one. */
import { beforeAll, describe, expect } from "vitest";
import { expectRefusal, expectStatus, makeBucket, presign, request, send, signAsk } from "../client.ts";
import { it } from "../judge.ts";
import { alice, bob, type Subject } from "../subject.ts";

const MINUTE = 60_000;

export function signatureSuite(subject: () => Subject): void {
  describe("signatures", () => {
    let bucket = "";
    beforeAll(async () => {
      bucket = await makeBucket(subject());
      await expectStatus(await send(subject(), `/${bucket}/kept`, { method: "PUT", body: "kept" }), 200);
    });

    it("a header-signed request with the right secret passes", async () => {
      expect(await (await send(subject(), `/${bucket}/kept`)).text()).toBe("kept");
    });

    it("a wrong secret is refused", async () => {
      const account = { ...alice, secretAccessKey: "wrong" };
      await expectRefusal(await send(subject(), `/${bucket}/kept`, { account }), 403, "SignatureDoesNotMatch");
    });

    it("an unknown access key is refused", async () => {
      const account = { ...alice, accessKeyId: "AKIANOBODY0000000000" };
      await expectRefusal(await send(subject(), `/${bucket}/kept`, { account }), 403, "InvalidAccessKeyId");
    });

    it("an anonymous request is refused", async () => {
      await expectRefusal(await fetch(`${subject().origin}/${bucket}/kept`), 403, "AccessDenied");
      await expectRefusal(
        await fetch(`${subject().origin}/${bucket}/new`, { method: "PUT", body: "x" }),
        403,
        "AccessDenied",
      );
    });

    it("a signature for another region names the right one", async () => {
      const text = await expectRefusal(
        await send(subject(), `/${bucket}/kept`, { region: "eu-west-1" }),
        400,
        "AuthorizationHeaderMalformed",
      );
      expect(text).toContain("<Region>us-east-1</Region>");
      const unknown = await send(subject(), `/${bucket}/kept`, { region: "mars-north-1" });
      expect(await expectRefusal(unknown, 400, "AuthorizationHeaderMalformed")).toContain("<Region>us-east-1</Region>");
      const { url } = await presign(subject(), `/${bucket}/kept`, { region: "eu-west-1" });
      await expectRefusal(await fetch(url), 400, "AuthorizationQueryParametersError");
    });

    it("a clock more than 15 minutes off is refused, 14 minutes pass", async () => {
      const ask = (minutes: number) => send(subject(), `/${bucket}/kept`, { atMs: Date.now() + minutes * MINUTE });
      await expectRefusal(await ask(16), 403, "RequestTimeTooSkewed");
      await expectRefusal(await ask(-16), 403, "RequestTimeTooSkewed");
      await expectStatus(await ask(14), 200);
    });

    it("an x-amz header that was not signed is refused", async () => {
      const { url, headers } = await signAsk(subject(), `/${bucket}/kept`);
      const response = await fetch(url, request("GET", { ...headers, "x-amz-meta-late": "1" }));
      const text = await expectRefusal(response, 403, "AccessDenied");
      expect(text).toContain("There were headers present in the request which were not signed");
      expect(text).toContain("<HeadersNotSigned>x-amz-meta-late</HeadersNotSigned>");
    });

    it("an x-amz header added to a presigned PUT is refused", async () => {
      const { url } = await presign(subject(), `/${bucket}/late`, { method: "PUT" });
      const response = await fetch(url, { method: "PUT", body: "x", headers: { "x-amz-acl": "private" } });
      await expectRefusal(response, 403, "AccessDenied");
    });

    it("two mechanisms at once are refused", async () => {
      const { headers } = await signAsk(subject(), `/${bucket}/kept`);
      const { url } = await presign(subject(), `/${bucket}/kept`);
      await expectRefusal(await fetch(url, request("GET", headers)), 400, "InvalidArgument");
    });

    it("signature version 2 is refused by name", async () => {
      const headers = { authorization: "AWS AKIAALICE00000000000:c2lnbmF0dXJl" };
      await expectRefusal(await fetch(`${subject().origin}/${bucket}/kept`, { headers }), 400, "InvalidRequest");
    });

    it("a session token is refused: there are no sessions", async () => {
      const headers = { "x-amz-security-token": "token" };
      await expectRefusal(await send(subject(), `/${bucket}/kept`, { headers }), 400, "InvalidToken");
    });

    it("another account may not touch the bucket", async () => {
      for (const method of ["GET", "PUT", "DELETE"]) {
        const response = await send(subject(), `/${bucket}/kept`, { method, account: bob });
        await expectRefusal(response, 403, "AccessDenied");
      }
      expect((await send(subject(), `/${bucket}`, { method: "HEAD", account: bob })).status).toBe(403);
    });

    it("x-amz-expected-bucket-owner must be the owner, on every operation", async () => {
      const wrong = { "x-amz-expected-bucket-owner": bob.accountId };
      for (const [method, path] of [
        ["GET", `/${bucket}/kept`],
        ["PUT", `/${bucket}/kept`],
        ["DELETE", `/${bucket}/kept`],
        ["GET", `/${bucket}?list-type=2`],
        ["GET", `/${bucket}?location`],
        ["GET", `/${bucket}?tagging`],
        ["DELETE", `/${bucket}`],
        ["POST", `/${bucket}/kept?uploads`],
      ] as const) {
        await expectRefusal(await send(subject(), path, { method, headers: wrong }), 403, "AccessDenied");
      }
      const right = { "x-amz-expected-bucket-owner": alice.accountId };
      await expectStatus(await send(subject(), `/${bucket}/kept`, { headers: right }), 200);
    });

    it("keys with every awkward character are signed and found again", async () => {
      const keys = ["a b+c%d#e?f&g=h", "ünï/çødé ☃", "x//y", "(it's)!*~", "trailing/", "a%2Fb", "\u{1f600}"];
      for (const key of keys) {
        const path = `/${bucket}/${key.split("/").map(encodeURIComponent).join("/")}`;
        await expectStatus(await send(subject(), path, { method: "PUT", body: key }), 200);
        expect(await (await send(subject(), path)).text()).toBe(key);
      }
    });
  });
}
