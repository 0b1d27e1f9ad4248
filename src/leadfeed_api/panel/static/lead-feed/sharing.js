// One stream per browser, however many tabs show the feed.
//
// Whoever holds the lock keeps the stream and tells the others over a channel; when that tab goes, the browser hands the
// lock to the next, which carries on from its own position. A tab that missed something (it was frozen, or a leader died
// before it could tell) notices by the positions and asks, or is told to reload. Where locks are missing (plain http
// on another host) or refused (a browser that keeps nothing for sites), each tab has its own stream.

import { Stream } from "./stream.js";

const REMEMBERED = 1_000;
const SILENT_MS = 3_000;

/** The number in a position: the panel is the service's own client and may look inside. -1 when there is none. */
export function numberOf(position) {
  return Number(/-(\d+)$/.exec(position ?? "")?.[1] ?? -1);
}

export class SharedStream {
  #channel = null;
  #stream = null;
  #waiting = new AbortController();
  #release = null;
  #resigned = false;
  #past = []; // what this tab told as leader: [{kind, id, data}]
  #since = -1; // the number after which #past is complete
  #state = "connecting";
  #asked = 0;
  #id = crypto.getRandomValues(new Uint32Array(2)).join("-");

  /** `on.event(kind, id, data)`, `on.state(state)`, `on.refused(refusal)`, `on.missed()`, `on.told(message)`. */
  constructor(name, client, position, on) {
    this.client = client;
    this.position = position;
    this.on = on;
    const lock = `leadfeed ${name}`;
    if (!navigator.locks) {
      this.#lead();
      return;
    }
    this.#channel = new BroadcastChannel(lock);
    this.#channel.onmessage = ({ data }) => this.#hear(data);
    const { signal } = this.#waiting;
    const held = () => new Promise((release) => {
      this.#release = release;
      this.#lead();
    });
    this.#wait = () => navigator.locks.request(lock, { signal }, held).catch(() => this.#lead());
    this.#wait();
    this.#ask();
    for (const type of ["pageshow", "resume", "visibilitychange", "online"]) {
      addEventListener(type, () => this.#ask(), { signal, capture: true });
    }
  }

  /** Becomes the leader, when it can. */
  #wait = () => this.#lead();

  /** Whether this tab keeps the stream. */
  get leads() {
    return this.#stream !== null;
  }

  /** Tells the other tabs something that is no event: what was marked read, what was muted. */
  tell(message) {
    this.#channel?.postMessage({ told: message });
  }

  /** Moves on to the position of a page read after everything heard so far. */
  moveTo(position) {
    if (numberOf(position) > numberOf(this.position)) this.position = position;
  }

  stop() {
    this.#waiting.abort();
    this.#abdicate();
    this.#channel?.close();
    this.#channel = null;
  }

  #lead() {
    if (this.#waiting.signal.aborted) return this.#abdicate();
    this.#past = [];
    this.#since = numberOf(this.position);
    this.#stream = new Stream(this.client, this.position, {
      event: (kind, id, data) => this.#spread(kind, id, data),
      state: (state) => this.#tellState(state),
      refused: (refusal) => this.#resign(refusal),
    });
  }

  #abdicate() {
    this.#stream?.stop();
    this.#stream = null;
    this.#release?.();
    this.#release = null;
  }

  /** No credential left here: another tab may have a better one. */
  #resign(refusal) {
    this.#abdicate();
    this.#resigned = true;
    this.on.refused(refusal);
  }

  /** Stands for election again, if it had resigned: there is a new credential. */
  stand() {
    if (!this.#resigned || this.#waiting.signal.aborted) return;
    this.#resigned = false;
    this.#wait();
  }

  #spread(kind, id, data) {
    const event = { kind, id, data };
    if (kind === "reset") this.#past = []; // lost, where the log went back
    this.#past.push(event);
    if (this.#past.length > REMEMBERED) this.#since = numberOf(this.#past.shift().id);
    // Intentional: told before it is shown. A tab that dies showing it has told it.
    this.#channel?.postMessage({ event, after: this.position });
    this.position = id;
    this.on.event(kind, id, data);
  }

  #tellState(state) {
    this.#state = state;
    this.#channel?.postMessage({ state, since: this.#since });
    this.on.state(state);
  }

  #hear(message) {
    if (message.told) this.on.told(message.told);
    else if (message.ask) this.#answer(message);
    else if (this.#stream) return;
    else if (message.event) this.#follow(message);
    else if (message.to === this.#id) this.#catchUp(message);
    else if (message.state) this.#hearState(message);
  }

  #follow({ event, after }) {
    const here = numberOf(this.position);
    if (numberOf(after) > here) return this.#ask();
    if (numberOf(event.id) > here || event.kind === "reset") {
      this.position = event.id;
      this.on.event(event.kind, event.id, event.data);
    }
  }

  #hearState({ state, since }) {
    clearTimeout(this.#asked);
    this.on.state(state);
    if (since > numberOf(this.position)) this.#ask();
  }

  #ask() {
    if (this.#stream || this.#waiting.signal.aborted) return;
    this.#channel?.postMessage({ ask: this.#id, position: this.position });
    clearTimeout(this.#asked);
    // Nobody leads, or the leader is frozen: say so, rather than seem live.
    this.#asked = setTimeout(() => this.#stream || this.on.state("connecting"), SILENT_MS);
  }

  #answer({ ask, position }) {
    if (!this.#stream) return;
    const here = numberOf(position);
    const missed = here < this.#since ? null : this.#past.filter((event) => numberOf(event.id) > here);
    this.#channel.postMessage({ to: ask, missed, state: this.#state, position: this.position });
  }

  #catchUp({ missed, state, position }) {
    clearTimeout(this.#asked);
    this.on.state(state);
    for (const event of missed ?? []) this.#follow({ event, after: this.position });
    if (missed === null) {
      this.moveTo(position);
      this.on.missed();
    }
  }
}
