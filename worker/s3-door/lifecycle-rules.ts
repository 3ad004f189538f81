/** The shape of a lifecycle document ("PutBucketLifecycleConfiguration"). Kept, never carried out: nothing expires here. */
import { S3Error } from "./errors.ts";
import { freshId } from "./records.ts";
import { eachNode, leaf, type XmlNode } from "./xml.ts";

const ACTIONS = [
  "Expiration",
  "Transition",
  "NoncurrentVersionExpiration",
  "NoncurrentVersionTransition",
  "AbortIncompleteMultipartUpload",
];

export function checkLifecycle(document: XmlNode): void {
  const rules = eachNode(document, "Rule");
  if (rules === undefined || rules.length === 0 || rules.length > 1000) throw new S3Error("MalformedXML");
  const ids = new Set<string>();
  for (const rule of rules) {
    const id = leaf(rule, "ID");
    if (id !== undefined) {
      if (id.length > 255) throw new S3Error("InvalidArgument", "ID length should not exceed allowed limit of 255");
      if (ids.has(id))
        throw new S3Error("InvalidArgument", "Rule ID must be unique. Found same ID for more than one rule");
      ids.add(id);
    }
    if (!["Enabled", "Disabled"].includes(leaf(rule, "Status") ?? "")) throw new S3Error("MalformedXML");
    if ((rule["Filter"] === undefined) === (rule["Prefix"] === undefined)) throw new S3Error("MalformedXML");
    if (!ACTIONS.some((action) => rule[action] !== undefined)) {
      throw new S3Error("InvalidRequest", "At least one action needs to be specified in a rule");
    }
    for (const action of ACTIONS) checkDays(eachNode(rule, action));
  }
}

function checkDays(actions: readonly XmlNode[] | undefined): void {
  if (actions === undefined) throw new S3Error("MalformedXML");
  for (const action of actions) {
    for (const name of ["Days", "DaysAfterInitiation", "NoncurrentDays"]) {
      const days = leaf(action, name);
      if (days === undefined) continue;
      if (!/^-?\d+$/.test(days)) throw new S3Error("MalformedXML");
      const smallest = action["StorageClass"] === undefined ? 1 : 0;
      if (Number(days) < smallest) throw new S3Error("InvalidArgument", `'${name}' must be a positive integer`);
    }
  }
}

/** "If you don't specify an ID, Amazon S3 assigns one." */
export function nameLifecycleRules(document: XmlNode): XmlNode {
  const rules = eachNode(document, "Rule") ?? [];
  return { ...document, Rule: rules.map((rule) => (leaf(rule, "ID") ? rule : { ...rule, ID: freshId() })) };
}
