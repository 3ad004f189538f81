/**
 * The API as an OpenAPI 3.1 document, made from the very schemas that parse requests and replies (contract/api.ts), so it cannot say
 * a third thing. A test holds the list of operations against the router's.
 */
import * as z from "zod";
import { Problem } from "./api.ts";
import { GUIDANCE, UPLOAD_EXAMPLE } from "./bazaar.ts";
import { OPERATIONS, type Operation } from "./operations.ts";
import { PendingReply } from "./settling.ts";
import type { Requirements } from "./x402.ts";

const SCHEMES = {
  proof: {
    type: "apiKey",
    in: "header",
    name: "X-Wallet-Signature",
    description: "EIP-712 MnemosparkRequest over this request",
  },
  siwx: {
    type: "apiKey",
    in: "header",
    name: "SIGN-IN-WITH-X",
    description: "Signed challenge of GET /auth/challenge",
  },
  session: { type: "http", scheme: "bearer", description: "Token of POST /auth/session" },
  ticket: { type: "apiKey", in: "header", name: "X-Mnemospark-Ticket", description: "Opens one order" },
  browser: { type: "apiKey", in: "cookie", name: "__Host-mnemospark", description: "Cookie of POST /app/session" },
  payment: { type: "apiKey", in: "header", name: "PAYMENT-SIGNATURE", description: "x402 v2 payment" },
} as const;

/** `offer`: what a payment on this deployment looks like; its amount is the declared example's. */
export function openapiDocument(publicUrl: string, offer: Requirements) {
  const paths: Record<string, Record<string, object>> = {};
  for (const operation of OPERATIONS) {
    const item: Record<string, object> = {};
    for (const method of operation.methods) item[method] = describe(operation, method, offer);
    paths[operation.path] = item;
  }
  return {
    openapi: "3.1.0",
    info: { title: "mnemospark", version: "1", description: GUIDANCE, "x-guidance": GUIDANCE },
    servers: [{ url: publicUrl }],
    paths,
    components: { securitySchemes: SCHEMES, schemas: { Problem: replySchema(Problem) } },
  };
}

function describe(operation: Operation, method: string, offer: Requirements): object {
  const { path, summary, request, reply, by, paid, soldBeyond, unfinished } = operation;
  const inQuery = method === "get" || method === "delete";
  const problem = { "application/problem+json": { schema: { $ref: "#/components/schemas/Problem" } } };
  return {
    operationId: `${method}${path.replace(/[^a-zA-Z0-9]+(.)?/g, (_, next: string = "") => next.toUpperCase())}`,
    summary,
    parameters: [...pathParameters(path), ...(inQuery && request ? queryParameters(request) : [])],
    ...(request && !inQuery ? { requestBody: body(request, paid === true && path === "/storage/upload") } : {}),
    security: by.map((means) => ({ [means]: [] })),
    responses: {
      200: { description: "Done", ...(reply ? { content: json(replySchema(reply)) } : {}) },
      ...(paid || soldBeyond
        ? {
            202: {
              description: "The payment is under way; do not pay again",
              content: json(replySchema(PendingReply)),
            },
            402: { description: "Payment required: see PAYMENT-REQUIRED", content: problem },
          }
        : {}),
      ...(unfinished
        ? { 207: { description: "Paid, not stored: send the same again", content: json(replySchema(unfinished)) } }
        : {}),
      default: { description: "Refused", content: problem },
    },
    ...(paid ? { "x-payment-info": { protocols: ["x402"], pricingMode: "quote", accepts: [offer] } } : {}),
  };
}

function body(request: z.ZodType, exemplary: boolean): object {
  const content = { schema: requestSchema(request), ...(exemplary ? { example: UPLOAD_EXAMPLE } : {}) };
  return { required: true, content: { "application/json": content } };
}

function pathParameters(path: string): object[] {
  return [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => ({
    name,
    in: "path",
    required: true,
    schema: { type: "string" },
  }));
}

function queryParameters(request: z.ZodType): object[] {
  const schema = requestSchema(request) as { properties?: Record<string, object>; required?: string[] };
  return Object.entries(schema.properties ?? {}).map(([name, property]) => ({
    name,
    in: "query",
    required: schema.required?.includes(name) ?? false,
    schema: property,
  }));
}

function json(schema: object): object {
  return { "application/json": { schema } };
}

/** What may be sent: before defaults and transformations. Checks written in code have no JSON Schema and are left out. */
function requestSchema(schema: z.ZodType): object {
  return bare(z.toJSONSchema(schema, { io: "input", unrepresentable: "any" }));
}

function replySchema(schema: z.ZodType): object {
  return bare(z.toJSONSchema(schema, { io: "output", unrepresentable: "any" }));
}

/** OpenAPI 3.1 names the dialect once for the document. */
function bare({ $schema: _, ...schema }: { $schema?: unknown }): object {
  return schema;
}
