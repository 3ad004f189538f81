/** One object in a dialog: its terms, what is in it, and what can be done with it. */
import { formatDollars } from "#contract/money";
import { formatSize } from "#contract/sizes";
import { deleting, renewing, type SignedHost } from "./actions.ts";
import { button, h, say } from "./dom.ts";
import { Refused } from "./edge.ts";
import { dateText, dueText, momentText } from "./format.ts";
import { type KeyHolder, keyCard } from "./keycard.ts";
import { collect, type Opened, openObject } from "./open.ts";
import { type Preview, previewOf, ungzip } from "./preview.ts";
import type { Row } from "./rows.ts";
import { chooseSink, saveBlob } from "./save.ts";
import { Unopened } from "./sealed/fault.ts";
import { formatOf } from "./sealed/format.ts";
import { readArchive } from "./tar.ts";

/** What is opened into memory to be looked at; larger objects are saved. */
const PREVIEW_BYTES_MAX = 64 * 1024 * 1024;

export interface DetailHost extends SignedHost {
  readonly holder: KeyHolder;
  /** Something was refused because the session is over. */
  ended(): void;
}

export interface Detail {
  /** The key came or went. */
  keyChanged(): void;
  close(): void;
}

export function openDetail(row: Row, host: DetailHost): Detail {
  const stop = new AbortController();
  let content: Blob | undefined;
  let previews: Preview[] = [];
  const shown = h("div", { class: "shown" });
  const note = h("p", { class: "hint", role: "status" });
  const fault = h("p", { class: "fault", role: "alert" });
  const progress = h("progress", { max: "1", value: "0", "aria-label": "Fetched", hidden: true });
  const actions = h("div", { class: "actions" });

  const signedHost: SignedHost = {
    ...host,
    changed(sentence) {
      dialog.close();
      host.changed(sentence);
    },
  };
  const dialog: HTMLDialogElement = h(
    "dialog",
    { class: "detail", "aria-labelledby": "detail-name", onclose: () => closed() },
    h(
      "header",
      {},
      h("h2", { id: "detail-name" }, row.key),
      h("button", { type: "button", class: "close", "aria-label": "Close", onclick: () => dialog.close() }, "×"),
    ),
    actions,
    progress,
    note,
    fault,
    shown,
    factsOf(row, host.nowMs()),
    ...(row.awaiting === undefined ? [renewing(row, signedHost)] : []),
    deleting(row, signedHost),
  );
  document.body.append(dialog);
  drawActions();
  dialog.showModal();

  function closed(): void {
    stop.abort();
    for (const preview of previews) preview.close();
    content = undefined;
    dialog.remove();
  }

  function drawActions(): void {
    if (row.awaiting === "upload" || row.awaiting === "operator") {
      note.textContent =
        row.awaiting === "upload"
          ? "Paid for, but nothing was uploaded yet."
          : "S3 does not have the bytes; tell the operator.";
      return;
    }
    const sealed = formatOf(row.wrappedDek) !== "unknown";
    if (sealed && !host.holder.key) {
      actions.replaceChildren(keyCard(host.holder));
      return;
    }
    const small = row.sizeBytes <= PREVIEW_BYTES_MAX;
    const open = button("Open", () => void working(look), "primary");
    const save = button("Save", () => void working(keep), small ? "plain" : "primary");
    actions.replaceChildren(...(small ? [open] : []), save);
    if (!small) note.textContent = "Too large to look at here; save it, and it is decrypted on its way to disk.";
  }

  /** One thing at a time, and every refusal said where it was asked for. */
  async function working(task: () => Promise<void>): Promise<void> {
    fault.textContent = "";
    for (const each of actions.querySelectorAll("button")) each.disabled = true;
    try {
      await task();
    } catch (error) {
      if (error instanceof Refused && error.code === "browser_session_ended") {
        dialog.close();
        host.ended();
      } else if (!stop.signal.aborted) {
        note.textContent = "";
        fault.textContent =
          error instanceof Unopened || error instanceof Refused ? error.message : `It failed: ${error}`;
      }
    } finally {
      progress.hidden = true;
      for (const each of actions.querySelectorAll("button")) each.disabled = false;
    }
  }

  async function fetched(): Promise<Opened> {
    note.textContent = "Fetching from S3 and decrypting here…";
    const { wallet, chainId, holder } = host;
    const onProgress = (bytes: number, total: number) => {
      progress.hidden = false;
      progress.value = total === 0 ? 1 : bytes / total;
    };
    return openObject({ row, wallet, chainId, key: holder.key, signal: stop.signal, onProgress });
  }

  function left(opened: Opened): string {
    const times = opened.downloadsLeft === 1 ? "one download" : `${opened.downloadsLeft} downloads`;
    return [opened.note, `Verified. ${times} left of this period’s.`].filter(Boolean).join(" ");
  }

  async function look(): Promise<void> {
    if (!content) {
      const opened = await fetched();
      content = await collect(opened.plain, row.sizeBytes);
      note.textContent = left(opened);
    }
    await show(content);
  }

  async function keep(): Promise<void> {
    const name = fileName(row.key, ".tar");
    if (content) return saveBlob(content, await named(content, row.key));
    const sink = await chooseSink(formatOf(row.wrappedDek) === "age" ? name : row.key);
    if (!sink) return;
    const opened = await fetched();
    await sink.take(opened.plain, row.sizeBytes);
    note.textContent = `Saved. ${left(opened)}`;
    say("Saved.");
  }

  async function show(whole: Blob): Promise<void> {
    for (const preview of previews) preview.close();
    previews = [];
    const unzipped = await ungzip(whole, 4 * PREVIEW_BYTES_MAX);
    const archive = unzipped && (await readArchive(unzipped));
    const files = archive?.files ?? [{ path: row.key, content: whole }];
    const parts = files.map(({ path, content: bytes }) => fileNode(path, bytes, files.length === 1));
    const cut = archive?.cut
      ? [h("p", { class: "hint" }, "There are more files than are listed; save the archive.")]
      : [];
    shown.replaceChildren(h("h3", {}, files.length === 1 ? "Content" : `${files.length} files`), ...parts, ...cut);
  }

  function fileNode(path: string, bytes: Blob, alone: boolean): HTMLElement {
    const place = h("div", { class: "preview" });
    const view = async () => {
      const preview = await previewOf(bytes, path);
      if (preview) previews.push(preview);
      place.replaceChildren(
        preview?.node ?? h("p", { class: "hint" }, "There is no safe way to show this here; save it."),
      );
    };
    if (alone) void view();
    return h(
      "div",
      { class: "file-row" },
      h("span", { class: "path" }, path),
      h("span", { class: "hint" }, formatSize(bytes.size)),
      !alone && button("View", () => void view()),
      button("Save file", () => saveBlob(bytes, path.split("/").at(-1) ?? path)),
      place,
    );
  }

  return { keyChanged: drawActions, close: () => dialog.close() };
}

function factsOf(row: Row, nowMs: number): HTMLElement {
  const due = dueText(row.paidThroughMs, row.deleteAfterMs, nowMs);
  const facts: [string, Node | string][] = [
    ["Size", `${formatSize(row.sizeBytes)}, sealed`],
    ["Stored", momentText(row.storedMs)],
    ["Paid through", h("span", { class: `due ${due.kind}` }, `${dateText(row.paidThroughMs)} (${due.text})`)],
    ["Deleted if unpaid", momentText(row.deleteAfterMs)],
    ["Price, 30 days", formatDollars(row.amount)],
    ["Downloads left", String(row.downloadsLeft)],
    ["Agent", row.agent],
    ["Region", row.region],
    ["SHA-256", h("code", { class: "hash" }, row.sha256)],
  ];
  return h(
    "dl",
    { class: "facts" },
    ...facts.map(([label, value]) => h("div", {}, h("dt", {}, label), h("dd", {}, value))),
  );
}

function fileName(key: string, ending: string): string {
  return key.endsWith(ending) ? key : `${key}${ending}`;
}

/** Named by what it is: our client stores archives, others may store anything. */
async function named(content: Blob, key: string): Promise<string> {
  const start = new Uint8Array(await content.slice(0, 2).arrayBuffer());
  if (start[0] === 0x1f && start[1] === 0x8b) return fileName(key, ".tar.gz");
  return (await readArchive(content)) ? fileName(key, ".tar") : key;
}
