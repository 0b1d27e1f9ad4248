"""Many streams at once, held by as little as can hold them: a protocol each, counting what comes and when.

Owns how a crowd is opened, read and left, and the organisation it belongs to. The clock of sender and receiver is one:
a moment's description carries when it was sent.
"""

import asyncio
import random
import re
import socket
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from httptools import HttpResponseParser

from leadfeed_api.db.session import Database
from statements import BY_A_TEST
from world import World

_EVENT = re.compile(rb"id: ([\w-]+?-(\d+))\r\n(?:event: (\w+)\r\ndata: (.*?)\r\n)?\r\n")
_RETRY = re.compile(rb"retry: (\d+)\r\n")
_SENT = re.compile(rb"sent at (\d+)")
AT_ONCE = 100  # connections being opened


class Member(asyncio.Protocol):
    """One stream, read as fast as it comes; or never, when it is ``stalled``."""

    __slots__ = (
        "_left", "_parser", "delays", "ended", "last_id", "opened", "positions", "retry_ms", "stalled", "transport",
    )  # fmt: skip

    def __init__(self, *, stalled: bool = False) -> None:
        self.stalled = stalled
        self.positions: list[int] = []
        self.delays: list[float] = []
        self.opened = asyncio.get_running_loop().create_future()
        self.ended = asyncio.get_running_loop().create_future()
        self.last_id: bytes | None = None
        self.retry_ms: int | None = None
        self.transport: Any = None
        self._left = b""
        self._parser = HttpResponseParser(self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        if self.stalled:  # as little room for unread bytes as it can have
            transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)

    def data_received(self, data: bytes) -> None:
        if not self.opened.done():
            self.opened.set_result(data.split(b"\r\n", 1)[0])
            if self.stalled:
                self.transport.pause_reading()
        self._parser.feed_data(data)

    def on_body(self, data: bytes) -> None:
        """A part of the stream, wherever its chunks begin and end: that may be in the middle of an event."""
        now = time.time_ns()
        buffered = self._left + data
        end = 0
        for event in _EVENT.finditer(buffered):
            self.last_id = event[1]
            if event[3] is not None:
                self.positions.append(int(event[2]))
                sent = _SENT.search(event[4])
                if sent is not None:
                    self.delays.append((now - int(sent[1])) / 1e9)
            end = event.end()
        for waiting_time in _RETRY.finditer(buffered):
            self.retry_ms = int(waiting_time[1])
        self._left = buffered[end:] if end or len(buffered) < 65_536 else buffered[-8_192:]

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.ended.done():  # who waited for it may have left first
            self.ended.set_result(time.monotonic())
        if not self.opened.done():
            self.opened.set_result(b"")


@dataclass
class Follower:
    """One user's stream through every end, as an EventSource behind a proxy has it.

    It waits as it was told, and comes back by its last id, to whichever instance takes it. ``ends`` are the times
    (monotonic) at which a stream ended well, each with the wait that it was told.
    """

    token: str
    addresses: Sequence[str]
    positions: list[int] = field(default_factory=list)
    ends: list[tuple[float, int | None]] = field(default_factory=list)
    returns: list[float] = field(default_factory=list)
    last_id: bytes | None = None

    async def follow(self) -> None:
        """Follows until cancelled."""
        while True:
            member = await self._opened()
            try:
                self.ends.append((await member.ended, member.retry_ms))
            finally:
                self.last_id = member.last_id or self.last_id
                member.transport.abort()
            await asyncio.sleep((member.retry_ms or 1_000) / 1_000)

    async def _opened(self) -> Member:
        while True:
            address = urlsplit(random.choice(self.addresses))
            with suppress(OSError):
                _, member = await asyncio.get_running_loop().create_connection(
                    Member, address.hostname or "", address.port or 80
                )
                member.positions = self.positions
                member.transport.write(_request(self.token, self.last_id))
                if b" 200 " in await member.opened:
                    self.returns.append(time.monotonic())
                    return member
                member.transport.abort()
            await asyncio.sleep(0.1)


@dataclass
class Crowd:
    """An organisation of many users, each of whom sees everything that happens to one lead."""

    world: World
    members: list[Member] = field(default_factory=list)

    @property
    def readers(self) -> list[Member]:
        """Those who read."""
        return [member for member in self.members if not member.stalled]

    async def open(self, count: int, *, stalled: int = 0, first: int = 0) -> None:
        """Opens streams of users ``first`` and following, of which the last ``stalled`` never read."""
        address = urlsplit(self.world.service.base_url)
        gate = asyncio.Semaphore(AT_ONCE)

        async def open_one(number: int) -> None:
            async with gate:
                never = number >= first + count - stalled
                _, member = await asyncio.get_running_loop().create_connection(
                    lambda: Member(stalled=never), address.hostname or "", address.port or 80
                )
                member.transport.write(_request(self.world.token(f"u{number}")))
                status = await member.opened
                assert b" 200 " in status, status
                self.members.append(member)

        await asyncio.gather(*(open_one(number) for number in range(first, first + count)))

    def followers(self, count: int, addresses: Sequence[str]) -> list["Follower"]:
        """As many users, each of whom will follow through every end."""
        return [Follower(self.world.token(f"u{number}"), addresses) for number in range(count)]

    def leave(self) -> None:
        """Everyone hangs up."""
        for member in self.members:
            member.transport.abort()

    async def say(self, count: int, *, size: int = 0) -> None:
        """Reports moments that everyone sees, each with the time it is sent at."""
        moments = [
            self.world.moment("shared", description=f"sent at {time.time_ns()} {'x' * size}") for _ in range(count)
        ]
        await self.world.report(*moments)


@asynccontextmanager
async def crowd(world: World, database: Database, users: int) -> AsyncIterator[Crowd]:
    """An organisation with so many users, all watching one lead."""
    await world.people("owner", leads={"shared": "owner"})
    names = [f"u{number}" for number in range(users)]
    for batch in (names[start : start + 1_000] for start in range(0, users, 1_000)):
        await world.sync(users=[{"id": name, "name": name} for name in batch])
    async with database.write() as connection:
        await connection.execute(
            f"{BY_A_TEST} INSERT INTO watch (org_id, user_id, lead_id, created_at)"
            " SELECT $1, u, 'shared', $3 FROM unnest($2::text[]) u",
            world.org_id, names, datetime.now(UTC),
        )  # fmt: skip
    together = Crowd(world)
    try:
        yield together
    finally:
        together.leave()


def _request(token: str, last_id: bytes | None = None) -> bytes:
    position = b"" if last_id is None else b"Last-Event-ID: %b\r\n" % last_id
    return b"GET /v1/feed/stream HTTP/1.1\r\nHost: crowd\r\nAuthorization: Bearer %b\r\n%b\r\n" % (
        token.encode(),
        position,
    )


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which this share of them lies."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]
