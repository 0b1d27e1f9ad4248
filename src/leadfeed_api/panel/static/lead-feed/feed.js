// The feed behind the panel: what is shown, what arrives, and what the rep does with it. Knows the service and the
// stream; of the screen it knows only whom to tell.

import { Refusal, diagnose } from "./client.js";
import { idle } from "./clock.js";
import { matches, queryOf } from "./filters.js";
import { Items, keyOf } from "./items.js";
import { Liveness } from "./liveness.js";
import { Meanwhile } from "./meanwhile.js";
import { Mutes } from "./mutes.js";
import { SharedStream } from "./sharing.js";

const SOON_MS = 60; // changes that come together are looked up together
const PAGE = 50;
const LONG_PAGE = 200;
const KEPT = 2_000; // how much of a long list is read again
const MANY_LEADS = 5;
const RECOUNT_MS = 20_000;
const ASKED_MS = 5_000; // what changes this soon after a rep's action is its effect

export class Feed {
  #turn = 0;
  #meanwhile = new Meanwhile((news) => this.#apply(news, false));
  #dirty = new Set();
  #timer = 0;
  #recount = 0;
  #failures = 0;
  #reading = null;
  #gone = new AbortController();
  #asked = 0;
  #loadedAt = 0;

  /**
   * `view`: draw(), reading (whether somebody would be disturbed), arrived(item), counted(). `name` tells one user's
   * feed from another's in this browser. `record`: filters that hold whatever the reader chooses, or null.
   */
  constructor(client, name, record, filters, view) {
    this.client = client;
    this.name = name;
    this.view = view;
    this.items = new Items();
    this.record = record;
    this.filters = filters;
    this.mutes = new Mutes(client, () => this.recheck(null));
    this.unread = 0;
    this.counted = false;
    this.hidden = 0;
    this.status = "loading"; // ready, failed
    this.since = 0; // when it began to load
    this.problem = null;
    this.liveness = new Liveness(client.clock, () => view.draw());
    this.subscribable = null; // not known yet
    this.stream = null;
  }

  stop() {
    this.#gone.abort();
    this.stream?.stop();
    this.liveness.stop();
    this.mutes.stop();
    for (const timer of [this.#timer, this.#recount]) clearTimeout(timer);
  }

  /** Another credential is there: go on where it ended. */
  resume() {
    if (this.status === "failed" && !this.items.loaded) this.load();
    else if (this.status === "failed") {
      this.status = "ready";
      this.recheck(null);
    }
    this.items.stuck = false;
    this.view.draw();
    this.stream?.stand();
  }

  /** Starts the list over, from its first page. `again`: what went wrong stays on the screen until it went right. */
  async load(again = false) {
    const turn = ++this.#turn;
    if (!again) this.status = "loading";
    this.since = performance.now();
    this.items = new Items();
    this.#loadedAt = this.client.clock.now();
    this.view.draw();
    try {
      await this.#readAll(turn, PAGE, null);
    } catch (error) {
      await this.#fail(error, turn);
    }
  }

  /** Adds the next older page, unless that was tried in vain. */
  async more() {
    const { items, items: { cursor } } = this;
    if (this.#reading || items.stuck || !cursor) return;
    this.#reading = this.#meanwhile.run(async (apply) => {
      const page = await this.#page({ limit: PAGE * 2, cursor });
      if (this.items.cursor === cursor) apply(() => this.items.extend(page.items, page.next_cursor));
    });
    try {
      await this.#reading;
    } catch (error) {
      if (error.code === "invalid-cursor") return this.recheck(null); // a new version of the service may read its own only
      items.stuck = items.cursor === cursor;
    } finally {
      this.#reading = null;
    }
    return this.view.draw();
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

  /** What the list asks of the service. Periods count from when it was loaded: cursors are good for one query only. */
  query() {
    return queryOf({ ...this.filters, ...this.record }, this.#loadedAt);
  }

  /** Counts anew what is unread and what is hidden. */
  async count() {
    const { unread, hidden } = await this.client.get("/v1/feed/unread");
    this.unread = unread;
    this.hidden = hidden;
    this.counted = true;
    this.view.counted();
  }

  /** Counting along may be off by one where a count and an arrival crossed: after a while the service is asked again. */
  #countSoon() {
    this.view.counted();
    this.#recount ||= setTimeout(() => {
      this.#recount = 0;
      if (this.live.state === "live") this.count().catch(() => {}); // else it would count what the stream is yet to tell
    }, RECOUNT_MS);
  }

  // --- what the rep's own actions ask -----------------------------------------------------------------------------

  /** The reader has just asked for a change: what it brings is shown at once, whoever is reading. */
  expect() {
    this.#asked = performance.now() + ASKED_MS;
  }

  /** Something that happened here: applied here and in the other tabs. */
  spread(news) {
    this.#hear(news);
    this.stream?.tell(news);
  }

  /** Looks up soon what the list should show of a lead (null: of everything), and keeps trying. */
  recheck(leadId) {
    this.#dirty.add(leadId);
    this.#soon();
  }

  // --- what arrives ------------------------------------------------------------------------------------------

  #listen(position) {
    if (this.stream || this.#gone.signal.aborted) return;
    this.stream = new SharedStream(this.name, this.client, position, {
      event: (kind, id, data) => this.#hear({ kind, data }),
      state: (state) => {
        if (state === "live") {
          this.items.stuck = false;
          this.#countSoon(); // whose answer tells the time: the machine may have slept
        }
        this.liveness.hear(state);
      },
      refused: (refusal) => this.#fail(refusal, this.#turn),
      missed: () => this.#hear({ kind: "reset", data: {} }),
      told: (news) => this.#hear(news),
    });
  }

  /** News: applied at once, and again after every read that was under way, so that the newer of the two wins. */
  #hear(news) {
    this.#meanwhile.hear(news);
    this.#apply(news, true);
    this.view.draw();
  }

  #apply({ kind, data }, first) {
    if (kind === "moment") this.#arrive(data, first);
    else if (kind === "lead") this.#dress(data);
    else if (kind === "changed") this.#dirty.add(data.lead_id);
    else if (kind === "reset") this.#dirty.add(null);
    else if (kind === "marked") this.#marked(data, first);
    if (this.#dirty.size) this.#soon();
  }

  #arrive(item, first) {
    const muted = this.mutes.holds(item);
    const news = first && !muted && !item.read && !this.items.get(item.id);
    if (muted && first) this.hidden += 1;
    if (news) this.unread += 1;
    const query = this.query();
    const wanted = (query.muted === "only" ? muted : !muted || query.muted === "show") && matches(item, query);
    if (wanted === null) this.#dirty.add(item.lead.id);
    else if (wanted && this.items.loaded) this.items.admit(item, this.view.reading);
    if (first) this.#countSoon();
    if (news && (wanted || !this.record)) this.view.arrived(item);
  }

  #dress(card) {
    const { id, name, title, starred, stars, flames } = card;
    this.items.change((item) => {
      if (item.lead.id !== id) return item;
      return { ...item, lead: { id, name, title, starred, stars, flames }, account: "account" in card ? card.account : item.account };
    });
    const { starred: byStar, account_id, q } = this.query();
    if (byStar || account_id || q) this.#dirty.add(id);
  }

  #marked({ ids, read }, first) {
    const marked = new Set(ids);
    const changed = this.items.change((item) => (marked.has(item.id) && item.read !== read ? { ...item, read } : item));
    if (!first) return;
    this.unread = Math.max(0, this.unread + (read ? -changed : changed));
    this.#countSoon(); // what is muted does not count, and what is not loaded does
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
      if (dirty.includes(null)) await this.mutes.read();
      if (dirty.includes(null) || dirty.length > MANY_LEADS) await this.#reloadAll();
      else for (const lead of dirty) await this.#reloadLead(lead);
      await this.count();
      this.#failures = 0;
    } catch (error) {
      this.#failures += 1;
      for (const lead of dirty) this.#dirty.add(lead);
      if (error instanceof Refusal && error.status === 401) return this.#fail(error, this.#turn);
    } finally {
      this.#timer = 0;
    }
    if (this.#dirty.size && !this.#gone.signal.aborted) this.#soon(this.#failures ? Math.min(15_000, 500 * 2 ** this.#failures) : SOON_MS);
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
    return this.#read(wanted, null, null, turn, (items, cursor, position) => {
      this.items.replace(items, cursor, top);
      this.#ready(position);
    });
  }

  async #reloadLead(lead) {
    const query = this.query();
    const { loaded, end } = this.items;
    if (!loaded || (query.lead_id && query.lead_id !== lead)) return; // what is being loaded holds it, or hears of it again
    await this.#read(Infinity, { lead_id: lead }, end, this.#turn, (items) => {
      if (this.items.end === end) this.items.replaceLead(lead, items, this.#holds);
      else this.#dirty.add(lead); // an older page came meanwhile
    });
  }

  /** Reads up to `wanted` items, or down to the key `end`, and hands them over if the list is still the same one. */
  async #read(wanted, narrowed, end, turn, take) {
    await this.#meanwhile.run(async (apply) => {
      const items = [];
      let page = null;
      let position = null; // the first page's: what happens while the others are read is not in the first
      do {
        const limit = Math.min(LONG_PAGE, Math.max(PAGE, wanted - items.length));
        page = await this.#page({ ...narrowed, limit, cursor: page?.next_cursor });
        position ??= page.live_cursor;
        items.push(...page.items);
      } while (page.next_cursor && items.length < wanted && !(end && keyOf(items.at(-1)) < end));
      if (turn === this.#turn) apply(() => take(items, page.next_cursor, position));
    });
  }

  #page(query) {
    return this.client.get("/v1/feed", { ...this.query(), ...query }, this.#gone.signal);
  }

  #ready(position) {
    this.status = "ready";
    this.problem = null;
    this.stream?.moveTo(position);
    this.view.draw();
    idle(() => this.#complete(position), { timeout: 200 });
  }

  /** What stands beside the list, asked when the list is on the screen, until it was answered once. */
  async #complete(position) {
    // What is muted has to be known before the first moment arrives; the stream starts where the page ended, so it can wait.
    await Promise.all([this.mutes.known || this.mutes.read(), this.counted || this.count()]).catch(() => this.recheck(null));
    if (this.#gone.signal.aborted) return;
    this.#listen(position);
    this.subscribable ??= await this.client.has("/v1/subscriptions"); // a service without mail has no such address
    this.view.draw();
  }

  /** The list cannot be had. What is on the screen stays there; an empty panel says why. */
  async #fail(error, turn) {
    if (this.#gone.signal.aborted || turn !== this.#turn) return;
    const passing = !(error instanceof Refusal) || error.status >= 500 || error.status === 429;
    if (this.items.loaded && passing) {
      this.#dirty.add(null);
      this.#soon(1_000);
      return;
    }
    const problem = passing ? { code: await diagnose(this.client, error) } : { code: error.status === 401 ? "signed-out" : error.code, detail: error.message };
    if (this.#gone.signal.aborted || turn !== this.#turn) return; // what was asked meanwhile has its own answer
    this.status = "failed";
    this.problem = problem; // with the status: whoever draws shows both
    if (passing) setTimeout(() => this.status === "failed" && !this.#gone.signal.aborted && this.load(true), Math.min(15_000, 1_000 * 2 ** this.#failures++));
    this.view.draw();
  }

  /** `{state, since}`: "connecting", "live", "reconnecting" or "offline", and since when it has not been live. */
  get live() {
    return this.liveness.now;
  }
}
