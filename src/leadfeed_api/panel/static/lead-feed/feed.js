// The feed behind the panel: what is shown, what arrives, and what the rep does with it. Knows the service and the
// stream; of the screen it knows only whom to tell.

import { Refusal, Unreachable } from "./client.js";
import { matches, queryOf, narrows } from "./filters.js";
import { Items, keyOf } from "./items.js";
import { SharedStream } from "./sharing.js";

const SOON_MS = 60; // changes that come together are looked up together
const PAGE = 50;
const LONG_PAGE = 200;
const KEPT = 2_000; // how much of a long list is read again
const MANY_LEADS = 5;
const LOST_MS = 8_000; // after this long without a stream it is called offline
const AT_ONCE = 1_000; // ids in one mark
const RECOUNT_MS = 20_000;
const ASKED_MS = 5_000; // what changes this soon after a rep's action is its effect

export class Feed {
  #turn = 0;
  #readers = new Set();
  #dirty = new Set();
  #timer = 0;
  #lost = 0;
  #expiry = 0;
  #recount = 0;
  #failures = 0;
  #reading = null;
  #undo = [];
  #gone = new AbortController();
  #side = null;
  #asked = 0;

  /**
   * `view`: draw(), reading (whether somebody would be disturbed), arrived(item), said(key, values, undoable),
   * counted(). `name` tells one user's feed from another's in this browser.
   */
  constructor(client, name, filters, view) {
    this.client = client;
    this.name = name;
    this.view = view;
    this.items = new Items();
    this.filters = filters;
    this.mutes = { leads: [], types: [] };
    this.unread = 0;
    this.hidden = 0;
    this.status = "loading"; // ready, failed
    this.problem = null;
    this.live = { state: "connecting", since: null };
    this.subscribable = false;
    this.stream = null;
  }

  async start() {
    this.#side = Promise.allSettled([this.#readMutes(), this.count()]);
    await this.load();
    await this.#side;
    if (!this.#gone.signal.aborted) await this.#offer();
  }

  stop() {
    this.#gone.abort();
    this.stream?.stop();
    for (const timer of [this.#timer, this.#lost, this.#expiry, this.#recount]) clearTimeout(timer);
  }

  /** Another credential is there: go on where it ended. */
  resume() {
    if (this.status === "failed") this.load();
    this.stream?.stand();
  }

  /** Starts the list over, from its first page. */
  async load() {
    const turn = ++this.#turn;
    this.status = "loading";
    this.items = new Items();
    this.view.draw();
    try {
      await this.#readAll(turn, PAGE, null);
    } catch (error) {
      await this.#fail(error, turn);
    }
  }

  /** Reads what is on the screen anew, soon, and keeps trying. */
  refresh() {
    this.#dirty.add(null);
    this.#soon();
  }

  /** Adds the next older page. False when it failed. */
  async more() {
    if (this.#reading || !this.items.cursor) return true;
    const { items, cursor } = this.items;
    this.#reading = this.#meanwhile(async (apply) => {
      const page = await this.#page({ limit: PAGE * 2, cursor });
      if (this.items.cursor === cursor) apply(() => this.items.extend(page.items, page.next_cursor));
    });
    try {
      await this.#reading;
      this.view.draw();
      return true;
    } catch {
      return false;
    } finally {
      this.#reading = null;
    }
  }

  /** Shows another part of the feed. Marks nothing. */
  narrow(filters) {
    this.filters = filters;
    return this.load();
  }

  /** Lets what waits onto the screen; returns the ids. */
  release() {
    const ids = this.items.release();
    if (ids.length) this.view.draw();
    return ids;
  }

  // --- what the rep does -------------------------------------------------------------------------------------

  /** Marks items read or unread at once, here and in the other tabs, then tells the service. */
  async mark(ids, read, said = null) {
    const changed = ids.filter((id) => (this.items.get(id)?.read ?? read) !== read);
    if (!changed.length) return;
    this.#hear({ kind: "marked", data: { ids: changed, read } });
    this.stream?.tell({ kind: "marked", data: { ids: changed, read } });
    const key = said ?? (read ? "done.read" : "done.unread");
    this.#did(key, { n: changed.length }, () => this.mark(changed, !read, "done.undone"));
    try {
      for (let from = 0; from < changed.length; from += AT_ONCE) {
        await this.client.send("POST", read ? "/v1/feed/read" : "/v1/feed/unread", { ids: changed.slice(from, from + AT_ONCE) });
      }
    } catch (error) {
      this.#hear({ kind: "marked", data: { ids: changed, read: !read } });
      this.stream?.tell({ kind: "marked", data: { ids: changed, read: !read } });
      this.#complain(error);
    }
  }

  /** Marks read what is on the screen from the top down to an item. */
  markDownTo(id) {
    const shown = this.items.shown();
    return this.mark(shown.slice(0, shown.findIndex((item) => item.id === id) + 1).map((item) => item.id), true);
  }

  /** Marks read everything that the filters show, loaded or not. */
  async markAll() {
    await this.#try(async () => {
      const marked = await this.client.send("POST", "/v1/feed/read", { up_to: this.stream.position }, this.query());
      const loaded = this.items.list.filter((item) => !item.read).map((item) => item.id);
      const data = { ids: marked.ids ?? loaded, read: true };
      this.#hear({ kind: "marked", data });
      this.stream.tell({ kind: "marked", data });
      this.#did("done.read", { n: marked.changed }, marked.ids?.length && (() => this.#unmark(marked.ids)));
      await this.count();
    });
  }

  /** Watches a lead, or stops. */
  async watch(lead, on) {
    await this.#try(async () => {
      await this.client.send(on ? "PUT" : "DELETE", `/v1/watchlist/${encodeURIComponent(lead.id)}`);
      this.#dirty.add(lead.id);
      this.#soon();
      this.#did(on ? "done.watched" : "done.unwatched", { name: lead.name }, () => this.watch(lead, !on));
    });
  }

  /** Mutes a lead (`{lead}`) or a type (`{type}`) until an instant (null: no end). */
  async mute({ lead, type }, until) {
    await this.#try(async () => {
      await this.client.send("PUT", muteAddress({ lead, type }), { until });
      this.#did(lead ? "done.muted" : "done.mutedType", { name: lead?.name, type }, () => this.unmute({ lead, type }));
      await this.#mutesChanged();
    });
  }

  async unmute({ lead, type }) {
    await this.#try(async () => {
      await this.client.send("DELETE", muteAddress({ lead, type }));
      this.#did(lead ? "done.unmuted" : "done.unmutedType", { name: lead?.name, type }, null);
      await this.#mutesChanged();
    });
  }

  /** Takes back the last thing done here. */
  undo() {
    const back = this.#undo.pop();
    if (back) back();
    else this.view.said("undo.nothing", {}, false);
  }

  /** Something about subscriptions changed: which items they match, only the service knows. */
  subscribed(key, values) {
    this.view.said(key, values, false);
    this.refresh();
  }

  /** What the list asks of the service now. */
  query() {
    return queryOf(this.filters, this.client.clock.now());
  }

  /** Counts anew what is unread and what is hidden. */
  async count() {
    const { unread, hidden } = await this.client.get("/v1/feed/unread");
    this.unread = unread;
    this.hidden = hidden;
    this.view.counted();
  }

  /** Counting along may be off by one where a count and an arrival crossed: after a while the service is asked again. */
  #countSoon() {
    this.#recount ||= setTimeout(() => {
      this.#recount = 0;
      this.count().catch(() => {});
    }, RECOUNT_MS);
  }

  #did(key, values, back) {
    this.#asked = performance.now() + ASKED_MS;
    if (back) this.#undo.push(back);
    this.view.said(key, values, Boolean(back));
  }

  async #unmark(ids) {
    this.#hear({ kind: "marked", data: { ids, read: false } });
    await this.#try(() => this.client.send("POST", "/v1/feed/unread", { ids }));
    await this.count();
  }

  async #try(action) {
    this.#asked = performance.now() + ASKED_MS;
    try {
      await action();
    } catch (error) {
      this.#complain(error);
    }
  }

  #complain(error) {
    if (error instanceof Refusal) this.view.said("failed.refused", { detail: error.message }, false);
    else this.view.said("failed.unreachable", {}, false);
  }

  // --- what arrives ------------------------------------------------------------------------------------------

  #listen(position) {
    if (this.stream || this.#gone.signal.aborted) return;
    this.stream = new SharedStream(this.name, this.client, position, {
      event: (kind, id, data) => this.#hear({ kind, data }),
      state: (state) => this.#lived(state),
      refused: (refusal) => this.#fail(refusal, this.#turn),
      missed: () => this.#hear({ kind: "reset", data: {} }),
      told: (news) => this.#hear(news),
    });
  }

  /** News: applied at once, and again after every read that was under way, so that the newer of the two wins. */
  #hear(news) {
    for (const meanwhile of this.#readers) meanwhile.push(news);
    this.#apply(news, true);
    this.view.draw();
  }

  #apply({ kind, data }, first) {
    if (kind === "moment") this.#arrive(data, first);
    else if (kind === "lead") this.#dress(data);
    else if (kind === "changed") this.#dirty.add(data.lead_id);
    else if (kind === "reset") this.#dirty.add(null);
    else if (kind === "marked") this.#marked(data, first);
    else if (kind === "mutes") this.#mutesChanged(false);
    if (this.#dirty.size) this.#soon();
  }

  #arrive(item, first) {
    const muted = this.#isMuted(item);
    if (muted && first) this.hidden += 1;
    if (!muted && first && !item.read && !this.items.get(item.id)) {
      this.unread += 1;
      this.view.arrived(item);
    }
    if (first) {
      this.view.counted();
      this.#countSoon();
    }
    const wanted = (this.filters.muted === "only" ? muted : !muted || this.filters.muted === "show") && matches(item, this.query());
    if (wanted === null) this.#dirty.add(item.lead.id);
    else if (wanted && this.items.loaded) this.items.admit(item, this.view.reading);
  }

  #dress(card) {
    const { id, name, title, starred, stars, flames } = card;
    this.items.change((item) => {
      if (item.lead.id !== id) return item;
      return { ...item, lead: { id, name, title, starred, stars, flames }, account: "account" in card ? card.account : item.account };
    });
    const { starred: byStar, account, q } = this.filters;
    if (byStar || account || q) this.#dirty.add(id);
  }

  #marked({ ids, read }, first) {
    const marked = new Set(ids);
    const changed = this.items.change((item) => (marked.has(item.id) && item.read !== read ? { ...item, read } : item));
    if (!first || !changed) return;
    this.unread = Math.max(0, this.unread + (read ? -changed : changed));
    this.view.counted();
  }

  #isMuted({ lead, type }) {
    const now = this.client.clock.now();
    const holds = ({ until }) => !until || Date.parse(until) > now;
    return (
      this.mutes.leads.some((mute) => mute.lead.id === lead.id && holds(mute)) ||
      this.mutes.types.some((mute) => mute.type === type && holds(mute))
    );
  }

  async #mutesChanged(tell = true) {
    if (tell) this.stream?.tell({ kind: "mutes" });
    await this.#readMutes();
    this.refresh();
  }

  async #readMutes() {
    this.mutes = await this.client.get("/v1/mutes");
    clearTimeout(this.#expiry);
    const ends = [...this.mutes.leads, ...this.mutes.types].map(({ until }) => Date.parse(until)).filter((end) => end);
    const next = Math.min(...ends) - this.client.clock.now() + 500;
    if (next < 2 ** 31) this.#expiry = setTimeout(() => this.#mutesChanged(false), Math.max(next, 1_000));
  }

  // --- keeping up --------------------------------------------------------------------------------------------

  #soon(wait = SOON_MS) {
    this.#timer ||= setTimeout(() => this.#lookUp(), wait);
  }

  /** Reads again what changed in ways that only a fresh page can tell. Until it succeeds, it stays to be done. */
  async #lookUp() {
    const dirty = [...this.#dirty];
    this.#dirty.clear();
    try {
      if (dirty.includes(null) || dirty.length > MANY_LEADS) {
        await this.#reloadAll();
      } else for (const lead of dirty) await this.#reloadLead(lead);
      await this.count();
      this.#failures = 0;
    } catch (error) {
      for (const lead of dirty) this.#dirty.add(lead);
      if (error instanceof Refusal && error.status === 401) return this.#fail(error, this.#turn);
    } finally {
      this.#timer = 0;
    }
    if (this.#dirty.size && !this.#gone.signal.aborted) this.#soon(Math.min(15_000, 500 * 2 ** this.#failures++));
    return this.view.draw();
  }

  /** Whether what a change brings has to wait: not when the reader has just asked for it. */
  get #holds() {
    return this.view.reading && performance.now() > this.#asked;
  }

  #reloadAll() {
    const shown = this.items.shown();
    const top = this.#holds && shown.length ? keyOf(shown[0]) : null;
    return this.#readAll(++this.#turn, Math.min(Math.max(this.items.list.length, PAGE), KEPT), top);
  }

  #readAll(turn, wanted, top) {
    return this.#read(wanted, null, null, turn, (items, page) => {
      this.items.replace(items, page.next_cursor, top);
      this.#ready(page.live_cursor);
    });
  }

  async #reloadLead(lead) {
    const query = this.query();
    if (query.lead_id && query.lead_id !== lead) return;
    await this.#read(Infinity, { lead_id: lead }, this.items.end, this.#turn, (items) => this.items.replaceLead(lead, items, this.#holds));
  }

  /** Reads up to `wanted` items, or down to the key `end`, and hands them over if the list is still the same one. */
  async #read(wanted, narrowed, end, turn, take) {
    await this.#meanwhile(async (apply) => {
      const items = [];
      let page = null;
      do {
        const limit = Math.min(LONG_PAGE, Math.max(PAGE, wanted - items.length));
        page = await this.#page({ ...narrowed, limit, cursor: page?.next_cursor });
        items.push(...page.items);
      } while (page.next_cursor && items.length < wanted && !(end && keyOf(items.at(-1)) < end));
      if (turn === this.#turn) apply(() => take(items, page));
    });
  }

  /** Runs a read; when its result is applied, what was heard meanwhile is applied once more. */
  async #meanwhile(work) {
    const heard = [];
    this.#readers.add(heard);
    try {
      await work((apply) => {
        apply();
        for (const news of heard) this.#apply(news, false);
      });
    } finally {
      this.#readers.delete(heard);
    }
  }

  #page(query) {
    return this.client.get("/v1/feed", { ...this.query(), ...query }, this.#gone.signal);
  }

  #ready(position) {
    this.status = "ready";
    this.problem = null;
    this.stream?.moveTo(position);
    // What is muted has to be known before the first moment arrives; the stream starts where the page ended, so it can wait.
    this.#side.then(() => this.#listen(position));
    this.view.draw();
  }

  async #offer() {
    try {
      await this.client.get("/v1/subscriptions");
      this.subscribable = true;
    } catch {
      this.subscribable = false; // a service without mail has no such address: nothing to offer then
    }
    this.view.draw();
  }

  /** The list cannot be had. What is on the screen stays there; an empty panel says why. */
  async #fail(error, turn) {
    if (this.#gone.signal.aborted || turn !== this.#turn) return;
    const refused = error instanceof Refusal;
    const passing = !refused || error.status >= 500 || error.status === 429;
    if (this.items.loaded && passing) {
      this.#dirty.add(null);
      this.#soon(1_000);
      return;
    }
    this.status = "failed";
    this.problem = refused ? { code: error.status === 401 ? "signed-out" : error.code, detail: error.message } : await this.#diagnose(error);
    if (passing) setTimeout(() => this.status === "failed" && !this.#gone.signal.aborted && this.load(), Math.min(15_000, 1_000 * 2 ** this.#failures++));
    this.view.draw();
  }

  /** A browser hides why a request to another origin failed. One that asks for nothing tells whether anybody is there. */
  async #diagnose(error) {
    if (!(error instanceof Unreachable)) throw error;
    try {
      await fetch(this.client.url("/healthz"), { mode: "no-cors", cache: "no-store", credentials: "omit" });
    } catch {
      return { code: "unreachable" };
    }
    return { code: new URL(this.client.base, location.href).origin === location.origin ? "unreachable" : "origin" };
  }

  #lived(state) {
    clearTimeout(this.#lost);
    if (state === "live") this.live = { state: "live", since: null };
    else if (this.live.state !== "offline") {
      const since = this.live.since ?? this.client.clock.now();
      const before = this.live.state;
      this.live = { state: before === "connecting" && !this.live.since ? "connecting" : "reconnecting", since };
      const patience = navigator.onLine ? LOST_MS : 0;
      this.#lost = setTimeout(() => {
        this.live = { state: "offline", since };
        this.view.draw();
      }, patience);
    }
    this.view.draw();
  }

  /** Whether the list is narrowed. */
  get narrowed() {
    return narrows(this.filters);
  }
}

function muteAddress({ lead, type }) {
  return lead ? `/v1/mutes/leads/${encodeURIComponent(lead.id)}` : `/v1/mutes/types/${type}`;
}
