/**
 * The browser view's codes and sessions. A code is good once and for minutes, a session for half an hour; both are random, held by
 * whoever opened the link, and remembered here as a hash alone. What a session may see was decided when its code was minted.
 */
import { type Refusal, refuse } from "#contract/errors";
import { BROWSER_CODE_TTL_S, BROWSER_GRANTS_MAX, BROWSER_SESSION_TTL_S } from "#contract/limits";
import type { Tx } from "./tx.ts";

/** What may be seen: `*` is every agent of the wallet, a prefix is of one agent's names, no region is all of them. */
export interface BrowserScope {
  readonly agentId: string;
  readonly prefix: string | undefined;
  readonly region: string | undefined;
}

/** Hashes are SHA-256 in hex. */
export type BrowserStep =
  | { readonly step: "mint"; readonly code: string; readonly scope: BrowserScope }
  | { readonly step: "trade"; readonly code: string; readonly session: string }
  | { readonly step: "look"; readonly session: string }
  | { readonly step: "leave"; readonly session: string }
  | { readonly step: "revoke" };

export interface Browsing {
  readonly ok: true;
  readonly scope: BrowserScope;
  readonly expiresMs: number;
  /** How many grants this step ended. */
  readonly closed: number;
}

const EVERYTHING: BrowserScope = { agentId: "*", prefix: undefined, region: undefined };

export function browse(tx: Tx, step: BrowserStep): Browsing | Refusal {
  tx.run("DELETE FROM browser_grants WHERE expires_ms <= ?", tx.nowMs);
  switch (step.step) {
    case "mint":
      return grant(tx, "code", step.code, step.scope, BROWSER_CODE_TTL_S);
    case "trade": {
      const code = find(tx, "code", step.code);
      if (!code) return refuse("browser_code_invalid", "no such code is open: a code is good once, for five minutes");
      // The code goes in the transaction that makes the session: of two tabs that show it at once, one gets in.
      close(tx, step.code);
      return grant(tx, "session", step.session, code.scope, BROWSER_SESSION_TTL_S);
    }
    case "look":
      return find(tx, "session", step.session) ?? ended();
    case "leave": {
      const session = find(tx, "session", step.session);
      return session ? { ...session, closed: close(tx, step.session) } : ended();
    }
    case "revoke": {
      const open = tx.first<{ n: number }>("SELECT count(*) AS n FROM browser_grants")?.n ?? 0;
      tx.run("DELETE FROM browser_grants");
      if (open > 0) tx.record("browser.revoked", { grants: open });
      return { ok: true, scope: EVERYTHING, expiresMs: tx.nowMs, closed: open };
    }
  }
}

function ended(): Refusal {
  return refuse("browser_session_ended", "the session has ended, or was signed out");
}

type GrantRow = { agent_id: string; prefix: string | null; region: string | null; expires_ms: number };

function find(tx: Tx, kind: "code" | "session", hash: string): Browsing | undefined {
  const row = tx.first<GrantRow>(
    "SELECT agent_id, prefix, region, expires_ms FROM browser_grants WHERE hash = ? AND kind = ?",
    hash,
    kind,
  );
  if (!row) return undefined;
  const scope = { agentId: row.agent_id, prefix: row.prefix ?? undefined, region: row.region ?? undefined };
  return { ok: true, scope, expiresMs: row.expires_ms, closed: 0 };
}

function grant(tx: Tx, kind: "code" | "session", hash: string, scope: BrowserScope, ttlS: number): Browsing {
  const expiresMs = tx.nowMs + ttlS * 1000;
  tx.run(
    "INSERT INTO browser_grants (hash, kind, agent_id, prefix, region, created_ms, expires_ms) VALUES (?, ?, ?, ?, ?, ?, ?)",
    hash,
    kind,
    scope.agentId,
    scope.prefix ?? null,
    scope.region ?? null,
    tx.nowMs,
    expiresMs,
  );
  // Only this many are open at once; whoever minted them all can mint another, so the oldest go.
  tx.run(
    `DELETE FROM browser_grants WHERE kind = ? AND hash NOT IN
       (SELECT hash FROM browser_grants WHERE kind = ? ORDER BY created_ms DESC, hash = ? DESC LIMIT ?)`,
    kind,
    kind,
    hash,
    BROWSER_GRANTS_MAX,
  );
  tx.record(`browser.${kind}`, { agent_id: scope.agentId, prefix: scope.prefix ?? null, expires_ms: expiresMs });
  return { ok: true, scope, expiresMs, closed: 0 };
}

function close(tx: Tx, hash: string): number {
  tx.run("DELETE FROM browser_grants WHERE hash = ?", hash);
  tx.record("browser.closed", {});
  return 1;
}
