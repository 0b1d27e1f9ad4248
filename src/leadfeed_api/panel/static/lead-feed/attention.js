// Attention of whoever does not look: the count in the title and desktop notifications, both only if wanted, and what a
// screen reader says.

const WANTED = "leadfeed notifications";
const FEW = 2; // moments told one by one within SPAN_MS; the others are summed up
const SPAN_MS = 10_000;
const CALM_MS = 10_000; // between two announcements of new moments
const SUM_MS = 1_000; // what comes together is summed up together
const OLD_MS = 3_600_000; // an import brings what happened long ago

let chosen = null; // as it was last said here: a browser that keeps nothing for sites (in another one's frame) forgets it

const COUNTING = Symbol.for("leadfeed counting"); // of the document: whose number stands before its title

export class Attention {
  #title = "";
  #shown = "";
  #able = "Notification" in globalThis;
  #seen = new AbortController(); // until the page is hidden
  #gone = new AbortController();
  #end = 0; // of the span
  #left = 0; // how many may still be told one by one in it
  #summing = 0;
  #summed = -Infinity;
  #calm = 0;
  #announced = -Infinity;
  #news = 0; // since then

  /** `host` is the custom element: it says whether the title may be touched. */
  constructor(host, panel) {
    this.host = host;
    this.panel = panel;
    this.sight = `leadfeed seen ${panel.feed.name}`;
    document.addEventListener("visibilitychange", () => this.#look(), { signal: this.#gone.signal });
    this.#look();
  }

  /** Whether notifications can be offered at all. */
  get possible() {
    return this.#able && Notification.permission !== "denied";
  }

  get notifies() {
    return this.possible && Notification.permission === "granted" && stored() === "yes";
  }

  async toggle() {
    if (this.notifies) return store("no");
    if ((await Notification.requestPermission()) === "granted") store("yes");
    return undefined;
  }

  /** One unread moment arrived. A flood, and what is old, is told in one notification, which the next such one replaces. */
  async arrived({ id, lead, account, description, occurred_at }) {
    this.#news += 1;
    this.#calm ||= setTimeout(() => this.#announce(), Math.max(1_000, CALM_MS - (performance.now() - this.#announced)));
    if (!(await this.#speaks())) return;
    const now = performance.now();
    if (now > this.#end) {
      this.#end = now + SPAN_MS;
      this.#left = FEW;
    }
    const fresh = this.panel.feed.client.clock.now() - Date.parse(occurred_at) < OLD_MS;
    if (fresh && this.#left-- > 0) this.#notify([lead.name, account?.name].filter(Boolean).join(" · "), description, id);
    else this.#summing ||= setTimeout(() => this.#sumUp(), Math.max(SUM_MS, this.#summed + SPAN_MS - now));
  }

  #announce() {
    const { panel } = this;
    this.#calm = 0;
    this.#announced = performance.now();
    // What is unread is the whole feed's: beside a record that would be other people's moments.
    panel.announce(panel.feed.record ? panel.words("new", { n: this.#news }) : panel.words("unread", { n: panel.feed.unread }));
    this.#news = 0;
  }

  /** Says what a narrower or wider list holds. */
  found() {
    const { words, feed: { status, items: { list: { length: n }, cursor } } } = this.panel;
    if (status === "ready") this.panel.announce(words(n ? (cursor ? "found.more" : "found") : "empty.filtered", { n }));
  }

  async #sumUp() {
    this.#summing = 0;
    this.#summed = performance.now();
    const { words, feed } = this.panel;
    if (await this.#speaks()) this.#notify(words("title"), words("unread", { n: feed.unread }), "");
  }

  /** Whether to speak here: of all tabs, only the one that keeps the stream does, and while none is seen. */
  async #speaks() {
    if (!document.hidden || !this.notifies || !this.panel.feed.stream?.leads) return false;
    const { held = [] } = (await navigator.locks?.query().catch(() => null)) ?? {}; // refused: then by itself
    return !held.some(({ name }) => name === this.sight);
  }

  /** A page that is seen holds a lock that says so to the other tabs. Who crashes lets go of it. */
  #look() {
    this.#seen.abort();
    this.#seen = new AbortController();
    const { signal } = this.#seen;
    const held = () => !signal.aborted && new Promise((release) => signal.addEventListener("abort", release));
    if (!document.hidden) navigator.locks?.request(this.sight, { mode: "shared", signal }, held).catch(() => {});
  }

  #notify(title, body, id) {
    try {
      const note = new Notification(title, { body, tag: `leadfeed ${id}` });
      note.onclick = () => {
        window.focus();
        this.panel.list.focus(id);
      };
    } catch {
      this.#able = false; // phones let only service workers notify, and say so no sooner
    }
  }

  /**
   * Keeps "(3) " before the host's title. A title that the host changes meanwhile is respected; of two panels on a page
   * the one that came first counts.
   */
  count(unread) {
    const wanted = this.host.hasAttribute("title-count");
    if (wanted && (document[COUNTING] ??= this) !== this) return;
    if (!wanted) return this.#giveBack();
    if (document.title !== this.#shown) this.#title = document.title;
    this.#shown = unread ? `(${unread}) ${this.#title}`.trim() : this.#title; // as the document has it
    document.title = this.#shown;
  }

  #giveBack() {
    if (document[COUNTING] !== this) return;
    document[COUNTING] = null;
    if (document.title === this.#shown) document.title = this.#title;
    this.#title = "";
  }

  /** Gives the title back, and speaks no more. */
  stop() {
    this.#gone.abort();
    this.#seen.abort();
    for (const timer of [this.#summing, this.#calm]) clearTimeout(timer);
    this.#giveBack();
  }
}

function stored() {
  try {
    return localStorage.getItem(WANTED);
  } catch {
    return chosen;
  }
}

function store(value) {
  chosen = value;
  try {
    localStorage.setItem(WANTED, value);
  } catch {
    // Then it holds until the page is left.
  }
}
