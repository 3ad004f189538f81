/** The dialect as a Worker over R2, in workerd. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Subject } from "./subject.ts";
import { embeddedSuite } from "./suite/embedded.ts";
import { wholeSuite } from "./suite/whole.ts";
import { startWorkerServer } from "./worker-server.ts";

describe("S3 over R2 in workerd", () => {
  let subject: Subject;
  beforeAll(async () => {
    subject = await startWorkerServer();
  });
  afterAll(() => subject.close());

  it("answers on its health path", async () => {
    const response = await fetch(`${subject.origin}/-/healthz`);
    expect([response.status, await response.json()]).toEqual([200, { ok: true }]);
  });
  wholeSuite(() => subject);
  embeddedSuite(() => subject);
});
