// What the panel says, in English and French. Another language is one file beside the module: see docs/embedding.md.
//
// {n} and the like are filled in; where a number bends the sentence there is one form per plural category.

export const LANGUAGES = {
  en: {
    "title": "Lead feed",
    "live": "Live",
    "live.connecting": "Connecting…",
    "live.reconnecting": "Reconnecting…",
    "live.offline": "Offline since {time}",
    "type.web": "Web", "type.email": "E-mail", "type.milestone": "Milestone",
    "because.owned": "you own", "because.watched": "you watch",
    "time.now": "now", "time.minutes": "{n} min", "time.hours": "{n} h",
    "day.today": "Today", "day.yesterday": "Yesterday",
    "new": { one: "{n} new", other: "{n} new" },
    "unread": { one: "{n} unread", other: "{n} unread" },
    "is.unread": "unread", "is.best": "best bet",
    "stars": { one: "{n} star of 3", other: "{n} stars of 3" },
    "flames": { one: "{n} flame of 3", other: "{n} flames of 3" },
    "feed": "Interesting moments, newest first",
  },
  fr: {
    "title": "Actualité des prospects",
    "live": "En direct",
    "live.connecting": "Connexion…",
    "live.reconnecting": "Reconnexion…",
    "live.offline": "Hors ligne depuis {time}",
    "type.web": "Web", "type.email": "E-mail", "type.milestone": "Étape",
    "because.owned": "le vôtre", "because.watched": "suivi",
    "time.now": "à l’instant", "time.minutes": "{n} min", "time.hours": "{n} h",
    "day.today": "Aujourd’hui", "day.yesterday": "Hier",
    "new": { one: "{n} nouveau", other: "{n} nouveaux" },
    "unread": { one: "{n} non lu", other: "{n} non lus" },
    "is.unread": "non lu", "is.best": "à privilégier",
    "stars": { one: "{n} étoile sur 3", other: "{n} étoiles sur 3" },
    "flames": { one: "{n} flamme sur 3", other: "{n} flammes sur 3" },
    "feed": "Moments intéressants, du plus récent au plus ancien",
  },
};

/** The words of the best language there is for a tag such as "fr-CA"; loads a file for others, else English. */
export async function wordsFor(tag) {
  const primary = tag.toLowerCase().split("-")[0];
  if (!LANGUAGES[primary] && /^[a-z]{2,3}$/.test(primary)) {
    try {
      LANGUAGES[primary] = (await import(new URL(`lead-feed.${primary}.js`, import.meta.url).href)).default;
    } catch {
      LANGUAGES[primary] = null;
    }
  }
  return speaker(LANGUAGES[primary] ? tag : "en", LANGUAGES[primary] ?? LANGUAGES.en);
}

/** A function from a key and its values to a sentence; `language` says which one. What is missing is said in English. */
export function speaker(language, dictionary) {
  const plural = new Intl.PluralRules(language);
  const number = new Intl.NumberFormat(language);
  const words = (key, values = {}) => {
    const entry = dictionary[key] ?? LANGUAGES.en[key];
    const text = typeof entry === "string" ? entry : (entry[plural.select(values.n)] ?? entry.other);
    return text.replace(/\{(\w+)\}/g, (_, name) => (name === "n" ? number.format(values.n) : values[name]));
  };
  words.language = language;
  words.has = (key) => key in dictionary || key in LANGUAGES.en;
  return words;
}
