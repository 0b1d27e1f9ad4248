"""Placing leads by given rules, set by set: the same as ``tiers.place``, in SQL.

Owns the columns ``stars``, ``flames`` and ``starred`` of ``lead``. Decides no cut-off and tells nobody; a caller that
places does so under the organisation's lock, so that no score changes in between.
"""

from collections.abc import Sequence
from datetime import date
from typing import Any, NamedTuple

from leadfeed_api.best_bets.cutoffs import CHANGE, window_opens
from leadfeed_api.best_bets.tiers import Rules
from leadfeed_api.db.session import Connection
from leadfeed_api.db.statistics import ANALYSE_S

# $2 is the window's first day; $3, $4 say whether stars and flames rank the change; $5, $6 are their cut-offs and $7
# the priority from which on a lead is starred. ``differs``: what is stored is something else.
_PLACED = f"""
  SELECT q.*, (q.stars, q.flames, q.starred) IS DISTINCT FROM (q.stars_now, q.flames_now, q.starred_now) AS differs
  FROM (
    SELECT t.*, coalesce(t.starred_given, t.flames * 4 + t.stars >= $7::int) AS starred
    FROM (
      SELECT l.lead_id, l.stars AS stars_now, l.flames AS flames_now, l.starred AS starred_now, l.starred_given,
        CASE WHEN g.given THEN coalesce(l.stars_given, 0)
          ELSE coalesce(width_bucket(CASE WHEN $3::boolean THEN g.rise ELSE l.score END, $5::float8[]), 0) END AS stars,
        CASE WHEN g.given THEN coalesce(l.flames_given, 0)
          ELSE coalesce(width_bucket(CASE WHEN $4::boolean THEN g.rise ELSE l.score END, $6::float8[]), 0) END AS flames
      FROM {{leads}}
      CROSS JOIN LATERAL (
        SELECT num_nonnulls(l.stars_given, l.flames_given, l.starred_given) > 0 AS given,
          CASE WHEN {CHANGE} > 0 THEN {CHANGE} END AS rise
      ) g
      WHERE l.org_id = $1 AND {{which}}
    ) t
  ) q
"""


# Many leads: their history is read once. ``which`` stands at both tables for that.
_MANY = """lead l
      LEFT JOIN (
        SELECT DISTINCT ON (s.lead_id) s.lead_id, s.opening FROM score_day s
        WHERE s.org_id = $1 AND s.day >= $2::date AND {moved} ORDER BY s.lead_id, s.day
      ) o ON o.lead_id = l.lead_id"""
# A few: the history of each is looked up by its key. Read at once for all of them it was read once for each, where
# PostgreSQL had no statistics yet, and 100 leads of a new organisation held the lock for more than 40 ms.
_FEW = """lead l
      LEFT JOIN LATERAL (
        SELECT s.opening FROM score_day s
        WHERE s.org_id = $1 AND s.lead_id = l.lead_id AND s.day >= $2::date ORDER BY s.day LIMIT 1
      ) o ON true"""


def _many(which: str) -> str:
    """The placing of the leads that a condition on ``{0}.lead_id`` chooses."""
    return _PLACED.format(leads=_MANY.format(moved=which.format("s")), which=which.format("l"))


PLACE = f"""
UPDATE lead u SET stars = p.stars, flames = p.flames, starred = p.starred
FROM ({_PLACED.format(leads=_FEW, which="l.lead_id = ANY($8::text[])")}) p
WHERE u.org_id = $1 AND u.lead_id = p.lead_id AND p.differs
RETURNING u.lead_id
"""
MISPLACED = f"""
SELECT p.lead_id FROM ({_many("{0}.lead_id > $8 AND {0}.lead_id <= $9")}) p
WHERE p.differs ORDER BY p.lead_id
"""
TALLY = f"""
SELECT p.stars, p.flames, p.starred, count(*) AS leads FROM ({_many("true")}) p GROUP BY 1, 2, 3
"""
# Intentional: a plan kept from when the history was empty reads all of it for each lead, until statistics catch up.
FRESH_PLANS = "SET LOCAL plan_cache_mode = force_custom_plan"
# Nor is the history of many leads to be read once for each because PostgreSQL takes a new table for an empty one.
AS_SETS = f"{FRESH_PLANS}; SET LOCAL enable_nestloop = off"
# Without statistics any index that begins with the organisation looks as good as the key. No lock that others notice.
ANALYSE = "ANALYZE lead"


class Share(NamedTuple):
    """How many leads stand at one place."""

    stars: int
    flames: int
    starred: bool
    leads: int


async def place_leads(
    connection: Connection, org_id: int, rules: Rules, today: date, lead_ids: Sequence[str]
) -> list[str]:
    """Gives these leads their tiers; returns those whose tiers or star changed."""
    await connection.execute(FRESH_PLANS)
    rows = await connection.fetch(PLACE, org_id, *_parameters(rules, today), list(lead_ids))
    return sorted(row["lead_id"] for row in rows)


async def analyse(connection: Connection) -> None:
    """Has PostgreSQL look at the leads now rather than when it comes to it; outside any transaction."""
    await connection.execute(ANALYSE, timeout=ANALYSE_S)


async def misplaced(
    connection: Connection, org_id: int, rules: Rules, today: date, *, after: str, up_to: str
) -> list[str]:
    """The leads above ``after`` and up to ``up_to`` whose stored tiers are not what the rules say, by id; no lock.

    Inside a transaction of its own, for which it sets how statements are planned.
    """
    await connection.execute(AS_SETS)
    rows = await connection.fetch(MISPLACED, org_id, *_parameters(rules, today), after, up_to)
    return [row["lead_id"] for row in rows]


async def tally(connection: Connection, org_id: int, rules: Rules, today: date) -> list[Share]:
    """How many leads would stand where under the rules, whatever is stored."""
    return [Share(*row) for row in await connection.fetch(TALLY, org_id, *_parameters(rules, today))]


def _parameters(rules: Rules, today: date) -> tuple[Any, ...]:
    return (
        window_opens(today, rules.window_days),
        rules.stars_by == "change",
        rules.flames_by == "change",
        list(rules.stars),
        list(rules.flames),
        rules.starred_from,
    )
