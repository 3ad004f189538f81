/** Everything a server that calls itself S3 must do here; each kind of server gives itself to it. */

import type { Subject } from "../subject.ts";
import { bucketsSuite } from "./buckets.ts";
import { configSuite } from "./config.ts";
import { contentSuite } from "./content.ts";
import { hostedSuite } from "./hosted.ts";
import { listingSuite } from "./listing.ts";
import { multipartSuite } from "./multipart.ts";
import { objectsSuite } from "./objects.ts";
import { presignedSuite } from "./presigned.ts";
import { sdkSuite } from "./sdk.ts";
import { signatureSuite } from "./signature.ts";

export function wholeSuite(subject: () => Subject): void {
  signatureSuite(subject);
  presignedSuite(subject);
  hostedSuite(subject);
  contentSuite(subject);
  bucketsSuite(subject);
  configSuite(subject);
  objectsSuite(subject);
  listingSuite(subject);
  multipartSuite(subject);
  sdkSuite(subject);
}
