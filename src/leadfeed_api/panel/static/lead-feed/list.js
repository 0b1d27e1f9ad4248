// The rows on the screen: which there are, in which order, and that nothing a reader looks at or stands on moves away.

import { h } from "./dom.js";
import { folded } from "./groups.js";
import { Row } from "./row.js";

const SLIDE = { duration: 240, easing: "cubic-bezier(.2,.8,.2,1)" };
const STILL_MS = 2_500; // a pointer that moved over the list this recently is about to click

export class List {
  #rows = new Map(); // id -> Row
  #known = new Set(); // ids of the items shown, those folded away too
  #days = new Map(); // label -> heading
  #unfolded = new Set();
  #current = null;
  #pointed = -Infinity;
  #slid = 0;
  #today = null;

  constructor(panel) {
    this.panel = panel;
    this.feed = h("div", { class: "feed", role: "feed", "aria-label": panel.words("feed"), "aria-busy": "true", part: "feed" });
    this.after = h("div", { class: "after" });
    this.element = h("div", { class: "scroller", part: "scroller", onscroll: () => this.#scrolled() }, this.feed, this.after);
    this.feed.addEventListener("click", (event) => this.#clicked(event));
    this.feed.addEventListener("focusin", (event) => this.#focused(event));
    this.feed.addEventListener("pointermove", () => (this.#pointed = performance.now()));
    this.feed.addEventListener("pointerover", (event) => this.rowAt(event.target)?.arm());
    this.feed.addEventListener("focusout", () => requestAnimationFrame(() => this.#scrolled()));
    // Where there is no hovering, rows get their buttons as they come near the screen.
    if (matchMedia("(hover: none)").matches) this.feed.addEventListener("contentvisibilityautostatechange", (event) => this.rowAt(event.target)?.arm(), true);
  }

  /** Whether somebody is reading: scrolled down, standing on a row, or about to click one. */
  get reading() {
    return this.element.scrollTop > 4 || this.holdsFocus || performance.now() - this.#pointed < STILL_MS;
  }

  get holdsFocus() {
    return this.feed.contains(this.element.getRootNode().activeElement);
  }

  /** The row that has, or would get, the focus. */
  get current() {
    return this.#rows.get(this.#current) ?? null;
  }

  /** The row around a node. */
  rowAt(node) {
    return this.#rows.get(node?.closest?.("article")?.dataset.id) ?? null;
  }

  /** As many of the items as may come onto the screen in one go: those that are there, and the first of the others. */
  portion(items, most) {
    if (!this.#known.size) return items;
    let left = most;
    return items.filter(({ id }) => this.#known.has(id) || left-- > 0);
  }

  /** Makes the screen show exactly these items. New ones on top slide in, when nobody is reading. */
  show(items) {
    const wanted = this.#elements(items);
    const active = this.element.getRootNode().activeElement;
    const focused = active && this.feed.contains(active) ? active.closest("article") : null;
    const kept = new Set(wanted);
    const heir = focused && !kept.has(focused) ? this.#heir(focused, kept) : null;
    const first = this.feed.firstElementChild;
    const top = first?.offsetTop ?? 0;
    const scrolled = this.element.scrollTop;
    this.#arrange(wanted, kept);
    if (heir) this.#move(heir, true);
    else if (!this.current && items.length) this.#makeCurrent(items[0].id);
    if (first?.isConnected && scrolled <= 4) this.#slide(first.offsetTop - top);
  }

  /** Brings every time up to date. Rows from before today change only when a day ends, and then headings do too. */
  tick() {
    const { times } = this.panel;
    const today = new Date(times.clock.now()).toDateString();
    const ended = this.#today !== null && this.#today !== today;
    this.#today = today;
    for (const row of this.#rows.values()) {
      row.tick();
      if (!ended && times.daysAgo(row.at) > 0) break;
    }
    if (ended) this.panel.draw();
  }

  /** Moves the focus by rows; false at either end. */
  step(by) {
    const rows = [...this.feed.querySelectorAll("article")];
    const here = rows.indexOf(this.holdsFocus ? this.current?.element : null);
    const next = here < 0 ? (this.current?.element ?? rows[0]) : rows[here + by];
    if (next) this.#move(next, false);
    return Boolean(next);
  }

  /** Puts the focus on an item's row. */
  focus(id) {
    const row = this.#rows.get(id);
    if (row?.element.isConnected) this.#move(row.element, true);
  }

  toTop() {
    this.element.scrollTo({ top: 0, behavior: "instant" });
  }

  /** Folds or unfolds the repeats of a row. */
  toggle(row) {
    const items = [row.item, ...(this.panel.repeatsOf(row.item) ?? [])];
    const open = items.some(({ id }) => this.#unfolded.has(id));
    for (const { id } of items) if (open) this.#unfolded.delete(id); else this.#unfolded.add(id);
    this.panel.draw();
  }

  #elements(items) {
    const { times } = this.panel;
    const rows = new Map();
    const days = new Map();
    const wanted = [];
    let day = null;
    folded(items, this.#unfolded).forEach((entry, place) => {
      const { id } = entry.item;
      const row = this.#rows.get(id) ?? new Row(entry.item, this.panel);
      row.show(entry, place + 1);
      rows.set(id, row);
      const label = times.day(row.at);
      if (label !== day && !entry.member) {
        day = label;
        const heading = this.#days.get(label) ?? h("div", { class: "day", "aria-hidden": "true" }, label);
        days.set(label, heading);
        wanted.push(heading);
      }
      wanted.push(row.element);
    });
    this.#rows = rows;
    this.#days = days;
    this.#known = new Set(items.map(({ id }) => id));
    return wanted;
  }

  /** Removes first, then inserts: what stays is never moved, so it keeps the focus and its place. */
  #arrange(wanted, kept) {
    for (const child of [...this.feed.children]) if (!kept.has(child)) child.remove();
    let next = this.feed.firstElementChild;
    for (const element of wanted) {
      if (element === next) next = next.nextElementSibling;
      else this.feed.insertBefore(element, next);
    }
  }

  #slide(by) {
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches || performance.now() - this.#slid < 400;
    this.#slid = performance.now();
    if (by <= 0 || by > this.element.clientHeight || calm) return;
    this.feed.animate([{ transform: `translateY(${-by}px)` }, { transform: "none" }], SLIDE);
  }

  /** Who gets the focus of a row that goes: the next that stays, else the one before. */
  #heir(focused, kept) {
    for (const step of ["nextElementSibling", "previousElementSibling"]) {
      for (let other = focused[step]; other; other = other[step]) if (kept.has(other) && other.matches("article")) return other;
    }
    return [...kept].find((element) => element.matches("article")) ?? null;
  }

  #move(element, still) {
    element.focus({ preventScroll: still });
    if (!still) element.scrollIntoView({ block: "nearest" });
  }

  #focused(event) {
    const row = this.rowAt(event.target);
    if (row) this.#makeCurrent(row.id);
  }

  #makeCurrent(id) {
    if (id === this.#current && this.current?.element.tabIndex === 0) return;
    this.current?.setCurrent(false);
    this.#current = id;
    this.current?.setCurrent(true);
  }

  #clicked(event) {
    const row = this.rowAt(event.target);
    const action = event.target.closest("[data-do]")?.dataset.do;
    if (row && action) this.panel.act(action, row, event);
  }

  #scrolled() {
    if (!this.reading) this.panel.settle();
    this.look();
  }

  /** Asks for older items while the end is near. */
  look() {
    const { scrollTop, clientHeight, scrollHeight } = this.element;
    if (scrollHeight - scrollTop - clientHeight < clientHeight * 1.5) this.panel.wantMore();
  }
}
