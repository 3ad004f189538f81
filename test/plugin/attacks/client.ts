/** A client with a home of its own against the service at the socket. */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { generatePrivateKey } from "viem/accounts";
import type { Core } from "../../../client-plugin/core.ts";
import { openClient } from "../../demo/client.ts";
import { type Lies, PAYEE, type Service } from "../service.ts";

let homes = 0;

export interface Made {
  readonly core: Core;
  readonly home: string;
}

export async function newClient(
  service: Service,
  room: string,
  { lies = {}, config = {} }: { lies?: Lies; config?: Record<string, unknown> } = {},
): Promise<Made> {
  tell(service, lies);
  const home = join(room, `home-${homes++}`);
  await mkdir(home, { mode: 0o700 });
  const core = await openClient({
    edgeUrl: service.url,
    // Nobody listens there: a balance that cannot be read stops nobody.
    chainUrl: "http://127.0.0.1:9",
    key: generatePrivateKey(),
    home,
    payTo: PAYEE,
    config,
  });
  return { core, home };
}

/** From now on it lies so, and in no other way. */
export function tell(service: Service, lies: Lies): void {
  for (const name of Object.keys(service.lies)) delete service.lies[name as keyof Lies];
  Object.assign(service.lies, lies);
  service.asked.length = 0;
}

/** How many authorizations reached the service. */
export function signed(service: Service): number {
  return new Set(service.asked.flatMap(({ nonce }) => nonce ?? [])).size;
}
