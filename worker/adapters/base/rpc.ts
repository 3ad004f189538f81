/**
 * JSON-RPC endpoints that may be down, slow, behind, or on another chain.
 *
 * Calls made in one turn go out as one batch. An endpoint proves its chain id in its first batch and is never used when that is
 * another chain's. `first` asks one endpoint after the other until one answers; `gather` asks all and lets the caller compare.
 */
import * as z from "zod";
import type { Network } from "#contract/x402";

export interface Call {
  readonly method: string;
  readonly params: readonly unknown[];
}

export type Answer =
  | { readonly ok: true; readonly result: unknown }
  | { readonly ok: false; readonly code: number; readonly message: string };

/** One endpoint did not answer, or not with something that can be an answer. Another may be asked. */
export class EndpointFailed extends Error {}
/** What was asked is not known: too few endpoints answered, or they contradict each other. */
export class NotKnown extends Error {}

export interface Endpoint {
  ask(calls: readonly Call[]): Promise<Answer[]>;
}

type Question<T> = (endpoint: Endpoint) => Promise<T>;

export interface Endpoints {
  /** How many endpoints have to say the same before bad news, or a large sum, is believed. */
  readonly quorum: 1 | 2;
  first<T>(question: Question<T>): Promise<T>;
  /** All answers, in no order; stops early when `enough`. Throws `NotKnown` with fewer than `need`, unless stopped early. */
  gather<T>(question: Question<T>, need: number, enough?: (answers: readonly T[]) => boolean): Promise<T[]>;
}

const TIMEOUT_MS = 5_000;
/** How long the slower endpoints are waited for once enough have answered. */
const STRAGGLER_MS = 1_000;
/** Public endpoints refuse larger batches. */
const BATCH_MAX = 50;

const Reply = z.object({
  id: z.number(),
  result: z.unknown().optional(),
  error: z.object({ code: z.number(), message: z.string() }).optional(),
});
type Reply = z.infer<typeof Reply>;

export function openEndpoints(network: Network, urls: readonly string[]): Endpoints {
  // The same address twice is one witness.
  const all = [...new Set(urls)].map((url) => new HttpEndpoint(url, network.chainId));
  // Those that failed last are tried last.
  const usable = () =>
    all
      .filter((each) => each.state !== "foreign")
      .sort((a, b) => Number(a.state === "failing") - Number(b.state === "failing"));
  return {
    quorum: all.length > 1 ? 2 : 1,
    async first(question) {
      const reasons: string[] = [];
      for (const endpoint of usable()) {
        try {
          return await question(endpoint);
        } catch (error) {
          if (!(error instanceof EndpointFailed)) throw error;
          reasons.push(error.message);
        }
      }
      throw new NotKnown(`no endpoint answered: ${reasons.join("; ") || "none is on this chain"}`);
    },
    gather: (question, need, enough) => gather(usable(), question, need, enough),
  };
}

/** Waits for all, but not long for those that are slow, nor at all for those that failed last, once `need` have answered. */
function gather<T>(
  endpoints: readonly HttpEndpoint[],
  question: Question<T>,
  need: number,
  enough: (answers: readonly T[]) => boolean = () => false,
): Promise<T[]> {
  return new Promise((resolve, reject) => {
    const answers: T[] = [];
    const reasons: string[] = [];
    const awaited = new Set(endpoints);
    const healthy = new Set(endpoints.filter((each) => each.state !== "failing"));
    let timer: ReturnType<typeof setTimeout> | undefined;
    const finish = () => {
      if (timer !== undefined) clearTimeout(timer);
      if (answers.length >= need || enough(answers)) resolve(answers);
      else reject(new NotKnown(`${answers.length} of ${need} endpoints answered: ${reasons.join("; ")}`));
    };
    const settled = (endpoint: HttpEndpoint) => {
      awaited.delete(endpoint);
      const satisfied = answers.length >= need;
      if (awaited.size === 0 || enough(answers)) return finish();
      if (satisfied && ![...awaited].some((each) => healthy.has(each))) return finish();
      if (satisfied) timer ??= setTimeout(finish, STRAGGLER_MS);
    };
    if (endpoints.length === 0) finish();
    for (const endpoint of endpoints)
      question(endpoint).then(
        (answer) => {
          answers.push(answer);
          settled(endpoint);
        },
        (error: unknown) => {
          reasons.push(error instanceof Error ? error.message : String(error));
          settled(endpoint);
        },
      );
  });
}

interface Waiting {
  readonly call: Call;
  resolve(answer: Answer): void;
  reject(error: EndpointFailed): void;
}

class HttpEndpoint implements Endpoint {
  /** `foreign`: it said another chain id; nothing it says is about our chain. */
  state: "new" | "good" | "failing" | "foreign" = "new";
  readonly #url: string;
  readonly #chainId: number;
  #checked = false;
  #waiting: Waiting[] = [];

  constructor(url: string, chainId: number) {
    this.#url = url;
    this.#chainId = chainId;
  }

  ask(calls: readonly Call[]): Promise<Answer[]> {
    return Promise.all(
      calls.map(
        (call) =>
          new Promise<Answer>((resolve, reject) => {
            // Before this turn ends, and never across two requests of one isolate.
            if (this.#waiting.length === 0) queueMicrotask(() => this.#flush());
            this.#waiting.push({ call, resolve, reject });
          }),
      ),
    );
  }

  #flush(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (let at = 0; at < waiting.length; at += BATCH_MAX) void this.#exchange(waiting.slice(at, at + BATCH_MAX));
  }

  async #exchange(waiting: readonly Waiting[]): Promise<void> {
    try {
      const check: Call[] = this.#checked ? [] : [{ method: "eth_chainId", params: [] }];
      const replies = await this.#post([...check, ...waiting.map(({ call }) => call)]);
      const answers = replies.slice(check.length);
      if (check.length > 0) this.#checkChain(replies[0]);
      this.state = "good";
      for (const [index, each] of waiting.entries()) {
        const answer = answers[index];
        if (answer) each.resolve(answer);
        else each.reject(this.#failed(`no answer to ${each.call.method}`));
      }
    } catch (error) {
      if (this.state !== "foreign") this.state = "failing";
      const failed = error instanceof EndpointFailed ? error : this.#failed(String(error));
      for (const each of waiting) each.reject(failed);
    }
  }

  #checkChain(answer: Answer | undefined): void {
    if (!answer?.ok) throw this.#failed("eth_chainId was not answered");
    if (Number(answer.result) !== this.#chainId) {
      this.state = "foreign";
      throw this.#failed(`is on chain ${String(answer.result)}, not ${this.#chainId}`);
    }
    this.#checked = true;
  }

  async #post(calls: readonly Call[]): Promise<(Answer | undefined)[]> {
    const requests = calls.map((call, id) => ({ jsonrpc: "2.0", id, ...call }));
    const response = await fetch(this.#url, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(requests.length === 1 ? requests[0] : requests),
      redirect: "manual",
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    if (!response.ok) throw this.#failed(`HTTP ${response.status}`);
    const json: unknown = await response.json();
    const replies = z.array(Reply).safeParse(requests.length === 1 ? [json] : json);
    if (!replies.success) throw this.#failed("the answer is not JSON-RPC");
    const byId = new Map(replies.data.map((reply) => [reply.id, reply]));
    return calls.map((_, id) => answerOf(byId.get(id)));
  }

  /** The URL often carries an API key: only the host is ever told, also where a runtime's own words name it. */
  #failed(why: string): EndpointFailed {
    const { host } = new URL(this.#url);
    return new EndpointFailed(`${host}: ${why.replaceAll(this.#url, host)}`);
  }
}

function answerOf(reply: Reply | undefined): Answer | undefined {
  if (!reply) return undefined;
  if (reply.error) return { ok: false, code: reply.error.code, message: reply.error.message.slice(0, 500) };
  return { ok: true, result: reply.result ?? null };
}

/** The result in the shape wanted; an error or another shape is the endpoint's failure. */
export function read<T>(schema: z.ZodType<T>, answer: Answer | undefined): T {
  if (!answer) throw new EndpointFailed("no answer");
  if (!answer.ok) throw new EndpointFailed(answer.message);
  const parsed = schema.safeParse(answer.result);
  if (!parsed.success) throw new EndpointFailed(`unexpected result: ${parsed.error.issues[0]?.message ?? ""}`);
  return parsed.data;
}

/** Did the call revert (an answer), or did the endpoint fail to run it (none)? */
export function isRevert(answer: Answer): answer is Extract<Answer, { ok: false }> {
  return (
    !answer.ok &&
    (answer.code === 3 || /revert|out ?of ?gas|invalid opcode|VM execution|EVM error/i.test(answer.message))
  );
}

export const Quantity = z
  .string()
  .regex(/^0x[0-9a-fA-F]{1,64}$/)
  .transform((hex) => BigInt(hex));
export const Bytes = z
  .string()
  .regex(/^0x(?:[0-9a-fA-F]{2})*$/)
  .transform((hex) => hex.toLowerCase() as `0x${string}`);
export const Hash = z
  .string()
  .regex(/^0x[0-9a-fA-F]{64}$/)
  .transform((hex) => hex.toLowerCase() as `0x${string}`);

export function quantity(value: bigint): `0x${string}` {
  return `0x${value.toString(16)}`;
}
