/** What takes the wallet's signature: paying the next 30 days, and deleting. By a wallet of this browser, or by a command to paste. */
import { formatDollars } from "#contract/money";
import { deleteCommand, renewCommand } from "./commands.ts";
import { button, command, h } from "./dom.ts";
import { dateText } from "./format.ts";
import { findProvider, type Provider } from "./provider.ts";
import type { Row } from "./rows.ts";

export interface Signed {
  readonly wallet: string;
  readonly chainId: number;
  nowMs(): number;
}

export interface SignedHost extends Signed {
  /** The list is not what it was; `sentence` says why. */
  changed(sentence: string): void;
}

const PERIOD_MS = 30 * 86_400_000;

export function renewing(row: Row, host: SignedHost): HTMLElement {
  const price = formatDollars(row.amount);
  const untilMs = row.paidThroughMs + PERIOD_MS;
  // The same key however often it is pressed: what it has bought once it does not buy again.
  const key = crypto.randomUUID();
  return signedSection({
    title: "Pay the next 30 days",
    text: `${price} in USDC keeps it until ${dateText(untilMs)}. Paying early loses no time.`,
    label: `Pay ${price} with browser wallet`,
    kind: "primary",
    command: renewCommand(host.wallet, row.agent, row.key),
    async act(provider) {
      const { renewObject } = await import("./jitless.ts").then(() => import("./pay.ts"));
      const { paidThrough, already } = await renewObject({ ...signingOf(host, provider), row, key });
      const kept = `${row.key} is kept until ${dateText(Date.parse(paidThrough))}.`;
      host.changed(already ? `It was paid before; nothing was charged. ${kept}` : `Paid. ${kept}`);
    },
  });
}

export function deleting(row: Row, host: SignedHost): HTMLElement {
  return signedSection({
    title: "Delete",
    text: "The bytes go at once and cannot be brought back. What was paid is not returned.",
    label: "Sign with browser wallet and delete",
    kind: "danger",
    command: deleteCommand(host.wallet, row.agent, row.key),
    async act(provider) {
      const { deleteObject } = await import("./jitless.ts").then(() => import("./wallet.ts"));
      await deleteObject(signingOf(host, provider), row.agent, row.key);
      host.changed(`${row.key} is deleted.`);
    },
  });
}

function signingOf({ wallet, chainId, nowMs }: SignedHost, provider: Provider) {
  return { provider, wallet, chainId, nowMs: nowMs() };
}

function signedSection(section: {
  title: string;
  text: string;
  label: string;
  kind: "primary" | "danger";
  command: string;
  act(provider: Provider): Promise<void>;
}): HTMLElement {
  const provider = findProvider();
  const fault = h("p", { class: "fault", role: "alert" });
  const waiting = h("p", { class: "hint", role: "status" });
  const sign = button(section.label, () => void signed(), section.kind);

  async function signed(): Promise<void> {
    if (!provider) return;
    fault.textContent = "";
    waiting.textContent = "Waiting for the wallet…";
    sign.disabled = true;
    try {
      await section.act(provider);
    } catch (error) {
      fault.textContent = error instanceof Error ? error.message : String(error);
    } finally {
      waiting.textContent = "";
      sign.disabled = false;
    }
  }

  return h(
    "details",
    { class: "rule" },
    h("summary", {}, section.title),
    h("p", {}, section.text),
    provider && sign,
    h(
      "p",
      { class: "hint" },
      provider ? "Or on your agent’s machine:" : "It takes the wallet’s signature. On your agent’s machine:",
    ),
    command(section.command),
    waiting,
    fault,
  );
}
