// The keyboard, on one sheet.

import { h } from "./dom.js";
import { openSheet } from "./sheet.js";

const KEYS = [
  ["j / k", "keys.move"], ["Enter", "keys.open"], ["e", "keys.read"], ["E", "keys.upto"], ["u", "keys.undo"],
  ["s", "keys.subscribe"], ["w", "keys.watch"], ["m", "keys.mute"], ["o", "keys.fold"], [".", "keys.menu"],
  ["n", "keys.new"], ["/", "keys.search"], ["?", "keys.help"],
];

export function openHelp(panel) {
  const rows = KEYS.map(([keys, what]) => [h("dt", null, h("kbd", null, keys)), h("dd", null, panel.words(what))]);
  openSheet(panel, panel.words("help.title"), (body) => body.append(h("dl", { class: "keys" }, rows.flat())));
}
