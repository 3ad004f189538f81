/** Every operation of the API with the schemas that parse it. A test holds this list against the router's. */
import * as z from "zod";
import {
  ChallengeReply,
  ChallengeRequest,
  ConfirmReply,
  ConfirmRequest,
  HealthReply,
  PriceReply,
  PriceRequest,
  SessionReply,
  SessionRequest,
  UploadFailedReply,
  UploadReply,
  UploadRequest,
} from "./api.ts";
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
  RewrapReply,
  RewrapRequest,
  StatReply,
} from "./objects.ts";
import { DryRunReply, DryRunRequest, RatesStateReply, RatesStateRequest } from "./operator.ts";
import { PaymentReply, SettleReply, SettleRequest } from "./settling.ts";
import { StatementReply, StatementRequest, StatementSettled } from "./statements.ts";
import { PartsReply, PartsRequest } from "./upload.ts";

type Means = "proof" | "siwx" | "session" | "ticket" | "payment" | "browser";

export interface Operation {
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
    path: "/storage/rewrap",
    summary: "Another wrapped key for the same bytes, after the wallet's keys were rotated; a proof of version 2 only",
    request: RewrapRequest,
    reply: RewrapReply,
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
    path: "/operator/sweep",
    summary: "Operator: what the sweep is about to erase, complete and settle; a dry run",
    request: DryRunRequest,
    reply: DryRunReply,
    by: ["proof"],
  },
  {
    methods: ["get"],
    path: "/operator/rates",
    summary: "Operator: when AWS is asked for its prices next, and what came of the last time",
    request: RatesStateRequest,
    reply: RatesStateReply,
    by: ["proof"],
  },
  {
    methods: ["post"],
    path: "/operator/rates/refresh",
    summary: "Operator: ask AWS for its prices now",
    request: RatesStateRequest,
    reply: RatesStateReply,
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
