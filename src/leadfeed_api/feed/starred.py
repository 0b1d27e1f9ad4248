"""Picking the newest moments of starred leads, whether these are many or one among thousands.

Walking the inbox finds them at once when stars are common, and reads all of it when they are rare; asking each starred
lead for its moments is the other way round. So the statement walks a bounded piece first, and only when that did not
fill the page asks the leads, by the indexes ``lead_starred`` and ``moment_by_lead``. Measured on an inbox of 50,000
entries of 5,500 leads (docs/decisions/0004). Text only: executes nothing.
"""

from leadfeed_api.feed.filters import Conditions, clauses
from leadfeed_api.feed.queries import NEWEST_FIRST, OF_MOMENT, OLDER

WALK = 500  # entries: a page of 50 is full when one in ten is starred
# What an entry alone can answer narrows the piece that is walked; the rest is asked of its lead and moment.
_OF_THE_WALK = frozenset({"down_to", "types", "since", "until"})
_WORDED = """
  JOIN moment m ON m.org_id = $1 AND m.moment_id = e.moment_id
  LEFT JOIN account a ON a.org_id = $1 AND a.account_id = l.account_id
"""


def starred_keys(conditions: Conditions, first: int, rows: int) -> str:
    """A query for (occurred_at, moment_id) of the newest ``rows`` entries of starred leads under these conditions.

    $1 is the organisation, $2 the user, $3 and $4 where the page begins; the conditions' parameters are numbered from
    ``first``. Intentional: the second half is switched off by a LIMIT of 0, below which nothing starts; a condition
    would start parallel workers. And OFFSET 0 leaves no other way than to ask each lead by its key: now and then a
    sample of the tables had PostgreSQL read all 50,000 entries instead.
    """
    bounds, narrowed = OLDER + clauses(conditions, first, _OF_THE_WALK), OLDER + clauses(conditions, first)
    worded = _WORDED if any(name == "words" for name, _ in conditions) else ""
    return f"""
WITH near AS MATERIALIZED (
  SELECT e.occurred_at, e.moment_id FROM (
    SELECT e.* FROM feed_entry e WHERE e.org_id = $1 AND e.user_id = $2{bounds} {NEWEST_FIRST} LIMIT {WALK:d}
  ) e JOIN lead l ON l.org_id = $1 AND l.lead_id = e.lead_id {worded}
  WHERE true{narrowed} {NEWEST_FIRST} LIMIT {rows:d}
)
SELECT n.occurred_at, n.moment_id FROM near n WHERE (SELECT count(*) FROM near) = {rows:d}
UNION ALL (
  SELECT e.occurred_at, e.moment_id FROM (
    SELECT l.* FROM lead l WHERE l.org_id = $1 AND l.owner_id = $2 AND l.starred
    UNION ALL
    SELECT l.* FROM watch w JOIN lead l ON l.org_id = $1 AND l.lead_id = w.lead_id
    WHERE w.org_id = $1 AND w.user_id = $2 AND l.starred AND l.owner_id IS DISTINCT FROM $2
  ) l CROSS JOIN LATERAL (
    SELECT e.* FROM moment m CROSS JOIN LATERAL ({OF_MOMENT}) e
    WHERE m.org_id = $1 AND m.lead_id = l.lead_id OFFSET 0
  ) e {worded}
  WHERE true{narrowed} {NEWEST_FIRST} LIMIT CASE WHEN (SELECT count(*) FROM near) < {rows:d} THEN {rows:d} ELSE 0 END
)
"""
