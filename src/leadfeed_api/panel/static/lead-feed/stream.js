// One live stream: a native EventSource, made anew after whatever ends it, at the position it had reached.
//
// A browser gives an EventSource up for good on any status but 200 (a 503 during a deploy), and its own retries know no
// backoff: so every end is ours to handle.

import { Refusal } from "./client.js";

const FIRST_WAIT_MS = 400;
const LONGEST_WAIT_MS = 30_000;
const STEADY_MS = 10_000; // a stream that held this long makes the next failure a first one
const OPENING_MS = 15_000; // the service answers at once; a socket that died in a sleep never does
const BEAT_MS = 5_000;
const SLEPT_MS = 15_000; // a beat this late means the machine slept, or its clock was set: sockets are not to be trusted
const DOZED_MS = 150_000; // a page that nobody sees is woken once a minute: both clocks are that late, and nothing slept
const PROBE_MS = 120_000;
const KINDS = ["moment", "lead", "changed", "reset"];

export class Stream {
  #beat = performance.now() + Date.now();
  #hidden = document.hidden; // at the last beat
  #beats = 0;
  #probes = 0;
  #source = null;
  #token = null; // {token, expires}
  #failures = 0;
  #timer = 0;
  #openedAt = 0;
  #attempt = 0;
  #stopped = false;
  #listening = new AbortController();

  /** `on.event(kind, id, data)`, `on.state("live" | "connecting")`, `on.refused(refusal)` when no credential is left. */
  constructor(client, position, on) {
    this.client = client;
    this.position = position;
    this.on = on;
    const { signal } = this.#listening;
    for (const type of ["online", "offline"]) addEventListener(type, () => this.#restart(), { signal });
    addEventListener("pageshow", (event) => event.persisted && this.#restart(), { signal });
    this.#beats = setInterval(() => this.#feelPulse(), BEAT_MS);
    this.#probes = setInterval(() => this.#probe(), PROBE_MS * (0.8 + 0.4 * Math.random()));
    this.#open();
  }

  stop() {
    this.#stopped = true;
    this.#listening.abort();
    clearInterval(this.#beats);
    clearInterval(this.#probes);
    this.#close();
  }

  async #open() {
    this.#close();
    const attempt = ++this.#attempt;
    this.on.state("connecting");
    try {
      const token = await this.#streamToken();
      if (attempt === this.#attempt && !this.#stopped) this.#listen(token);
    } catch (error) {
      if (attempt !== this.#attempt || this.#stopped) return;
      if (error instanceof Refusal && (error.status === 401 || error.status === 403)) this.on.refused(error);
      else this.#later(error.retryAfter);
    }
  }

  #listen(token) {
    const url = this.client.url("/v1/feed/stream", { token, last_event_id: this.position });
    const source = new EventSource(url);
    this.#source = source;
    this.#timer = setTimeout(() => this.#failed(), OPENING_MS);
    source.onopen = () => {
      clearTimeout(this.#timer);
      this.#openedAt = performance.now();
      this.on.state("live");
    };
    source.onerror = () => source === this.#source && this.#failed();
    for (const kind of KINDS) source.addEventListener(kind, (event) => source === this.#source && this.#hear(kind, event));
    source.addEventListener("expired", () => {
      this.#token = null;
      this.#failed();
    });
  }

  #hear(kind, event) {
    if (event.lastEventId) this.position = event.lastEventId;
    this.on.event(kind, this.position, JSON.parse(event.data));
  }

  #failed() {
    if (this.#openedAt && performance.now() - this.#openedAt > STEADY_MS) this.#failures = 0;
    // An EventSource does not tell a 401 from a 503. The next token request will.
    if (!this.#openedAt) this.#token = null;
    this.#later(null);
  }

  #later(seconds) {
    this.#close();
    this.on.state("connecting");
    const longest = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** this.#failures++);
    const wait = Math.max(longest * (0.5 + 0.5 * Math.random()), (seconds ?? 0) * 1000);
    this.#timer = setTimeout(() => this.#open(), wait);
  }

  #restart() {
    this.#failures = 0;
    this.#open();
  }

  #close() {
    clearTimeout(this.#timer);
    this.#source?.close();
    this.#source = null;
    this.#openedAt = 0;
  }

  async #streamToken() {
    if (!this.#token || this.#token.expires - this.client.clock.now() < 10_000) {
      const made = await this.client.send("POST", "/v1/stream-tokens");
      this.#token = { token: made.token, expires: Date.parse(made.expires_at) };
    }
    return this.#token.token;
  }

  #feelPulse() {
    const beat = performance.now() + Date.now();
    const { hidden } = document;
    const slept = Math.abs(beat - this.#beat - 2 * BEAT_MS) > (hidden || this.#hidden ? DOZED_MS : SLEPT_MS);
    this.#beat = beat;
    this.#hidden = hidden;
    if (slept) this.#restart();
  }

  /** A connection can die without a sign, and comments are invisible here: ask, now and then, whether anyone is there. */
  async #probe() {
    const asked = this.#source;
    if (!asked) return;
    try {
      await this.client.get("/v1/feed/unread");
    } catch (error) {
      // Of a stream opened meanwhile it says nothing.
      if (!(error instanceof Refusal) && asked === this.#source) this.#restart();
    }
  }
}
