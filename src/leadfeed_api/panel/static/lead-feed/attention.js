// Attention when the page is not looked at: the count in the title, and desktop notifications. Both only if wanted.

const WANTED = "leadfeed notifications";

export class Attention {
  #title = null;
  #shown = "";
  #able = "Notification" in globalThis;

  /** `host` is the custom element: it says whether the title may be touched. */
  constructor(host, panel) {
    this.host = host;
    this.panel = panel;
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

  /** One unread moment arrived. Of all tabs, only the one that keeps the stream speaks. */
  arrived({ id, lead, account, description }) {
    if (!document.hidden || !this.notifies || !this.panel.feed.stream?.leads) return;
    const who = [lead.name, account?.name].filter(Boolean).join(" · ");
    try {
      const note = new Notification(who, { body: description, tag: `leadfeed ${id}` });
      note.onclick = () => {
        window.focus();
        this.panel.list.focus(id);
      };
    } catch {
      this.#able = false; // phones let only service workers notify, and say so no sooner
    }
  }

  /** Keeps "(3) " before the host's title. A title that the host changes meanwhile is respected. */
  count(unread) {
    if (!this.host.hasAttribute("title-count")) return;
    if (document.title !== this.#shown) this.#title = document.title;
    this.#shown = unread ? `(${unread}) ${this.#title}` : this.#title;
    document.title = this.#shown;
  }

  /** Gives the title back. */
  stop() {
    if (this.#title !== null && document.title === this.#shown) document.title = this.#title;
  }
}

function stored() {
  try {
    return localStorage.getItem(WANTED);
  } catch {
    return null;
  }
}

function store(value) {
  try {
    localStorage.setItem(WANTED, value);
  } catch {
    // Forbidden in another site's frame: it holds until the page is left.
  }
}
