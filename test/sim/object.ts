/** Hosts one Durable Object: instances come and go, the database stays, the alarm wakes whoever is there. */
import { type Actor, type Io, never } from "./actor.ts";
import type { Random } from "./random.ts";
import { Database, Killed, storageOf } from "./storage.ts";
import type { Time } from "./time.ts";

interface Instance<T> {
  readonly actor: Actor;
  readonly object: T;
  readonly died: Promise<never>;
  readonly ready: Promise<void>;
  running: number;
}

export class Host<T extends { alarm(): Promise<void> }> {
  readonly name: string;
  readonly database = new Database();
  readonly #make: (ctx: unknown, actor: Actor) => T;
  readonly #time: Time;
  readonly #io: Io;
  readonly #random: Random;
  #instance: Instance<T> | undefined;
  #armedMs: number | null = null;
  #alarming = false;
  /** An instance was made once, so the tables are there. */
  used = false;

  constructor(name: string, world: { time: Time; io: Io; random: Random }, make: (ctx: unknown, actor: Actor) => T) {
    this.name = name;
    this.#time = world.time;
    this.#io = world.io;
    this.#random = world.random;
    this.#make = make;
    this.database.onAlarm = () => this.#arm();
  }

  /** Calls a method as a stub does: over the network, on the instance that is there; a killed instance rejects its callers. */
  call<R>(caller: Actor, method: string, args: unknown[]): Promise<R> {
    return this.#call<R>(caller, method, args);
  }

  async #call<R>(caller: Actor, method: string, args: unknown[]): Promise<R> {
    await this.#io.do(caller, `call ${this.name}.${method}`, () => undefined);
    const result = await this.#invoke<R>(method, args);
    // The reply travels too, and may be lost with its caller.
    await this.#io.do(caller, `reply ${this.name}.${method}`, () => undefined);
    return caller.alive ? result : never();
  }

  async #invoke<R>(method: string, args: unknown[]): Promise<R> {
    const instance = this.#wake();
    instance.running += 1;
    try {
      await Promise.race([instance.ready, instance.died]);
      const run = (instance.object as Record<string, (...args: unknown[]) => unknown>)[method];
      if (!run) throw new Error(`${this.name} has no ${method}`);
      return (await Promise.race([Promise.resolve(run.apply(instance.object, args)), instance.died])) as R;
    } finally {
      instance.running -= 1;
    }
  }

  /** Drops an idle instance, as the platform does. */
  evict(): void {
    if (this.#instance && this.#instance.running === 0) this.#end(this.#instance);
  }

  /** Kills it whatever it does. */
  kill(): void {
    if (this.#instance) this.#end(this.#instance);
  }

  #end(instance: Instance<T>): void {
    instance.actor.alive = false;
    instance.actor.onDeath?.();
  }

  #wake(): Instance<T> {
    if (this.#instance) return this.#instance;
    let reject: (error: Error) => void = () => {};
    const died = new Promise<never>((_, fail) => {
      reject = fail;
    });
    died.catch(() => undefined);
    const actor: Actor = {
      alive: true,
      name: this.name,
      onDeath: () => {
        if (this.#instance?.actor === actor) this.#instance = undefined;
        reject(new Killed(`${this.name} was reset`));
        // A platform that loses an instance still fires its alarm.
        this.#arm();
      },
    };
    let ready: Promise<void> = Promise.resolve();
    const ctx = {
      id: { name: this.name },
      storage: storageOf(this.database, () => actor.alive),
      waitUntil: (work: Promise<unknown>) => void work.catch(() => undefined),
      blockConcurrencyWhile: (work: () => Promise<void>) => {
        ready = work();
        ready.catch(() => undefined);
        return ready;
      },
    };
    const object = this.#make(ctx, actor);
    this.used = true;
    this.#instance = { actor, object, died, ready, running: 0 };
    return this.#instance;
  }

  #arm(): void {
    const dueMs = this.database.alarmMs;
    if (dueMs === null || (this.#armedMs !== null && this.#armedMs <= dueMs && this.#armedMs >= this.#time.nowMs))
      return;
    this.#armedMs = Math.max(dueMs, this.#time.nowMs);
    // At least once, sometimes late; never beside itself.
    const lateMs = this.#random.chance(0.05) ? this.#random.between(0, 20_000) : 0;
    this.#time.at(this.#armedMs + lateMs, () => {
      this.#armedMs = null;
      if (this.#alarming || this.database.alarmMs === null) return;
      if (this.database.alarmMs > this.#time.nowMs) return this.#arm();
      this.database.alarmMs = null;
      this.#alarming = true;
      this.#invoke("alarm", [])
        .catch(() => {
          // Killed in its alarm: the platform runs it again.
          this.database.alarmMs ??= this.#time.nowMs + 2_000;
        })
        .finally(() => {
          this.#alarming = false;
          this.#arm();
        });
    });
  }
}
