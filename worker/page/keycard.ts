/** Where the key goes in: dropped or chosen, read here, forgotten on demand. Shown above the list and wherever a key is missing. */
import { button, h, say } from "./dom.ts";
import { Unopened } from "./sealed/fault.ts";
import { type Key, keyName, readKey } from "./sealed/key.ts";

export interface KeyHolder {
  key: Key | undefined;
  /** Called after the key came or went. */
  changed(): void;
}

export async function takeKey(holder: KeyHolder, file: Blob): Promise<void> {
  try {
    holder.key = await readKey(file);
    say(`${keyName(holder.key)} is in this page’s memory, and nowhere else.`);
    holder.changed();
  } catch (error) {
    if (!(error instanceof Unopened)) throw error;
    say(error.message);
    for (const place of document.querySelectorAll(".key-fault")) place.textContent = error.message;
  }
}

export function keyCard(holder: KeyHolder): HTMLElement {
  if (holder.key) {
    const forget = button("Forget key", () => {
      holder.key = undefined;
      say("The key is forgotten.");
      holder.changed();
    });
    return h(
      "section",
      { class: "key held", "aria-label": "Your key" },
      h("p", {}, h("strong", {}, keyName(holder.key)), " is ready. It stays in this page and goes when you close it."),
      forget,
    );
  }
  const input = h("input", {
    type: "file",
    class: "file",
    "aria-label": "Key file",
    onchange: () => {
      const file = input.files?.[0];
      if (file) void takeKey(holder, file);
      input.value = "";
    },
  });
  const choose = button("Choose key file", () => input.click(), "primary");
  return h(
    "section",
    { class: "key", "aria-label": "Your key" },
    h(
      "div",
      {},
      h("h2", {}, "Drop your key file here"),
      h(
        "p",
        { class: "hint" },
        "It is the file in ",
        h("code", {}, "keys/"),
        " of your agent’s mnemospark folder, or a recovery kit. Objects are decrypted in this page; the key is never sent anywhere.",
      ),
      h("p", { class: "key-fault fault", role: "alert" }),
    ),
    choose,
    input,
  );
}

/** A file dropped anywhere is a key, and never a page the browser would navigate to. */
export function listenForDrops(holder: KeyHolder): void {
  const over = (event: DragEvent) => {
    event.preventDefault();
    document.body.classList.toggle("dropping", event.type === "dragover");
  };
  addEventListener("dragover", over);
  addEventListener("dragleave", over);
  addEventListener("drop", (event) => {
    over(event);
    const file = event.dataTransfer?.files[0];
    if (file) void takeKey(holder, file);
  });
}
