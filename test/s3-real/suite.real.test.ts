/** The suite that the embedded S3 is held to, against a radosgw; what it does otherwise is listed in deviations.ts and nowhere else. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { judgeBy, unmet } from "../s3/judge.ts";
import type { Subject } from "../s3/subject.ts";
import { wholeSuite } from "../s3/suite/whole.ts";
import { DEVIATIONS } from "./deviations.ts";
import { type Radosgw, startRadosgw } from "./radosgw.ts";

judgeBy(DEVIATIONS);

describe("S3 by radosgw", () => {
  let radosgw: Radosgw | undefined;
  let subject: Subject | undefined;
  beforeAll(async () => {
    radosgw = await startRadosgw();
    const { origin, version, stop } = radosgw;
    console.log(version);
    subject = { origin, close: stop };
  }, 300_000);
  afterAll(() => radosgw?.stop());
  wholeSuite(() => subject ?? fail());

  it("every listed deviation was looked for", () => {
    expect(unmet()).toEqual([]);
  });
});

function fail(): never {
  throw new Error("radosgw is not up");
}
