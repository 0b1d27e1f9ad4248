// The panel as a whole: header, filters, list, what it says when there is nothing to list, and what was just done.

import { Refusal } from "./client.js";
import { idle } from "./clock.js";
import { addIcons, h, icon, iconButton, say, select, set } from "./dom.js";
import { FilterBar } from "./filterbar.js";
import { writeFilters } from "./filters.js";
import { listenForKeys } from "./keys.js";
import { List } from "./list.js";
import { styled } from "./style.js";
import { addWords } from "./words.js";

const TELL_MS = 100; // a host and a title need not know every count of a flood
const TICK_MS = 5_000;
const ACTIONS_MS = 1_500; // after the start, and when idle: actions are fetched before anyone asks
const BURST = 10; // rows put on the screen in one frame: about as many as it holds
const BRIEF_MS = 150; // who waits no longer is shown what there was before, not that there is nothing yet
let tries = 0; // for the actions of all panels
const LENT = { Refusal, addIcons, addWords, h, icon, iconButton, select, set, styled }; // what actions stand on

export class Panel {
  #frame = 0;
  #ticking = 0;
  #gone = new AbortController();
  #telling = 0;
  #actions = null;
  #told = null;
  #below = "";

  /** `host` is the custom element, `root` its shadow; `language` the page's, which moments are told in. */
  constructor(host, root, { words, times, memory, language }) {
    Object.assign(this, { host, root, words, times, memory, language, feed: null, attention: null });
    this.list = new List(this);
    this.searchButton = iconButton("search", words("filter.open"), { "aria-expanded": "false", onclick: () => this.filters.toggle() });
    this.filters = new FilterBar(this);
    this.live = h("span", { class: "live", part: "live" });
    this.menuButton = iconButton("more", words("menu"), { "aria-haspopup": "menu", "aria-expanded": "false", onclick: () => this.use("openMainMenu") });
    this.header = h("header", { part: "header" }, h("h2", null, words("title")), this.live, h("div", { class: "tools" }, this.searchButton, iconButton("rss", words("rss.open"), { onclick: () => this.use("openFeedLink") }), this.menuButton));
    this.pill = h("button", { type: "button", class: "pill", hidden: true, part: "pill", onclick: (event) => this.showNew(event.detail === 0), onpointerleave: () => this.list.left() }, icon("up"), h("span"));
    this.toast = h("div", { class: "toast", part: "toast", hidden: true });
    this.speaker = h("div", { class: "unseen", role: "status" });
    this.notice = h("div", { role: "alert" });
    this.count = h("span", { class: "count", dir: "auto" });
    this.footer = h("footer", { part: "footer" }, this.#hints(), this.count);
    this.section = h("section", { class: "panel", lang: words.language, "aria-label": words("title"), part: "panel" }, this.header, this.filters.element, this.notice, h("div", { class: "stage" }, this.pill, this.list.element, this.toast), this.footer, this.speaker);
    listenForKeys(this);
  }

  start(feed) {
    this.feed = feed;
    this.#ticking = setInterval(() => {
      this.list.tick();
      this.settle();
    }, TICK_MS);
    this.root.replaceChildren(this.section);
    if (this.memory.fragment) addEventListener("hashchange", () => this.#addressed(), { signal: this.#gone.signal });
    setTimeout(() => idle(() => this.#fetchActions().catch(() => {})), ACTIONS_MS);
  }

  stop() {
    this.#gone.abort();
    clearInterval(this.#ticking);
    clearTimeout(this.#telling);
    cancelAnimationFrame(this.#frame);
    this.attention?.stop();
    this.feed.stop();
  }

  // --- what the feed asks of its view ---------------------------------------------------------------------------

  /** Whether somebody reads, or has a menu or a sheet open, which is about what is on the screen. */
  get reading() {
    return this.list.reading || this.section.matches(":has(> [open], > :popover-open)");
  }

  /** Draws in the next frame; however much happens until then is drawn once. */
  draw() {
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0;
      this.#drawNow();
    });
  }

  counted() {
    if (this.#gone.signal.aborted) return;
    this.draw();
    this.#telling ||= setTimeout(() => {
      this.#telling = 0;
      const { unread } = this.feed;
      this.attention?.count(unread);
      if (unread !== this.#told) this.host.tell("unread", { unread });
      this.#told = unread;
    }, TELL_MS);
  }

  arrived(item) {
    this.#attend(() => this.attention.arrived(item));
  }

  // --- what rows, keys and sheets ask -----------------------------------------------------------------------------

  act(action, row, event) {
    const { item } = row;
    if (action === "open") this.#open(item, event);
    else if (action === "read") this.use("mark", [item.id], !item.read);
    else if (action === "watch") this.use("watch", item.lead, !item.because.includes("watched"));
    else if (action === "subscribe" && this.feed.subscribable) this.use("openSubscribe", item);
    else if (action === "mute") this.use("openMute", item);
    else if (action === "fold") this.list.toggle(row);
    else if (action === "menu") {
      row.arm();
      this.use("openRowMenu", row);
    }
  }

  narrow(filters) {
    this.memory.write(filters);
    this.list.toTop();
    const read = this.feed.narrow(filters);
    this.#attend(() => read.then(() => this.attention.found()));
  }

  /** The page's address is another: by the panel's filters, or by what is the page's own. */
  #addressed() {
    const filters = this.memory.changed(this.feed.filters);
    if (filters) this.narrow(filters);
  }

  /** Another day has begun: headings are others, and so is what "Today" shows. */
  dayEnded() {
    if (this.feed.filters.period === "today") this.feed.load();
    else this.draw();
  }

  /** Shows what waits behind the pill. */
  showNew(byKey) {
    const [newest] = this.feed.release();
    this.list.toTop();
    if (byKey && newest) requestAnimationFrame(() => requestAnimationFrame(() => this.list.takeFocus()));
  }

  /** Nobody reads any more: what waits may come. */
  settle() {
    if (this.feed?.items.held.size && !this.reading) this.feed.release();
  }

  wantMore() {
    if (this.feed?.status === "ready") this.feed.more();
  }

  /** Does or opens something, by the name of the function that the module of actions has for it. */
  async use(what, ...about) {
    try {
      return (await this.#fetchActions())[what](this, ...about);
    } catch (error) {
      this.announce((this.toast.textContent = this.words("failed.unreachable")));
      this.toast.hidden = false;
      throw error;
    }
  }

  #attend(tell) {
    this.#fetchActions().then(() => this.attention && tell(), () => {});
  }

  #fetchActions() {
    this.#actions ??= import(new URL(`lead-feed.actions.js#${tries}`, import.meta.url).href).then(({ default: actionsOn }) => {
      const actions = actionsOn(LENT);
      if (this.#gone.signal.aborted) return actions;
      this.toast.hidden = true; // which can only have said that they did not come
      this.root.adoptedStyleSheets = [...this.root.adoptedStyleSheets, actions.actionStyle];
      this.attention = new actions.Attention(this.host, this);
      this.#below = "";
      this.counted();
      return actions;
    }).catch((error) => {
      this.#actions = null; // next time again
      tries++; // a browser never asks twice for the address of a module that it did not get
      throw error;
    });
    return this.#actions;
  }

  announce(text) {
    // The same words twice in a row are news as well: a changed node is announced, an equal one is not.
    this.speaker.replaceChildren(h("span", null, text));
  }

  /** The person's name as what opens them: a link where the host gave an address, else a button. */
  leadLink(item, id) {
    const pattern = this.host.getAttribute("lead-href");
    const props = { class: "name", id, tabindex: "-1", dir: "auto", "data-do": "open", part: "name" };
    if (!pattern) return h("button", { type: "button", ...props });
    const address = new URL(pattern.replace("{id}", encodeURIComponent(item.lead.id)), document.baseURI);
    return /^https?:$/.test(address.protocol) ? h("a", { href: address.href, ...props }) : h("button", { type: "button", ...props });
  }

  // --- drawing ------------------------------------------------------------------------------------------------

  #drawNow() {
    const { feed, words } = this;
    if (!feed) return;
    const loading = feed.status === "loading";
    const brief = loading && performance.now() < feed.since + BRIEF_MS;
    if (brief) setTimeout(() => this.draw(), BRIEF_MS);
    const all = !brief && this.#drawList(feed.items.shown());
    set(this.list.feed, "aria-busy", String(loading || !all));
    set(this.list.feed, "role", feed.items.list.length || loading ? "feed" : "group"); // a feed has articles
    this.#drawLive();
    this.filters.show();
    const waiting = feed.items.held.size;
    this.pill.hidden = !waiting;
    if (waiting) say(this.pill.lastChild, words("new", { n: waiting }));
    this.count.hidden = Boolean(feed.record); // it is the whole feed's
    say(this.count, !feed.counted ? "" : feed.unread > 999 ? words("unread.many") : words("unread", { n: feed.unread }));
    if (!brief) this.#drawStates();
    set(this.section, "data-mails", feed.subscribable);
    if (all) this.list.look(); // at the end: it has the browser lay out what was written
  }

  /** A flood comes onto the screen in portions, so that no frame takes long. Whether it is all there now. */
  #drawList(items) {
    const portion = this.list.portion(items, BURST);
    this.list.show(portion, this.feed.items.stamp);
    if (portion.length === items.length) return true;
    this.draw();
    return false;
  }

  #drawLive() {
    const { state, since } = this.feed.live;
    this.live.hidden = this.feed.status === "failed"; // what is wrong stands below; nothing is connecting
    const text = state === "live" ? this.words("live") : this.words(`live.${state}`, { time: since && this.times.hour(since) });
    if (this.live.dataset.state === state && this.live.textContent === text) return;
    const was = this.live.dataset.state;
    this.live.dataset.state = state;
    this.live.textContent = text;
    if (state === "offline" || (state === "live" && was === "offline")) this.announce(text);
    this.host.tell("live", { state, since });
  }

  /** What stands where rows do not: waiting, nothing, the end, or what went wrong. Built anew only when it changes. */
  #drawStates() {
    const { feed } = this;
    const { list, cursor, stuck } = feed.items;
    const below = JSON.stringify([feed.status, feed.problem, feed.filters, list.length > 0, cursor !== null, stuck]);
    if (below === this.#below) return;
    this.#below = below;
    const focused = this.root.activeElement;
    this.notice.replaceChildren(...(feed.status === "failed" ? this.#failure(feed.problem) : []));
    this.list.after.replaceChildren(...this.#after(feed));
    if (focused?.isConnected === false) this.list.takeFocus();
  }

  #after({ status, items: { list, cursor, stuck }, filters, record }) {
    const { words } = this;
    if (status === "loading") return [h("div", { class: "skeleton", "aria-label": words("loading"), role: "img" }, Array.from({ length: 7 }, () => h("i", null, h("b"), h("b"), h("b"))))];
    if (status === "failed" && !list.length) return [];
    if (!list.length && writeFilters(filters)) return [this.#state("filter", words("empty.filtered"), "", this.#button(words("empty.clear"), () => this.narrow({ type: [] })))];
    if (!list.length) return [this.#state("bell", words("empty.title"), this.#late(record ? "empty.record" : "empty.text"))];
    if (stuck) return [h("p", { class: "end" }, words("failed.unreachable"), this.#button(words("retry"), () => this.#again()))];
    if (cursor) return [h("p", { class: "end" }, words("loading"))];
    return [h("p", { class: "end" }, words("end", { time: this.times.dated(Date.parse(list.at(-1).occurred_at)) }))];
  }

  #failure({ code, detail }) {
    const { words, feed } = this;
    const key = `failed.${code}`;
    const text = this.#late(`${key}.text`, { page: location.origin, service: feed.client.base }) || detail;
    return [this.#state("alert", words(words.has(key) ? key : "failed.other"), text, this.#button(words("retry"), () => feed.resume()))];
  }

  /** Words that may be among those which come with the actions: until then there are none. */
  #late(key, values) {
    if (this.words.has(key)) return this.words(key, values);
    this.#fetchActions().catch(() => {});
    return "";
  }

  #again() {
    this.feed.items.stuck = false;
    this.wantMore();
    this.draw();
  }

  #state(glyph, title, text, ...more) {
    return h("div", { class: "state" }, icon(glyph), h("strong", null, title), text && h("p", null, text), more);
  }

  #button(label, run) {
    return h("button", { type: "button", class: "chip", onclick: run }, label);
  }

  #hints() {
    const hint = (keys, what) => h("span", null, keys.map((key) => h("kbd", null, key)), this.words(what));
    return h("button", { type: "button", class: "hints", title: this.words("help.title"), onclick: () => this.use("openHelp") }, hint(["j", "k"], "hint.move"), hint(["e"], "hint.read"), hint(["s"], "hint.subscribe"), hint(["?"], "hint.help"));
  }

  #open(item, event) {
    if (event?.ctrlKey || event?.metaKey || event?.shiftKey) return;
    const link = this.list.current?.name;
    if (!event && link?.href) return link.click(); // which comes back here
    const wanted = this.host.tell("open", { lead: item.lead, account: item.account, item });
    if (!item.read) this.use("mark", [item.id], true);
    if (!wanted) event?.preventDefault();
  }
}
