/** Ends the edge again and again at moments nobody chose, among them the moment after the relayer has sent something. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Live } from "../stack.ts";
import type { Dice } from "./dice.ts";

export interface Kills {
  /** At any moment. */
  timed: number;
  /** Right after the relayer's transaction reached the node. */
  sent: number;
}

export interface Reaper {
  readonly kills: Kills;
  /** Resolves when the edge is up for good. */
  rest(): Promise<void>;
}

const LIVES_MS = [2_500, 6_500] as const;
const SHARE_AFTER_SEND = 0.35;

/** What the buyers have done so far. A life ends early after `share` more of it, so that a fast machine's run is as deadly as a slow one's. */
export interface Progress {
  ended(): number;
  readonly share: number;
}

export function startReaper(live: Live, dice: Dice, progress: Progress): Reaper {
  const kills: Kills = { timed: 0, sent: 0 };
  const done = new AbortController();
  const reap = async () => {
    for (;;) {
      const afterSend = dice.next() < SHARE_AFTER_SEND;
      const [shortest, longest] = LIVES_MS;
      const lifeMs = dice.between(shortest, afterSend ? (shortest + longest) / 2 : longest);
      await oneLife(lifeMs, progress, done.signal);
      const sent = afterSend && (await nextSend(live, done.signal));
      if (done.signal.aborted) return;
      await live.kill("edge");
      kills[sent ? "sent" : "timed"] += 1;
      await live.restart("edge");
    }
  };
  const reaping = reap().catch((error: unknown) => {
    if (!done.signal.aborted) throw error;
  });
  // Not unhandled before somebody waits for it.
  reaping.catch(() => {});
  return {
    kills,
    rest: async () => {
      done.abort();
      await reaping;
    },
  };
}

async function oneLife(lifeMs: number, { ended, share }: Progress, signal: AbortSignal): Promise<void> {
  const before = ended();
  for (const until = Date.now() + lifeMs; Date.now() < until && ended() - before < share; )
    await sleep(50, undefined, { signal });
}

/** False when the relayer sends nothing for a while. */
async function nextSend({ stack }: Live, signal: AbortSignal): Promise<boolean> {
  const sent = () => stack.chain.client.getTransactionCount({ address: stack.relayerAddress, blockTag: "pending" });
  const before = await sent();
  for (const until = Date.now() + 4_000; Date.now() < until && !signal.aborted; await sleep(4))
    if ((await sent()) !== before) return true;
  return false;
}
