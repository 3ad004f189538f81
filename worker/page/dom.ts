/** Elements without markup: text is set as text, attributes by name, so nothing that was stored can become a tag or a script. */

type Child = Node | string | undefined | false;
type Props = Readonly<Record<string, string | boolean | ((event: Event) => void) | undefined>>;

/** `on…` properties are listeners; `true` is an empty attribute; undefined and false leave it out. */
export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  props: Props = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (typeof value === "function") element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (typeof value === "string") element.setAttribute(name, value);
  }
  element.append(...children.filter((child): child is Node | string => child !== undefined && child !== false));
  return element;
}

export function byId(id: string): HTMLElement {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page has no #${id}`);
  return found;
}

/** Says something to everybody, screen readers too, and takes it back after a while. */
export function say(sentence: string): void {
  const said = byId("said");
  const line = h("p", {}, sentence);
  said.replaceChildren(line);
  setTimeout(() => line.remove(), 6_000);
}

export function button(
  label: string,
  onclick: () => void,
  kind: "plain" | "primary" | "danger" = "plain",
): HTMLButtonElement {
  return h("button", { type: "button", class: `button ${kind}`, onclick }, label);
}

/** A command to paste elsewhere. */
export function command(text: string): HTMLElement {
  const copy = button("Copy", () => {
    navigator.clipboard.writeText(text).then(
      () => say("Copied."),
      () => say("The browser did not let the page copy; select the text instead."),
    );
  });
  return h("div", { class: "command" }, h("code", { tabindex: "0" }, text), copy);
}
