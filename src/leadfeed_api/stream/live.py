"""The live feed of one process: everything that streams need, opened and closed together."""

import asyncio
import random
import time
from contextlib import AsyncExitStack
from typing import Self

from leadfeed_api.db.channels import channel_for
from leadfeed_api.db.session import Database
from leadfeed_api.db.wakeups import Wakeups
from leadfeed_api.organizations.identity import Caller
from leadfeed_api.settings import Settings
from leadfeed_api.stream import events
from leadfeed_api.stream.arrivals import arrivals
from leadfeed_api.stream.connection import Stream
from leadfeed_api.stream.connections import Connections
from leadfeed_api.stream.leaving import asked_to_leave
from leadfeed_api.stream.replay import History, Piece
from leadfeed_api.stream.rounds import Rounds
from leadfeed_api.stream.tail import Tail
from leadfeed_api.telemetry import Metrics

LEAVING_WAIT_MS = (500, 5_000)
GRACE_S = 2.0


class Live:
    """``async with Live(…) as live`` serves streams until it is left, or the process is told to end."""

    def __init__(self, settings: Settings, database: Database, metrics: Metrics) -> None:
        self._key = settings.signing_key
        self._lifetime = settings.stream_lifetime
        self._database = database
        self._metrics = metrics
        # So many histories are read at once at most: streams that come back all together leave the pool to others.
        self._reading = asyncio.Semaphore(max(1, settings.pool_size // 3))
        self._leaving = False
        self.send_timeout = settings.stream_send_timeout
        self._opened = AsyncExitStack()
        self.connections = Connections(
            per_user=settings.streams_per_user, per_process=settings.streams_per_process, metrics=metrics
        )
        self.arrivals = arrivals(database)
        self.wakeups = Wakeups(database, channel_for(settings, database), metrics)
        self.tail = Tail(database, self.wakeups, self.connections, metrics)
        self.rounds = Rounds(database, self.connections)

    async def __aenter__(self) -> Self:
        await self._opened.enter_async_context(self.wakeups)
        await self._opened.enter_async_context(self.tail)
        await self._opened.enter_async_context(self.rounds)
        leaving = asyncio.create_task(self._leave_when_asked())
        self._opened.push_async_callback(_stop, leaving)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._opened.aclose()

    def connect(self, who: Caller) -> Stream:
        """A stream for a caller who is, or speaks for, a user; not yet registered."""
        stream = Stream.of(who, self._key)
        stream.ends_at = time.time() + self._lifetime * random.uniform(0.9, 1.1)  # noqa: S311  to spread returns
        return stream

    def admit(self, stream: Stream) -> None:
        """Registers a stream until it is dismissed; while the process is leaving, it ends at once. May be refused."""
        self.connections.admit(stream)
        self.rounds.attend(stream)
        if self._leaving:
            stream.end(events.farewell(LEAVING_WAIT_MS))

    def dismiss(self, stream: Stream) -> None:
        """Ends and forgets a stream: its client is gone, or was refused, or it has said all. Again does no harm."""
        stream.end(b"")
        self.connections.dismiss(stream)

    def history(self, stream: Stream) -> History:
        """The log as this stream's user may read it."""
        return History(self._database, self._reading, stream)

    def count(self, piece: Piece) -> None:
        """Notes what was replayed."""
        self._metrics.deliveries.inc(piece.events)
        if piece.reset is not None:
            self._metrics.resets.labels(piece.reset).inc()

    def give_up(self, stream: Stream) -> None:
        """Ends a stream whose client does not read."""
        self._metrics.slow_disconnects.inc()
        stream.hang_up()

    async def leave(self) -> None:
        """Ends every stream with a time to come back at, each its own; those who do not take it in time are cut."""
        self._leaving = True
        for stream in self.connections:
            stream.end(events.farewell(LEAVING_WAIT_MS))
        try:
            async with asyncio.timeout(GRACE_S):
                while len(self.connections):  # noqa: ASYNC110  once in a process's life
                    await asyncio.sleep(0.02)
        except TimeoutError:
            for stream in self.connections:
                stream.hang_up()

    async def _leave_when_asked(self) -> None:
        await asked_to_leave()
        await self.leave()


async def _stop(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
