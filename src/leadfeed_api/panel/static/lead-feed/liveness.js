// Whether the feed is live, as a fact: for how long not, and when that is called offline.

const LOST_MS = 8_000; // a cut is mended within seconds; what takes longer is said with the time

export class Liveness {
  #timer = 0;

  /** `changed` is told whenever `now` is another. */
  constructor(clock, changed) {
    this.clock = clock;
    this.changed = changed;
    this.now = { state: "connecting", since: null };
  }

  /** The stream is "live" or "connecting". */
  hear(state) {
    clearTimeout(this.#timer);
    if (state === "live") this.now = { state, since: null };
    else if (this.now.state !== "offline") this.#lose();
    this.changed();
  }

  stop() {
    clearTimeout(this.#timer);
  }

  #lose() {
    const { state, since } = this.now;
    const lost = since ?? this.clock.now();
    this.now = { state: state === "connecting" && !since ? "connecting" : "reconnecting", since: lost };
    const offline = () => {
      this.now = { state: "offline", since: lost };
      this.changed();
    };
    this.#timer = setTimeout(offline, navigator.onLine ? LOST_MS + lost - this.clock.now() : 0);
  }
}
