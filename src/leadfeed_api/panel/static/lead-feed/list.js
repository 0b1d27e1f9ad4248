// The rows on the screen: which are there, in which order, and that nothing a reader looks at or stands on moves away.

import { h, say, set } from "./dom.js";
import { Row } from "./row.js";

export class List {
  #rows = new Map(); // id -> Row
  #days = new Map(); // label -> element

  constructor(panel) {
    this.panel = panel;
    this.feed = h("div", { role: "feed", "aria-label": panel.words("feed"), "aria-busy": "true", part: "feed" });
    this.element = h("div", { class: "scroller", part: "scroller" }, this.feed);
  }

  /** Whether somebody is reading: scrolled down, or standing on a row. */
  get reading() {
    return this.element.scrollTop > 4 || this.feed.contains(this.element.getRootNode().activeElement);
  }

  /** Makes the screen show exactly these items. */
  show(items) {
    const wanted = this.#elements(items);
    const focused = this.element.getRootNode().activeElement?.closest?.("article");
    const heir = focused && !wanted.includes(focused) ? this.#heir(focused, wanted) : null;
    this.#arrange(wanted);
    heir?.focus({ preventScroll: true });
  }

  /** Brings every time up to date; headings too, when a day has gone. */
  tick() {
    for (const row of this.#rows.values()) row.tick();
  }

  #elements(items) {
    const { times } = this.panel;
    const wanted = [];
    const rows = new Map();
    const days = new Map();
    let day = null;
    items.forEach((item, place) => {
      const row = this.#rows.get(item.id) ?? new Row(item, this.panel);
      row.show(item);
      const label = times.day(row.at);
      if (label !== day) {
        day = label;
        const heading = this.#days.get(label) ?? h("div", { class: "day", "aria-hidden": "true" });
        say(heading, label);
        days.set(label, heading);
        wanted.push(heading);
      }
      set(row.element, "aria-posinset", place + 1);
      set(row.element, "aria-setsize", -1);
      rows.set(item.id, row);
      wanted.push(row.element);
    });
    this.#rows = rows;
    this.#days = days;
    return wanted;
  }

  /** Removes first, then inserts: what stays is never moved, so it keeps the focus and its place. */
  #arrange(wanted) {
    const keep = new Set(wanted);
    for (const child of [...this.feed.children]) if (!keep.has(child)) child.remove();
    let next = this.feed.firstElementChild;
    for (const element of wanted) {
      if (element === next) next = next.nextElementSibling;
      else this.feed.insertBefore(element, next);
    }
  }

  /** Who gets the focus of a row that goes: the next one that stays, else the one before. */
  #heir(focused, wanted) {
    const keep = new Set(wanted);
    for (const step of ["nextElementSibling", "previousElementSibling"]) {
      for (let other = focused[step]; other; other = other[step]) if (keep.has(other) && other.matches("article")) return other;
    }
    return wanted.find((element) => element.matches("article")) ?? null;
  }
}
