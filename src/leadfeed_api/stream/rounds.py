"""The rounds: once a second, what time brings to every stream.

Heartbeats, clients that stopped reading, credentials that ended or were taken back, streams grown old. One task for all
streams costs less than a timer or two for each.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Self

from leadfeed_api.db.session import Database
from leadfeed_api.errors import Unavailable
from leadfeed_api.organizations import revocation
from leadfeed_api.stream import events
from leadfeed_api.stream.connection import Connection
from leadfeed_api.stream.connections import Connections
from leadfeed_api.telemetry import Metrics, log

ROUND_S = 1.0
HEARTBEAT_S = 14.0  # and a round: a sign of life at least every 15 seconds
CREDENTIALS_S = 3.0  # between checks: whoever was revoked is out within 5 seconds
OLD_AGE_WAIT_MS = (100, 1_000)


class Rounds:
    """``async with Rounds(…)`` looks after the streams until it is left. ``clock`` tells the Unix time."""

    def __init__(
        self,
        database: Database,
        connections: Connections,
        metrics: Metrics,
        *,
        send_timeout: float,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._database = database
        self._connections = connections
        self._metrics = metrics
        self._send_timeout = send_timeout
        self._clock = clock
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        self._tasks = [asyncio.create_task(self._walk()), asyncio.create_task(self._check_credentials())]
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _walk(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            now, today = loop.time(), self._clock()
            for stream in self._connections:
                self._visit(stream, now, today)
            await asyncio.sleep(ROUND_S)

    def _visit(self, stream: Connection, now: float, today: float) -> None:
        if stream.sending_since is not None and now - stream.sending_since > self._send_timeout:
            self._metrics.slow_disconnects.inc()
            stream.hang_up()
            if stream.cut is not None:
                stream.cut()
        elif stream.expires_at is not None and today >= stream.expires_at:
            stream.end(events.expired(revoked=False))
        elif now >= stream.ends_at:
            stream.end(events.farewell(OLD_AGE_WAIT_MS))
        elif now >= stream.beat_at:
            stream.beat_at = now + HEARTBEAT_S
            stream.beat()

    async def _check_credentials(self) -> None:
        while True:
            await asyncio.sleep(CREDENTIALS_S)
            try:
                await self._end_revoked()
            except Unavailable:
                log.warning("credentials-unchecked")  # nothing new is delivered either while the database is away
            except Exception:  # Intentional: whatever it was, the next round tries again
                log.exception("credentials-unchecked")

    async def _end_revoked(self) -> None:
        streams: dict[int, list[Connection]] = defaultdict(list)
        for stream in self._connections:
            streams[stream.org_id].append(stream)
        for org_id, of_organization in streams.items():
            users = {stream.user_id for stream in of_organization}
            keys = {stream.key_hash for stream in of_organization if stream.key_hash is not None}
            async with self._database.read() as connection:
                barred = await revocation.barred_users(connection, org_id, users)
                revoked = await revocation.revoked_keys(connection, org_id, keys)
            for stream in of_organization:
                if stream.user_id in barred or stream.key_hash in revoked:
                    stream.end(events.expired(revoked=True))
