"""Where the tiers begin: found in one pass over the scores, and kept until the next re-tiering.

The same definition as ``tiers.dynamic_cutoffs``, in SQL. Owns the column ``tiering.rules``; places no lead.
"""

import math
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

from leadfeed_api.best_bets.tiers import MILLION, NOBODY, Cutoffs, Rules, hundredths, priority
from leadfeed_api.db.session import Connection
from leadfeed_api.organizations.tier_settings import Cut, Source, Tiers

# ``tiers.change`` of a lead ``l`` whose window opened with ``o``.
CHANGE = f"(round((l.score - o.opening) * {MILLION}) / {MILLION})"
# A value is within a share when the leads at or above it, but one, are fewer than that share of all: rounded up.
_CUTOFFS_OF = """
SELECT min(r.value) FILTER (WHERE (r.reached - 1) * 10000 < r.total * $2::bigint) AS one,
  min(r.value) FILTER (WHERE (r.reached - 1) * 10000 < r.total * $3::bigint) AS two,
  min(r.value) FILTER (WHERE (r.reached - 1) * 10000 < r.total * $4::bigint) AS three
FROM (
  SELECT d.value, {lowest} AS lowest,
    sum(d.leads) OVER (ORDER BY d.value DESC) AS reached, sum(d.leads) OVER () AS total
  FROM ({values}) d
) r WHERE r.value > r.lowest
"""
CUTOFFS_BY_SCORE = _CUTOFFS_OF.format(
    lowest="min(d.value) OVER ()",
    values="""
    SELECT l.score AS value, count(*) AS leads FROM lead l
    WHERE l.org_id = $1 AND l.score IS NOT NULL GROUP BY l.score""",
)
CUTOFFS_BY_CHANGE = _CUTOFFS_OF.format(
    lowest="0",
    values=f"""
    SELECT {CHANGE} AS value, count(*) AS leads
    FROM (
      SELECT DISTINCT ON (s.lead_id) s.lead_id, s.opening FROM score_day s
      WHERE s.org_id = $1 AND s.day >= $5 ORDER BY s.lead_id, s.day
    ) o JOIN lead l ON l.org_id = $1 AND l.lead_id = o.lead_id
    WHERE {CHANGE} > 0 GROUP BY {CHANGE}""",
)
SAVE_RULES = "UPDATE tiering SET rules = $3 WHERE org_id = $1 AND run = $2"


async def find_rules(connection: Connection, org_id: int, tiers: Tiers, today: date) -> Rules:
    """The rules that the scores of this moment make of the settings: at most two statements, no lock."""
    opens = window_opens(today, tiers.window_days)
    stars = await _cutoffs(connection, org_id, tiers.stars, "score", opens)
    flames = await _cutoffs(connection, org_id, tiers.flames, "change", opens)
    return _rules(tiers, stars, flames)


def provisional_rules(tiers: Tiers) -> Rules:
    """The rules before the first tiering: static cut-offs hold at once, dynamic ones are reached by nobody yet."""
    stars, flames = (NOBODY if cut.at_least is None else _three(cut.at_least) for cut in (tiers.stars, tiers.flames))
    return replace(_rules(tiers, stars, flames), provisional=True)


def window_opens(today: date, window_days: int) -> date:
    """The first day of the window: a change is measured from its beginning, so over at least ``window_days`` days."""
    return today - timedelta(days=window_days)


async def _cutoffs(connection: Connection, org_id: int, cut: Cut, usual: Source, opens: date) -> Cutoffs:
    if cut.top_percent is None:
        return _three(cut.at_least or [])
    shares = [hundredths(percent) for percent in cut.top_percent]
    if (cut.source or usual) == "score":
        row = await connection.fetchrow(CUTOFFS_BY_SCORE, org_id, *shares)
    else:
        row = await connection.fetchrow(CUTOFFS_BY_CHANGE, org_id, *shares, opens)
    return _three([row["one"], row["two"], row["three"]] if row else [])


def _three(numbers: list[Any]) -> Cutoffs:
    one, two, three = (math.inf if number is None else float(number) for number in numbers or NOBODY)
    return one, two, three


def _rules(tiers: Tiers, stars: Cutoffs, flames: Cutoffs) -> Rules:
    return Rules(
        stars=stars,
        flames=flames,
        starred_from=priority(tiers.starred_from.stars, tiers.starred_from.flames),
        stars_by=tiers.stars.source or "score",
        flames_by=tiers.flames.source or "change",
        window_days=tiers.window_days,
    )


def stored(rules: Rules) -> dict[str, Any]:
    """The rules as JSON; a cut-off that nobody reaches is null."""
    return {
        "stars": shown(rules.stars),
        "flames": shown(rules.flames),
        "starred_from": rules.starred_from,
        "stars_by": rules.stars_by,
        "flames_by": rules.flames_by,
        "window_days": rules.window_days,
    }


def read_back(document: dict[str, Any]) -> Rules:
    """What :func:`stored` wrote."""
    return Rules(**{**document, "stars": _three(document["stars"]), "flames": _three(document["flames"])})


def shown(cutoffs: Cutoffs) -> list[float | None]:
    """Cut-offs for people and JSON."""
    return [None if math.isinf(cutoff) else cutoff for cutoff in cutoffs]
