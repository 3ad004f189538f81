/** The list: what is stored, how large, when it is due, what it costs; found by words, sorted, shown a hundred at a time. */
import { formatDollars } from "#contract/money";
import { formatSize } from "#contract/sizes";
import { button, h } from "./dom.ts";
import { countText, dateText, dueText } from "./format.ts";
import { choose, type Row, SORTS, type Sort, totalsOf } from "./rows.ts";

const SHOWN_AT_ONCE = 100;

const WAITING = { upload: "not uploaded yet", confirm: "not confirmed yet", operator: "bytes not found" } as const;

export interface ListView {
  readonly node: HTMLElement;
  /** Draws again: the rows, and whether more are on their way or to be had. */
  draw(rows: readonly Row[], state: "loading" | "whole" | "more"): void;
}

export interface ListActions {
  open(row: Row): void;
  loadMore(): void;
  nowMs(): number;
}

export function listView(actions: ListActions): ListView {
  let rows: readonly Row[] = [];
  let state: "loading" | "whole" | "more" = "loading";
  let shown = SHOWN_AT_ONCE;
  const again = () => {
    shown = SHOWN_AT_ONCE;
    drawRows();
  };
  const words = h("input", {
    type: "search",
    class: "field grow",
    placeholder: "Find by name",
    "aria-label": "Find by name",
    autocomplete: "off",
    spellcheck: "false",
    oninput: again,
  });
  const options = Object.entries(SORTS).map(([value, label]) => h("option", { value }, label));
  const sort = h("select", { class: "field", "aria-label": "Sort by", onchange: again }, ...options);
  const totals = h("dl", { class: "totals" });
  const body = h("tbody", { role: "rowgroup" });
  const heads = ["Name", "Size", "Stored", "Next payment", "Price, 30 days"].map((name, at) =>
    h("th", { scope: "col", role: "columnheader", class: at > 0 ? "number" : undefined }, name),
  );
  const head = h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, ...heads));
  // Roles are spelled out: on a phone the rows are laid out as cards, and a table that is not displayed as one loses them.
  const table = h("table", { role: "table", "aria-label": "Stored objects" }, head, body);
  const foot = h("div", { class: "foot" });
  const count = h("p", { class: "hint", role: "status" });
  const empty = h("p", { class: "empty" });
  const node = h("div", {}, totals, h("div", { class: "toolbar" }, words, sort), count, table, empty, foot);

  function drawRows(): void {
    const chosen = choose(rows, words.value, sort.value as Sort);
    const visible = chosen.slice(0, shown);
    body.replaceChildren(...visible.map((row) => rowNode(row, actions)));
    table.hidden = visible.length === 0;
    count.textContent = countLine(visible.length, chosen.length, rows.length, state);
    empty.textContent = emptyLine(chosen.length, rows.length, state);
    empty.hidden = empty.textContent === "";
    const more = () => {
      const before = shown;
      shown += SHOWN_AT_ONCE;
      drawRows();
      body.children[before]?.querySelector("button")?.focus();
    };
    foot.replaceChildren(
      ...(chosen.length > visible.length ? [button("Show more", more)] : []),
      ...(state === "more" ? [button("Load the next thousand", () => actions.loadMore())] : []),
    );
  }

  return {
    node,
    draw(newRows, newState) {
      rows = newRows;
      state = newState;
      totals.replaceChildren(...totalNodes(rows, state));
      drawRows();
    },
  };
}

function rowNode(row: Row, actions: ListActions): HTMLElement {
  const due = dueText(row.paidThroughMs, row.deleteAfterMs, actions.nowMs());
  const name = h(
    "td",
    { role: "cell", class: "name" },
    h("button", { type: "button", class: "open", onclick: () => actions.open(row) }, row.key),
    row.agent !== "main" && h("span", { class: "agent" }, row.agent),
    row.awaiting && h("span", { class: "due soon" }, WAITING[row.awaiting]),
  );
  const cell = (label: string, ...content: (Node | string)[]) =>
    h("td", { role: "cell", class: "number", "data-label": label }, ...content);
  return h(
    "tr",
    { role: "row" },
    name,
    cell("Size", formatSize(row.sizeBytes)),
    cell("Stored", dateText(row.storedMs)),
    cell("Next payment", h("span", { class: `due ${due.kind}`, title: dateText(row.paidThroughMs) }, due.text)),
    cell("Price, 30 days", formatDollars(row.amount)),
  );
}

function totalNodes(rows: readonly Row[], state: string): HTMLElement[] {
  const { bytes, amount, nextDueMs } = totalsOf(rows);
  const more = state === "whole" ? "" : "+";
  const next = Number.isFinite(nextDueMs) ? dateText(nextDueMs) : "nothing due";
  return [
    ["Objects", `${rows.length.toLocaleString()}${more}`],
    ["Stored", `${formatSize(bytes)}${more}`],
    ["Next payment", next],
    ["For 30 days", `${formatDollars(amount)}${more}`],
  ].map(([label, value]) => h("div", {}, h("dt", {}, label), h("dd", {}, value)));
}

function countLine(visible: number, chosen: number, all: number, state: string): string {
  if (all === 0) return state === "loading" ? "Loading…" : "";
  const loading = state === "loading" ? " Still loading…" : "";
  if (visible === all) return `${countText(all, "object", "objects")}.${loading}`;
  if (chosen === all)
    return `The first ${visible.toLocaleString()} of ${countText(all, "object", "objects")}.${loading}`;
  return `${visible.toLocaleString()} shown of ${countText(chosen, "match", "matches")}.${loading}`;
}

function emptyLine(chosen: number, all: number, state: string): string {
  if (chosen > 0 || state === "loading") return "";
  return all === 0 ? "Nothing is stored here yet." : "No name matches.";
}
