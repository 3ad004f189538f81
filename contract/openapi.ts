/**
 * The API as an OpenAPI 3.1 document, made from the very schemas that parse requests and replies (contract/api.ts), so it cannot say
 * a third thing. A test holds the list of operations against the router's.
 */
import * as z from "zod";
import {
  ChallengeReply,
  ChallengeRequest,
  ConfirmReply,
  ConfirmRequest,
  HealthReply,
  PriceReply,
  PriceRequest,
  Problem,
  SessionReply,
  SessionRequest,
  UploadFailedReply,
  UploadReply,
  UploadRequest,
} from "./api.ts";
import { GUIDANCE, UPLOAD_EXAMPLE } from "./bazaar.ts";
import { BillingReply, BillingRequest, EventsReply, EventsRequest } from "./billing.ts";
import {
  BrowserCodeReply,
  BrowserCodeRequest,
  BrowserDownloadRequest,
  BrowserListReply,
  BrowserListRequest,
  BrowserRevokeReply,
  BrowserRevokeRequest,
  BrowserSession,
  BrowserSignOutReply,
  BrowserSignOutRequest,
  BrowserTradeRequest,
} from "./browser.ts";
import {
  RatesReply,
  StorageEstimateReply,
  StorageEstimateRequest,
  TransferEstimateReply,
  TransferEstimateRequest,
} from "./estimates.ts";
import { LedgerReply, LedgerRequest } from "./ledger.ts";
import {
  MandateAddRequest,
  MandateListRequest,
  MandateRevokeRequest,
  MandatesReply,
  MandateTermsReply,
  MandateTermsRequest,
} from "./mandates.ts";
import {
  DeleteReply,
  DeleteRequest,
  DownloadReply,
  DownloadRequest,
  ListReply,
  ListRequest,
  StatReply,
} from "./objects.ts";
import { PaymentReply, PendingReply, SettleReply, SettleRequest } from "./settling.ts";
import { StatementReply, StatementRequest, StatementSettled } from "./statements.ts";
import { PartsReply, PartsRequest } from "./upload.ts";
import type { Requirements } from "./x402.ts";

type Means = "proof" | "siwx" | "session" | "ticket" | "payment" | "browser";

interface Operation {
  readonly methods: readonly ("get" | "post" | "delete")[];
  readonly path: string;
  readonly summary: string;
  readonly request?: z.ZodType;
  readonly reply: z.ZodType | undefined;
  /** Any one of these; none where the route is open. */
  readonly by: readonly Means[];
  readonly paid?: true;
  /** Free within an allowance; beyond it more is sold, to whoever has a wallet proof beside the payment. */
  readonly soldBeyond?: true;
  /** Paid, but not done: what to send again. */
  readonly unfinished?: z.ZodType;
}

export const OPERATIONS: readonly Operation[] = [
  { methods: ["get"], path: "/rates", summary: "The rate card prices are made from", reply: RatesReply, by: [] },
  {
    methods: ["get", "post"],
    path: "/estimate/storage",
    summary: "What 30 days of so many bytes cost",
    request: StorageEstimateRequest,
    reply: StorageEstimateReply,
    by: [],
  },
  {
    methods: ["get", "post"],
    path: "/estimate/transfer",
    summary: "What moving so many bytes costs",
    request: TransferEstimateRequest,
    reply: TransferEstimateReply,
    by: [],
  },
  {
    methods: ["post"],
    path: "/price-storage",
    summary: "Price of 30 days for one object, held for an hour",
    request: PriceRequest,
    reply: PriceReply,
    by: ["proof", "siwx"],
  },
  {
    methods: ["post"],
    path: "/payment/settle",
    summary: "Pay a quote, the next 30 days of a stored object, or a statement",
    request: SettleRequest,
    reply: z.union([SettleReply, StatementSettled]),
    by: ["proof"],
    paid: true,
  },
  {
    methods: ["post"],
    path: "/billing/statement",
    summary: "The next 30 days of every object that is due within 30 days, at a price held for an hour",
    request: StatementRequest,
    reply: StatementReply,
    by: ["proof"],
  },
  {
    methods: ["get"],
    path: "/billing/journal",
    summary: "Every payment that moved money, by month, as JSON or CSV",
    request: LedgerRequest,
    reply: LedgerReply,
    by: ["proof", "siwx", "session"],
  },
  {
    methods: ["post"],
    path: "/storage/upload",
    summary: "Buy room for an object, or use room bought before; answers the URL to PUT the bytes to",
    request: UploadRequest,
    // With the bytes inline it is stored and confirmed at once.
    reply: z.union([UploadReply, ConfirmReply]),
    by: ["payment", "proof", "siwx", "ticket"],
    paid: true,
    unfinished: UploadFailedReply,
  },
  {
    methods: ["post"],
    path: "/storage/upload/parts",
    summary: "URLs for parts of a content that goes up in parts",
    request: PartsRequest,
    reply: PartsReply,
    by: ["proof", "siwx", "ticket"],
  },
  {
    methods: ["post"],
    path: "/storage/upload/confirm",
    summary: "The bytes are there",
    request: ConfirmRequest,
    reply: ConfirmReply,
    by: ["proof", "siwx", "ticket"],
  },
  {
    methods: ["get"],
    path: "/payments/{id}",
    summary: "How a payment stands",
    reply: PaymentReply,
    by: ["proof", "siwx", "session", "ticket"],
  },
  {
    methods: ["get"],
    path: "/billing",
    summary: "What is due when and what it will cost, what was paid, what is owed",
    request: BillingRequest,
    reply: BillingReply,
    by: ["proof", "siwx", "session"],
  },
  {
    methods: ["get"],
    path: "/events",
    summary: "What happened to this wallet's orders and payments, numbered",
    request: EventsRequest,
    reply: EventsReply,
    by: ["proof", "siwx", "session"],
  },
  {
    methods: ["get", "post"],
    path: "/storage/ls",
    summary: "List objects, or look at one",
    request: ListRequest,
    reply: z.union([ListReply, StatReply]),
    by: ["proof", "siwx", "session"],
    soldBeyond: true,
  },
  {
    methods: ["get", "post"],
    path: "/storage/download",
    summary: "A URL to download one object",
    request: DownloadRequest,
    reply: DownloadReply,
    by: ["proof", "siwx", "session"],
    soldBeyond: true,
  },
  {
    methods: ["post", "delete"],
    path: "/storage/delete",
    summary: "Delete one object; free",
    request: DeleteRequest,
    reply: DeleteReply,
    by: ["proof"],
  },
  {
    methods: ["post"],
    path: "/storage/ls-web/session",
    summary: "A one-use link to the browser view",
    request: BrowserCodeRequest,
    reply: BrowserCodeReply,
    by: ["proof"],
  },
  {
    methods: ["post"],
    path: "/storage/ls-web/revoke",
    summary: "End every link and every session of the browser view",
    request: BrowserRevokeRequest,
    reply: BrowserRevokeReply,
    by: ["proof"],
  },
  {
    methods: ["post"],
    path: "/app/session",
    summary: "Browser view: trade a code for a session cookie",
    request: BrowserTradeRequest,
    reply: BrowserSession,
    by: [],
  },
  {
    methods: ["post"],
    path: "/app/list",
    summary: "Browser view: list the session's objects",
    request: BrowserListRequest,
    reply: BrowserListReply,
    by: ["browser"],
  },
  {
    methods: ["post"],
    path: "/app/download",
    summary: "Browser view: a URL to download one object",
    request: BrowserDownloadRequest,
    reply: DownloadReply,
    by: ["browser"],
  },
  {
    methods: ["post"],
    path: "/app/sign-out",
    summary: "Browser view: end the session",
    request: BrowserSignOutRequest,
    reply: BrowserSignOutReply,
    by: ["browser"],
  },
  {
    methods: ["get", "post"],
    path: "/mandates/terms",
    summary: "What to sign so that coming periods are paid on their day",
    request: MandateTermsRequest,
    reply: MandateTermsReply,
    by: ["proof", "siwx", "session"],
  },
  {
    methods: ["post"],
    path: "/mandates/add",
    summary: "Hand over signed renewals; each is settled when its period is due",
    request: MandateAddRequest,
    reply: MandatesReply,
    by: ["proof"],
  },
  {
    methods: ["get", "post"],
    path: "/mandates/ls",
    summary: "Signed renewals and what became of them",
    request: MandateListRequest,
    reply: MandatesReply,
    by: ["proof", "siwx", "session"],
  },
  {
    methods: ["post", "delete"],
    path: "/mandates/revoke",
    summary: "Take signed renewals back; they are erased",
    request: MandateRevokeRequest,
    reply: MandatesReply,
    by: ["proof"],
  },
  {
    methods: ["get"],
    path: "/auth/challenge",
    summary: "A sign-in challenge for one method and path",
    request: ChallengeRequest,
    reply: ChallengeReply,
    by: [],
  },
  {
    methods: ["post"],
    path: "/auth/session",
    summary: "Fifteen minutes of reading by bearer token",
    request: SessionRequest,
    reply: SessionReply,
    by: ["proof", "siwx"],
  },
  { methods: ["get"], path: "/openapi.json", summary: "This document", reply: undefined, by: [] },
  { methods: ["get"], path: "/.well-known/x402", summary: "What can be paid here", reply: undefined, by: [] },
  { methods: ["get"], path: "/healthz", summary: "Whether the service is configured", reply: HealthReply, by: [] },
];

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
