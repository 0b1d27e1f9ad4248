// What opens over the panel: sheets (modal, over the panel's own area) and menus (light, beside what opened them).
// Both give the focus back to where it was.

import { Refusal } from "./client.js";
import { h, icon, iconButton, set } from "./dom.js";

const PRESS_MS = 1_000; // from a press to its click, on a slow machine
const pressed = new WeakMap(); // button -> when it was pressed with its menu open

/** A modal sheet over the panel, unless one is open. `fill(body, sheet)` builds what is in it. */
export function openSheet(panel, title, fill) {
  if (panel.section.querySelector("dialog[open]")) return; // asked for twice before the actions were there
  const before = panel.root.activeElement;
  const body = h("div", { class: "body" });
  const close = iconButton("close", panel.words("close"), { onclick: () => dialog.close() });
  const dialog = h("dialog", { class: "sheet", "aria-labelledby": "sheet-title", part: "sheet" }, h("header", null, h("h2", { id: "sheet-title" }, title), close), body);
  // A press beside the sheet is a press on the dialog itself. Not its click: that comes here from a selection past the edge too.
  dialog.addEventListener("mousedown", (event) => event.target === dialog && !inside(dialog, event) && dialog.close());
  const gone = new AbortController();
  // A dialog that is taken out with its panel is not closed: the next change of the window finds it gone.
  addEventListener("resize", () => (dialog.isConnected ? place(dialog, panel.section) : gone.abort()), { signal: gone.signal });
  dialog.addEventListener("close", () => {
    gone.abort();
    dialog.remove();
    panel.list.left();
    if (!panel.root.activeElement) giveBack(panel, before); // else it was given already; or somebody was quicker, and has gone on
  });
  const sheet = { dialog, body, close: () => dialog.close(), open: () => dialog.isConnected };
  panel.section.append(dialog);
  place(dialog, panel.section);
  fill(body, sheet);
  dialog.showModal();
}

/** A menu at an element. Entries are `{label, icon, run, checked}`; null leaves a line between. */
export function openMenu(panel, anchor, entries) {
  // A press outside closes a menu, so the press on its own button has closed it already: this is that press's click.
  const since = performance.now() - pressed.get(anchor);
  pressed.delete(anchor);
  if (since < PRESS_MS) return;
  const before = panel.root.activeElement ?? anchor;
  const items = entries.map((entry) =>
    entry
      ? h(
          "button",
          {
            type: "button",
            role: entry.checked === undefined ? "menuitem" : "menuitemcheckbox",
            "aria-checked": entry.checked === undefined ? null : String(entry.checked),
            tabindex: "-1",
            onclick: () => {
              menu.hidePopover();
              entry.run();
            },
          },
          icon(entry.icon),
          h("span", { dir: "auto" }, entry.label),
          entry.key && h("kbd", null, entry.key),
        )
      : h("hr", { role: "separator" }),
  );
  const menu = h("div", { class: "menu", role: "menu", popover: "auto", "aria-label": panel.words("do.menu"), part: "menu" }, items);
  const choices = items.filter((item) => item.matches("button"));
  menu.addEventListener("keydown", (event) => walk(event, choices, panel.root));
  // Intentional: before it closes, while it can be seen whether the focus is in it or went elsewhere.
  menu.addEventListener("beforetoggle", (event) => {
    set(anchor, "aria-expanded", String(event.newState === "open"));
    if (event.newState === "open") return;
    if (menu.contains(panel.root.activeElement)) giveBack(panel, before);
  });
  const press = () => pressed.set(anchor, performance.now());
  anchor.addEventListener("pointerdown", press);
  menu.addEventListener("toggle", (event) => {
    if (event.newState === "open") return;
    anchor.removeEventListener("pointerdown", press);
    menu.remove();
    panel.list.left();
  });
  panel.section.append(menu);
  menu.showPopover();
  beside(menu, anchor);
  choices[0]?.focus();
}

/** Runs an action with the controls of an area switched off; what goes wrong is said in `problem`. */
export async function busy(panel, area, problem, action) {
  const controls = [...area.querySelectorAll("button, input, select")].filter((control) => !control.disabled);
  const focused = panel.root.activeElement;
  problem.textContent = "";
  for (const control of controls) control.disabled = true;
  try {
    await action();
  } catch (error) {
    problem.textContent = complaint(panel, error);
  } finally {
    for (const control of controls) control.disabled = false;
    if (controls.includes(focused) && focused.isConnected) focused.focus();
  }
}

/** Says something in a sheet's own status. Soon, and not at once: what comes together with its words is not heard. */
export function tell(told, text) {
  told.textContent = "";
  setTimeout(() => (told.textContent = text), 50);
}

/** What went wrong, in words. */
export function complaint(panel, error) {
  const { words } = panel;
  if (!(error instanceof Refusal) || error.status >= 500) return words("failed.unreachable");
  if (error.status === 401) return words("failed.signed-out");
  const known = `refused.${error.code}`;
  return words.has(known) ? words(known, { detail: error.message }) : error.message; // a code of a newer service, in its own words
}

/** Gives the focus back to what had it, or to the row where that was, or to whichever has taken its place. */
function giveBack({ list }, before) {
  if (before?.isConnected) before.focus({ preventScroll: true });
  else if (before) list.focus(before.closest("article")?.dataset.id);
}

function walk(event, choices, root) {
  const here = choices.indexOf(root.activeElement);
  const steps = { ArrowDown: here + 1, ArrowUp: here - 1 + choices.length, Home: 0, End: choices.length - 1 };
  if (!(event.key in steps)) {
    if (event.key === "Tab") choices[0].closest("[popover]").hidePopover();
    return;
  }
  event.preventDefault();
  choices[steps[event.key] % choices.length].focus();
}

function inside(element, { clientX, clientY }) {
  const { left, right, top, bottom } = element.getBoundingClientRect();
  return clientX >= left && clientX <= right && clientY >= top && clientY <= bottom;
}

/** Over the panel, as wide as it is; where that is less than a form needs, in the middle of the page. */
function place(dialog, section) {
  const { left, top, width, height } = section.getBoundingClientRect();
  const wide = Math.min(Math.max(width, 300), innerWidth - 16);
  const x = Math.min(Math.max(left + (width - wide) / 2, 8), innerWidth - wide - 8);
  const y = Math.max(8, Math.min(top, innerHeight - 208));
  fix(dialog, { left: x, top: y, width: wide, "max-height": Math.min(Math.max(200, Math.min(height, innerHeight - y - 8)), innerHeight - 16) });
}

function beside(menu, anchor) {
  const { left, right, top, bottom } = anchor.getBoundingClientRect();
  const { width, height } = menu.getBoundingClientRect();
  const rtl = getComputedStyle(anchor).direction === "rtl";
  const x = rtl ? left : right - width;
  const y = bottom + 4 + height > innerHeight ? Math.max(8, top - height - 4) : bottom + 4;
  fix(menu, { left: Math.min(Math.max(x, 8), innerWidth - width - 8), top: y });
}

/** Lengths as they are measured, which on a page with `zoom` are not those of its styles. */
function fix(element, lengths) {
  const zoom = element.parentElement?.currentCSSZoom ?? 1;
  for (const [name, value] of Object.entries(lengths)) element.style.setProperty(name, `${Math.round(value / zoom)}px`);
}
