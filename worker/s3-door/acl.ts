/** ACLs, which are off: every object belongs to the bucket owner ("Controlling ownership of objects", user guide). */
import { S3Error } from "./errors.ts";

/** Since April 2023 a new bucket has ACLs off; only the two canned ACLs that change nothing are taken. */
export function refuseLegacyAcl(headers: Headers): void {
  const acl = headers.get("x-amz-acl");
  const grants = [...headers.keys()].some((name) => name.startsWith("x-amz-grant-"));
  if (grants || (acl !== null && acl !== "private" && acl !== "bucket-owner-full-control")) {
    throw new S3Error("AccessControlListNotSupported");
  }
}
