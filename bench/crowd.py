"""Thousands of open streams in a process of their own: as little as can hold, read and check them.

Owns opening them, saying something that all of them must hear, and what that cost the server.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvloop

from leadfeed_api.stream.capacity import make_room

AT_ONCE = 100  # streams being opened
CALLERS = 10  # who say something at once
Saying = Sequence[tuple[int, bytes]]  # a request to each of these ports, one after the other
EARLY = 200  # streams opened before memory is looked at: what the first ones cost is the program's, not theirs


@dataclass(frozen=True)
class Cost:
    """What was measured of one server in one turn."""

    bytes_each: float  # of the server's private memory, a connection
    opened_per_second: float
    seconds_each: float  # of the server's processor, a delivery, one saying at a time
    seconds_each_at_once: float  # the same while ``CALLERS`` speak at once
    delays: Sequence[float]  # seconds from saying to hearing, in order, one saying at a time


class Member(asyncio.Protocol):
    """One stream: how often it has heard what is being listened for, and when last."""

    __slots__ = ("_left", "heard", "heard_at", "marker", "opened", "transport")

    def __init__(self, marker: bytes) -> None:
        self.marker = marker
        self.heard = 0
        self.heard_at = 0.0
        self.opened = asyncio.get_running_loop().create_future()
        self.transport: Any = None
        self._left = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        if not self.opened.done():
            self.opened.set_result(data[:12])
        if self._left:
            data, self._left = self._left + data, b""
        if self.marker in data:
            self.heard += data.count(self.marker)
            self.heard_at = time.perf_counter()
        if not data.endswith(b"\n"):  # in the middle of an event, perhaps of the marker
            self._left = data[-len(self.marker) + 1 :]

    def connection_lost(self, exc: Exception | None) -> None:
        self.heard = -1_000_000  # whoever waits for it will not mistake it for one that heard


def cost(pid: int, port: int, marker: bytes, requests: Sequence[bytes], sayings: Sequence[Saying]) -> Cost:
    """Opens a stream for each request at the server ``pid``, then sends the first half of the sayings one by one.

    All must hear one before the next. The other half is said by several callers at once, none of whom waits for that.
    What is said holds ``marker`` once. Raises when a stream did not open, or heard too little or too much.
    """
    make_room()
    return uvloop.run(_cost(pid, port, marker, requests, sayings))


async def _cost(pid: int, port: int, marker: bytes, requests: Sequence[bytes], sayings: Sequence[Saying]) -> Cost:
    members = await _open(port, marker, requests[:EARLY])
    before, started = private_bytes(pid), time.perf_counter()
    members += await _open(port, marker, requests[EARLY:])
    late = len(requests) - EARLY
    opened_per_second = late / (time.perf_counter() - started)
    bytes_each = (private_bytes(pid) - before) / late
    busy, delays = processor_seconds(pid), []
    caller = Caller()
    alone, at_once = sayings[: len(sayings) // 2], sayings[len(sayings) // 2 :]
    for number, saying in enumerate(alone, 1):
        said_at = time.perf_counter()
        await caller.say(saying)
        await _heard(members, number)
        delays += [one.heard_at - said_at for one in members]
    seconds = processor_seconds(pid) - busy
    busy = processor_seconds(pid)
    await asyncio.gather(*(_say_all(at_once[first::CALLERS]) for first in range(CALLERS)))
    await _heard(members, len(sayings))
    seconds_at_once = processor_seconds(pid) - busy
    if any(one.heard != len(sayings) for one in members):
        raise SystemExit("a stream heard something twice")
    caller.close()
    for one in members:
        one.transport.abort()
    each, each_at_once = (one / len(members) for one in (seconds / len(alone), seconds_at_once / len(at_once)))
    return Cost(bytes_each, opened_per_second, each, each_at_once, sorted(delays))


async def _heard(members: Sequence[Member], number: int) -> None:
    async with asyncio.timeout(60):
        while any(one.heard < number for one in members):  # noqa: ASYNC110  an Event each would cost more
            await asyncio.sleep(0.002)


async def _say_all(sayings: Sequence[Saying]) -> None:
    caller = Caller()
    for saying in sayings:
        await caller.say(saying)
    caller.close()


async def _open(port: int, marker: bytes, requests: Sequence[bytes]) -> list[Member]:
    gate = asyncio.Semaphore(AT_ONCE)

    async def open_one(request: bytes) -> Member:
        async with gate:
            loop = asyncio.get_running_loop()
            _, member = await loop.create_connection(lambda: Member(marker), "127.0.0.1", port)
            member.transport.write(request)
            if b" 200" not in await member.opened:
                raise SystemExit(f"a stream did not open: {member.opened.result()!r}")
            return member

    return list(await asyncio.gather(*map(open_one, requests)))


class Caller:
    """Somebody who reports, on a connection of their own to each port."""

    def __init__(self) -> None:
        self._connections: dict[int, tuple[asyncio.StreamReader, asyncio.StreamWriter]] = {}

    async def say(self, saying: Saying) -> None:
        """Sends requests that must be answered by a success."""
        for port, request in saying:
            if port not in self._connections:
                self._connections[port] = await asyncio.open_connection("127.0.0.1", port)
            reader, writer = self._connections[port]
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            if b" 20" not in head[:12]:
                raise SystemExit(f"refused: {head!r}")
            for line in head.lower().split(b"\r\n"):
                if line.startswith(b"content-length:"):
                    await reader.readexactly(int(line[15:]))

    def close(self) -> None:
        """Hangs up everywhere."""
        for _, writer in self._connections.values():
            writer.close()


def private_bytes(pid: int) -> int:
    """The process's memory that it shares with nobody."""
    fields = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:])
    return int(fields["Private_Dirty"].split()[0]) * 1024


def processor_seconds(pid: int) -> float:
    """What the process has used of the processor, in user and kernel mode: its own clock (see clock_getcpuclockid)."""
    return time.clock_gettime((~pid << 3) | 2)
