// Talking to the service: credentials, problem documents, time-outs. Knows addresses, not what they mean.

const PATIENCE_MS = 20_000;

/** The service answered, and the answer is no. `code` is the problem's stable code. */
export class Refusal extends Error {
  constructor(status, code, detail, retryAfter = null) {
    super(detail);
    this.status = status;
    this.code = code;
    this.retryAfter = retryAfter;
  }
}

/** Nothing came back: the network, the service, or the browser's rules for other origins. */
export class Unreachable extends Error {}

/** The token to show, and how to get another: an attribute, or the host's function. */
export class Credential {
  #token = null;
  #fetching = null;

  /** `ask` returns a token or a promise of one; it is told the token that was refused, or null at first. */
  constructor(ask) {
    this.ask = ask;
  }

  /** The token in use. */
  async token() {
    return this.#token ?? this.renew(null);
  }

  /** Takes a token that came without being asked for. */
  use(token) {
    this.#token = token;
  }

  /** Another token than `refused`, or null when there is none. Concurrent callers share one question. */
  async renew(refused) {
    const before = this.#token;
    if (before && before !== refused) return before;
    this.#fetching ??= Promise.resolve(this.ask(refused)).finally(() => (this.#fetching = null));
    const token = (await this.#fetching) || null;
    if (this.#token === before) this.#token = token; // else the host gave one meanwhile, which is newer
    return this.#token === refused ? null : this.#token;
  }
}

export class Client {
  /** `base` is the service's root without a trailing slash. */
  constructor(base, credential, clock) {
    this.base = base;
    this.credential = credential;
    this.clock = clock;
  }

  get(path, query, signal) {
    return this.#send("GET", path, { query, signal });
  }

  send(method, path, body, query) {
    return this.#send(method, path, { body, query });
  }

  /** Whether the service has an address; null while it does not say. */
  has(path) {
    return this.get(path).then(() => true, (error) => (error.status === 404 ? false : null));
  }

  /** An address of the service with a query; a list becomes a repeated parameter, null and "" are left out. */
  url(path, query = {}) {
    const pairs = Object.entries(query).flatMap(([name, value]) => [value].flat().map((one) => [name, one]));
    const kept = pairs.filter(([, value]) => (value ?? "") !== "");
    return `${this.base}${path}${kept.length ? `?${new URLSearchParams(kept)}` : ""}`;
  }

  async #send(method, path, { query, body, signal }) {
    const url = this.url(path, query);
    const token = await this.credential.token();
    if (!token) throw new Refusal(401, "not-authenticated", "");
    const answer = await this.#attempt(method, url, token, body, signal);
    const read = this.#read(answer);
    if (answer.status !== 401) return read;
    await read.catch(() => {}); // first: a host that answers soon answers after everybody has heard that this failed
    const fresh = await this.credential.renew(token);
    return fresh ? this.#read(await this.#attempt(method, url, fresh, body, signal)) : read;
  }

  async #attempt(method, url, token, body, signal) {
    const patience = AbortSignal.timeout(PATIENCE_MS);
    const headers = { Authorization: `Bearer ${token}` };
    if (body !== undefined) headers["Content-Type"] = "application/json";
    try {
      const answer = await fetch(url, {
        method,
        headers,
        body: JSON.stringify(body), // of nothing it is nothing
        signal: signal ? AbortSignal.any([signal, patience]) : patience,
        keepalive: body?.ids?.length === 1, // the mark of whose link is being followed; of more, a browser takes few
        cache: "no-store",
        credentials: "omit",
        referrerPolicy: "no-referrer",
      });
      this.clock.learn(answer.headers.get("date"));
      return answer;
    } catch (error) {
      if (signal?.aborted) throw error;
      throw new Unreachable(String(error));
    }
  }

  async #read(answer) {
    const text = await answer.text().catch(() => "");
    const document = parsed(text);
    if (answer.ok && (document || answer.status === 204)) return document;
    if (answer.ok) throw new Error(text); // cut off, or not the service's
    const code = (document?.type ?? "").split("/").pop() || `status-${answer.status}`;
    const wait = Number(answer.headers.get("retry-after")) || null;
    const faults = document?.errors?.map(({ detail }) => detail).join("; ");
    throw new Refusal(answer.status, code, faults || (document?.detail ?? code), wait); // a reason phrase is in English, and HTTP/2 has none
  }
}

function parsed(text) {
  try {
    return text ? JSON.parse(text) : null;
  } catch {
    return null;
  }
}

/**
 * Why there is no answer to use: "unreachable", or "origin" when the service is there but does not answer this page. A
 * browser hides the reason from scripts; a request that asks for nothing still tells whether anybody is there.
 */
export async function diagnose(client, error) {
  if (!(error instanceof Unreachable)) return "unreachable"; // the host gave no token, or what came back was no answer of the service
  try {
    await fetch(client.url("/healthz"), { mode: "no-cors", cache: "no-store", credentials: "omit" });
  } catch {
    return "unreachable";
  }
  return new URL(client.base, location.href).origin === location.origin ? "unreachable" : "origin";
}
