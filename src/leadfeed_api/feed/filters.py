"""What a feed is narrowed to, and the SQL conditions that say so.

Fixed texts with numbered parameters: nothing a caller sends is ever part of a statement. The conditions speak of the
aliases that the feed's statements share: ``e`` feed_entry, ``m`` moment, ``l`` lead, ``a`` account, with the
organisation as $1 and the user as $2. Executes nothing.
"""

from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, Literal
from uuid import UUID

# Names of conditions with the number of parameters each takes, in order: what a statement's text depends on.
Conditions = tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Filters:
    """What a page is narrowed to; every field left at its default leaves out nothing but what the user muted."""

    types: tuple[str, ...] = ()
    scope: Literal["all", "owned", "watched"] = "all"
    lead_id: str | None = None
    account_id: str | None = None
    starred: bool | None = None
    since: datetime | None = None
    until: datetime | None = None
    words: str | None = None
    muted: Literal["hide", "show", "only"] = "hide"


PLAIN = Filters()  # what is asked for most


# Intentional: arrays, made once per statement. Mutes are few; an EXISTS would be asked again for every row.
# And a CASE around it, below: PostgreSQL guesses that an array it does not know yet mutes ten types, so where the inbox
# holds one or three it expects nothing to be left, and sorts all of it (18 ms of a 4,000 entries' inbox instead of
# 0.4). Of a CASE it knows nothing, takes a half, and walks the key.
_MUTED = """(
  e.lead_id = ANY(ARRAY(SELECT ml.lead_id FROM muted_lead ml
    WHERE ml.org_id = $1 AND ml.user_id = $2 AND (ml.until IS NULL OR ml.until > ${n}::timestamptz)))
  OR e.type = ANY(ARRAY(SELECT mt.type FROM muted_type mt
    WHERE mt.org_id = $1 AND mt.user_id = $2 AND (mt.until IS NULL OR mt.until > ${n}::timestamptz))))"""
_CONDITIONS = {
    "down_to": "(e.occurred_at, e.moment_id) >= (${n}::timestamptz, ${n1}::uuid)",
    "types": "e.type = ANY(${n}::text[])",
    "owned": "l.owner_id = $2",
    "watched": "EXISTS (SELECT FROM watch s WHERE s.org_id = $1 AND s.user_id = $2 AND s.lead_id = e.lead_id)",
    "lead_id": "e.lead_id = ${n}::text",
    "account_id": "l.account_id = ${n}::text",
    "starred": "l.starred",
    "unstarred": "NOT l.starred",
    "since": "e.occurred_at >= ${n}::timestamptz",
    "until": "e.occurred_at < ${n}::timestamptz",
    "words": "strpos(lower(concat_ws(E'\\n', m.description, l.name, l.title, a.name)), lower(${n}::text)) > 0",
    "unmuted": f"CASE WHEN {_MUTED} THEN false ELSE true END",
    "only_muted": _MUTED,
}
# What an entry answers by itself, without its moment and its lead.
OF_AN_ENTRY = frozenset({"down_to", "types", "watched", "lead_id", "since", "until", "unmuted", "only_muted"})
# What its moment answers just as well: the inbox's key, and the lead.
OF_EITHER = frozenset({"down_to", "lead_id", "since", "until"})


def narrow(
    filters: Filters,
    now: datetime,
    *,
    down_to: tuple[datetime, UUID] | None = None,
) -> tuple[Conditions, list[Any]]:
    """The conditions, and the values of their parameters.

    Args:
        filters: what the user wants to see.
        now: decides which mutes still hold.
        down_to: only this item (time, id) and what is newer.
    """
    conditions: list[tuple[str, int]] = []
    parameters: list[Any] = []
    if down_to is not None:
        conditions.append(("down_to", 2))
        parameters += down_to
    if filters.types:
        conditions.append(("types", 1))
        parameters.append(list(filters.types))
    if filters.scope != "all":
        conditions.append((filters.scope, 0))
    if filters.starred is not None:
        conditions.append(("starred" if filters.starred else "unstarred", 0))
    for name in ("lead_id", "account_id", "since", "until", "words"):
        value = getattr(filters, name)
        if value is not None:
            conditions.append((name, 1))
            parameters.append(value)
    if filters.muted != "show":
        conditions.append(("unmuted" if filters.muted == "hide" else "only_muted", 1))
        parameters.append(now)
    return tuple(conditions), parameters


@lru_cache(maxsize=512)
def clauses(conditions: Conditions, first: int, among: frozenset[str] = frozenset(_CONDITIONS)) -> str:
    """The conditions ``among`` these as SQL, each led by AND; the parameters of all are numbered from ``first``."""
    texts, number = [], first
    for name, parameters in conditions:
        if name in among:
            texts.append(" AND " + _CONDITIONS[name].replace("{n1}", str(number + 1)).replace("{n}", str(number)))
        number += parameters
    return "".join(texts)
