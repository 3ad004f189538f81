/** CORS rules as values: the shape of the document, and which rule lets a request through (pure; cors.ts speaks HTTP). */
import { S3Error } from "./errors.ts";
import { each, eachNode, leaf, type XmlNode } from "./xml.ts";

const METHODS = ["GET", "PUT", "POST", "DELETE", "HEAD"];

export interface CorsRule {
  readonly origins: readonly string[];
  readonly methods: readonly string[];
  readonly headers: readonly string[];
  readonly expose: readonly string[];
  readonly maxAgeSeconds: string | undefined;
}

export function checkCors(document: XmlNode): void {
  const rules = eachNode(document, "CORSRule");
  if (rules === undefined || rules.length === 0 || rules.length > 100) throw new S3Error("MalformedXML");
  for (const node of rules) {
    const rule = readRule(node);
    if (rule.origins.length === 0 || rule.methods.length === 0) throw new S3Error("MalformedXML");
    for (const method of rule.methods) {
      if (METHODS.includes(method)) continue;
      throw new S3Error(
        "InvalidRequest",
        `Found unsupported HTTP method in CORS config. Unsupported method is ${method}`,
      );
    }
    for (const pattern of [...rule.origins, ...rule.headers]) {
      if (pattern.split("*").length <= 2) continue;
      throw new S3Error("InvalidRequest", `"${pattern}" can not have more than one wildcard.`);
    }
    if (rule.maxAgeSeconds !== undefined && !/^\d+$/.test(rule.maxAgeSeconds)) throw new S3Error("MalformedXML");
  }
}

export function corsRules(document: XmlNode | undefined): CorsRule[] {
  return document === undefined ? [] : (eachNode(document, "CORSRule") ?? []).map(readRule);
}

function readRule(node: XmlNode): CorsRule {
  return {
    origins: texts(node, "AllowedOrigin"),
    methods: texts(node, "AllowedMethod"),
    headers: texts(node, "AllowedHeader"),
    expose: texts(node, "ExposeHeader"),
    maxAgeSeconds: leaf(node, "MaxAgeSeconds"),
  };
}

function texts(node: XmlNode, name: string): string[] {
  return each(node, name).filter((value): value is string => typeof value === "string");
}

/** "Amazon S3 uses the first CORSRule that matches": origin, method, and every header the browser asks for. */
export function matchCors(
  rules: readonly CorsRule[],
  origin: string,
  method: string,
  requestHeaders: readonly string[],
): CorsRule | undefined {
  return rules.find(
    (rule) =>
      rule.origins.some((pattern) => matches(pattern, origin)) &&
      rule.methods.includes(method) &&
      requestHeaders.every((header) => rule.headers.some((pattern) => matches(pattern.toLowerCase(), header))),
  );
}

function matches(pattern: string, text: string): boolean {
  const star = pattern.indexOf("*");
  if (star < 0) return pattern === text;
  const head = pattern.slice(0, star);
  const tail = pattern.slice(star + 1);
  return text.length >= head.length + tail.length && text.startsWith(head) && text.endsWith(tail);
}
