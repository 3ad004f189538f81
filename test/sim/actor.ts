/**
 * Whoever does I/O: an object's instance or one request at the edge. An actor can die at any external effect, before or after it;
 * what it was waiting for then never comes, as with a process that was killed.
 */
import type { Random } from "./random.ts";
import type { Time } from "./time.ts";

export interface Actor {
  alive: boolean;
  readonly name: string;
  /** Told that it died, so that its callers learn. */
  onDeath?: () => void;
}

export interface Faults {
  /** Probability that an effect's reply is an error although nothing happened. */
  before: number;
  /** … that the effect happened and its reply is an error. */
  after: number;
  /** … that the actor dies before it, or after it. */
  crash: number;
  /** Longest usual latency, ms. */
  latencyMs: number;
}

export class Io {
  readonly #time: Time;
  readonly #random: Random;
  readonly faults: Faults;

  constructor(time: Time, random: Random, faults: Faults) {
    this.#time = time;
    this.#random = random;
    this.faults = faults;
  }

  /** An effect on the world, seen from an actor. */
  async do<T>(actor: Actor, what: string, effect: () => T): Promise<T> {
    const { faults } = this;
    const die = this.#random.next();
    if (die < faults.crash) this.#kill(actor);
    if (!actor.alive) return never();
    await this.#travel();
    if (!actor.alive) return never();
    if (this.#random.chance(faults.before)) throw new Error(`${what}: not reached`);
    const done = effect();
    if (die < faults.crash * 2) this.#kill(actor);
    await this.#travel();
    if (!actor.alive) return never();
    if (this.#random.chance(faults.after)) throw new Error(`${what}: reply lost`);
    return done;
  }

  async pause(actor: Actor, ms: number): Promise<void> {
    await this.#time.after(ms);
    if (!actor.alive) return never();
  }

  #kill(actor: Actor): void {
    actor.alive = false;
    actor.onDeath?.();
  }

  #travel(): Promise<void> {
    // Now and then something is very slow: longer than a request waits.
    const slow = this.faults.before > 0 && this.#random.chance(0.01);
    return this.#time.after(
      slow ? this.#random.between(5_000, 40_000) : this.#random.between(0, this.faults.latencyMs),
    );
  }
}

/** What a dead process waits for. */
export function never<T>(): Promise<T> {
  return new Promise<T>(() => {});
}
