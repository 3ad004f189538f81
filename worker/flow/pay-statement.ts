/**
 * `POST /payment/settle` with `statement_id`: one payment, the next 30 days of every object on it. What was paid is answered whoever
 * asks again; what holds no more is `409 statement_changed`, before any payment is looked at.
 */
import { type Refusal, refuse } from "#contract/errors";
import type { StatementSettled } from "#contract/statements";
import { type Wallet, walletOfId } from "#contract/wallet";
import type { Statement, StatementStepped } from "../../durable/statements.ts";
import { answer, type Call, type Outcome } from "./call.ts";
import { readKey } from "./key.ts";
import { askOf, claimShown, pay, receiptAgain } from "./pay.ts";
import type { Ports } from "./ports.ts";
import type { Who } from "./who.ts";

export async function payStatement(ports: Ports, call: Call, statementId: string, who: Who): Promise<Outcome> {
  if (walletOfId("stmt", statementId) !== who.wallet) return absent(ports, who);
  const fields = { statement_id: statementId };
  const key = readKey(call, fields);
  if (!key.ok) return key;
  const claimKey = claimShown(ports, call)?.claimKey;
  const wallet = ports.wallet(who.wallet);
  const stood = await wallet.statement(who.proof, { step: "look", statementId, claimKey });
  if (!stood.ok) return stood;
  if (stood.step !== "settled" && stood.step !== "pay") throw new Error(`invariant: a look ended with ${stood.step}`);
  const { statement } = stood;
  const ask = askOf(ports, call, BigInt(statement.amount), `${statement.lines.length} objects`);
  if (stood.step === "settled")
    return answer(replyOf(ports, who.wallet, stood, false), await receiptAgain(ports, call, ask, stood.payment));
  const unsold = stood.known ? undefined : await cardGone(ports, statement);
  if (unsold) return unsold;
  const paid = await pay(ports, call, {
    wallet: who.wallet,
    proof: who.proof,
    proofVersion: who.version,
    ask,
    newIn: undefined,
    purchase: { statementId },
    key: key.use,
    fields,
  });
  if (!paid.paid) return paid.outcome;
  const settled = await wallet.statement(undefined, { step: "look", statementId, claimKey: paid.payment.claimKey });
  if (!settled.ok) return settled;
  if (settled.step !== "settled") throw new Error(`invariant: ${paid.payment.paymentId} paid, and nothing is settled`);
  return answer(replyOf(ports, who.wallet, settled, paid.fresh), paid.headers);
}

/** A foreign id reads as absent; the proof is bound all the same. */
async function absent(ports: Ports, who: Who): Promise<Outcome> {
  const bound = who.proof && (await ports.wallet(who.wallet).prove(who.proof));
  return bound && !bound.ok ? bound : refuse("quote_not_found", "no such statement of this wallet");
}

/** A statement lives as long as its card is honoured; one that was taken back by the operator is sold by no more. */
async function cardGone(ports: Ports, { card }: Statement): Promise<Refusal | undefined> {
  const now = await ports.rates.current(ports.clock.nowMs());
  if (!now.ok || [now.card, ...now.honoured].some(({ version }) => version === card)) return undefined;
  return refuse("statement_changed", `the rate card ${card} is honoured no more; the newest is ${now.card.version}`);
}

function replyOf(
  ports: Ports,
  wallet: Wallet,
  { statement, payment, renewals }: Extract<StatementStepped, { step: "settled" }>,
  fresh: boolean,
): StatementSettled {
  return {
    statement_id: statement.statementId,
    payment_id: payment.paymentId,
    wallet_address: wallet,
    trans_id: payment.txHash ?? "",
    network: ports.network.caip2,
    asset: ports.network.usdc,
    amount: payment.amount,
    payment_status: "confirmed",
    timestamp: new Date(ports.clock.nowMs()).toISOString(),
    ...(fresh ? {} : { result: "already_settled" as const }),
    lines: renewals.flatMap(({ orderId, period, amount, state, throughMs }) =>
      state === "open"
        ? []
        : [
            {
              order_id: orderId,
              period_index: period,
              amount,
              state,
              ...(throughMs === undefined ? {} : { paid_through: new Date(throughMs).toISOString() }),
            },
          ],
    ),
  };
}
