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

/** Listens for the panel's keys, as long as the panel exists. */
export function listenForKeys(panel) {
  panel.section.addEventListener("keydown", (event) => {
    const { target, shiftKey } = event;
    // Caps Lock makes capitals as well, and means nothing by them.
    const key = event.key.length > 1 ? event.key : shiftKey ? event.key.toUpperCase() : event.key.toLowerCase();
    if (event.altKey || event.metaKey || target.closest("dialog, [popover], input, select, textarea")) return;
    if (event.ctrlKey) {
      if (key === "Home" || key === "End") leave(panel, key, event);
      return;
    }
    const row = panel.list.holdsFocus ? panel.list.current : null;
    if (key === "Enter" && target.matches("article")) panel.act("open", row);
    else if (LETTERS[key]) LETTERS[key](panel, row);
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
}

/** Ctrl+Home and Ctrl+End leave the feed for what comes before and after it. */
function leave(panel, key, event) {
  if (!panel.list.holdsFocus) return;
  event.preventDefault();
  (key === "Home" ? panel.header : panel.footer).querySelector("button").focus();
}
