/**
 * The browser view of one wallet's storage. Trades the code in its address for a session, lists what is stored, opens it here with
 * a key that never leaves this page. Knows the time; everything below is told it.
 */
import type { BrowserSession } from "#contract/browser";
import { openCommand } from "./commands.ts";
import { type Detail, openDetail } from "./detail.ts";
import { button, byId, command, h, say } from "./dom.ts";
import { enter, listPage, Refused, signOut } from "./edge.ts";
import { shortWallet } from "./format.ts";
import { type KeyHolder, keyCard, listenForDrops } from "./keycard.ts";
import { type ListView, listView } from "./list.ts";
import { listenForWallets } from "./provider.ts";
import { type Row, rowOf } from "./rows.ts";

/** Loaded by itself; beyond it the person asks, since a page of the list counts against the month's. */
const ROWS_AT_ONCE = 10_000;

const nowMs = () => Date.now();

let rows: Row[] = [];
let session: BrowserSession | undefined;
let detail: Detail | undefined;
let clock: ReturnType<typeof setInterval> | undefined;
let next: string | undefined;

const keyPlace = h("div", {});
const holder: KeyHolder = {
  key: undefined,
  changed() {
    keyPlace.replaceChildren(keyCard(holder));
    detail?.keyChanged();
  },
};

async function start(): Promise<void> {
  const code = new URLSearchParams(location.hash.slice(1)).get("code");
  // Out of the address bar and the history before anything else is done: it is good once, but it is nobody else's business.
  if (location.hash !== "") history.replaceState(null, "", location.pathname);
  try {
    if (code !== null) await enter(code);
    await showList();
  } catch (error) {
    outside(error);
  }
}

async function showList(): Promise<void> {
  rows = [];
  next = undefined;
  const first = await listPage(undefined);
  session = first.session;
  showSession(first.session);
  const view = listView({ open: openRow, loadMore: () => void loading(view, rows.length + 1_000), nowMs });
  holder.changed();
  byId("main").replaceChildren(h("h1", { class: "hidden" }, "Your storage"), view.node);
  view.node.firstElementChild?.after(keyPlace);
  take(view, first);
  await loading(view, ROWS_AT_ONCE);
}

function take(view: ListView, page: Awaited<ReturnType<typeof listPage>>): void {
  rows.push(...page.objects.map(rowOf));
  next = page.next_continuation_token ?? undefined;
  view.draw(rows, next === undefined ? "whole" : "loading");
}

async function loading(view: ListView, rowsMax: number): Promise<void> {
  try {
    while (next !== undefined && rows.length < rowsMax) take(view, await listPage(next));
    view.draw(rows, next === undefined ? "whole" : "more");
  } catch (error) {
    if (error instanceof Refused && error.code === "browser_session_ended") return outside(error);
    view.draw(rows, "more");
    say(error instanceof Error ? error.message : String(error));
  }
}

function openRow(row: Row): void {
  if (!session) return;
  const { wallet_address: wallet, chain_id: chainId } = session;
  detail = openDetail(row, { holder, wallet, chainId, nowMs, changed, ended: () => outside(undefined) });
}

function changed(sentence: string): void {
  say(sentence);
  showList().catch(outside);
}

function showSession({ wallet_address: wallet, agent_id: agent, prefix, expires_at }: BrowserSession): void {
  const left = h("span", { class: "hint" });
  const tick = () => {
    const minutes = Math.ceil((Date.parse(expires_at) - nowMs()) / 60_000);
    left.textContent = minutes === 1 ? "1 minute left" : `${minutes} minutes left`;
    if (minutes <= 0) outside(undefined);
  };
  const scope = agent === "*" ? undefined : `${agent}/${prefix ?? ""}`;
  const leave = button("Sign out", () => {
    signOut().then(
      () => outside(undefined),
      (error: unknown) => outside(error),
    );
  });
  byId("who").replaceChildren(
    h("span", { class: "wallet", title: wallet }, shortWallet(wallet)),
    ...(scope === undefined ? [] : [h("span", { class: "agent" }, scope)]),
    left,
    leave,
  );
  clearInterval(clock);
  clock = setInterval(tick, 5_000);
  tick();
}

/** No session, or no more: everything of the last one is forgotten, the key first. */
function outside(error: unknown): void {
  holder.key = undefined;
  detail?.close();
  detail = undefined;
  clearInterval(clock);
  const wallet = session?.wallet_address;
  session = undefined;
  rows = [];
  byId("who").replaceChildren();
  const expected = error === undefined || (error instanceof Refused && error.code === "browser_session_ended");
  const used = error instanceof Refused && error.code === "browser_code_invalid";
  const title = used ? "This link does not open any more" : expected ? "Open your storage" : "That did not work";
  const why = used
    ? "A link is good once, for five minutes. Ask your agent for a new one:"
    : expected
      ? "This page shows what your agent has stored and opens it with your key. Ask your agent for a link:"
      : `${error instanceof Error ? error.message : String(error)} Reload the page, or ask your agent for a new link:`;
  byId("main").replaceChildren(
    h(
      "section",
      { class: "outside" },
      h("h1", {}, title),
      h("p", {}, why),
      command(openCommand(wallet)),
      h(
        "p",
        { class: "hint" },
        "A link opens once, within five minutes. The session it starts ends after half an hour.",
      ),
    ),
  );
}

addEventListener("pageshow", (event) => {
  // A page brought back from the browser's memory would show what its session may no longer show.
  if (event.persisted) location.reload();
});
addEventListener("hashchange", () => void start());
listenForDrops(holder);
listenForWallets();
void start();
