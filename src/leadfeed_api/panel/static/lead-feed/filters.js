// What the list is narrowed to: as the bar shows it, as the service is asked, and as it is remembered.

const DAY_MS = 86_400_000;
export const TYPES = ["web", "email", "milestone"];
// What else can be chosen: beside a person, beside a company, and in the whole feed.
const OF_LEAD = ["period", "q"];
const OF_ACCOUNT = [...OF_LEAD, "scope", "starred", "lead", "leadName"];
const TEXTS = [...OF_ACCOUNT, "account", "accountName", "muted"];

/** The query of `GET /v1/feed` for these filters. */
export function queryOf({ type, scope, period, q, starred, lead, account, muted }, now) {
  return { type, scope, starred: starred && "true", lead_id: lead, account_id: account, since: sinceOf(period, now), q, muted };
}

/** The filters as text for an address or a store; "" when nothing is left out. */
export function writeFilters(filters) {
  const pairs = filters.type.map((type) => ["type", type]);
  for (const name of TEXTS) if (filters[name]) pairs.push([name, filters[name]]);
  return new URLSearchParams(pairs).toString();
}

/** The filters a text describes; what makes no sense, beside this record, is dropped. */
function readFilters(text, record) {
  const pairs = new URLSearchParams(text || "");
  const filters = { type: pairs.getAll("type").filter((type) => TYPES.includes(type)) };
  for (const name of record ? (record.lead ? OF_LEAD : OF_ACCOUNT) : TEXTS) if (pairs.get(name)) filters[name] = pairs.get(name);
  if (!["owned", "watched"].includes(filters.scope)) delete filters.scope;
  if (!["today", "7", "30"].includes(filters.period)) delete filters.period;
  if (!["show", "only"].includes(filters.muted)) delete filters.muted;
  return filters;
}

/**
 * What a query lets through, judged here as the service would; null when only the service can tell (text search).
 */
export function matches(item, query) {
  if (query.q) return null;
  const allows = (wanted, value) => !wanted || wanted === value;
  return (
    (!query.type.length || query.type.includes(item.type)) &&
    (!query.scope || item.because.includes(query.scope)) &&
    (!query.starred || item.lead.starred) &&
    allows(query.lead_id, item.lead.id) &&
    allows(query.account_id, item.account?.id) &&
    (!query.since || Date.parse(item.occurred_at) >= Date.parse(query.since))
  );
}

/** Where filters are kept between visits: in the address's fragment, in the browser, or nowhere. */
export class Memory {
  constructor(fragment, storageKey, record) {
    this.record = record;
    this.fragment = fragment;
    this.key = storageKey && `leadfeed ${storageKey}`;
  }

  read() {
    let text;
    try {
      if (this.fragment) text = new URLSearchParams(this.#pieces(true)[0]).get(this.fragment);
      else if (this.key) text = localStorage.getItem(this.key);
    } catch {
      // A browser may forbid storage in another site's frame: nothing is remembered then.
    }
    return readFilters(text, this.record);
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
