/** One line a request, with what an operator needs to tell what happened. */
import { describe, expect, it } from "vitest";
import { makeBucket, send } from "../client.ts";
import { alice, type Subject } from "../subject.ts";

export function accessLogSuite(subject: () => Subject): void {
  describe("access log", () => {
    it("names operation, outcome, bytes and requester", async () => {
      const bucket = await makeBucket(subject());
      await (
        await send(subject(), `/${bucket}/a%20b`, { method: "PUT", body: "12345", headers: { "user-agent": "test/1" } })
      ).text();
      await (await send(subject(), `/${bucket}/none`)).text();
      await (await fetch(`${subject().origin}/${bucket}/none`)).text();
      const entries = () =>
        subject()
          .log()
          .filter((entry) => JSON.stringify(entry).includes(bucket));
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
