"""What waits to be mailed, as a measure: kept by each mail worker, and by each serving process that runs none.

Owns the gauges. Those who serve keep them too, because no worker can tell that none runs.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime

from leadfeed_api.clock import Clock, utc_now
from leadfeed_api.db.session import Database
from leadfeed_api.errors import Unavailable
from leadfeed_api.telemetry import Metrics, log

GAUGES_S = 10.0

# Over all organisations. What no worker has read matters where somebody could be mailed about it. Two probes for each
# that is behind; by EXISTS every subscription there is would be read for it.
BACKLOG = """
SELECT w.mails, w.oldest, n.unread
FROM (SELECT count(*) AS mails, min(q.created_at) AS oldest FROM mail q WHERE q.state = 'queued') w
CROSS JOIN (
  SELECT min(first.recorded_at) AS unread
  FROM mail_reader d
  JOIN organization o ON o.org_id = d.org_id AND o.mail_enabled AND o.position > d.position
  CROSS JOIN LATERAL (
    SELECT m.recorded_at FROM moment m WHERE m.org_id = d.org_id AND m.position > d.position
    ORDER BY m.position LIMIT 1) first
  CROSS JOIN LATERAL (SELECT FROM subscription s WHERE s.org_id = d.org_id LIMIT 1) somebody) n
"""


async def measure(database: Database, metrics: Metrics, now: datetime) -> None:
    """Sets the gauges, over all organisations."""
    async with database.read() as connection:
        (row,) = await connection.fetch(BACKLOG)
    metrics.mails_queued.set(row["mails"])
    metrics.oldest_mail.set(_seconds(row["oldest"], now))
    metrics.unread_mail.set(_seconds(row["unread"], now))


@asynccontextmanager
async def measuring(database: Database, metrics: Metrics, *, clock: Clock = utc_now) -> AsyncIterator[None]:
    """Keeps the gauges for as long as the block runs."""
    keeping = asyncio.create_task(_keep(database, metrics, clock), name="mail gauges")
    try:
        yield
    finally:
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)


async def _keep(database: Database, metrics: Metrics, clock: Clock) -> None:
    while True:
        await asyncio.sleep(GAUGES_S)
        try:
            await measure(database, metrics, clock())
        except Unavailable:
            log.warning("mail-gauges-postponed")
        except Exception:  # Intentional: whatever it was, the next look tries again
            log.exception("mail-gauges-failed")


def _seconds(since: datetime | None, now: datetime) -> float:
    return 0.0 if since is None else max(0.0, (now - since).total_seconds())
