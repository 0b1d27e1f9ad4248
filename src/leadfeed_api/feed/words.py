"""Which words a text holds. Pure: the one reading of "contains these words" that page and mail share.

A word is a run of letters and digits; everything else separates. Case and compatibility forms make no difference
(``É`` is ``é``, ``ﬁ`` is ``fi``); accents do. Done here and not in SQL, because what PostgreSQL calls a letter, and its
lower case, depends on the locale of the database.
"""

import re
import unicodedata
from functools import lru_cache

_WORD = re.compile(r"[^\W_]+")


def words_of(text: str) -> frozenset[str]:
    """The words of a text, each once: ``"Pricing (again): pricing"`` holds ``pricing`` and ``again``."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return frozenset(_WORD.findall(unicodedata.normalize("NFKC", folded)))


_wanted = lru_cache(maxsize=4_096)(words_of)  # what is looked for changes seldom; what it is looked for in, always


def holds_words(text: str, wanted: str) -> bool:
    """Whether every word of ``wanted`` is a word of ``text``, in any order; no words are in no text."""
    looked_for = _wanted(wanted)
    return bool(looked_for) and looked_for <= words_of(text)


def is_subscribed(listening: str | None, description: str) -> bool:
    """Whether one of the user's subscriptions is about an item: lines of words, an empty line is one that is."""
    if not listening:
        return listening is not None
    return any(not words or holds_words(description, words) for words in listening.split("\n"))
