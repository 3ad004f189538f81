/** Things of others, things out of order, things that are not there. */
import { jsonToBase64 } from "#contract/base64";
import { contentOf, uploadBody } from "../../shop.ts";
import { type Case, malformed, NAME, proofless, wanted } from "./scene.ts";

const onQuote =
  (more: object): Case["ask"] =>
  ({ owner, quoteId }) => ({
    path: "/storage/upload",
    by: owner,
    body: { quote_id: quoteId, content_length_bytes: 10, content_sha256: wanted.sha256, ...more },
  });
const reading =
  (path: string, more: object): Case["ask"] =>
  ({ owner }) => ({ path, by: owner, body: { wallet_address: owner.address, ...more } });

export const orders: Case[] = [
  {
    what: "a quote of another wallet",
    ask: ({ owner, foreignQuoteId }) => ({
      path: "/payment/settle",
      by: owner,
      body: { wallet_address: owner.address, quote_id: foreignQuoteId },
    }),
    is: [404, "quote_not_found"],
    says: /no such quote/,
  },
  {
    what: "a quote that never was",
    ask: onQuote({ quote_id: "quote_1" }),
    is: [404, "quote_not_found"],
    says: /no such quote/,
  },
  {
    what: "more bytes than quoted",
    ask: onQuote({ content_length_bytes: 1_001 }),
    is: [400, "size_out_of_range"],
    says: /1001.*1000/,
  },
  {
    what: "another object than quoted",
    ask: onQuote({ object_id: "other" }),
    is: [400, "quote_mismatch"],
    says: /"other".*"never-bought"/,
  },
  {
    what: "another region than quoted",
    ask: onQuote({ region: "eu-north-1" }),
    is: [400, "quote_mismatch"],
    says: /eu-north-1.*us-east-1/,
  },
  { what: "a quote not paid", ask: onQuote({}), is: [402, "payment_required"], says: /required/ },
  { what: "presigned mode without a key", ask: onQuote({ mode: "presigned" }), is: malformed, says: /Idempotency-Key/ },
  { what: "a quote and an order", ask: onQuote({ order_id: "order_1" }), is: malformed, says: /order_id/ },
  {
    what: "an order of another wallet",
    ask: ({ owner, foreign }) => ({
      path: "/storage/upload",
      by: owner,
      body: { order_id: foreign.order_id, content_length_bytes: 10, content_sha256: wanted.sha256 },
    }),
    is: [404, "not_found"],
    says: /no such order/,
  },
  {
    what: "a foreign ticket for my order",
    ask: ({ unsent, foreign }) => ({
      path: "/storage/upload/confirm",
      headers: { "x-mnemospark-ticket": foreign.ticket },
      body: { order_id: unsent.order_id },
    }),
    is: [404, "not_found"],
    says: /no such order/,
  },
  {
    what: "a ticket that is none",
    ask: ({ unsent }) => ({
      path: "/storage/upload/confirm",
      headers: { "x-mnemospark-ticket": `${unsent.ticket.slice(0, -2)}00` },
      body: { order_id: unsent.order_id },
    }),
    is: proofless,
    says: /not a ticket/,
  },
  {
    what: "a ticket used to read",
    ask: ({ owner, unsent }) => ({
      path: "/storage/download",
      headers: { "x-mnemospark-ticket": unsent.ticket },
      body: { wallet_address: owner.address, object_key: "kept" },
    }),
    is: [401, "proof_missing"],
    says: /wallet proof/,
  },
  {
    what: "a confirm before the PUT",
    ask: ({ owner, unsent }) => ({ path: "/storage/upload/confirm", by: owner, body: { order_id: unsent.order_id } }),
    is: [404, "bytes_not_found"],
    says: /presigned URL/,
  },
  {
    what: "a confirm of a quote nobody paid",
    ask: ({ owner, quoteId }) => ({ path: "/storage/upload/confirm", by: owner, body: { quote_id: quoteId } }),
    is: [409, "not_paid"],
    says: /not been paid/,
  },
  {
    what: "a larger content for a name in use",
    ask: ({ owner }) => ({ path: "/storage/upload", by: owner, body: uploadBody("kept", contentOf("x".repeat(99))) }),
    is: [409, "object_key_exists"],
    says: /"kept" is in use/,
  },
  {
    what: "a download of nothing",
    ask: reading("/storage/download", { object_key: NAME }),
    is: [404, "object_not_found"],
    says: /never-bought/,
  },
  {
    what: "a look at nothing",
    ask: reading("/storage/ls", { object_key: NAME }),
    is: [404, "object_not_found"],
    says: /never-bought/,
  },
  {
    what: "a delete of nothing",
    ask: reading("/storage/delete", { object_key: NAME }),
    is: [404, "object_not_found"],
    says: /never-bought/,
  },
  {
    what: "a token of nobody",
    ask: reading("/storage/ls", { continuation_token: "x" }),
    is: malformed,
    says: /continuation_token/,
  },
  ...[
    { bucket: "mine" },
    { region: "us-east-1" },
    { region: 1, after: "" },
    { region: "us-east-1", after: "\ud800" },
    { region: "us-east-1", after: "", agentId: "../x" },
    [],
    null,
    "after",
  ].map(
    (token): Case => ({
      what: `a token of ${JSON.stringify(token)}`,
      ask: reading("/storage/ls", { continuation_token: jsonToBase64(token) }),
      is: malformed,
      says: /continuation_token/,
    }),
  ),
  {
    what: "a token for another region than asked",
    ask: reading("/storage/ls", {
      region: "eu-north-1",
      continuation_token: jsonToBase64({ region: "us-east-1", after: "" }),
    }),
    is: malformed,
    says: /us-east-1.*eu-north-1/,
  },
  ...["a/b", "\\", "\u0000", "\ud800", "x".repeat(512)].map(
    (prefix): Case => ({
      what: `the prefix ${JSON.stringify(prefix.slice(0, 9))}`,
      ask: reading("/storage/ls", { prefix }),
      is: malformed,
      says: /prefix/,
    }),
  ),
  ...["", "bytes=", "bytes=-", "0-9", "bytes=0-1,3-4", "bytes=x-", 5, null].map(
    (range): Case => ({
      what: `the range ${JSON.stringify(range)}`,
      ask: reading("/storage/download", { object_key: "kept", range }),
      is: malformed,
      says: /range/,
    }),
  ),
  ...["bytes=99-", "bytes=5-4", "bytes=-0"].map(
    (range): Case => ({
      what: `the range ${range} of 17 bytes`,
      ask: reading("/storage/download", { object_key: "kept", range }),
      is: [416, "range_not_satisfiable"],
      says: /17 bytes/,
    }),
  ),
  ...["", "a/b", "-x", "x".repeat(65), 5].flatMap((agent_id) =>
    ["/storage/ls", "/storage/download", "/storage/delete"].map(
      (path): Case => ({
        what: `${path} for the agent ${JSON.stringify(String(agent_id).slice(0, 5))}`,
        ask: reading(path, { object_key: "kept", agent_id }),
        is: malformed,
        says: /agent_id/,
      }),
    ),
  ),
  ...["/storage/download", "/storage/delete", "/storage/ls"].map(
    (path): Case => ({
      what: `${path} of one object for all agents`,
      ask: reading(path, { object_key: "kept", agent_id: "*" }),
      is: malformed,
      says: /agent_id/,
    }),
  ),
  {
    what: "a list of a region that is not sold",
    ask: reading("/storage/ls", { region: "ap-southeast-2" }),
    is: [400, "region_unknown"],
    says: /ap-southeast-2/,
  },
  {
    what: "a list with a parameter that is none",
    ask: reading("/storage/ls", { max_key: 1 }),
    is: malformed,
    says: /max_key/,
  },
  ...[0, 1_001, -1, 1.5, "x", "", null].map(
    (keys): Case => ({
      what: `max_keys ${JSON.stringify(keys)}`,
      ask: reading("/storage/ls", { max_keys: keys }),
      is: malformed,
      says: /max_keys/,
    }),
  ),
  ...[0, 3_601].map(
    (seconds): Case => ({
      what: `a download URL for ${seconds} s`,
      ask: reading("/storage/download", { object_key: "kept", expires_in_seconds: seconds }),
      is: malformed,
      says: /expires_in_seconds/,
    }),
  ),
  {
    what: "a name given twice in the query",
    ask: ({ owner }) => ({
      method: "GET",
      path: `/storage/ls?wallet_address=${owner.address}&max_keys=1&max_keys=2`,
      by: owner,
    }),
    is: malformed,
    says: /max_keys: given twice/,
  },
  ...[
    ["GET", "/storage/upload"],
    ["PUT", "/price-storage"],
    ["DELETE", "/storage/ls"],
    ["POST", "/healthz"],
  ].map(
    ([method = "", path = ""]): Case => ({
      what: `${method} ${path}`,
      ask: () => ({ method, path }),
      is: [405, "method_not_allowed"],
      says: new RegExp(`${method} is not for ${path}`),
    }),
  ),
  {
    what: "a path that is none",
    ask: () => ({ path: "/storage/rent" }),
    is: [404, "not_found"],
    says: /\/storage\/rent/,
  },
];
