"""The tail of the logs: one a process, reading what is new for the streams that are open here.

Woken by this process's own commits, by the channel, and by its own poll, which asks once a second for the positions of
all logs followed here and so covers every wake-up that was lost. A wake-up never says *what* is new, and its position
is not believed: what is new is read from the log, and counts as read up to a position that the log had reached in the
snapshot of that reading, or before it. A position is reached in a snapshot if and only if all that stands at it and
below is there: both come with one commit, and commits come in the order of positions.

A lone moment of this process's own is read before its commit, by its own transaction: that holds the organisation's
lock, so what it sees is what is committed at the position. When it is, it is delivered, if the streams here have come
to just below it.

Why nothing is missed: a stream registers first, then :meth:`Tail.follow` makes sure that the log's tail has a position,
then it reads the log's position itself and its history up to there. Whoever was registered when a reading chose whom to
ask for is served by it. Whoever was not must have read a position at least as high as that reading's end. It has where
the end was known to be reached before the choice. Where it was not, because the reading itself found out or was before
the commit, somebody may have registered and looked in between: then, if anyone did register, it is read once more.

A log never goes back, but a database may be put back: a standby that lagged takes over, a backup is restored. The poll
finds that out, and every stream of the organisation is reset: what it was told may not have happened, and what happens
now has the same positions.
"""

import asyncio
import time
from dataclasses import dataclass, field
from functools import partial
from typing import Self

from leadfeed_api.db.session import LOST, Connection, Database, HandOver
from leadfeed_api.db.wakeups import Origin, Wakeups
from leadfeed_api.errors import Unavailable
from leadfeed_api.feed import queries
from leadfeed_api.stream import news
from leadfeed_api.stream.connections import Connections
from leadfeed_api.stream.delivery import deliver
from leadfeed_api.telemetry import Metrics, log

POLL_S = 0.9
POSITIONS_PER_READ = 100  # so that one reading's events fit the streams' buffers
READS_AT_ONCE = 2  # organisations; they share the pool with everyone else


@dataclass(slots=True, eq=False)
class _Followed:
    """One organisation's log, as far as it was delivered here."""

    org_id: int
    position: int | None = None
    heard: int = 0  # the highest position that a wake-up named
    behind_since: float | None = None
    wanted: bool = False
    reading: asyncio.Task[None] | None = None
    anchoring: asyncio.Lock = field(default_factory=asyncio.Lock)


class Tail:
    """``async with Tail(…)`` reads and delivers until it is left."""

    def __init__(self, database: Database, wakeups: Wakeups, connections: Connections, metrics: Metrics) -> None:
        self._database = database
        self._connections = connections
        self._metrics = metrics
        self._logs: dict[int, _Followed] = {}
        self._slots = asyncio.Semaphore(READS_AT_ONCE)
        self._polling: asyncio.Task[None] | None = None
        self._look = asyncio.Event()
        self._before = database.foresee
        wakeups.heard = self.hear
        wakeups.resumed = self._look.set

    async def __aenter__(self) -> Self:
        self._database.foresee = self._foresee
        self._polling = asyncio.create_task(self._poll())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._database.foresee = self._before
        tasks = [followed.reading for followed in self._logs.values()] + [self._polling]
        running = [task for task in tasks if task is not None]
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    async def follow(self, org_id: int) -> None:
        """Makes sure that new events of the organisation are read here from now on. Raises ``Unavailable``."""
        followed = self._logs.get(org_id)
        if followed is None:
            followed = self._logs[org_id] = _Followed(org_id)
        async with followed.anchoring:
            if followed.position is None:
                async with self._database.read() as connection:
                    followed.position = (await queries.reach(connection, org_id))[0]

    def hear(self, org_id: int, position: int, origin: Origin) -> None:
        """An organisation's log has come to ``position``, somebody says."""
        followed = self._logs.get(org_id)
        if followed is None or followed.position is None or position <= followed.position:
            return
        followed.heard = max(followed.heard, position)
        followed.behind_since = followed.behind_since or time.monotonic()
        followed.wanted = True
        if followed.reading is None:
            if origin == "poll":
                self._metrics.wakeups.labels(origin).inc()
            followed.reading = asyncio.create_task(self._read(followed))

    async def _read(self, followed: _Followed) -> None:
        try:
            while followed.wanted:
                followed.wanted = False
                async with self._slots:
                    await self._catch_up(followed)
        except Unavailable as lost:
            log.warning("tail-cannot-read", reason=repr(lost.__cause__))  # the poll tries again
        except Exception:  # Intentional: whatever it was, the streams stay, and the poll tries again
            log.exception("tail-failed")
        finally:
            followed.reading = None

    async def _foresee(self, connection: Connection, org_id: int, position: int) -> HandOver | None:
        """What streams here will be told of a moment, in the transaction that writes it."""
        followed = self._logs.get(org_id)
        audience = self._connections.audience(org_id)
        if followed is None or followed.position != position - 1 or not audience.users:
            return None
        registered = self._connections.admitted
        try:
            async with connection.transaction():  # a savepoint: a reading that fails takes nothing along
                _, found = await news.of_moment(connection, org_id, audience.users, position)
        except LOST:
            raise
        except Exception:  # Intentional: whatever it was, the moment is written, and read afterwards
            log.exception("foresight-failed")
            return None
        return None if found is None else partial(self._hand_over, followed, position, registered, found)

    def _hand_over(self, followed: _Followed, position: int, registered: int, found: list[news.News]) -> None:
        """The moment is committed. Where it cannot be handed over it is read, as any other.

        Not while a reading is under way: that may have found it, too.
        """
        next_one = followed.reading is None and followed.position == position - 1
        if next_one and self._connections.admitted == registered:
            try:
                self._deliver(followed.org_id, found)
            except Exception:  # Intentional: the commit has nothing to do with it
                log.exception("tail-failed")
            else:
                followed.position = position

    async def _catch_up(self, followed: _Followed) -> None:
        self._metrics.catch_ups.inc()
        async with self._database.read() as connection:
            up_to = await self._read_moment(connection, followed)
            while followed.position is not None and followed.position < up_to:
                await self._read_on(connection, followed, min(followed.position + POSITIONS_PER_READ, up_to))
                await asyncio.sleep(0)  # the streams write before more is read
        if followed.heard <= up_to:
            followed.wanted = False  # whatever was heard meanwhile was read, too
        followed.heard = up_to
        followed.behind_since = None

    async def _read_moment(self, connection: Connection, followed: _Followed) -> int:
        """Delivers what stands at the next position if that is a moment; returns how far the log has come.

        Delivers nothing if a stream registered meanwhile, which may have to be asked for, too.
        """
        after, registered = followed.position or 0, self._connections.admitted
        audience = self._connections.audience(followed.org_id)
        reached, found = await news.of_moment(connection, followed.org_id, audience.users, after + 1)
        if found is not None and self._connections.admitted == registered:
            self._deliver(followed.org_id, found)
            followed.position = after + 1
        return reached

    async def _read_on(self, connection: Connection, followed: _Followed, end: int) -> None:
        """Delivers everything up to a position that the log has reached."""
        followers = list(self._connections.audience(followed.org_id).users)
        after = followed.position or 0
        found = await news.for_followers(connection, followed.org_id, followers, after, end)
        self._deliver(followed.org_id, found)
        followed.position = end

    def _deliver(self, org_id: int, found: list[news.News]) -> None:
        self._metrics.deliveries.inc(deliver(self._connections.audience(org_id), found))

    async def _poll(self) -> None:
        while True:
            self._look.clear()
            try:
                await self._compare()
            except Unavailable as lost:
                log.warning("poll-failed", reason=repr(lost.__cause__))
            except Exception:  # Intentional: whatever it was, the next poll tries again
                log.exception("poll-failed")
            self._measure_lag()
            try:
                async with asyncio.timeout(POLL_S):
                    await self._look.wait()
            except TimeoutError:
                continue

    async def _compare(self) -> None:
        """Asks how far the logs are; forgets those that nobody here follows any more."""
        for org_id in [one for one in self._logs if not self._connections.audience(one).users]:
            if self._logs[org_id].reading is None and not self._logs[org_id].anchoring.locked():
                del self._logs[org_id]
        # As of before the reading: what is heard of during it may be later than its snapshot.
        before = {org_id: one.position for org_id, one in self._logs.items() if one.position is not None}
        if not before:
            return
        async with self._database.read() as connection:
            reached = await queries.positions(connection, list(before))
        for org_id, position in reached.items():
            if position < before[org_id]:
                self._go_back(self._logs[org_id], position)
            else:
                self.hear(org_id, position, "poll")

    def _go_back(self, followed: _Followed, position: int) -> None:
        log.warning("log-went-back", org_id=followed.org_id, position=position, position_before=followed.position)
        followed.position = followed.heard = position
        followed.behind_since = None
        for stream in self._connections.audience(followed.org_id).streams:
            stream.begin_anew()

    def _measure_lag(self) -> None:
        now = time.monotonic()
        behind = [one for one in self._logs.values() if one.behind_since is not None and one.position is not None]
        self._metrics.lag.set(max((one.heard - (one.position or 0) for one in behind), default=0))
        self._metrics.lag_seconds.set(max((now - (one.behind_since or now) for one in behind), default=0))
