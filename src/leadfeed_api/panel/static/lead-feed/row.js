// One moment on the screen. Built once, then only what changed is touched: the focus inside it stays where it is.

import { h, icon, iconButton, say, set } from "./dom.js";
import { dayOf, instantOf } from "./items.js";

export class Row {
  #shown = "";
  #current = false;

  /** `panel` gives words, times, and what the buttons do. */
  constructor(item, panel) {
    const own = (part) => `${part}-${item.id}`;
    this.id = item.id;
    this.panel = panel;
    this.kind = h("span", { class: `kind ${item.type}` }, icon(item.type));
    this.name = panel.leadLink(item, own("name"));
    this.account = h("span", { class: "account", id: own("account"), dir: "auto" });
    this.shortTime = h("span", { "aria-hidden": "true", dir: "auto" });
    this.exactTime = h("span", { class: "unseen" });
    this.time = h("time", { id: own("time"), part: "time" }, this.shortTime, this.exactTime);
    this.what = h("p", { class: "what", dir: "auto", lang: panel.language, id: own("what"), part: "description" });
    this.why = h("span", { class: "why", id: own("why") });
    this.fold = h("button", { type: "button", class: "fold", dir: "auto", tabindex: "-1", "data-do": "fold" });
    this.state = h("span", { class: "unseen", id: own("state") });
    this.foot = h("div", { class: "foot" }, this.fold, this.why);
    this.element = h(
      "article",
      { tabindex: "-1", "aria-setsize": "-1", part: "item", "data-id": item.id, "aria-describedby": `${own("what")} ${own("why")}` },
      h("span", { class: "dot" }),
      this.kind,
      h("div", { class: "who" }, this.name, this.account, this.time),
      this.what,
      this.foot,
      this.state,
    );
    set(this.element, "aria-labelledby", ["name", "account", "state", "time"].map(own).join(" "));
  }

  /** Brings the row up to date: the item, and what is folded behind it. */
  show({ item, hidden, member, repeats }) {
    const unseen = hidden.filter((one) => !one.read).length;
    const shown = `${hidden.length} ${unseen} ${member} ${repeats.length}`;
    if (item === this.item && shown === this.#shown) return;
    this.item = item;
    this.#shown = shown;
    this.at = instantOf(item);
    this.midnight = dayOf(item);
    this.#write(item);
    this.#writeFold(hidden, unseen, repeats);
    const classes = { read: item.read, unread: !item.read, best: item.lead.starred, member, opened: repeats.length > 0 && !hidden.length };
    set(this.element, "class", Object.keys(classes).filter((name) => classes[name]).join(" "));
    if (this.tools) this.#showTools();
    this.tick();
  }

  /** Brings "3 min" up to date. */
  tick() {
    say(this.shortTime, this.panel.times.short(this.at));
  }

  /** Puts this row, and nothing else in the list, into the order of the Tab key. */
  setCurrent(current) {
    this.#current = current;
    set(this.element, "tabindex", current ? 0 : -1);
    if (current) this.arm();
    for (const control of this.element.querySelectorAll("button, a")) set(control, "tabindex", current ? 0 : -1);
  }

  /** Gives the row its buttons: when a hand comes near, not before. Ten thousand rows have no use for forty thousand. */
  arm() {
    if (this.tools) return;
    const { words } = this.panel;
    const tool = (action, name) => iconButton(name, words(`do.${action}`), { "data-do": action, tabindex: this.#current ? "0" : "-1" });
    this.tools = h("div", { class: "tools", part: "tools" }, tool("subscribe", "bell"), tool("watch", "eye"), tool("read", "check"), tool("menu", "more"));
    set(this.tools.lastChild, "aria-haspopup", "menu");
    this.foot.append(this.tools);
    this.#showTools();
  }

  #write(item) {
    const { words, times } = this.panel;
    const { lead, account } = item;
    say(this.name, lead.name);
    set(this.name, "title", [lead.name, lead.title].filter(Boolean).join(" · "));
    say(this.account, account?.name ?? "");
    set(this.account, "title", account?.name);
    say(this.what, item.description);
    set(this.kind, "title", words(`type.${item.type}`));
    set(this.time, "datetime", item.occurred_at);
    const exact = times.exact(this.at);
    set(this.time, "title", exact);
    say(this.exactTime, exact);
    const state = [words(`type.${item.type}`), !item.read && words("is.unread"), lead.starred && words("is.best")];
    say(this.state, state.filter(Boolean).join(", "));
    this.why.replaceChildren(...this.#reasons(item));
  }

  #reasons({ lead, because, bot, subscribed }) {
    const { words } = this.panel;
    const marks = (name, n) => {
      const label = words(`${name}s`, { n });
      return n > 0 && h("span", { class: `marks ${name}`, role: "img", "aria-label": label, title: label }, Array.from({ length: n }, () => icon(name)));
    };
    return [
      lead.starred && h("span", { class: "bet", title: words("is.best.why") }, words("is.best")),
      marks("star", lead.stars),
      marks("flame", lead.flames),
      because.length > 0 && h("span", { class: "because" }, words(`because.${because.length > 1 ? "both" : because[0]}`)),
      subscribed && h("span", { class: "subscribed" }, words("is.subscribed")),
      bot && h("span", { class: "bot", dir: "auto", title: words("is.bot") }, bot),
    ].filter(Boolean);
  }

  #writeFold(hidden, unseen, repeats) {
    this.fold.hidden = !repeats.length;
    if (!repeats.length) return;
    const { words } = this.panel;
    const open = !hidden.length;
    say(this.fold, words(open ? "fold" : "unfold", { n: repeats.length }));
    set(this.fold, "aria-expanded", String(open));
    set(this.fold, "class", unseen ? "fold some" : "fold");
    set(this.fold, "aria-label", unseen ? `${this.fold.textContent}, ${words("unread", { n: unseen })}` : null);
  }

  #showTools() {
    const { words } = this.panel;
    const { read, subscribed, because } = this.item;
    const watched = because.includes("watched");
    const states = { subscribe: [subscribed, "belled", "bell"], watch: [watched, "eyed", "eye"], read: [read, "unread", "check"] };
    for (const [action, [on, yes, no]] of Object.entries(states)) {
      const button = this.tools.querySelector(`[data-do=${action}]`);
      const label = words(on ? `undo.${action}` : `do.${action}`);
      if (button.title === label && button.childElementCount) continue;
      set(button, "aria-label", label);
      set(button, "title", label);
      button.replaceChildren(icon(on ? yes : no));
      set(button, "class", on && action !== "read" ? "tool on" : "tool");
    }
  }
}
