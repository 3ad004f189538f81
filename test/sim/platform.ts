/** `cloudflare:workers` as the objects of durable/ use it: a base class that keeps its context and its environment. */
export class DurableObject {
  readonly ctx: unknown;
  readonly env: unknown;

  constructor(ctx: unknown, env: unknown) {
    this.ctx = ctx;
    this.env = env;
  }
}
