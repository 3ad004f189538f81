/** Looks at everything that usually is wrong, and says what to type. Changes nothing but loose permissions. */
import { lstat } from "node:fs/promises";
import type { Core } from "./core.ts";
import { explain } from "./faults.ts";
import { loadKek } from "./keys.ts";
import { probeProxy } from "./proxy/client.ts";
import { renewalsOn } from "./renewals.ts";
import { standingWarning } from "./warning.ts";

export interface Finding {
  readonly level: "ok" | "warning" | "error";
  readonly what: string;
  /** What to type or do. */
  readonly next?: string;
}

export async function diagnose(core: Core): Promise<Finding[]> {
  const { settings } = core;
  const findings: Finding[] = [ok(`The client's directory is ${settings.home}.`), ...core.warnings.map(warn)];
  const check = async (work: () => Promise<Finding[] | Finding>) => {
    try {
      findings.push(...[await work()].flat());
    } catch (error) {
      const { message, next } = explain(error);
      findings.push({ level: "error", what: message, next });
    }
  };

  await check(async () => {
    const wallet = await core.findWallet();
    if (!wallet) return { level: "error", what: "There is no wallet.", next: "mnemospark wallet create" };
    return [
      ok(`Wallet ${wallet.address} (${wallet.source}${wallet.path === undefined ? "" : `, ${wallet.path}`}).`),
      ...wallet.warnings.map(warn),
    ];
  });
  const wallet = await core.findWallet().catch(() => undefined);
  if (wallet) {
    await check(async () => {
      const kek = await loadKek({ dir: settings.home, wallet: wallet.address });
      if (kek) return [ok(`Encryption key ${kek.kid} (${kek.path}).`), ...kek.warnings.map(warn)];
      return core.operations.list({ limit: 1 }).length === 0
        ? ok("No encryption key yet; the first store makes one.")
        : {
            level: "error",
            what: "The encryption key is missing; what was sealed under it cannot be opened.",
            next: "Restore it from the recovery kit or a copy.",
          };
    });
    await check(async () => {
      const sentAtMs = Date.now();
      const health = await core.health();
      return ok(
        `${settings.baseUrl} answers in ${Date.now() - sentAtMs} ms on ${health.network}; it is paid at ${health.pay_to}.`,
      );
    });
    await check(async () => {
      const { microUsdc } = await core.balance();
      return microUsdc > 0n
        ? ok("The wallet holds USDC.")
        : { level: "warning", what: "The wallet holds no USDC.", next: "mnemospark wallet fund" };
    });
  }
  await check(async () => {
    const proxy = await probeProxy(settings);
    if (proxy === "ours") return ok("The local proxy answers.");
    if (proxy === "nobody")
      return {
        level: "warning",
        what: `No proxy runs at ${settings.proxy.socket ?? `127.0.0.1:${settings.proxy.port}`}.`,
        next: "It starts with the OpenClaw gateway, or with `mnemospark proxy`.",
      };
    return {
      level: "warning",
      what: `Something else answers at 127.0.0.1:${settings.proxy.port}.`,
      next: "Set proxyPort (MNEMOSPARK_PROXY_PORT) to a free port.",
    };
  });
  if (wallet)
    await check(async () => {
      if (!renewalsOn(core))
        return {
          level: "warning",
          what: "Renewals are off: what is not renewed by hand is deleted two days after its paid time.",
          next: "mnemospark renewals on",
        };
      const standing = await standingWarning(core);
      if (standing === undefined) return ok("Nothing waits in vain to be renewed.");
      return { level: "error", what: standing.message, next: standing.next };
    });
  const stuck = core.operations
    .list({ openOnly: true, limit: 50 })
    .filter((each) => !each.running && each.facts["until"] === undefined);
  if (stuck.length > 0)
    findings.push({
      level: "warning",
      what: `${stuck.length} operation(s) were interrupted: ${stuck.map(({ id }) => id).join(", ")}.`,
      next: "mnemospark resume",
    });
  await check(async () => {
    const mode = (await lstat(settings.home)).mode & 0o077;
    return mode === 0
      ? ok("Only you can read it.")
      : { level: "error", what: `${settings.home} is open to others.`, next: `chmod 700 ${settings.home}` };
  });
  return findings;
}

function ok(what: string): Finding {
  return { level: "ok", what };
}

function warn(what: string): Finding {
  return { level: "warning", what };
}
