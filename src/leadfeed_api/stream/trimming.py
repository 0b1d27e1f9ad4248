"""Forgetting what no stream may resume from any more: in the background, an hour apart, one organisation at a time."""

import asyncio
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Self

from leadfeed_api.db.session import Database
from leadfeed_api.errors import Unavailable
from leadfeed_api.feed.history import organizations, trim
from leadfeed_api.telemetry import log

FIRST_AFTER_S = 60.0
EVERY_S = 3_600.0


class Trimming:
    """``async with Trimming(database, kept)`` keeps every log no longer than ``kept``. Several processes may do so."""

    def __init__(
        self,
        database: Database,
        kept: timedelta,
        *,
        first_after_s: float = FIRST_AFTER_S,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._database = database
        self._kept = kept
        self._first_after_s = first_after_s
        self._clock = clock
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._work())
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
                await self._trim_all()
            except Unavailable:
                log.warning("trimming-postponed")
            except Exception:  # Intentional: whatever it was, the next hour tries again
                log.exception("trimming-failed")

    async def _trim_all(self) -> None:
        before = self._clock() - self._kept
        forgotten = sum([await trim(self._database, org_id, before) for org_id in await organizations(self._database)])
        log.info("trimmed", changes=forgotten)
