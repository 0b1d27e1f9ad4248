"""The moment at one position of a log, and how far the log has come: one statement, one snapshot.

What a stream hears of most is one thing that happened a moment ago, so this is the way from a commit to a reader. The
same could be asked with any stretch of positions; but a stretch whose ends are parameters is one that PostgreSQL plans
anew each time (450 to 700 µs; executing takes 100), because not knowing them it expects to find many rows. A single
position is one row however it is guessed, so the plan is kept. Changes nothing.
"""

from collections.abc import Sequence

from leadfeed_api.db.session import Connection
from leadfeed_api.feed.queries import EVERYONE_TOLD, LISTENING, SHARED_ITEM, WATCHED, MomentEvent, by_view

# Of moment ``m`` about lead ``l``: those of $3 who have it in their inbox. Intentional: the array in a sub-select. Its
# length is so not seen when the statement is planned, and no plan for a short one is cheaper than the one that is kept.
_SOME_TOLD = f"""
  SELECT ARRAY[e.user_id] AS user_ids,
    (l.owner_id IS NOT DISTINCT FROM e.user_id)::int + 2 * ({WATCHED})::int + 8 * e.read::int AS view,
    {LISTENING} AS listening
  FROM unnest((SELECT $3::text[])) f (user_id)
  CROSS JOIN LATERAL (
    SELECT * FROM feed_entry e WHERE e.org_id = $1 AND e.user_id = f.user_id AND e.live
      AND e.occurred_at = m.occurred_at AND e.moment_id = m.moment_id LIMIT 1
  ) e
"""


def _moment_at(told: str) -> str:
    return f"""
SELECT o.position AS reached, {SHARED_ITEM} FROM organization o
LEFT JOIN LATERAL (
  SELECT * FROM moment m WHERE m.org_id = $1 AND m.position = $2 ORDER BY m.position LIMIT 1
) m ON true
LEFT JOIN lead l ON l.org_id = $1 AND l.lead_id = m.lead_id
LEFT JOIN account a ON a.org_id = $1 AND a.account_id = l.account_id
LEFT JOIN LATERAL ({told}) s ON true
WHERE o.org_id = $1
"""


OF_EVERYONE = _moment_at(EVERYONE_TOLD)
OF_SOME = _moment_at(_SOME_TOLD)


async def moment_at(
    connection: Connection, org_id: int, position: int, user_ids: Sequence[str] | None = None
) -> tuple[int, list[tuple[MomentEvent, list[str]]] | None]:
    """How far the log has come; and the moment at a position, as ``queries.moments_between`` has it.

    Of everyone, or of those users. None where no moment is: while the log has not come so far, there is nothing yet;
    afterwards there are changes, or what was there was erased.
    """
    if user_ids is None:
        rows = await connection.fetch(OF_EVERYONE, org_id, position)
    else:
        rows = await connection.fetch(OF_SOME, org_id, position, list(user_ids))
    if not rows:
        return 0, None
    reached: int = rows[0]["reached"]
    if rows[0]["position"] is None:
        return reached, None
    return reached, by_view(row for row in rows if row["user_ids"] is not None)
