// The feed as this page knows it: items newest first, exactly what a fresh page would show of the same stretch.
// Knows neither the network nor the screen.

const keys = new WeakMap();
const instants = new WeakMap();

/** Where an item stands: text that sorts as the service does, by instant (to the microsecond), then id. */
export function keyOf(item) {
  if (!keys.has(item)) {
    const instant = item.occurred_at.replace(/(?:\.(\d+))?Z$/, (_, digits = "") => `.${digits.padEnd(6, "0")}Z`);
    keys.set(item, `${instant} ${item.id}`);
  }
  return keys.get(item);
}

/** When an item occurred, in milliseconds since 1970. */
export function instantOf(item) {
  if (!instants.has(item)) instants.set(item, Date.parse(item.occurred_at));
  return instants.get(item);
}

/** The day of that, as the midnight before it, in the reader's time zone. */
export function dayOf(item) {
  return new Date(instantOf(item)).setHours(0, 0, 0, 0);
}

let changes = 0;

export class Items {
  #byId = new Map();

  constructor() {
    this.list = []; // newest first
    this.held = new Set(); // ids that wait behind the pill
    this.end = null; // key of the oldest stretch loaded; null when there is nothing older
    this.cursor = null; // the next page
    this.stuck = false; // it could not be had
    this.loaded = false;
    this.stamp = ++changes; // another one after every change
  }

  get(id) {
    return this.#byId.get(id);
  }

  /** The items on the screen. */
  shown() {
    return this.held.size ? this.list.filter((item) => !this.held.has(item.id)) : this.list;
  }

  /** Starts over with the first pages. What is above `top` (a key) waits, if given. */
  replace(items, cursor, top = null) {
    const held = new Set(top === null ? [] : items.filter((item) => keyOf(item) > top).map((item) => item.id));
    this.#byId.clear();
    this.list = [];
    this.held = held;
    this.loaded = true;
    this.extend(items, cursor);
  }

  /** Adds an older page. */
  extend(items, cursor) {
    for (const item of items) this.#put(item);
    this.cursor = cursor;
    this.stuck = false;
    this.stamp = ++changes;
    this.end = cursor && this.list.length ? keyOf(this.list.at(-1)) : null;
  }

  /** Takes in one new item. False when it lies beyond the stretch loaded: its page will bring it. */
  admit(item, hold) {
    if (this.end !== null && keyOf(item) < this.end) return false;
    if (hold && !this.#byId.has(item.id)) this.held.add(item.id);
    this.#put(item);
    return true;
  }

  /** Puts exactly these items of a lead in place of those there were, within the stretch loaded. */
  replaceLead(leadId, items, hold) {
    const wanted = new Set(items.map((item) => item.id));
    this.remove((item) => item.lead.id === leadId && !wanted.has(item.id));
    for (const item of items) this.admit(item, hold);
  }

  remove(condition) {
    const gone = this.list.filter(condition);
    if (!gone.length) return gone;
    for (const { id } of gone) {
      this.#byId.delete(id);
      this.held.delete(id);
    }
    this.list = this.list.filter((item) => this.#byId.has(item.id));
    this.stamp = ++changes;
    return gone;
  }

  /** Rewrites items by a function that returns the item itself when nothing changes. */
  change(rewrite) {
    let changed = 0;
    const list = this.list.map((item) => {
      const next = rewrite(item);
      if (next === item) return item;
      changed += 1;
      this.#byId.set(next.id, next);
      return next;
    });
    if (changed) {
      this.list = list;
      this.stamp = ++changes;
    }
    return changed;
  }

  /** Lets those that wait onto the screen; returns their ids. */
  release() {
    const ids = [...this.held];
    this.held.clear();
    this.stamp = ++changes;
    return ids;
  }

  #put(item) {
    const known = this.#byId.get(item.id);
    this.#byId.set(item.id, item);
    this.stamp = ++changes;
    if (known) {
      this.list[this.list.indexOf(known)] = item;
      return;
    }
    const key = keyOf(item);
    let low = 0;
    let high = this.list.length;
    // Pages come in order, live moments mostly at the top: both ends first, then halves.
    if (high && keyOf(this.list[high - 1]) > key) low = high;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (keyOf(this.list[middle]) > key) low = middle + 1;
      else high = middle;
    }
    this.list.splice(low, 0, item);
  }
}
