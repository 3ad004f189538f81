/** The platform runs a Worker's cron; wrangler dev does not. So the stack does, over the address wrangler has for it. */

export interface Cron {
  stop(): void;
}

export function startCron(edgeUrl: string, everyMs = 60_000): Cron {
  // An edge that is down is told again in a minute; what was missed shows as a gap in its heartbeat.
  const run = () => void runCron(edgeUrl).catch(() => undefined);
  run();
  const timer = setInterval(run, everyMs);
  timer.unref();
  return { stop: () => clearInterval(timer) };
}

export async function runCron(edgeUrl: string): Promise<void> {
  const response = await fetch(new URL("/cdn-cgi/local/scheduled", edgeUrl), { signal: AbortSignal.timeout(60_000) });
  const said = await response.text();
  if (!response.ok) throw new Error(`the cron answered ${response.status}: ${said}`);
}
