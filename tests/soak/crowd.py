"""Many streams at once, held by as little as can hold them: a protocol each, counting what comes and when.

Owns how a crowd is opened, read and left, and the organisation it belongs to. The clock of sender and receiver is one:
a moment's description carries when it was sent.
"""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from leadfeed_api.db.session import Database
from statements import BY_A_TEST
from world import World

_EVENT = re.compile(rb"id: [\w-]+?-(\d+)\r\nevent: (\w+)\r\ndata: (.*?)\r\n\r\n")
_SENT = re.compile(rb"sent at (\d+)")
AT_ONCE = 100  # connections being opened


class Member(asyncio.Protocol):
    """One stream, read as fast as it comes; or never, when it is ``stalled``."""

    __slots__ = ("_left", "connected", "delays", "ended", "opened", "positions", "stalled", "transport")

    def __init__(self, *, stalled: bool = False) -> None:
        self.stalled = stalled
        self.positions: list[int] = []
        self.delays: list[float] = []
        self.opened = asyncio.get_running_loop().create_future()
        self.ended: float | None = None
        self.transport: Any = None
        self._left = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        if not self.opened.done():
            self.opened.set_result(data.split(b"\r\n", 1)[0])
            if self.stalled:
                self.transport.pause_reading()
        now = time.time_ns()
        buffered = self._left + data
        end = 0
        for event in _EVENT.finditer(buffered):
            self.positions.append(int(event[1]))
            sent = _SENT.search(event[3])
            if sent is not None:
                self.delays.append((now - int(sent[1])) / 1e9)
            end = event.end()
        self._left = buffered[end:] if end or len(buffered) < 65_536 else buffered[-8_192:]

    def connection_lost(self, exc: Exception | None) -> None:
        self.ended = time.monotonic()
        if not self.opened.done():
            self.opened.set_result(b"")


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
                token = self.world.token(f"u{number}")
                member.transport.write(
                    f"GET /v1/feed/stream HTTP/1.1\r\nHost: crowd\r\nAuthorization: Bearer {token}\r\n\r\n".encode()
                )
                status = await member.opened
                assert b" 200 " in status, status
                self.members.append(member)

        await asyncio.gather(*(open_one(number) for number in range(first, first + count)))

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


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which this share of them lies."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]
