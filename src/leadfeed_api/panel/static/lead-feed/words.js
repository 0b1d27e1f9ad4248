// What the panel says, in English. Every other language is one file beside the module: see docs/embedding.md.
//
// {n} and the like are filled in; where a number bends the sentence there is one form per plural category.

export const LANGUAGES = {
  en: {
    "title": "Lead feed",
    "feed": "Interesting moments, newest first",
    "loading": "Loading…", "retry": "Try again",
    "menu": "Menu",
    "live": "Live", "live.connecting": "Connecting…", "live.reconnecting": "Reconnecting…", "live.offline": "Offline since {time}",
    "type.web": "Web", "type.email": "E-mail", "type.milestone": "Milestone",
    "because.owned": "you own", "because.watched": "you watch", "because.both": "you own and watch",
    "time.now": "now", "time.minutes": "{n} min", "time.hours": "{n} h",
    "day.today": "Today", "day.yesterday": "Yesterday",
    "new": "{n} new",
    "unread": "{n} unread", "unread.many": "999+ unread",
    "is.unread": "unread", "is.best": "Best bet", "is.best.why": "High priority among your leads", "is.subscribed": "subscribed",
    "is.bot": "Possibly automated",
    "stars": "Relative score: {n} of 3 stars", "flames": "Urgency: {n} of 3 flames",
    "unfold": "+{n} more", "fold": "Show less",
    "do.subscribe": "Subscribe", "undo.subscribe": "Subscribed: add another",
    "do.watch": "Watch", "undo.watch": "Stop watching",
    "do.read": "Mark as read", "undo.read": "Mark as unread",
    "do.menu": "More",
    "filters": "Filters", "filter.open": "Search and filter", "filter.all": "All", "filter.starred": "Best bets", "filter.remove": "Remove this filter",
    "filter.search": "Search people, companies, words",
    "filter.scope": "Whose leads", "filter.scope.all": "All my leads", "filter.scope.owned": "Leads I own", "filter.scope.watched": "Leads I watch",
    "filter.period": "Period", "filter.period.all": "Any time", "filter.period.days": "Last {n} days",
    "muted.hidden": "{n} muted, hidden", "muted.shown": "Muted moments are shown", "muted.show": "Show", "muted.hide": "Hide",
    "empty.title": "Nothing yet", "empty.text": "When a lead you own or watch does something worth knowing, it appears here automatically.",
    "empty.filtered": "Nothing matches these filters", "empty.clear": "Clear filters",
    "end": "That is everything since {time}",
    "failed.unreachable": "The lead feed cannot be reached", "failed.unreachable.text": "Retrying automatically.",
    "failed.other": "The lead feed cannot be shown",
    "rss.open": "RSS feed",
    "help.title": "Keyboard shortcuts", "hint.move": "move", "hint.read": "read", "hint.subscribe": "subscribe", "hint.help": "more",
  },
};

/** Adds English entries. */
export function addWords(entries) {
  Object.assign(LANGUAGES.en, entries);
}

/** The words of the best language there is for a tag such as "fr-CA"; loads a file for others, else English. */
export async function wordsFor(tag) {
  const primary = /^[a-z]{2,3}(?![a-z])|/.exec(tag.toLowerCase())[0];
  if (primary && LANGUAGES[primary] === undefined) {
    try {
      // Another address each time: a browser never asks twice for that of a module that it did not get.
      LANGUAGES[primary] = (await import(new URL(`lead-feed.${primary}.js#${performance.now()}`, import.meta.url).href)).default;
    } catch {}
  }
  return LANGUAGES[primary] ? speaker(written(tag) ?? primary, LANGUAGES[primary]) : speaker("en", LANGUAGES.en);
}

/** A tag as browsers take it: pages write "fr_FR" as well. Null for what is none. */
function written(tag) {
  try {
    return Intl.getCanonicalLocales(tag.replaceAll("_", "-"))[0];
  } catch {
    return null;
  }
}

/** A function from a key and its values to a sentence; `language` says which one. What is missing is said in English. */
export function speaker(language, dictionary) {
  const plural = new Intl.PluralRules(language);
  const number = new Intl.NumberFormat(language);
  const words = (key, values = {}) => {
    const entry = dictionary[key] ?? LANGUAGES.en[key] ?? key;
    const text = typeof entry === "string" ? entry : (entry[plural.select(values.n)] ?? entry.other);
    return text.replace(/\{([a-z]+)\}/g, (_, name) => (name === "n" ? number.format(values.n) : (values[name] ?? "")));
  };
  words.language = language;
  words.has = (key) => key in dictionary || key in LANGUAGES.en;
  return words;
}
