"""The list of best bets: somebody's leads by priority, page by page. Changes nothing.

Flames first, stars second, score third, and the id so that no two leads stand at one place. The index
``lead_by_priority`` holds that order for an owner; a watch list is short enough to be sorted.
"""

import math
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from typing import Any, Literal

import asyncpg

from leadfeed_api.best_bets.cursor import Place
from leadfeed_api.best_bets.schemas import BestBet, LastMoment
from leadfeed_api.best_bets.tiers import change
from leadfeed_api.db.session import Connection
from leadfeed_api.feed.cards import account_card, lead_card

_SCORE = "coalesce(l.score, '-Infinity'::double precision)"
_PLACE = f"(l.flames, l.stars, {_SCORE}, l.lead_id)"
_BY_PRIORITY = "ORDER BY flames DESC, stars DESC, ranked DESC, lead_id DESC"
_LEAD = f"""
l.lead_id, l.name AS lead_name, l.title, l.account_id, l.score, l.stars, l.flames, l.starred, {_SCORE} AS ranked
""".strip()
_OWNED = "FROM lead l {join} WHERE l.org_id = $1 AND l.owner_id = $2"
_WATCHED = """
FROM watch w JOIN lead l ON l.org_id = $1 AND l.lead_id = w.lead_id {join}
WHERE w.org_id = $1 AND w.user_id = $2 AND l.owner_id IS DISTINCT FROM $2
"""
_HIDDEN = "h.org_id = $1 AND h.user_id = $2 AND h.lead_id = l.lead_id AND h.hidden_until > $3"
_PAGE = """
SELECT p.*, a.name AS account_name, o.opening,
  m.moment_id, m.type, m.description, m.occurred_at
FROM (SELECT b.* FROM ({leads}) b {by_priority} LIMIT {limit:d}) p
LEFT JOIN account a ON a.org_id = $1 AND a.account_id = p.account_id
LEFT JOIN LATERAL (
  SELECT s.opening FROM score_day s
  WHERE s.org_id = $1 AND s.lead_id = p.lead_id AND s.day >= $4 ORDER BY s.day LIMIT 1
) o ON true
LEFT JOIN LATERAL (
  SELECT n.moment_id, n.type, n.description, n.occurred_at FROM moment n
  WHERE n.org_id = $1 AND n.lead_id = p.lead_id ORDER BY n.occurred_at DESC, n.moment_id DESC LIMIT 1
) m ON true
{by_priority}
"""


@dataclass(frozen=True, slots=True)
class Choice:
    """Whose leads: mine, or also those I watch; only starred ones; those I hid, or the others."""

    scope: Literal["owned", "feed"] = "owned"
    starred: bool = False
    hidden: bool = False


async def by_priority(
    connection: Connection,
    org_id: int,
    user_id: str,
    choice: Choice,
    *,
    now: datetime,
    opens: date,
    after: Place | None,
    limit: int,
) -> tuple[list[BestBet], Place | None]:
    """Up to ``limit`` leads from the one after ``after``, and where the next page begins (None: nowhere).

    ``now`` decides what is hidden; ``opens`` is the first day of the window that changes are measured over.
    """
    statement = page_statement(choice, limit + 1, after is not None)
    rows = await connection.fetch(statement, org_id, user_id, now, opens, *(after or ()))
    last = _place(rows[limit - 1]) if len(rows) > limit else None
    return [_best_bet(row) for row in rows[:limit]], last


@lru_cache(maxsize=256)
def page_statement(choice: Choice, limit: int, further: bool) -> str:
    """The statement of a page; fixed texts, and a literal limit, which keeps its plan generic."""
    if choice.hidden:
        join, hidden = f"JOIN hidden_lead h ON {_HIDDEN}", "h.hidden_until"
        clauses = ""
    else:
        join, hidden = "", "NULL::timestamptz"
        clauses = f" AND NOT EXISTS (SELECT FROM hidden_lead h WHERE {_HIDDEN})"
    clauses += " AND l.starred" if choice.starred else ""
    clauses += f" AND {_PLACE} < ($5::smallint, $6::smallint, $7::float8, $8::text)" if further else ""
    sources = {"true": _OWNED} if choice.scope == "owned" else {"true": _OWNED, "false": _WATCHED}
    branches = [
        f"(SELECT {_LEAD}, {owned} AS owned, {hidden} AS hidden_until {source.format(join=join)}{clauses}"
        f" {_BY_PRIORITY} LIMIT {limit:d})"
        for owned, source in sources.items()
    ]
    return _PAGE.format(leads=" UNION ALL ".join(branches), by_priority=_BY_PRIORITY, limit=limit)


def _place(row: asyncpg.Record) -> Place:
    return Place(row["flames"], row["stars"], -math.inf if row["score"] is None else row["score"], row["lead_id"])


def _best_bet(row: asyncpg.Record) -> BestBet:
    """Intentional: constructed, not validated; the columns' types are the schema's."""
    return BestBet.model_construct(
        lead=lead_card(row),
        account=account_card(row),
        score=row["score"],
        change=change(row["score"], row["opening"]),
        owned=row["owned"],
        hidden_until=row["hidden_until"],
        last_moment=_moment(row),
    )


def _moment(row: Any) -> LastMoment | None:
    if row["moment_id"] is None:
        return None
    return LastMoment.model_construct(
        id=row["moment_id"], type=row["type"], description=row["description"], occurred_at=row["occurred_at"]
    )
