/** The dialect over the memory store, in this process. */
import { afterAll, beforeAll, describe } from "vitest";
import { startNodeServer } from "./node-server.ts";
import type { Subject } from "./subject.ts";
import { embeddedSuite } from "./suite/embedded.ts";
import { wholeSuite } from "./suite/whole.ts";

describe("S3 over the memory store", () => {
  let subject: Subject;
  beforeAll(async () => {
    subject = await startNodeServer();
  });
  afterAll(() => subject.close());
  wholeSuite(() => subject);
  embeddedSuite(() => subject);
});
