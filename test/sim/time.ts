/**
 * Virtual time: a queue of events, run one at a time, everything between two of them in between. Events at the same moment run in
 * an order drawn from the seed. Nothing here waits for a real clock.
 */
import type { Random } from "./random.ts";

interface Event {
  readonly atMs: number;
  readonly tie: number;
  readonly run: () => void;
}

export class Time {
  nowMs = 1_790_000_000_000;
  readonly #random: Random;
  readonly #heap: Event[] = [];
  events = 0;

  constructor(random: Random) {
    this.#random = random;
  }

  at(atMs: number, run: () => void): void {
    this.#push({ atMs: Math.max(atMs, this.nowMs), tie: this.#random.next(), run });
  }

  after(ms: number): Promise<void> {
    return new Promise((resolve) => this.at(this.nowMs + ms, resolve));
  }

  /** Runs events until virtual `untilMs`, calling `check` after each. False when there was nothing left to run. */
  async runUntil(untilMs: number, check: () => void): Promise<boolean> {
    for (;;) {
      const next = this.#heap[0];
      if (!next || next.atMs > untilMs) {
        this.nowMs = Math.max(this.nowMs, untilMs);
        return next !== undefined;
      }
      this.#pop();
      this.nowMs = Math.max(this.nowMs, next.atMs);
      this.events += 1;
      next.run();
      // Lets every promise that this event settled run to its next wait.
      await new Promise((resolve) => setImmediate(resolve));
      check();
    }
  }

  #before(a: Event, b: Event): boolean {
    return a.atMs < b.atMs || (a.atMs === b.atMs && a.tie < b.tie);
  }

  #push(event: Event): void {
    const heap = this.#heap;
    heap.push(event);
    let i = heap.length - 1;
    while (i > 0) {
      const up = (i - 1) >> 1;
      const parent = heap[up] as Event;
      if (!this.#before(event, parent)) break;
      heap[i] = parent;
      i = up;
    }
    heap[i] = event;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop() as Event;
    if (heap.length === 0) return;
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && this.#before(heap[child + 1] as Event, heap[child] as Event)) child += 1;
      if (!this.#before(heap[child] as Event, last)) break;
      heap[i] = heap[child] as Event;
      i = child;
    }
    heap[i] = last;
  }
}
