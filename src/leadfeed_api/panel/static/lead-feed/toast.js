// What was just done, in words, with the way back.

import { h } from "./dom.js";

const SHOWN_MS = 8_000;
const timers = new WeakMap();

/** Says what was done. It goes after a while, but not from under a hand. */
export function said(panel, key, values, undo = null) {
  const { words, toast } = panel;
  const text = words(key, { ...values, type: values.type && words(`type.${values.type}`) });
  const held = toast.contains(panel.root.activeElement); // its button, which goes
  const back = undo && h("button", { type: "button", class: "link", onclick: undo }, words("undo"), h("kbd", { "aria-hidden": "true" }, "u"));
  toast.replaceChildren(h("span", { dir: "auto" }, text), ...(back ? [back] : []));
  toast.hidden = false;
  if (held) panel.list.takeFocus();
  panel.announce(text);
  leave(toast);
}

function leave(toast) {
  clearTimeout(timers.get(toast));
  timers.set(toast, setTimeout(() => {
    if (toast.matches(":hover, :focus-within")) leave(toast);
    else toast.hidden = true;
  }, SHOWN_MS));
}
