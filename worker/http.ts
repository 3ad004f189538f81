/** Table of contents: one line a route, in the order of the story. */
import { Hono } from "hono";
import type { HealthReply } from "#contract/api";
import { type PageFiles, pageResponse } from "./app-page.ts";
import { headOf, inTurn, isLarge, jsonReply, problem, readCall, tooMany } from "./door.ts";
import { challenge, session } from "./flow/auth.ts";
import { billing, events } from "./flow/billing.ts";
import { downloadInBrowser, listInBrowser, mintCode, revokeBrowsers, signOut, tradeCode } from "./flow/browser.ts";
import type { Call, Outcome } from "./flow/call.ts";
import { confirm } from "./flow/confirm.ts";
import { openapi, wellKnown } from "./flow/discovery.ts";
import { download } from "./flow/download.ts";
import { dryRun } from "./flow/dry-run.ts";
import { estimateStorage, estimateTransfer, rates } from "./flow/estimate.ts";
import { inlineRoom } from "./flow/inline.ts";
import { journal } from "./flow/journal.ts";
import { list } from "./flow/list.ts";
import { addMandates, listMandates, mandateTerms, revokeMandates } from "./flow/mandates.ts";
import { Misconfigured } from "./flow/misconfigured.ts";
import { parts } from "./flow/parts.ts";
import { payment } from "./flow/payment.ts";
import type { Ports } from "./flow/ports.ts";
import { quote } from "./flow/quote.ts";
import { ratesState, refreshRates } from "./flow/rates-state.ts";
import { remove } from "./flow/remove.ts";
import { rewrap } from "./flow/rewrap.ts";
import { settle } from "./flow/settle.ts";
import { statement } from "./flow/statement.ts";
import { upload } from "./flow/upload.ts";

type Verb = (ports: Ports, call: Call) => Promise<Outcome>;

/** `admit`: whether this client may ask now; asked before a byte of the body is read. `page`: the browser view's files. */
export function routes(
  openPorts: () => Ports,
  admit: (request: Request) => Promise<boolean>,
  page: PageFiles = {},
): Hono {
  const app = new Hono({ strict: false });
  /** `room`: how large a body the caller may send beyond the usual, judged before it is read. */
  const on = (methods: string[], path: string, verb: Verb, room?: typeof inlineRoom) => {
    const answered = async (request: Request, bytesMax?: number) => {
      const call = await readCall(request, bytesMax);
      return jsonReply(request, call.ok ? await verb(openPorts(), call.call) : call);
    };
    app.on(methods, path, async (context) => {
      const request = context.req.raw;
      if (!(await admit(request))) return tooMany(request);
      if (room === undefined || !isLarge(request)) return answered(request);
      const may = await room(openPorts(), headOf(request));
      return may.ok ? inTurn(request, () => answered(request, may.bytesMax)) : jsonReply(request, may);
    });
    app.all(path, (context) =>
      problem(
        context.req.raw,
        "method_not_allowed",
        `${context.req.method} is not for ${path}; wanted ${methods.join(" or ")}`,
      ),
    );
  };

  on(["GET"], "/rates", rates);
  on(["GET", "POST"], "/estimate/storage", estimateStorage);
  on(["GET", "POST"], "/estimate/transfer", estimateTransfer);
  on(["POST"], "/price-storage", quote);
  on(["POST"], "/payment/settle", settle);
  on(["POST"], "/billing/statement", statement);
  on(["GET"], "/billing/journal", journal);
  on(["POST"], "/storage/upload", upload, inlineRoom);
  on(["POST"], "/storage/upload/parts", parts);
  on(["POST"], "/storage/upload/confirm", confirm);
  on(["GET"], "/payments/:id", payment);
  on(["GET"], "/billing", billing);
  on(["GET"], "/events", events);
  on(["GET", "POST"], "/storage/ls", list);
  on(["GET", "POST"], "/storage/download", download);
  on(["POST", "DELETE"], "/storage/delete", remove);
  on(["POST"], "/storage/rewrap", rewrap);

  on(["POST"], "/storage/ls-web/session", mintCode);
  on(["POST"], "/storage/ls-web/revoke", revokeBrowsers);
  on(["POST"], "/app/session", tradeCode);
  on(["POST"], "/app/list", listInBrowser);
  on(["POST"], "/app/download", downloadInBrowser);
  on(["POST"], "/app/sign-out", signOut);

  on(["GET", "POST"], "/mandates/terms", mandateTerms);
  on(["POST"], "/mandates/add", addMandates);
  on(["GET", "POST"], "/mandates/ls", listMandates);
  on(["POST", "DELETE"], "/mandates/revoke", revokeMandates);

  on(["GET"], "/operator/sweep", dryRun);
  on(["GET"], "/operator/rates", ratesState);
  on(["POST"], "/operator/rates/refresh", refreshRates);

  on(["GET"], "/auth/challenge", challenge);
  on(["POST"], "/auth/session", session);
  on(["GET"], "/openapi.json", openapi);
  on(["GET"], "/.well-known/x402", wellKnown);

  for (const path of ["/app", "/app/:file"])
    app.get(path, async (context) => {
      const asked = context.req.raw;
      if (!(await admit(asked))) return tooMany(asked);
      const name = context.req.param("file") ?? "index.html";
      return (
        pageResponse(page, name, openPorts().storeOrigins) ?? problem(asked, "not_found", `there is no ${name} here`)
      );
    });
  app.get("/healthz", async (context) => context.json(await health(openPorts())));
  app.all("/healthz", (context) =>
    problem(context.req.raw, "method_not_allowed", `${context.req.method} is not for /healthz; wanted GET`),
  );
  app.notFound((context) =>
    problem(context.req.raw, "not_found", `there is no ${new URL(context.req.url).pathname} here`),
  );
  app.onError((error, context) => {
    const misconfigured = error instanceof Misconfigured;
    if (!misconfigured)
      console.error(JSON.stringify({ code: "internal", path: context.req.path, detail: String(error) }));
    return misconfigured
      ? problem(context.req.raw, "misconfigured", error.message)
      : problem(context.req.raw, "internal", "the request was not finished");
  });
  return app;
}

async function health(ports: Ports): Promise<HealthReply> {
  const card = await ports.rates.current(ports.clock.nowMs());
  return {
    ok: true,
    chain_id: ports.network.chainId,
    network: ports.network.caip2,
    asset: ports.network.usdc,
    pay_to: ports.policy.payTo,
    regions: [...ports.policy.regions],
    rate_card: card.ok ? card.card.version : card.detail,
    ...(ports.receipts === undefined ? {} : { receipt_signer: ports.receipts.signer }),
  };
}
