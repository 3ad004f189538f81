/**
 * XML in and out, by fast-xml-parser with every option written out. What came in is parsed to plain values and written anew
 * on the way out, so a stored configuration cannot smuggle a DOCTYPE, an entity or broken markup into somebody's answer.
 */
import { XMLBuilder, XMLParser, XMLValidator } from "fast-xml-parser";

export type XmlValue = string | XmlNode | XmlValue[];
export interface XmlNode {
  [name: string]: XmlValue;
}

export const S3_NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/";

const parser = new XMLParser({
  ignoreAttributes: true,
  removeNSPrefix: true,
  // Numbers stay text: part number 007 or a tag value "1.0" must come back as it was sent.
  parseTagValue: false,
  trimValues: false,
  processEntities: true,
  htmlEntities: false,
  ignoreDeclaration: true,
  ignorePiTags: true,
  maxNestedTags: 12,
});

const builder = new XMLBuilder({
  ignoreAttributes: false,
  attributeNamePrefix: "@",
  processEntities: true,
  suppressEmptyNode: false,
  format: false,
});

/** The content of the root element, or undefined when the text is not well-formed or the root has another name. */
export function parseXml(text: string, root: string): XmlNode | undefined {
  // S3 accepts no document type declaration; refusing it shuts out entity expansion altogether.
  if (/<!DOCTYPE/i.test(text) || XMLValidator.validate(text) !== true) return undefined;
  const document: unknown = parser.parse(text);
  if (typeof document !== "object" || document === null || !Object.hasOwn(document, root)) return undefined;
  const content = tidy((document as XmlNode)[root] ?? "");
  if (content === "") return {};
  return typeof content === "object" && !Array.isArray(content) ? content : undefined;
}

/** Drops the white space between elements, keeps every byte inside a leaf. */
function tidy(value: XmlValue): XmlValue {
  if (Array.isArray(value)) return value.map(tidy);
  if (typeof value === "string") return value;
  const names = Object.keys(value).filter((name) => name !== "#text");
  if (names.length === 0) return textIsBlank(value["#text"]) ? "" : (value["#text"] ?? "");
  return Object.fromEntries(names.map((name) => [name, tidy(value[name] ?? "")]));
}

function textIsBlank(value: XmlValue | undefined): boolean {
  return value === undefined || (typeof value === "string" && value.trim() === "");
}

export function buildXml(root: string, content: XmlValue, attributes: Readonly<Record<string, string>> = {}): string {
  const named = Object.fromEntries(Object.entries(attributes).map(([name, value]) => [`@${name}`, value]));
  const body = typeof content === "string" ? { ...named, "#text": content } : { ...named, ...content };
  const text: string = builder.build({ [root]: body });
  // A bare CR would be read back as LF (XML 1.0 §2.11); keys may contain one.
  return `<?xml version="1.0" encoding="UTF-8"?>\n${text.replaceAll("\r", "&#13;")}`;
}

export function xmlResponse(root: string, content: XmlValue, headers: Readonly<Record<string, string>> = {}): Response {
  const body = buildXml(root, content, { xmlns: S3_NAMESPACE });
  const length = String(new TextEncoder().encode(body).length);
  const all = { ...headers, "content-type": "application/xml", "content-length": length };
  return new Response(body, { status: 200, headers: all });
}

/** A leaf's text; undefined when absent, empty string when the element is empty. */
export function leaf(node: XmlNode, name: string): string | undefined {
  const value = node[name];
  return typeof value === "string" ? value : undefined;
}

/** Repeated elements as a list, whether one came or many. */
export function each(node: XmlNode, name: string): XmlValue[] {
  const value = node[name];
  if (value === undefined) return [];
  return Array.isArray(value) ? value : [value];
}

/** Repeated elements that must have children of their own; undefined when one of them is a bare text. */
export function eachNode(node: XmlNode, name: string): XmlNode[] | undefined {
  const nodes: XmlNode[] = [];
  for (const value of each(node, name)) {
    if (typeof value === "string" || Array.isArray(value)) return undefined;
    nodes.push(value);
  }
  return nodes;
}
