// The filters above the list: the common ones as chips, the rest behind the looking-glass, and what they hide, in words.

import { h, icon, select, set } from "./dom.js";
import { TYPES } from "./filters.js";

const TYPING_MS = 250;

export class FilterBar {
  #typing = 0;

  constructor(panel) {
    const { words } = panel;
    this.panel = panel;
    const chip = (label, change, glyph) => h("button", { type: "button", class: "chip", "aria-pressed": "false", onclick: () => this.#change(change(panel.feed.filters)) }, glyph && icon(glyph), label);
    this.all = chip(words("filter.all"), () => ({ type: [], starred: "" }));
    this.types = TYPES.map((type) => [type, chip(words(`type.${type}`), ({ type: chosen }) => ({ type: chosen.includes(type) ? chosen.filter((one) => one !== type) : [...chosen, type] }))]);
    this.starred = chip(words("filter.starred"), ({ starred }) => ({ starred: starred ? "" : "1" }), "star");
    this.chips = h("div", { class: "chips", role: "group", "aria-label": words("filters") }, this.all, this.types.map(([, button]) => button), this.starred);
    this.search = h("input", { type: "search", class: "search", placeholder: words("filter.search"), "aria-label": words("filter.search"), maxlength: "200", oninput: () => this.#typed() });
    const pick = (name, options) => select(name, options, null, { "aria-label": words(`filter.${name}`), onchange: (event) => this.#change({ [name]: event.target.value }) });
    this.scope = pick("scope", [["", words("filter.scope.all")], ["owned", words("filter.scope.owned")], ["watched", words("filter.scope.watched")]]);
    this.period = pick("period", [["", words("filter.period.all")], ["today", words("day.today")], ["7", words("filter.period.days", { n: 7 })], ["30", words("filter.period.days", { n: 30 })]]);
    this.drawer = h("div", { class: "drawer", hidden: true }, this.search, this.scope, this.period);
    this.notes = h("div", { class: "notes" });
    this.element = h("div", { class: "filters", part: "filters" }, this.chips, this.drawer, this.notes);
  }

  /** Opens or closes the drawer with the rest of the filters. Closing keeps what is set. */
  toggle(open = this.drawer.hidden) {
    this.drawer.hidden = !open;
    set(this.panel.searchButton, "aria-expanded", String(open));
    if (open) this.search.focus();
  }

  /** Shows what is set, and what that hides. */
  show() {
    const { filters, hidden, record } = this.panel.feed;
    const { type, starred } = filters;
    set(this.all, "aria-pressed", String(!type.length && !starred));
    for (const [name, button] of this.types) set(button, "aria-pressed", String(type.includes(name)));
    set(this.starred, "aria-pressed", String(Boolean(starred)));
    if (filters !== this.shown && (filters.q || filters.scope || filters.period)) this.drawer.hidden = false;
    this.shown = filters;
    set(this.panel.searchButton, "aria-expanded", String(!this.drawer.hidden));
    if (!this.#typing && this.panel.root.activeElement !== this.search) this.search.value = filters.q ?? "";
    this.scope.value = filters.scope ?? "";
    this.period.value = filters.period ?? "";
    this.starred.hidden = this.scope.hidden = Boolean(record?.lead);
    const text = JSON.stringify([filters, hidden]);
    if (text !== this.noted) this.#note(this.#notes(filters, record ? 0 : hidden));
    this.noted = text;
  }

  /** Puts notes up. The focus keeps its place among them; without one, it goes to the first chip. */
  #note(notes) {
    const buttons = () => [...this.notes.querySelectorAll("button")];
    const place = buttons().indexOf(this.panel.root.activeElement);
    this.notes.replaceChildren(...notes);
    if (place >= 0) (buttons()[place] ?? this.all).focus();
  }

  #notes(filters, hidden) {
    const { words } = this.panel;
    const only = (name, label) =>
      filters[name] && h("button", { type: "button", class: "chip only", title: words("filter.remove"), onclick: () => this.#change({ [name]: undefined, [label]: undefined }) }, h("span", { dir: "auto" }, filters[label] ?? filters[name]), icon("close"));
    const shows = Boolean(filters.muted);
    const muted = (hidden > 0 || shows) &&
      h(
        "p",
        { class: "hidden-note" },
        icon("mute"),
        h("span", { dir: "auto" }, words(shows ? "muted.shown" : "muted.hidden", { n: hidden })),
        h("button", { type: "button", class: "link", onclick: () => this.#change({ muted: shows ? undefined : "show" }) }, words(shows ? "muted.hide" : "muted.show")),
      );
    return [only("lead", "leadName"), only("account", "accountName"), muted].filter(Boolean);
  }

  #typed() {
    clearTimeout(this.#typing);
    this.#typing = setTimeout(() => {
      this.#typing = 0;
      this.#change({ q: this.search.value.trim() });
    }, TYPING_MS);
  }

  #change(some) {
    this.panel.narrow({ ...this.panel.feed.filters, ...some });
  }
}
