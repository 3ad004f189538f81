/**
 * Where presigned URLs may lead. What is sent there is sealed and what comes back must open, so another store's host harms nobody;
 * but a URL is a secret while it lives, and one that names this machine or its network would make the client knock on doors that
 * the service itself cannot reach. Names that resolve to such an address are not looked up here.
 */
import { isIP } from "node:net";
import { Fault } from "./faults.ts";

const PRIVATE_V4 =
  /^(?:0|10|127|169\.254|192\.168|172\.(?:1[6-9]|2\d|3[01])|100\.(?:6[4-9]|[7-9]\d|1[01]\d|12[0-7]))\./;

/** @throws Fault `url_refused` */
export function judgeTarget(text: string, baseUrl: string): void {
  const service = new URL(baseUrl);
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const refusal = (why: string) =>
    // Host alone: the rest of a presigned URL is a secret.
    new Fault(
      "url_refused",
      `The service names ${url?.host ?? "something"} to send bytes to or get them from: ${why}.`,
      {
        next: "Nothing was sent there. Tell the operator of the service.",
      },
    );
  if (url === undefined || (url.protocol !== "https:" && url.protocol !== "http:"))
    throw refusal("that is no http or https URL");
  if (url.username !== "" || url.password !== "") throw refusal("the URL holds a password");
  if (url.protocol === "http:" && service.protocol === "https:") throw refusal("it is not https, as the service is");
  if (isOwn(url.hostname) && !isOwn(service.hostname)) throw refusal("that is this machine or its own network");
}

/** This machine, its network, or an address of no other machine. */
function isOwn(hostname: string): boolean {
  const host = hostname.replace(/^\[|\]$/g, "").toLowerCase();
  if (host === "localhost" || host.endsWith(".localhost") || host.endsWith(".local")) return true;
  // `URL` has spelled every IPv4 number form (hex, octal, one integer) as dotted decimal.
  if (isIP(host) === 4) return PRIVATE_V4.test(host);
  if (isIP(host) !== 6) return false;
  // Mapped IPv4, loopback, unspecified, link-local, unique-local.
  return host.startsWith("::") || /^f[cd]|^fe[89ab]/.test(host);
}
