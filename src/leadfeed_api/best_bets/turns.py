"""Turns at an organisation's lock: a re-tiering's many short transactions among everybody else's.

Owns how long the lock is held for, and what may wait for the disk. Knows nothing of what is written under it.

Whoever reports a moment queues for the same lock, so a turn is small, and after it the run rests for as long as it
held the lock. A turn that takes too long all the same (pages that must be read first, a row that somebody holds) is
given up, and the lock with it.

And a turn does not wait for the disk: PostgreSQL gives locks back only when a commit has ended, and the end of a usual
commit waits for a flush, which took up to 190 ms where it met a checkpoint's own. Who needs what turns wrote to be on
disk makes a durable commit afterwards, without the lock: it takes all commits before it along.

Nor does it wait for Python's garbage collector: a full collection stops the process for 40 to 140 ms, and began under
the lock about once in a few thousand turns. It waits until the lock is free.

Should the machine fail in between, the last turns are lost, and positions they gave out are given out again: the run
has not finished either, and the next one makes good for both (``retier.Run``).
"""

import asyncio
import gc
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from time import perf_counter
from typing import NamedTuple

import asyncpg

from leadfeed_api.best_bets import lease
from leadfeed_api.best_bets.lease import Claim
from leadfeed_api.db.session import Connection, Database
from leadfeed_api.errors import Busy
from leadfeed_api.feed.log import Log

COMMIT_WITHOUT_WAITING = "SET LOCAL synchronous_commit = off"
WarmUp = Callable[[Connection], Awaitable[object]]


class Hold(NamedTuple):
    """How long the lock was held in one turn, in seconds: for the work, and for its commit."""

    work_s: float
    commit_s: float

    @property
    def total_s(self) -> float:
        """From the lock's grant to the commit's end."""
        return self.work_s + self.commit_s


_turns_under_way: list[None] = []  # in this process, of all runs


@contextmanager
def uncollected() -> Iterator[None]:
    """No garbage is collected in this process while the block runs; nested and side by side it is one pause."""
    if not _turns_under_way and not gc.isenabled():
        yield  # somebody else's choice
        return
    _turns_under_way.append(None)
    gc.disable()
    try:
        yield
    finally:
        _turns_under_way.pop()
        if not _turns_under_way:
            gc.enable()


class TookTooLong(Exception):
    """The turn was given up: nothing of it happened, and it may be tried again, better with less to do."""


class Pace:
    """How many leads are written in one turn: as many as stay far below the 50 ms that nobody should notice."""

    TARGET_S = 0.005
    SMALLEST, LARGEST = 10, 1_000

    def __init__(self) -> None:
        self.size = 100

    def observe(self, work_s: float) -> None:
        """Adapts to how long the last batch took under the lock, its commit apart: that is not of its size."""
        if work_s > self.TARGET_S:
            self.slow_down()
        elif work_s < self.TARGET_S / 2:
            self.size = min(self.LARGEST, self.size + self.size // 4)

    def slow_down(self) -> None:
        """Half as many next time."""
        self.size = max(self.SMALLEST, self.size // 2)


class Turns:
    """One run's turns, each reported to ``observe`` when the lock is free again."""

    LIMIT_S = 0.020  # for a statement under the lock
    ATTEMPTS = 5  # given up for the same limit, before a machine that is that slow is granted more

    def __init__(self, database: Database, claimed: Claim, observe: Callable[[Hold], None]) -> None:
        self._database = database
        self._claim = claimed
        self._observe = observe
        self._warm: set[int] = set()
        self._given_up = 0  # in a row
        self.last = Hold(0.0, 0.0)

    @asynccontextmanager
    async def take(self, warm_up: WarmUp | None = None) -> AsyncIterator[Log]:
        """The organisation's lock for the block and its commit; wakes nobody.

        ``warm_up`` is awaited before the lock on a connection's first turn: parsing, planning and what a new session
        has to look up held the lock for 45 ms where a batch takes 5.

        Raises ``TookTooLong``, and ``lease.Superseded``.
        """
        granted = worked = None
        with uncollected():
            try:
                async with self._database.write() as connection:
                    log = Log(connection, self._claim.org_id)
                    await connection.execute(COMMIT_WITHOUT_WAITING)
                    if warm_up is not None and (session := connection.get_server_pid()) not in self._warm:
                        await warm_up(connection)
                        self._warm.add(session)
                    await log.lock()
                    granted = perf_counter()
                    await connection.execute(self._limit())
                    await lease.confirm(connection, self._claim)
                    yield log
                    worked = perf_counter()
                self._given_up = 0
            except Busy as busy:
                if not isinstance(busy.__cause__, asyncpg.QueryCanceledError):
                    raise
                self._given_up += 1
                raise TookTooLong from busy
            finally:
                if granted is not None:
                    now = perf_counter()
                    self.last = Hold((worked or now) - granted, now - (worked or now))
                    self._observe(self.last)

    def _limit(self) -> str:
        """Intentional: built from numbers of ours; SET takes no parameters."""
        grown = 2.0 ** (self._given_up // self.ATTEMPTS)
        return f"SET LOCAL statement_timeout = {self.LIMIT_S * 1_000 * grown:.0f}"

    async def rest(self) -> None:
        """Leaves the lock to others for as long as the last turn held it."""
        await asyncio.sleep(self.last.total_s)
