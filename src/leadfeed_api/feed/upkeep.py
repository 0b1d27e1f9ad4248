"""What keeps a database from growing without end: in the background, at least once an hour, one organisation at a time.

The log forgets changes that no stream may resume from any more, and moments go when their retention ends. Both are
done again by the next hour if need be, and by several processes at no harm.
"""

import asyncio
import random
from datetime import timedelta
from typing import Self

from leadfeed_api.clock import Clock, utc_now
from leadfeed_api.db.session import Database
from leadfeed_api.errors import Busy, Unavailable
from leadfeed_api.feed.retention import end_of_keeping, purge
from leadfeed_api.feed.trimming import trim
from leadfeed_api.organizations.queries import organizations, settings_of
from leadfeed_api.telemetry import Metrics, log

FIRST_AFTER_S = 60.0
EVERY_S = 3_600.0


class Upkeep:
    """``async with Upkeep(database, metrics, log_kept=…):`` works in the background until the block ends."""

    def __init__(
        self,
        database: Database,
        metrics: Metrics,
        *,
        log_kept: timedelta,
        purging: bool = True,
        first_after_s: float = FIRST_AFTER_S,
        clock: Clock = utc_now,
    ) -> None:
        self._database = database
        self._metrics = metrics
        self._log_kept = log_kept
        self._purging = purging
        self._first_after_s = first_after_s
        self._clock = clock
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._work(), name="upkeep")
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _work(self) -> None:
        pause = self._first_after_s
        while True:
            await asyncio.sleep(pause * random.uniform(0.5, 1))  # noqa: S311  so that processes take turns
            pause = EVERY_S
            try:
                await self.look()
            except Unavailable:
                log.warning("upkeep-postponed")
            except Exception:  # Intentional: whatever it was, the next hour tries again
                log.exception("upkeep-failed")

    async def look(self) -> None:
        """One round of all organisations. One that fails keeps no other waiting."""
        forgotten = 0
        async with self._database.read() as connection:
            org_ids = await organizations(connection)
        for org_id in org_ids:
            try:
                forgotten += await trim(self._database, org_id, self._clock() - self._log_kept)
                if self._purging:
                    await self._purge(org_id)
            except Busy:
                log.warning("upkeep-postponed", org_id=org_id)
            except Unavailable:
                raise
            except Exception:
                log.exception("upkeep-failed", org_id=org_id)
        log.info("trimmed", changes=forgotten)

    async def _purge(self, org_id: int) -> None:
        async with self._database.read() as connection:
            settings = await settings_of(connection, org_id)
        before = end_of_keeping(self._clock(), settings["retention_days"], settings["time_zone"])
        gone = told = 0
        async for purged in purge(self._database, org_id, before):
            self._metrics.purged.inc(purged.moments)
            gone, told = gone + purged.moments, told + purged.users
        if gone:
            log.info("purged", org_id=org_id, moments=gone, told=told, recorded_before=before.isoformat())
