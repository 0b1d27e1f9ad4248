// Who and what is muted. The service leaves them out of a page; what arrives live is held to the same list here.

export class Mutes {
  #timer = 0;
  #leads = new Map(); // id -> when it ends (Infinity: when the rep says so)
  #types = new Map();

  /** `changed` is called when the list may look different: a mute has ended. */
  constructor(client, changed) {
    this.known = false;
    this.client = client;
    this.changed = changed;
  }

  /** Whether an item is muted now. */
  holds({ lead, type }) {
    const now = this.client.clock.now();
    return this.#leads.get(lead.id) > now || this.#types.get(type) > now;
  }

  async read() {
    const { leads, types } = await this.client.get("/v1/mutes");
    const end = ({ until }) => (until ? Date.parse(until) : Infinity);
    this.#leads = new Map(leads.map((mute) => [mute.lead.id, end(mute)]));
    this.#types = new Map(types.map((mute) => [mute.type, end(mute)]));
    this.known = true;
    clearTimeout(this.#timer);
    const next = Math.min(...this.#leads.values(), ...this.#types.values()) - this.client.clock.now() + 500;
    if (next < 2 ** 31) this.#timer = setTimeout(this.changed, Math.max(next, 1_000));
  }

  stop() {
    clearTimeout(this.#timer);
  }
}
