// <lead-feed>: what the host page sees of the panel. Brings its parts together, and lets them go.

import { Client, Credential, Refusal } from "./client.js";
import { Clock, Times } from "./clock.js";
import { h, say, set } from "./dom.js";
import { Items, keyOf, matches } from "./items.js";
import { List } from "./list.js";
import { SharedStream } from "./sharing.js";
import { sheet } from "./style.js";
import { wordsFor } from "./words.js";

const SOON_MS = 80;

export class LeadFeed extends HTMLElement {
  #gone = new AbortController();
  #items = new Items();
  #filters = {};
  #dirty = new Set();
  #timer = 0;
  #early = [];

  connectedCallback() {
    this.#gone = new AbortController();
    this.#start(this.#gone.signal);
  }

  disconnectedCallback() {
    this.#gone.abort();
    this.stream?.stop();
    this.stream = null;
    clearTimeout(this.#timer);
    clearInterval(this.ticking);
  }

  async #start(gone) {
    const root = this.shadowRoot ?? this.attachShadow({ mode: "open" });
    root.adoptedStyleSheets = [sheet()];
    this.clock = new Clock();
    this.words = await wordsFor(this.lang || this.closest("[lang]")?.lang || "en");
    this.times = new Times(this.words.language, this.words, this.clock);
    const base = (this.getAttribute("src") || new URL("..", import.meta.url).href).replace(/\/+$/, "");
    this.client = new Client(base, new Credential(() => this.getAttribute("token")), this.clock);
    if (gone.aborted) return;
    this.list = new List(this);
    this.status = h("span", { class: "status", role: "status" });
    root.replaceChildren(
      h("section", { class: "panel", part: "panel" }, h("header", null, h("h2", null, this.words("title")), this.status), this.list.element),
    );
    this.ticking = setInterval(() => this.list.tick(), 5_000);
    await this.reload();
    if (gone.aborted) return;
    this.stream = new SharedStream(`${base} ${who(this.getAttribute("token"))}`, this.client, this.#position, {
      event: (kind, id, data) => this.#hear(kind, data),
      state: (state) => this.#showState(state),
      refused: () => this.#showState("refused"),
      missed: () => this.reload(),
      told: () => {},
    });
  }

  #position = null;

  async reload() {
    const page = await this.client.get("/v1/feed", { limit: 50, ...this.#filters }, this.#gone.signal);
    this.#items.replace(page.items, page.next_cursor);
    this.#position = page.live_cursor;
    this.stream?.moveTo(page.live_cursor);
    set(this.list.feed, "aria-busy", "false");
    this.#draw();
  }

  #hear(kind, data) {
    if (kind === "moment") {
      if (matches(data, this.#filters)) this.#items.admit(data, this.list.reading);
    } else if (kind === "lead") {
      this.#items.change((item) =>
        item.lead.id === data.id
          ? { ...item, lead: { ...item.lead, ...pick(data, "name", "title", "starred", "stars", "flames") }, account: "account" in data ? data.account : item.account }
          : item,
      );
    } else if (kind === "changed") {
      this.#dirty.add(data.lead_id);
    } else if (kind === "reset") {
      this.#dirty.add("*");
    }
    this.#soon();
  }

  #soon() {
    this.#timer ||= setTimeout(async () => {
      this.#timer = 0;
      const dirty = [...this.#dirty];
      this.#dirty.clear();
      if (dirty.includes("*")) await this.reload();
      else for (const lead of dirty) await this.#reloadLead(lead);
      this.#draw();
    }, SOON_MS);
  }

  async #reloadLead(lead) {
    const items = [];
    let cursor = null;
    do {
      const page = await this.client.get("/v1/feed", { ...this.#filters, limit: 200, lead_id: lead, cursor }, this.#gone.signal);
      items.push(...page.items);
      cursor = page.next_cursor;
    } while (cursor && (this.#items.end === null || keyOf(items.at(-1)) > this.#items.end));
    this.#items.replaceLead(lead, items, this.list.reading);
  }

  #draw() {
    this.list.show(this.#items.shown());
  }

  #showState(state) {
    say(this.status, this.words(state === "live" ? "live" : "live.reconnecting"));
    set(this.status, "data-state", state);
  }
}

const pick = (from, ...names) => Object.fromEntries(names.map((name) => [name, from[name]]));

/** Whose feed it is, as far as a token tells: its claims if it is a JWT, else the token itself. */
function who(token) {
  try {
    const claims = JSON.parse(atob(token.split(".")[1].replace(/-/g, "+").replace(/_/g, "/")));
    return `${claims.org} ${claims.sub}`;
  } catch {
    return token;
  }
}

if (!customElements.get("lead-feed")) customElements.define("lead-feed", LeadFeed);
