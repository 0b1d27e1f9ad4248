// What time it is for the feed: the service's time, carried on by a clock that nobody can set.
// A laptop whose clock is wrong, or jumps, still shows the right "3 min".

const FORMATS = {
  hour: { timeStyle: "short" },
  weekday: { weekday: "long" },
  date: { weekday: "short", day: "numeric", month: "long" },
  dated: { dateStyle: "long" },
  exact: { dateStyle: "full", timeStyle: "short" },
};
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

export class Clock {
  #lead = 0; // milliseconds by which the service's clock is ahead of ours
  #known = false;
  #anchor = Date.now() - performance.now();

  /** Learns from a response's Date header (whole seconds). A sleep makes the old knowledge stale; each answer renews it. */
  learn(date) {
    const served = Date.parse(date ?? "");
    if (Number.isNaN(served)) return;
    const lead = served + 500 - this.#steady();
    // Whole seconds and the way back make half a second of noise: keep what is known while it fits.
    if (!this.#known || Math.abs(lead - this.#lead) > 1_500) this.#lead = lead;
    this.#known = true;
  }

  /** Milliseconds since 1970 by the service's clock. */
  now() {
    return this.#known ? this.#steady() + this.#lead : Date.now();
  }

  #steady() {
    return this.#anchor + performance.now();
  }
}

/** Calls a function when the browser has nothing better to do. */
export const idle = globalThis.requestIdleCallback ?? setTimeout;

/** How times are written in one language; `exact` is the whole truth, for tooltips and screen readers. */
export class Times {
  constructor(language, words, clock) {
    this.words = words;
    this.clock = clock;
    // Made when first needed: each takes a browser milliseconds, and a list of today's moments needs few.
    for (const [name, options] of Object.entries(FORMATS)) {
      let made = null;
      this[name] = (instant) => (made ??= new Intl.DateTimeFormat(language, options)).format(instant);
    }
  }

  /** The short form beside a name: "3 min", "2 h", and the time of day for other days. */
  short(instant) {
    const age = this.clock.now() - instant;
    if (age < -MINUTE || this.daysAgo(instant) > 0) return this.hour(instant);
    if (age < MINUTE) return this.words("time.now");
    if (age < HOUR) return this.words("time.minutes", { n: Math.floor(age / MINUTE) });
    return this.words("time.hours", { n: Math.floor(age / HOUR) });
  }

  /** The heading of an instant's day. */
  day(instant) {
    const days = this.daysAgo(instant);
    if (days <= 0) return this.words("day.today");
    if (days === 1) return this.words("day.yesterday");
    if (days < 7) return this.weekday(instant);
    return new Date(instant).getFullYear() === new Date(this.clock.now()).getFullYear()
      ? this.date(instant)
      : this.dated(instant);
  }

  /** The day it is, in the reader's time zone, as something to compare. */
  today() {
    return midnight(this.clock.now());
  }

  /** How many midnights lie between an instant and now, in the reader's time zone. */
  daysAgo(instant) {
    return Math.round((this.today() - midnight(instant)) / (24 * HOUR));
  }
}

function midnight(instant) {
  return new Date(instant).setHours(0, 0, 0, 0);
}
