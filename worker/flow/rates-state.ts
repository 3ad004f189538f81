/** `GET /operator/rates` and `POST /operator/rates/refresh`: how the taking of prices stands, and that it be done now. */
import { type RatesStateReply, RatesStateRequest } from "#contract/operator";
import type { ShelfState } from "../../durable/ports.ts";
import { answer, type Call, type Outcome, readArguments } from "./call.ts";
import { asOperator } from "./operator.ts";
import type { Ports } from "./ports.ts";

export const ratesState = (ports: Ports, call: Call): Promise<Outcome> => told(ports, call, () => ports.shelf.state());

/** AWS is asked by an alarm: what came of it is told by `GET /operator/rates`, a minute or two later. */
export const refreshRates = (ports: Ports, call: Call): Promise<Outcome> =>
  told(ports, call, () => ports.shelf.refresh());

async function told(ports: Ports, call: Call, ask: () => Promise<ShelfState>): Promise<Outcome> {
  const asked = readArguments(RatesStateRequest, call);
  if (!asked.ok) return asked;
  const operator = await asOperator(ports, call);
  if (!operator.ok) return operator;
  const state = await ask();
  const nowMs = ports.clock.nowMs();
  const current = await ports.rates.current(nowMs);
  const card = current.ok ? current.card : undefined;
  const { last } = state;
  const stands = standing(state, nowMs);
  const reply: RatesStateReply = {
    sources: [...state.sources],
    rate_card: card?.version ?? null,
    date: card?.date ?? null,
    source: card?.source ?? null,
    state: stands,
    due_at: stands === "no_source" ? null : new Date(state.dueMs).toISOString(),
    ...(last === undefined
      ? {}
      : {
          last: {
            at: new Date(last.atMs).toISOString(),
            ...(last.version === undefined ? {} : { rate_card: last.version }),
            faults: last.faults.map(({ source, detail }) => ({ source, detail })),
          },
        }),
  };
  return answer(reply);
}

function standing({ sources, dueMs, askedMs, last }: ShelfState, nowMs: number): RatesStateReply["state"] {
  if (sources.length === 0) return "no_source";
  if (dueMs <= nowMs) return "due";
  return askedMs > (last?.askedMs ?? 0) ? "asking" : "waiting";
}
