// What time it is for the feed: the service's time, carried on by a clock that nobody can set.
// A laptop whose clock is wrong, or jumps, still shows the right "3 min".

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

/** How times are written in one language. */
export class Times {
  #days = new Map();
  #today = 0;

  constructor(language, words, clock) {
    this.words = words;
    this.clock = clock;
    const format = (options) => new Intl.DateTimeFormat(language, options);
    this.hour = format({ hour: "2-digit", minute: "2-digit" });
    this.weekday = format({ weekday: "long" });
    this.date = format({ weekday: "short", day: "numeric", month: "long" });
    this.dated = format({ day: "numeric", month: "long", year: "numeric" });
    this.full = format({ weekday: "long", day: "numeric", month: "long", year: "numeric", hour: "2-digit", minute: "2-digit" });
  }

  /** The short form beside a name: "3 min", "2 h", and the time of day for other days. */
  short(instant) {
    const age = this.clock.now() - instant;
    if (age < -MINUTE || this.daysAgo(instant) > 0) return this.hour.format(instant);
    if (age < MINUTE) return this.words("time.now");
    if (age < HOUR) return this.words("time.minutes", { n: Math.floor(age / MINUTE) });
    return this.words("time.hours", { n: Math.floor(age / HOUR) });
  }

  /** The whole truth, for tooltips and screen readers. */
  exact(instant) {
    return this.full.format(instant);
  }

  /** The heading for the day that began at a midnight. */
  day(start) {
    const today = midnight(this.clock.now());
    if (today !== this.#today) this.#days.clear();
    this.#today = today;
    if (!this.#days.has(start)) this.#days.set(start, this.#heading(start));
    return this.#days.get(start);
  }

  #heading(instant) {
    const days = this.daysAgo(instant);
    if (days <= 0) return this.words("day.today");
    if (days === 1) return this.words("day.yesterday");
    if (days < 7) return this.weekday.format(instant);
    return new Date(instant).getFullYear() === new Date(this.clock.now()).getFullYear()
      ? this.date.format(instant)
      : this.dated.format(instant);
  }

  /** How many midnights lie between an instant and now, in the reader's time zone. */
  daysAgo(instant) {
    return Math.round((midnight(this.clock.now()) - midnight(instant)) / (24 * HOUR));
  }
}

function midnight(instant) {
  return new Date(instant).setHours(0, 0, 0, 0);
}
