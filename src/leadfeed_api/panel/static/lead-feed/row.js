// One moment on the screen. Built once, then only what changed is touched: the focus inside it stays where it is.

import { h, icon, say, set } from "./dom.js";

export class Row {
  #item = null;

  /** `panel` gives words, times and what the buttons do. */
  constructor(item, panel) {
    this.id = item.id;
    this.panel = panel;
    const own = (part) => `${part}-${item.id}`;
    this.dot = h("span", { class: "dot" });
    this.kind = h("span", { class: `kind ${item.type}` }, icon(item.type));
    this.name = h("button", { type: "button", class: "name", id: own("name"), tabindex: "-1", part: "name" });
    this.account = h("span", { class: "account", id: own("account") });
    this.shortTime = h("span", { "aria-hidden": "true" });
    this.exactTime = h("span", { class: "unseen" });
    this.time = h("time", { id: own("time") }, this.shortTime, this.exactTime);
    this.description = h("p", { class: "what", dir: "auto", id: own("what"), part: "description" });
    this.why = h("p", { class: "why" });
    this.state = h("span", { class: "unseen", id: own("state") });
    this.element = h(
      "article",
      {
        tabindex: "-1",
        part: "item",
        "data-id": item.id,
        "aria-labelledby": `${own("name")} ${own("account")} ${own("state")} ${own("time")}`,
        "aria-describedby": own("what"),
      },
      this.dot,
      this.kind,
      h("div", { class: "who" }, this.name, this.account, this.time),
      this.description,
      this.why,
      this.state,
    );
    this.show(item);
  }

  /** Brings the row up to date with an item. */
  show(item) {
    if (item === this.#item) return;
    const { words, times } = this.panel;
    const { lead, account } = item;
    this.#item = item;
    this.at = Date.parse(item.occurred_at);
    set(this.element, "class", [item.read ? "read" : "unread", lead.starred && "best"].filter(Boolean).join(" "));
    say(this.name, lead.name);
    set(this.name, "title", [lead.name, lead.title].filter(Boolean).join(", "));
    say(this.account, account?.name ?? "");
    set(this.account, "title", account?.name);
    say(this.description, item.description);
    set(this.kind, "title", words(`type.${item.type}`));
    set(this.time, "datetime", item.occurred_at);
    const exact = times.exact(this.at);
    set(this.time, "title", exact);
    say(this.exactTime, exact);
    const state = [words(`type.${item.type}`), !item.read && words("is.unread"), lead.starred && words("is.best")];
    say(this.state, state.filter(Boolean).join(", "));
    this.why.replaceChildren(...this.#reasons(item));
    this.tick();
  }

  /** Brings "3 min" up to date. */
  tick() {
    say(this.shortTime, this.panel.times.short(this.at));
  }

  #reasons({ lead, because, bot }) {
    const { words } = this.panel;
    const many = (name, count) =>
      count ? h("span", { class: `marks ${name}`, role: "img", "aria-label": words(`${name}s`, { n: count }), title: words(`${name}s`, { n: count }) }, Array.from({ length: count }, () => icon(name))) : null;
    return [
      many("star", lead.stars),
      many("flame", lead.flames),
      h("span", { class: "because" }, because.map((reason) => words(`because.${reason}`)).join(", ")),
      bot ? h("span", { class: "bot", dir: "auto" }, bot) : null,
    ].filter(Boolean);
  }
}
