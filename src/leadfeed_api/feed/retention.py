"""Retention: moments kept for as long as their organisation said go for good, with their entries in every inbox.

They are kept by when they were recorded, not by when they happened: whoever brings in the past of five years has it
for as long as everything else (decision 0018). Days are the organisation's own, so what ends tonight ends together.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import datetime, time, timedelta
from time import perf_counter
from typing import NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from leadfeed_api.db.session import Database, affected
from leadfeed_api.feed import entries
from leadfeed_api.feed.log import Change, appending
from leadfeed_api.feed.trimming import first_id_of

AT_A_LOOK = 100_000
AT_A_TIME = 100  # in one transaction: everybody who reports a moment waits for the same lock

# By owner, so that those who lose much lose it in few transactions, each of which tells them once.
ENDED = """
SELECT m.moment_id FROM (
  SELECT * FROM moment m WHERE m.org_id = $1 AND m.moment_id < $2 ORDER BY m.moment_id LIMIT $3
) m
LEFT JOIN lead l ON l.org_id = $1 AND l.lead_id = m.lead_id
ORDER BY l.owner_id, m.lead_id, m.moment_id
"""
DELETE_MOMENTS = """
DELETE FROM moment m USING unnest($2::uuid[]) AS x (moment_id) WHERE m.org_id = $1 AND m.moment_id = x.moment_id
"""


class Purged(NamedTuple):
    """How many moments one transaction deleted, and how many users it told."""

    moments: int
    users: int


def end_of_keeping(now: datetime, retention_days: int, time_zone: str) -> datetime:
    """The instant before which nothing is kept: a midnight of the organisation's, the same from one to the next."""
    zone = ZoneInfo(time_zone)
    first_day = now.astimezone(zone).date() - timedelta(days=retention_days)
    return datetime.combine(first_day, time.min, zone)


async def purge(database: Database, org_id: int, before: datetime) -> AsyncIterator[Purged]:
    """Deletes what was recorded before an instant, in small transactions, and tells who lost something to load anew.

    Leaves the lock to others after each for as long as that took. Several processes may do so at once, and one that
    stops halfway leaves a feed as it has to be, with its reader told.
    """
    while ended := await _look(database, org_id, before):
        purged = 0
        for start in range(0, len(ended), AT_A_TIME):
            started = perf_counter()
            done = await _purge(database, org_id, ended[start : start + AT_A_TIME])
            purged += done.moments
            yield done
            await asyncio.sleep(perf_counter() - started)
        if not purged:  # another process was there first
            return


async def _look(database: Database, org_id: int, before: datetime) -> list[UUID]:
    async with database.read() as connection:
        rows = await connection.fetch(ENDED, org_id, first_id_of(before), AT_A_LOOK)
    return [row["moment_id"] for row in rows]


async def _purge(database: Database, org_id: int, moment_ids: Sequence[UUID]) -> Purged:
    async with appending(database, org_id) as log:
        await log.lock_entries()
        users = await entries.delete_of_moments(log.connection, org_id, moment_ids)
        moments = affected(await log.connection.execute(DELETE_MOMENTS, org_id, moment_ids))
        if users:
            position = await log.advance(1)
            await log.tell([Change(user, position, "reset", None) for user in users])
    return Purged(moments, len(users))
