/** Looks at everything that usually is wrong, and says what to type. Changes nothing but loose permissions. */
import type { Core } from "./core.ts";
import { explain } from "./faults.ts";
import { loadKek } from "./keys.ts";
import { adviceOf } from "./kit.ts";
import { readPrivate } from "./private-file.ts";
import { probeProxy, tokenPath } from "./proxy/client.ts";
import { renewalsOn } from "./renewals.ts";
import { linkedSecrets } from "./tools/paths.ts";
import { standingWarning } from "./warning.ts";

export type Finding =
  | { readonly level: "ok"; readonly what: string; readonly next?: undefined }
  | {
      readonly level: "warning" | "error";
      readonly what: string;
      /** What to type or do. */
      readonly next: string;
    };

export async function diagnose(core: Core): Promise<Finding[]> {
  const { settings } = core;
  const findings: Finding[] = [ok(`The client's directory is ${settings.home}.`), ...core.warnings.map(warn)];
  const check = async (work: () => Promise<Finding[] | Finding>) => {
    try {
      findings.push(...[await work()].flat());
    } catch (error) {
      const { message, next } = explain(error);
      // What several checks trip over is one thing.
      if (!findings.some(({ what }) => what === message)) findings.push({ level: "error", what: message, next });
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
      const place = { dir: settings.home, wallet: wallet.address };
      const kek = await loadKek(place);
      const advice = kek && (await adviceOf(core, place));
      const kit: Finding[] =
        advice === undefined ? [] : [{ level: "warning", what: advice, next: "mnemospark keys kit" }];
      if (kek) return [ok(`Encryption key ${kek.kid} (${kek.path}).`), ...kek.warnings.map(warn), ...kit];
      return core.operations.list({ limit: 1 }).length === 0
        ? ok("No encryption key yet; the first store makes one.")
        : {
            level: "error",
            what: "The encryption key is missing; what was sealed under it cannot be opened.",
            next: "Restore it from the recovery kit (`mnemospark keys restore FILE`) or a copy.",
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
    const token = await readPrivate(tokenPath(settings), 256);
    if (token === undefined) return ok("No token for the local proxy yet; its first start makes one.");
    if (!/^[0-9a-f]{64}\s*$/.test(Buffer.from(token.bytes ?? []).toString("latin1")))
      return {
        level: "error",
        what: `${tokenPath(settings)} is no token.`,
        next: `rm ${tokenPath(settings)}, then start the gateway anew: it makes another.`,
      };
    return [ok("The local proxy's token is in place."), ...token.warnings.map(warn)];
  });
  await check(async () => {
    if (!settings.proxy.enabled) return ok("The local proxy is switched off.");
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
  await check(async () =>
    [...(await linkedSecrets(settings)).values()].map((path) => ({
      level: "error" as const,
      what: `${path} has another name on this disk (a hard link): whoever can read that one has it.`,
      next: `find / -xdev -samefile ${path}, and remove the other.`,
    })),
  );
  return findings;
}

function ok(what: string): Finding {
  return { level: "ok", what };
}

/** A sentence that the files brought up: repaired permissions, or wallets that are not the one that pays. */
function warn(what: string): Finding {
  const next = /open to other users/.test(what)
    ? "If others use this machine: treat what it holds as known to them, move the money to another wallet, rotate the keys."
    : "If another one should pay, name it: walletKey in the configuration (MNEMOSPARK_WALLET_KEY), or move the file away.";
  return { level: "warning", what, next };
}
