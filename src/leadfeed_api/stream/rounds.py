"""The rounds: once a second, what time brings to streams.

Heartbeats, credentials that ended or were taken back, streams grown old. One task for all streams, which looks only at
those for whom something is due: a timer or two for each would cost more, and so would looking at all of them.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable
from math import ceil, inf
from typing import Self

from leadfeed_api.db.session import Database
from leadfeed_api.errors import Unavailable
from leadfeed_api.organizations import revocation
from leadfeed_api.stream import events
from leadfeed_api.stream.connection import Stream
from leadfeed_api.stream.connections import Connections
from leadfeed_api.telemetry import log

ROUND_S = 1.0
VISIT_S = 5.5  # twice that and four rounds: at least so often comes a sign of life, every 15 seconds
CREDENTIALS_S = 3.0  # between checks: whoever was revoked is out within 5 seconds
OLD_AGE_WAIT_MS = (100, 1_000)


class Rounds:
    """``async with Rounds(…)`` looks after the streams until it is left.

    ``clock`` tells the Unix time, by which streams end; ``ticks`` are seconds that nobody puts back.
    """

    def __init__(
        self,
        database: Database,
        connections: Connections,
        *,
        clock: Callable[[], float] = time.time,
        ticks: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._connections = connections
        self._clock = clock
        self._ticks = ticks
        self._due: defaultdict[int, list[tuple[Stream, int | None]]] = defaultdict(list)  # by the round's number
        self._round = self._number(0)
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        self._tasks = [asyncio.create_task(self._walk()), asyncio.create_task(self._check_credentials())]
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def attend(self, stream: Stream) -> None:
        """Has the stream visited when something is due: a heartbeat, its end, or its credential's."""
        self._visit_later(stream, None)

    def _visit_later(self, stream: Stream, position_before: int | None) -> None:
        now = self._clock()
        pause = min(VISIT_S, stream.ends_at - now, inf if stream.expires_at is None else stream.expires_at - now)
        self._due[max(self._number(pause), self._round + 1)].append((stream, position_before))

    def _number(self, pause: float) -> int:
        """Of the first round that comes after a pause."""
        return ceil((self._ticks() + pause) / ROUND_S)

    async def _walk(self) -> None:
        while True:
            await asyncio.sleep(ROUND_S)
            self.visit()

    def visit(self) -> None:
        """Visits all for whom something has become due."""
        now, last = self._clock(), self._number(0) - 1
        while self._round < last:
            self._round += 1
            for stream, position_before in self._due.pop(self._round, ()):
                try:
                    self._visit(stream, position_before, now)
                except Exception:  # Intentional: whatever it was, the others are visited, and its client comes back
                    log.exception("stream-failed")
                    stream.hang_up()

    def _visit(self, stream: Stream, position_before: int | None, now: float) -> None:
        """``position_before`` is the stream's position at the visit before, or None if something was sent by that."""
        if stream.ended:
            return
        if stream.expires_at is not None and now >= stream.expires_at:
            stream.end(events.expired(revoked=False))
        elif now >= stream.ends_at:
            stream.end(events.farewell(OLD_AGE_WAIT_MS))
        elif stream.position == position_before:
            stream.beat()
            self._visit_later(stream, None)
        else:  # it has heard something since, and that is a sign of life
            self._visit_later(stream, stream.position)

    async def _check_credentials(self) -> None:
        while True:
            await asyncio.sleep(CREDENTIALS_S)
            try:
                for org_id in self._connections.organizations():
                    await self._end_revoked(org_id)
            except Unavailable:
                log.warning("credentials-unchecked")  # nothing new is delivered either while the database is away
            except Exception:  # Intentional: whatever it was, the next round tries again
                log.exception("credentials-unchecked")

    async def _end_revoked(self, org_id: int) -> None:
        audience = self._connections.audience(org_id)
        keys = {stream.key_hash for stream in audience.streams if stream.key_hash is not None}
        async with self._database.read() as connection:
            barred = await revocation.barred_users(connection, org_id, list(audience.users))
            revoked = await revocation.revoked_keys(connection, org_id, keys)
        if barred or revoked:
            for stream in list(self._connections.audience(org_id).streams):
                if stream.user_id in barred or stream.key_hash in revoked:
                    stream.end(events.expired(revoked=True))
