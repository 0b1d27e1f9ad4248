"""How far back the log reaches: old changes are trimmed, and the horizon says where the kept history begins.

A position at the horizon or above can still be served from; one below it cannot. Moments are no part of this: they are
kept for much longer, but a stream does not bring up those of a month ago as news.
"""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from time import perf_counter
from uuid import UUID

from asyncpg import Record

from leadfeed_api.db.session import Database
from leadfeed_api.feed.log import appending
from leadfeed_api.fields import EPOCH

AT_A_TIME = 1_000  # changes forgotten in one transaction: everybody who reports a moment waits for the same lock
# Passed over when commits were lost: more positions than an organisation gives out between two backups (twelve a
# second, for a day); for one that gives out more it is done several times. Not a billion: a process that was not
# stopped reads through them a hundred at a time, for seconds.
LEAP = 1_000_000

# Identifiers of moments begin with the time they were recorded at: no index by time is needed.
LAST_MOMENT_BEFORE = """
SELECT m.position FROM moment m WHERE m.org_id = $1 AND m.moment_id < $2 ORDER BY m.moment_id DESC LIMIT 1
"""
# Intentional: each user's newest change stays, but no longer says whom it was about: they may have been erased. It is
# part of what their feed's ETag is made of, and an ETag that fits again, because the change that ended it is forgotten,
# would show an old feed for a new one.
OLD = """
SELECT * FROM (
  SELECT c.user_id, c.position, c.lead_id, c.changed_at, EXISTS (
    SELECT FROM feed_change n WHERE n.org_id = $1 AND n.user_id = c.user_id AND n.position > c.position
  ) AS outlived
  FROM feed_change c WHERE c.org_id = $1 AND c.changed_at >= $2 AND c.changed_at < $3
) c
WHERE c.outlived OR c.lead_id IS NOT NULL ORDER BY c.changed_at LIMIT $4
"""
FORGET = """
DELETE FROM feed_change c USING unnest($2::text[], $3::bigint[]) AS x (user_id, position)
WHERE c.org_id = $1 AND c.user_id = x.user_id AND c.position = x.position
"""
BLANK = """
UPDATE feed_change c SET kind = 'reset', lead_id = NULL FROM unnest($2::text[], $3::bigint[]) AS x (user_id, position)
WHERE c.org_id = $1 AND c.user_id = x.user_id AND c.position = x.position
"""
RAISE_HORIZON = "UPDATE organization SET horizon = $2 WHERE org_id = $1 AND horizon < $2"


async def trim(database: Database, org_id: int, before: datetime) -> int:
    """Forgets the organisation's changes from before an instant; returns how many. The horizon moves with it.

    In small transactions, each of which leaves the lock to others for as long as it took. Deleting and moving the
    horizon are one: whoever reads the log and then finds the horizon where it was has read all there is.
    """
    forgotten, after = 0, EPOCH
    while old := await _look(database, org_id, after, before):
        started = perf_counter()
        await _forget(database, org_id, old)
        forgotten, after = forgotten + len(old), old[-1]["changed_at"]
        await asyncio.sleep(perf_counter() - started)
    async with database.write() as connection:
        last = await connection.fetchval(LAST_MOMENT_BEFORE, org_id, first_id_of(before))
        await connection.execute(RAISE_HORIZON, org_id, last or 0)
    return forgotten


async def _look(database: Database, org_id: int, after: datetime, before: datetime) -> list[Record]:
    async with database.read() as connection:
        return await connection.fetch(OLD, org_id, after, before, AT_A_TIME)


async def _forget(database: Database, org_id: int, old: Sequence[Record]) -> None:
    async with appending(database, org_id) as log:
        await log.lock()
        for statement, outlived in ((FORGET, True), (BLANK, False)):
            rows = [row for row in old if row["outlived"] is outlived]
            users, positions = [row["user_id"] for row in rows], [row["position"] for row in rows]
            await log.connection.execute(statement, org_id, users, positions)
        await log.connection.execute(RAISE_HORIZON, org_id, max(row["position"] for row in old))


async def leap(database: Database, org_id: int) -> None:
    """Passes over ``LEAP`` positions and lets go of all below: for a database that lost its last commits.

    Their positions would be given out again, to other things, which whoever saw the first ones would miss.
    """
    async with appending(database, org_id) as log:
        await log.connection.execute(RAISE_HORIZON, org_id, await log.advance(LEAP))


def first_id_of(instant: datetime) -> UUID:
    """The lowest UUIDv7 of an instant's millisecond (RFC 9562, section 5.7)."""
    return UUID(int=max(0, (instant - EPOCH) // timedelta(milliseconds=1)) << 80)
