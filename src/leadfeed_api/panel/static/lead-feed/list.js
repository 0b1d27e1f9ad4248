// The rows on the screen: which there are, in which order, and that nothing a reader looks at or stands on moves away.

import { Chunks } from "./chunks.js";
import { h, say, set } from "./dom.js";
import { folded } from "./groups.js";
import { Row } from "./row.js";

const SLIDE = { duration: 240, easing: "cubic-bezier(.2,.8,.2,1)" };
const REST_MS = 400; // what comes sooner after the last neither slides nor is numbered yet: numbering touches every row

export class List {
  #rows = new Map(); // id -> Row
  #known = new Set(); // ids of the items shown, those folded away too
  #days = new Map(); // midnight -> heading
  #unfolded = new Set();
  #current = null;
  #drawn = "";
  #folds = 0;
  #pressed = false;
  #touched = matchMedia("(hover: none)").matches; // where no hand can come near, rows have their buttons from the start
  #whole = null;
  #slid = 0;
  #numbering = 0;
  #today;
  #first = null;

  constructor(panel) {
    this.panel = panel;
    this.#today = panel.times.today(); // not at the first tick: a day may end before it
    this.feed = h("div", { class: "feed", role: "feed", tabindex: "-1", "aria-label": panel.words("feed"), "aria-busy": "true", part: "feed" });
    this.chunks = new Chunks(this.feed);
    this.after = h("div", { class: "after" });
    this.element = h("div", { class: "scroller", part: "scroller", onscroll: () => this.#scrolled() }, this.feed, this.after);
    this.feed.addEventListener("click", (event) => this.#clicked(event));
    this.feed.addEventListener("focusin", (event) => this.#focused(event));
    // A press gives the focus in the task it is told in. No row may grow then: what is pressed would move from under the click.
    this.feed.addEventListener("mousedown", () => {
      this.#pressed = true;
      setTimeout(() => (this.#pressed = false));
    });
    this.feed.addEventListener("pointerover", (event) => this.rowAt(event.target)?.arm());
    new ResizeObserver(() => this.look()).observe(this.element); // shown at last, or taller: there may be room for more
    for (const type of ["focusout", "pointerleave"]) this.feed.addEventListener(type, () => this.left());
  }

  /** Whether somebody is reading: scrolled down, standing on a row, or with a hand over one, or at the pill. */
  get reading() {
    return this.element.scrollTop > 4 || this.holdsFocus || this.feed.matches(":hover") || this.panel.pill.matches(":hover,:focus");
  }

  /** Whether a row has the focus, or something in it. */
  get holdsFocus() {
    return this.#focus !== this.feed && this.feed.contains(this.#focus);
  }

  get #focus() {
    return this.element.getRootNode().activeElement;
  }

  /** The elements of the rows, as they stand on the screen. */
  get articles() {
    return [...this.feed.querySelectorAll("article")];
  }

  /** The row that has, or would get, the focus. */
  get current() {
    return this.#rows.get(this.#current);
  }

  /** The row around a node. */
  rowAt(node) {
    return this.#rows.get(node?.closest?.("article")?.dataset.id);
  }

  /** As many of the items as may come onto the screen in one go: those that are there, and the first of the others. */
  portion(items, most) {
    let left = most;
    return items.filter(({ id }) => this.#known.has(id) || left-- > 0);
  }

  /** Makes the screen show exactly these items; `stamp` changes when they do. New ones on top slide in while nobody reads. */
  show(items, stamp) {
    const drawn = [stamp, items.length, this.#folds, this.#today].join();
    if (drawn === this.#drawn) return;
    this.#drawn = drawn;
    const held = this.holdsFocus || (this.#focus === this.feed && !this.#first); // by a row, or until there is one
    const before = this.current?.element;
    const wanted = this.#elements(items);
    const rows = wanted.filter((element) => element.matches("article"));
    const heir = this.current?.element ?? this.#heir(before, rows);
    const first = this.#first;
    const slides = first && rows[0] !== first && !this.reading && rows.includes(first) && performance.now() - this.#slid > REST_MS;
    const top = slides && first.getBoundingClientRect().top;
    this.chunks.arrange(wanted);
    this.#first = rows[0] ?? null;
    this.#makeCurrent(heir?.dataset.id);
    if (held && !this.holdsFocus) this.#move(heir ?? this.feed, true);
    if (slides) this.#slide(first.getBoundingClientRect().top - top);
    clearTimeout(this.#numbering);
    this.#numbering = setTimeout(() => rows.forEach((element, place) => set(element, "aria-posinset", place + 1)), REST_MS);
  }

  /** Brings every time up to date. Rows from before today change only when a day ends, and then headings do too. */
  tick() {
    const { times } = this.panel;
    const today = times.today();
    const ended = this.#today !== today;
    this.#today = today;
    for (const row of this.#rows.values()) {
      row.tick();
      if (!ended && times.daysAgo(row.at) > 0 && !row.element.matches(".member")) break;
    }
    if (ended) this.panel.dayEnded();
  }

  /** Moves the focus by rows. */
  step(by) {
    const here = this.current?.element;
    const rows = this.articles;
    const next = this.holdsFocus ? rows[rows.indexOf(here) + by] : here;
    if (next) this.#move(next, false);
  }

  /** Puts the focus on an item's row, or on the one that has taken its place. */
  focus(id) {
    this.#move((this.#rows.get(id) ?? this.current)?.element ?? this.feed, true);
  }

  toTop() {
    this.element.scrollTo({ top: 0, behavior: "instant" });
  }

  /** Folds or unfolds the repeats of a row. */
  toggle(row) {
    const groups = folded(this.panel.feed.items.shown(), new Set()).map(({ item, repeats }) => [item, ...repeats].map(({ id }) => id));
    const ids = groups.find((group) => group.includes(row.id)) ?? [];
    const open = ids.some((id) => this.#unfolded.has(id));
    if (open && this.holdsFocus) this.focus(ids[0]);
    for (const id of ids) if (open) this.#unfolded.delete(id); else this.#unfolded.add(id);
    this.#folds += 1;
    this.panel.draw();
  }

  #elements(items) {
    const { times } = this.panel;
    const rows = new Map();
    const days = new Map();
    const wanted = [];
    let day = null;
    folded(items, this.#unfolded).forEach((entry) => {
      const { id } = entry.item;
      const row = this.#rows.get(id) ?? new Row(entry.item, this.panel);
      row.show(entry);
      if (this.#touched) row.arm();
      rows.set(id, row);
      if (row.midnight !== day && !entry.member) {
        day = row.midnight;
        const heading = this.#days.get(day) ?? h("div", { class: "day", "aria-hidden": "true" });
        say(heading, times.day(day));
        days.set(day, heading);
        wanted.push(heading);
      }
      wanted.push(row.element);
    });
    this.#rows = rows;
    this.#days = days;
    this.#known = new Set(items.map(({ id }) => id));
    return wanted;
  }

  #slide(by) {
    this.#slid = performance.now();
    if (by <= 0 || by > this.element.clientHeight || matchMedia("(prefers-reduced-motion: reduce)").matches) return;
    // Rows slide; the first day's heading above them stays.
    for (const [element, y] of [[this.feed, -by], [this.feed.firstChild, by]]) element.animate({ translate: [`0 ${y}px`, "none"] }, SLIDE);
  }

  /** Takes the focus of something that has gone. */
  takeFocus() {
    this.#move((this.element.scrollTop ? this.current?.element : this.#first) ?? this.feed, true);
  }

  /** Who takes the place of a row that goes: the next that stays, else the one before, else the first there is. */
  #heir(gone, rows) {
    const before = this.articles;
    const place = before.indexOf(gone);
    const stays = new Set(rows);
    return [...before.slice(place), ...before.slice(0, place).reverse()].find((row) => stays.has(row)) ?? rows[0];
  }

  #move(element, still) {
    element.focus({ preventScroll: still });
    if (!still) element.scrollIntoView({ block: "nearest" });
  }

  #focused(event) {
    const row = this.rowAt(event.target);
    if (!row) return;
    this.#makeCurrent(row.id);
    if (this.#pressed) return;
    // The row that a key or a script leads to shows all its text; one that a hand presses shows it when the text is clicked.
    this.#whole?.removeAttribute("data-whole");
    this.#whole = row.element;
    set(this.#whole, "data-whole", true);
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
    else if (row && event.target === row.what && !String(getSelection())) row.element.toggleAttribute("data-whole");
  }

  /** The focus or the hand has gone elsewhere: perhaps nobody reads any more. */
  left() {
    requestAnimationFrame(() => this.#scrolled());
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
