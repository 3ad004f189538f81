/** What is the embedded server's own affair, and no part of S3: its access log, and what it says to what it has not. */
import { describe, expect } from "vitest";
import { expectRefusal, makeBucket, send } from "../client.ts";
import { it } from "../judge.ts";
import { alice, type Subject } from "../subject.ts";

export function embeddedSuite(subject: () => Subject): void {
  describe("the embedded server", () => {
    it("what S3 has and this server has not is refused, not guessed", async () => {
      const name = await makeBucket(subject());
      for (const subresource of ["acl", "website", "replication", "object-lock", "versions"]) {
        await expectRefusal(await send(subject(), `/${name}?${subresource}`), 501, "NotImplemented");
      }
      await expectRefusal(await send(subject(), "/", { method: "PUT" }), 405, "MethodNotAllowed");
    });

    it("its log names operation, outcome, bytes and requester", async () => {
      const bucket = await makeBucket(subject());
      await (
        await send(subject(), `/${bucket}/a%20b`, { method: "PUT", body: "12345", headers: { "user-agent": "test/1" } })
      ).text();
      await (await send(subject(), `/${bucket}/none`)).text();
      await (await fetch(`${subject().origin}/${bucket}/none`)).text();
      const entries = () => (subject().log?.() ?? []).filter((entry) => JSON.stringify(entry).includes(bucket));
      for (let waited = 0; entries().length < 4 && waited < 40; waited++)
        await new Promise((resolve) => setTimeout(resolve, 50));
      expect(entries()).toMatchObject([
        { operation: "CreateBucket", status: 200, requester: alice.accountId },
        { operation: "PutObject", method: "PUT", key: "a b", status: 200, requestBytes: 5, userAgent: "test/1" },
        { operation: "GetObject", key: "none", status: 404, errorCode: "NoSuchKey", requester: alice.accountId },
        { operation: "GetObject", status: 403, errorCode: "AccessDenied" },
      ]);
    });
  });
}
