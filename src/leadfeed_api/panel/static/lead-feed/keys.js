// The keyboard: single letters while the focus is in the panel, and the feed pattern's own keys.

const LETTERS = {
  j: (panel) => panel.list.step(1),
  k: (panel) => panel.list.step(-1),
  PageDown: (panel) => panel.list.step(1),
  PageUp: (panel) => panel.list.step(-1),
  s: (panel, row) => row && panel.act("subscribe", row),
  w: (panel, row) => row && panel.act("watch", row),
  e: (panel, row) => row && panel.act("read", row),
  E: (panel, row) => row && panel.use("markDownTo", row.id),
  m: (panel, row) => row && panel.act("mute", row),
  o: (panel, row) => row && panel.act("fold", row),
  ".": (panel, row) => row && panel.act("menu", row),
  u: (panel) => panel.use("undo"),
  n: (panel) => panel.showNew(true),
  "/": (panel) => panel.filters.toggle(true),
  "?": (panel) => panel.use("openHelp"),
};

/** Listens for the panel's keys, as long as the panel exists. What is the panel's own is no shortcut of the page's. */
export function listenForKeys(panel) {
  const { section } = panel;
  const kept = new Set(); // by their codes: what follows a press stays here too, wherever it has led the focus
  section.addEventListener("keydown", (event) => {
    const own = press(panel, event);
    kept[own ? "add" : "delete"](event.code);
    if (own) event.stopPropagation();
  });
  for (const type of ["keypress", "keyup"]) section.addEventListener(type, (event) => kept.has(event.code) && event.stopPropagation());
}

/** Does what a key means; whether it is the panel's own, as is whatever is typed into a field, a menu or a sheet. */
function press(panel, event) {
  const { target, shiftKey, ctrlKey } = event;
  // Caps Lock makes capitals as well, and means nothing by them.
  const key = event.key.length > 1 ? event.key : shiftKey ? event.key.toUpperCase() : event.key.toLowerCase();
  if (event.altKey || event.metaKey) return false;
  if (key === "Escape" && target.type === "search" && !target.value) panel.list.takeFocus();
  // A page that keeps the focus in a window of its own listens for the Tab key.
  if (target.closest("dialog, [popover], input, select, textarea")) return !ctrlKey && key !== "Tab";
  if (ctrlKey) {
    if (key === "Home" || key === "End") leave(panel, key, event);
    return false;
  }
  const row = panel.list.holdsFocus ? panel.list.current : null;
  if (key === "Enter" && target.matches("article")) panel.act("open", row);
  else if (LETTERS[key]) LETTERS[key](panel, row);
  else return false;
  event.preventDefault();
  return true;
}

/** Ctrl+Home and Ctrl+End leave the feed for what comes before and after it. */
function leave(panel, key, event) {
  if (!panel.list.holdsFocus) return;
  event.preventDefault();
  (key === "Home" ? panel.header : panel.footer).querySelector("button").focus();
}
