// <lead-feed>: what a host page sees of the panel. Attributes and properties in, events out; see docs/embedding.md.

import { Client, Credential } from "./client.js";
import { Clock, Times } from "./clock.js";
import { Feed } from "./feed.js";
import { Memory } from "./filters.js";
import { Panel } from "./panel.js";
import { sheet } from "./style.js";
import { LANGUAGES, wordsFor } from "./words.js";

const GRACE_MS = 500; // a host's own script sets the token soon after the element is there

export class LeadFeed extends HTMLElement {
  /** Dictionaries by language; a host may add its own. */
  static words = LANGUAGES;
  static observedAttributes = ["src", "token", "lang", "lead-id", "account-id", "lead-href", "fragment", "storage-key"];

  #panel = null;
  #feed = null;
  #credential = null;
  #memory = null;
  #who = null;
  #getToken = null;
  #turn = 0;
  #started = false;
  #waited = false;
  #leaving = 0;

  connectedCallback() {
    // What a host set before the module was there lies in front of what the module would do with it.
    for (const name of ["getToken", "token"]) {
      if (!Object.hasOwn(this, name)) continue;
      const value = this[name];
      delete this[name];
      this[name] = value;
    }
    // A host that moves the element takes it out and puts it in again: the panel stays as it is.
    clearTimeout(this.#leaving);
    if (!this.#started) this.#start();
  }

  disconnectedCallback() {
    this.#leaving = setTimeout(() => this.#stop());
  }

  attributeChangedCallback(name, before, now) {
    if (before === now || !this.#started) return;
    if (name === "token" && this.#panel && identity(now) === this.#who) {
      this.#credential.use(now);
      this.#resume();
    } else this.refresh();
  }

  /** A function that gives a token, or a promise of one; told the token that was refused, or null. Beats `token`. */
  get getToken() {
    return this.#getToken;
  }

  set getToken(ask) {
    this.#getToken = ask;
    if (this.#panel) this.#resume();
    else if (this.#started) this.refresh();
  }

  get token() {
    return this.getAttribute("token");
  }

  set token(token) {
    if (token) this.setAttribute("token", token);
    else this.removeAttribute("token");
  }

  /** How many moments are unread. */
  get unread() {
    return this.#feed?.unread ?? 0;
  }

  /** "connecting", "live", "reconnecting" or "offline". */
  get live() {
    return this.#feed?.live.state ?? "connecting";
  }

  /** Tells the host something, as `leadfeed:<what>`. False when the host prevented what would follow. */
  tell(what, detail) {
    return this.dispatchEvent(new CustomEvent(`leadfeed:${what}`, { detail, bubbles: true, composed: true, cancelable: true }));
  }

  /** Starts anew, as if the element had just been put into the page. */
  refresh() {
    this.#stop();
    if (this.isConnected) this.#start();
  }

  /** `given`: a token that is known already. */
  async #start(given = null) {
    const turn = ++this.#turn;
    this.#started = true;
    const root = this.shadowRoot ?? this.attachShadow({ mode: "open" });
    root.adoptedStyleSheets = [sheet()];
    const language = languageAt(this);
    const words = await wordsFor(language);
    if (turn !== this.#turn) return;
    this.#credential = new Credential((refused) => this.#ask(refused, turn));
    this.#credential.use(given);
    const token = await this.#credential.token().catch(() => null);
    if (!token && !this.#waited) await new Promise((resume) => setTimeout(resume, GRACE_MS));
    if (turn !== this.#turn) return;
    this.#waited = true;
    const clock = new Clock();
    const base = (this.getAttribute("src") || new URL("..", import.meta.url).href).replace(/\/+$/, "");
    const client = new Client(base, this.#credential, clock);
    const times = new Times(localeFor(words.language), words, clock);
    // Beside a record all of it is shown, muted or not, and no filter of the reader's changes that.
    const [lead, account] = ["lead-id", "account-id"].map((name) => this.getAttribute(name));
    const record = lead ? { lead, muted: "show" } : account && { account, muted: "show" };
    this.#memory = new Memory(this.getAttribute("fragment"), this.getAttribute("storage-key"), record);
    this.#who = identity(token);
    this.#panel = new Panel(this, root, { words, times, memory: this.#memory, language });
    this.#feed = new Feed(client, `${base} ${this.#who}`, record, this.#memory.read(), this.#panel);
    this.#panel.start(this.#feed);
    await this.#feed.load();
  }

  #stop() {
    this.#turn += 1;
    this.#started = false;
    this.#panel?.stop();
    this.#panel = null;
    this.#feed = null;
  }

  /** Goes on, once those who wait for a token have heard that there was none. */
  #resume() {
    setTimeout(() => this.#feed?.resume());
  }

  /** Asks the host. A token of somebody else starts the panel anew: what is on the screen is not for them. */
  async #ask(refused, turn) {
    // A host without a function may still set the attribute when it hears this, at once or later.
    if (refused && !this.#getToken) this.tell("token", { refused });
    const token = this.#getToken ? await this.#getToken(refused) : this.getAttribute("token");
    if (turn !== this.#turn) return null;
    const who = identity(token);
    if (!this.#panel || !who || who === this.#who) return token;
    this.#stop();
    this.#start(token);
    return null;
  }
}

/** The language said at an element or nearest around it, shadow roots included, else the browser's. */
function languageAt(element) {
  for (let at = element; at; at = at.getRootNode().host) {
    const language = at.closest("[lang]")?.getAttribute("lang");
    if (language) return language;
  }
  return navigator.language;
}

/** The language as the reader's own country writes it, where the browser says so: "en" alone would mean American dates. */
function localeFor(language) {
  return navigator.languages.find((one) => one.startsWith(`${language}-`)) ?? language;
}

/** Whose feed it is, by the claims of a token; null when it has none. */
function identity(token) {
  try {
    const { org, sub } = JSON.parse(atob(token.split(".")[1].replace(/-/g, "+").replace(/_/g, "/")));
    return JSON.stringify([org, sub]);
  } catch {
    return null;
  }
}

if (!customElements.get("lead-feed")) customElements.define("lead-feed", LeadFeed);
