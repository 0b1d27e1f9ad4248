"""The inbox's definition, asked of a live database: what the inbox lacks, what it has beside it, and what is misplaced.

For ``feed.audit``, which decides when. The statements that find read all of an organisation; those that mend take what
was found, and ask again whether it is still so.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from leadfeed_api.db.session import HOWEVER_LONG, Connection
from leadfeed_api.feed.order import IN_ORDER

COUNT = "SELECT count(*) FROM feed_entry WHERE org_id = $1"
MISSING = """
SELECT d.user_id, d.occurred_at, d.moment_id FROM (
  SELECT l.owner_id AS user_id, m.moment_id, m.occurred_at
  FROM moment m JOIN lead l ON l.org_id = $1 AND l.lead_id = m.lead_id
  WHERE m.org_id = $1 AND l.owner_id IS NOT NULL
  UNION
  SELECT w.user_id, m.moment_id, m.occurred_at
  FROM moment m JOIN watch w ON w.org_id = $1 AND w.lead_id = m.lead_id
  WHERE m.org_id = $1
) d
LEFT JOIN feed_entry e
  ON e.org_id = $1 AND e.user_id = d.user_id AND e.occurred_at = d.occurred_at AND e.moment_id = d.moment_id
WHERE e.moment_id IS NULL
"""
SURPLUS = """
SELECT e.user_id, e.occurred_at, e.moment_id FROM feed_entry e
LEFT JOIN moment m ON m.org_id = $1 AND m.moment_id = e.moment_id AND m.lead_id = e.lead_id
  AND m.occurred_at = e.occurred_at
LEFT JOIN lead l ON l.org_id = $1 AND l.lead_id = m.lead_id AND l.owner_id = e.user_id
LEFT JOIN watch w ON w.org_id = $1 AND w.lead_id = m.lead_id AND w.user_id = e.user_id
WHERE e.org_id = $1 AND (m.moment_id IS NULL OR (l.lead_id IS NULL AND w.lead_id IS NULL))
"""
# In order (feed.order) is an entry whose moment raised the watermark to its own time, while no earlier one stands
# higher and no later one lower; which has its moment's position; and that comes, of one instant, after lower ids.
MISPLACED = f"""
SELECT e.user_id, e.occurred_at, e.moment_id FROM (
  SELECT e.*, lag(e.position) OVER (PARTITION BY e.user_id, e.occurred_at ORDER BY e.moment_id) AS tied
  FROM feed_entry e WHERE e.org_id = $1 AND {IN_ORDER}
) e
JOIN (
  SELECT m.moment_id, m.occurred_at, m.position, m.watermark, max(m.watermark) OVER (ORDER BY m.position) AS reached,
    min(nullif(m.watermark, '-infinity'))
      OVER (ORDER BY m.position ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING) AS kept
  FROM moment m WHERE m.org_id = $1
) m ON m.moment_id = e.moment_id AND m.occurred_at = e.occurred_at
WHERE m.watermark <> e.occurred_at OR m.watermark < m.reached OR m.watermark > m.kept
OR e.position <> m.position OR e.tied > e.position
"""
MAKE_LATE = """
UPDATE feed_entry e SET late = true, position = m.position
FROM unnest($2::text[], $3::timestamptz[], $4::uuid[]) AS x (user_id, occurred_at, moment_id)
JOIN moment m ON m.org_id = $1 AND m.moment_id = x.moment_id
WHERE e.org_id = $1 AND e.user_id = x.user_id AND e.occurred_at = x.occurred_at AND e.moment_id = x.moment_id
RETURNING e.user_id
"""
# These two ask the definition again: since the difference was seen it may have gone.
INSERT_MISSING = """
INSERT INTO feed_entry (org_id, user_id, occurred_at, moment_id, lead_id, type, position, live)
SELECT m.org_id, x.user_id, m.occurred_at, m.moment_id, m.lead_id, m.type, $4, false
FROM unnest($2::text[], $3::uuid[]) AS x (user_id, moment_id)
JOIN moment m ON m.org_id = $1 AND m.moment_id = x.moment_id
JOIN lead l ON l.org_id = $1 AND l.lead_id = m.lead_id
LEFT JOIN watch w ON w.org_id = $1 AND w.user_id = x.user_id AND w.lead_id = m.lead_id
WHERE m.org_id = $1 AND (l.owner_id = x.user_id OR w.user_id IS NOT NULL)
ON CONFLICT DO NOTHING
RETURNING user_id
"""
DELETE_SURPLUS = """
DELETE FROM feed_entry e
USING unnest($2::text[], $3::timestamptz[], $4::uuid[]) AS x (user_id, occurred_at, moment_id)
WHERE e.org_id = $1 AND e.user_id = x.user_id AND e.occurred_at = x.occurred_at AND e.moment_id = x.moment_id
AND NOT EXISTS (
  SELECT FROM moment m
  JOIN lead l ON l.org_id = $1 AND l.lead_id = m.lead_id
  LEFT JOIN watch w ON w.org_id = $1 AND w.lead_id = m.lead_id AND w.user_id = e.user_id
  WHERE m.org_id = $1 AND m.moment_id = e.moment_id AND m.lead_id = e.lead_id AND m.occurred_at = e.occurred_at
  AND (l.owner_id = e.user_id OR w.user_id IS NOT NULL))
RETURNING e.user_id
"""


class Key(NamedTuple):
    """Which entry: the inbox's key."""

    user_id: str
    occurred_at: datetime
    moment_id: UUID


async def count(connection: Connection, org_id: int) -> int:
    """How many entries the organisation has."""
    found: int = await connection.fetchval(COUNT, org_id, timeout=HOWEVER_LONG)
    return found


async def missing(connection: Connection, org_id: int) -> list[Key]:
    """What the definition says and the inbox lacks."""
    return [Key(*row) for row in await connection.fetch(MISSING, org_id, timeout=HOWEVER_LONG)]


async def surplus(connection: Connection, org_id: int) -> list[Key]:
    """What the inbox has and the definition does not say."""
    return [Key(*row) for row in await connection.fetch(SURPLUS, org_id, timeout=HOWEVER_LONG)]


async def misplaced(connection: Connection, org_id: int) -> list[Key]:
    """What passes for in order and is not: whoever resumes a stream would miss it."""
    return [Key(*row) for row in await connection.fetch(MISPLACED, org_id, timeout=HOWEVER_LONG)]


async def make_late(connection: Connection, org_id: int, keys: Sequence[Key]) -> list[str]:
    """Has entries found by their positions, which is always right; returns whose they are."""
    users, times = [key.user_id for key in keys], [key.occurred_at for key in keys]
    touched = await connection.fetch(MAKE_LATE, org_id, users, times, [key.moment_id for key in keys])
    return sorted({row["user_id"] for row in touched})


async def repair(
    connection: Connection, org_id: int, lacking: Sequence[Key], extra: Sequence[Key], position: int
) -> list[str]:
    """Deletes what is still surplus and inserts what is still missing; returns whose inboxes changed."""
    users, times = [key.user_id for key in extra], [key.occurred_at for key in extra]
    touched = await connection.fetch(DELETE_SURPLUS, org_id, users, times, [key.moment_id for key in extra])
    wanted = [*lacking, *extra]  # an entry with a wrong lead has the key of the right one, which misses once it is gone
    users, moments = [key.user_id for key in wanted], [key.moment_id for key in wanted]
    touched += await connection.fetch(INSERT_MISSING, org_id, users, moments, position)
    return sorted({row["user_id"] for row in touched})
