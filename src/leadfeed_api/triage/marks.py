"""Read and unread, in the user's own inbox; and how much is unread.

Owns the column ``feed_entry.read``. Which entries there are is ``feed.entries``' business; marking takes no position
in the log, because nobody else's feed changes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from uuid import UUID

from leadfeed_api.db.session import ANY_PLANS, Connection, Database
from leadfeed_api.errors import InvalidCursor
from leadfeed_api.feed.filters import OF_AN_ENTRY, Conditions, Filters, clauses, narrow
from leadfeed_api.feed.log import keep_entries
from leadfeed_api.feed.queries import LOOK_UPS, NEWEST_FIRST, reach
from leadfeed_api.organizations.queries import take_turns

COUNTED = 1_000  # unread and hidden are counted among this many of the newest entries: one short index scan
LOOKED_AT = 10_000  # at most, for so many that are shown: of whoever muted nearly everything
LISTED = 1_000  # ids told after a mark, so that it can be undone

# OFFSET 0 keeps the inbox's key together: no planner that takes the inbox for a short one reads all of it instead.
MARK = """
UPDATE feed_entry e SET read = $4
FROM unnest($3::uuid[]) AS x (moment_id)
CROSS JOIN LATERAL (
  SELECT $2::text AS user_id, m.occurred_at, m.moment_id FROM moment m
  WHERE m.org_id = $1 AND m.moment_id = x.moment_id OFFSET 0
) m
WHERE e.org_id = $1 AND e.user_id = m.user_id AND e.occurred_at = m.occurred_at AND e.moment_id = m.moment_id
AND e.read <> $4
RETURNING e.moment_id
"""
_SEEN = "e.org_id = $1 AND e.user_id = $2 AND NOT e.read AND e.position <= $3{narrowed}"
_MARK_SEEN = f"UPDATE feed_entry e SET read = true WHERE {_SEEN} RETURNING e.moment_id"
# Where the moment or the lead has to be asked. By their keys alone: joined freely, all moments of a lead that has many
# were read again for each unread entry, which took a minute at 100,000.
_MARK_SEEN_NARROWED = f"""
UPDATE feed_entry e SET read = true
FROM (SELECT e.occurred_at, e.moment_id FROM feed_entry e {LOOK_UPS} WHERE {_SEEN} OFFSET 0) s
WHERE e.org_id = $1 AND e.user_id = $2 AND e.occurred_at = s.occurred_at AND e.moment_id = s.moment_id
RETURNING e.moment_id
"""
_UNMUTED, _MUTED = (clauses(((name, 1),), 3) for name in ("unmuted", "only_muted"))
COUNT = f"""
SELECT
  (SELECT count(*) FROM (
    SELECT e.read FROM (
      SELECT * FROM feed_entry e WHERE e.org_id = $1 AND e.user_id = $2 {NEWEST_FIRST} LIMIT {LOOKED_AT}
    ) e WHERE true{_UNMUTED} {NEWEST_FIRST} LIMIT {COUNTED}
  ) shown WHERE NOT shown.read) AS unread,
  (SELECT count(*) FROM (
    SELECT e.lead_id, e.type FROM feed_entry e WHERE e.org_id = $1 AND e.user_id = $2 {NEWEST_FIRST} LIMIT {COUNTED}
  ) e WHERE true{_MUTED}) AS hidden
"""


@dataclass(frozen=True, slots=True)
class Seen:
    """What a reader has been shown: down to an item (None: the whole feed), as of a position in the log."""

    filters: Filters
    position: int
    down_to: tuple[datetime, UUID] | None = None


async def mark(data: Database, org_id: int, user_id: str, moment_ids: Sequence[UUID], *, read: bool) -> list[UUID]:
    """Marks these moments read, or unread, in the user's feed; returns those that were not so before."""
    wanted = sorted(set(moment_ids))
    return await _update(data, MARK, org_id, user_id, wanted, read)


async def mark_seen(data: Database, org_id: int, user_id: str, seen: Seen, now: datetime) -> list[UUID]:
    """Marks read what the reader has been shown; what arrived since then stays unread. Returns those marked.

    Raises ``InvalidCursor`` for a position that the log has not come to: nobody can have been shown that.
    """
    async with data.read() as connection:
        reached, _ = await reach(connection, org_id)
    if seen.position > reached:
        raise InvalidCursor
    conditions, parameters = narrow(seen.filters, now, down_to=seen.down_to)
    return await _update(data, seen_statement(conditions), org_id, user_id, seen.position, *parameters)


@lru_cache(maxsize=256)
def seen_statement(conditions: Conditions) -> str:
    """The statement that marks everything under these conditions up to a position."""
    statement = _MARK_SEEN if all(name in OF_AN_ENTRY for name, _ in conditions) else _MARK_SEEN_NARROWED
    return statement.replace("{narrowed}", clauses(conditions, 4))


async def count(connection: Connection, org_id: int, user_id: str, now: datetime) -> tuple[int, int]:
    """How many of the newest shown entries are unread, and how many of the newest entries are muted."""
    row = await connection.fetchrow(COUNT, org_id, user_id, now)
    return (0, 0) if row is None else (row["unread"], row["hidden"])


async def _update(data: Database, statement: str, org_id: int, user_id: str, *parameters: object) -> list[UUID]:
    async with data.marking.turn(org_id), data.write() as connection:
        await connection.execute(ANY_PLANS)
        await keep_entries(connection, org_id)
        await take_turns(connection, org_id, user_id)  # tabs may mean the same rows, each in an order of its own
        return [row["moment_id"] for row in await connection.fetch(statement, org_id, user_id, *parameters)]
