// What the list is narrowed to: as the bar shows it, as the service is asked, and as it is remembered.

const DAY_MS = 86_400_000;
export const TYPES = ["web", "email", "milestone"];
const TEXTS = ["scope", "period", "q", "lead", "leadName", "account", "accountName", "muted"];

/** Nothing left out. */
export const EVERYTHING = { type: [] };

/** The query of `GET /v1/feed` for these filters. */
export function queryOf(filters, now) {
  return {
    type: filters.type,
    scope: filters.scope,
    starred: filters.starred ? "true" : null,
    lead_id: filters.lead,
    account_id: filters.account,
    since: sinceOf(filters.period, now),
    q: filters.q,
    muted: filters.muted,
  };
}

/** Whether anything is left out. */
export function narrows(filters) {
  return Boolean(writeFilters(filters));
}

/** The filters as text for an address or a store; "" when nothing is left out. */
export function writeFilters(filters) {
  const pairs = (filters.type ?? []).map((type) => ["type", type]);
  for (const name of TEXTS) if (filters[name]) pairs.push([name, filters[name]]);
  if (filters.starred) pairs.push(["starred", "1"]);
  return new URLSearchParams(pairs).toString();
}

/** The filters a text describes; what makes no sense is dropped. */
export function readFilters(text) {
  const pairs = new URLSearchParams(text ?? "");
  const filters = { type: pairs.getAll("type").filter((type) => TYPES.includes(type)) };
  for (const name of TEXTS) if (pairs.get(name)) filters[name] = pairs.get(name);
  if (!["owned", "watched"].includes(filters.scope)) delete filters.scope;
  if (!["today", "7", "30"].includes(filters.period)) delete filters.period;
  if (!["show", "only"].includes(filters.muted)) delete filters.muted;
  if (pairs.get("starred")) filters.starred = true;
  return filters;
}

/**
 * What a query lets through, judged here as the service would; null when only the service can tell (text search).
 */
export function matches(item, query) {
  if (query.q) return null;
  const allows = (wanted, value) => !wanted || wanted === value;
  return (
    (!query.type?.length || query.type.includes(item.type)) &&
    (!query.scope || item.because.includes(query.scope)) &&
    (!query.starred || item.lead.starred) &&
    allows(query.lead_id, item.lead.id) &&
    allows(query.account_id, item.account?.id) &&
    (!query.since || Date.parse(item.occurred_at) >= Date.parse(query.since))
  );
}

/** Where filters are kept between visits: in the address's fragment, in the browser, or nowhere. */
export class Memory {
  constructor(fragment, storageKey) {
    this.fragment = fragment;
    this.key = storageKey && `leadfeed ${storageKey}`;
  }

  read() {
    try {
      if (this.fragment) return readFilters(new URLSearchParams(this.#pieces(true)[0]).get(this.fragment));
      if (this.key) return readFilters(localStorage.getItem(this.key));
    } catch {
      // A browser may forbid storage in another site's frame: nothing is remembered then.
    }
    return EVERYTHING;
  }

  write(filters) {
    const text = writeFilters(filters);
    try {
      if (this.fragment) {
        const address = new URL(location.href);
        address.hash = [...this.#pieces(false), ...(text ? [new URLSearchParams([[this.fragment, text]])] : [])].join("&");
        history.replaceState(history.state, "", address);
      } else if (this.key) localStorage.setItem(this.key, text);
    } catch {
      // As above.
    }
  }

  /** Other filters that the address has come to hold, else null. A page that wrote its own without them gets them back. */
  changed(filters) {
    const found = this.read();
    if (writeFilters(found) === writeFilters(filters)) return null;
    if (this.#pieces(true).length) return found;
    this.write(filters);
    return null;
  }

  /** What the fragment holds: the panel's own piece, or those of the page, which stay to the letter. */
  #pieces(own) {
    return location.hash.slice(1).split("&").filter((piece) => piece && new URLSearchParams(piece).has(this.fragment) === own);
  }
}

function sinceOf(period, now) {
  if (!period) return null;
  const since = period === "today" ? new Date(now).setHours(0, 0, 0, 0) : now - Number(period) * DAY_MS;
  return new Date(since).toISOString();
}
