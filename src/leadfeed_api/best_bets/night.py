"""The night shift: a background task of every serving process that re-tiers whichever organisations are due.

Looks for due work every few seconds, without a lock; a lease keeps several processes from doing the same work.
Owns the metrics and log lines of re-tiering. A failure is logged and tried again when the lease has ended.
"""

import asyncio
from types import TracebackType
from typing import Self

from structlog.stdlib import BoundLogger

from leadfeed_api.best_bets import lease
from leadfeed_api.best_bets.retier import Progress, Retiered, retier_if_due
from leadfeed_api.clock import Clock, utc_now
from leadfeed_api.db.session import Database
from leadfeed_api.errors import Busy, Unavailable
from leadfeed_api.telemetry import Metrics, log

LOOK_EVERY_S = 5.0
STEPS = 10  # log lines of a long run


class NightShift:
    """``async with NightShift(database, metrics):`` works in the background until the block ends."""

    def __init__(
        self, database: Database, metrics: Metrics, *, look_every_s: float = LOOK_EVERY_S, clock: Clock = utc_now
    ) -> None:
        self._database = database
        self._metrics = metrics
        self._pause_s = look_every_s
        self._clock = clock
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._work(), name="night shift")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Intentional: a run under way is cut short; its lease ends, and another process or start does it again."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _work(self) -> None:
        while True:
            try:
                await self.look()
            except Unavailable:
                log.warning("re-tiering-postponed")
            except Exception:  # Intentional: whatever it was, the next look tries again
                log.exception("re-tiering-failed")
            await asyncio.sleep(self._pause_s)

    async def look(self) -> int:
        """Does what is due now; returns how many organisations that were. One that fails keeps no other waiting."""
        async with self._database.read() as connection:
            waiting = await lease.due(connection, self._clock())
        return sum([await self._retier(org_id) for org_id in waiting])

    async def _retier(self, org_id: int) -> bool:
        run = log.bind(org_id=org_id)
        seen = Progress()

        def watch(progress: Progress) -> None:
            self._measure(seen, progress)
            if progress.leads and progress.done * STEPS // progress.leads > seen.done * STEPS // progress.leads:
                run.info("re-tiering", done=progress.done, of=progress.leads, changed=progress.changed)
            seen.done, seen.changed = progress.done, progress.changed

        try:
            done = await retier_if_due(self._database, org_id, watch, self._clock)
        except lease.Superseded:
            self._metrics.retier_runs.labels("superseded").inc()
            return False
        except Busy as busy:
            return self._failed(run, busy)
        except Unavailable:
            raise
        except Exception as error:
            return self._failed(run, error)
        finally:
            self._metrics.retier_progress.set(1)
        if done is None:
            return False
        self._metrics.retier_runs.labels("finished").inc()
        _report(run, done)
        return True

    def _failed(self, run: BoundLogger, error: Exception) -> bool:
        self._metrics.retier_runs.labels("failed").inc()
        run.error("re-tiering-failed", exc_info=error)
        return False

    def _measure(self, before: Progress, now: Progress) -> None:
        self._metrics.retier_leads.labels("looked_at").inc(now.done - before.done)
        self._metrics.retier_leads.labels("changed").inc(now.changed - before.changed)
        self._metrics.retier_progress.set(now.done / max(now.leads, now.done, 1))
        self._metrics.retier_lock.set(now.longest_lock_s)


def _report(run: BoundLogger, done: Retiered) -> None:
    run.info(
        "re-tiered",
        leads=done.progress.leads,
        changed=done.progress.changed,
        told=done.progress.told,
        resets=done.progress.resets,
        seconds=round(done.seconds, 2),
        longest_lock_ms=round(done.progress.longest_lock_s * 1000, 1),
        next_due=done.next_due.isoformat(),
    )
