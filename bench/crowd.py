"""Thousands of open streams in one process: as little as can hold, read and check them.

Owns opening them, and what a server's processes use of memory and of the processor. What is said, and when, is others'.
"""

import asyncio
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

AT_ONCE = 100  # streams being opened
REOPENED = 5  # times at most, where a server ends some at once
GONE = -1_000_000  # heard by one that ended: whoever waits for it will not mistake it for one that heard


class Member(asyncio.Protocol):
    """One stream: how often it has heard what is being listened for, and when last."""

    __slots__ = ("_left", "heard", "heard_at", "marker", "opened", "opened_by", "transport")

    def __init__(self, marker: bytes, opened_by: bytes) -> None:
        self.marker = marker
        self.heard = 0
        self.heard_at = 0.0
        self.opened_by = opened_by
        self.opened = asyncio.get_running_loop().create_future()
        self.transport: Any = None
        self._left = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        if self.opened.done():
            self._hear(self._left + data if self._left else data)
        else:
            self._begin(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self.heard = GONE
        if not self.opened.done():
            self.opened.set_exception(SystemExit("a stream ended before it began"))

    @property
    def gone(self) -> bool:
        """Whether the server ended it."""
        return self.heard < 0

    def _begin(self, data: bytes) -> None:
        self._left += data
        if b" 200" not in self._left[:12]:
            self.opened.set_exception(SystemExit(f"a stream did not open: {self._left[:200]!r}"))
        elif self.opened_by in self._left:
            self.opened.set_result(None)
            self._left = b""

    def _hear(self, data: bytes) -> None:
        if self.marker in data:
            self.heard += data.count(self.marker)
            self.heard_at = time.perf_counter()
        # In the middle of an event, perhaps of the marker.
        self._left = b"" if data.endswith(b"\n") else data[-len(self.marker) + 1 :]


class Numbered(Member):
    """One stream for which others are not meant: which numbers it has heard behind the marker, and when each."""

    __slots__ = ("numbers",)

    def __init__(self, marker: bytes, opened_by: bytes) -> None:
        super().__init__(marker, opened_by)
        self.numbers: list[tuple[int, float]] = []

    def _hear(self, data: bytes) -> None:
        now = time.perf_counter()
        whole, _, self._left = data.rpartition(b"\n")
        self.numbers += [(int(number), now) for number in re.findall(re.escape(self.marker) + rb" (\d+)", whole)]


AnyMember = TypeVar("AnyMember", bound=Member)


@dataclass(frozen=True)
class Crowd:
    """Streams to be opened: at which server, by which requests, and what is being listened for."""

    pids: Sequence[int]
    port: int
    marker: bytes
    requests: Sequence[bytes]
    opened_by: bytes = b" 200"  # what a stream must have heard before anything is said
    drops: bool = False  # the server refuses a few streams, or ends them at once: those are opened again


async def opened(crowd: Crowd, requests: Sequence[bytes], kind: Callable[[bytes, bytes], AnyMember]) -> list[AnyMember]:
    """A stream for each of the requests, which are some of the crowd's or all. Raises when one is refused."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def open_one(request: bytes) -> AnyMember:
        async with gate:
            member = kind(crowd.marker, crowd.opened_by)
            try:
                await asyncio.get_running_loop().create_connection(lambda: member, "127.0.0.1", crowd.port)
                member.transport.write(request)
                await member.opened
            except (SystemExit, ConnectionError):
                if not crowd.drops:
                    raise
                member.heard = GONE
            return member

    return list(await asyncio.gather(*map(open_one, requests)))


async def reopen(crowd: Crowd, members: list[AnyMember], kind: Callable[[bytes, bytes], AnyMember]) -> None:
    """Streams that were refused, or ended at once, are opened again, where the server is known to do so."""
    for _ in range(REOPENED if crowd.drops else 0):
        await asyncio.sleep(0.5)
        if not (lost := [place for place, one in enumerate(members) if one.gone]):
            return
        again = await opened(crowd, [crowd.requests[place] for place in lost], kind)
        for place, one in zip(lost, again, strict=True):
            members[place] = one


def demand_all(members: Sequence[Member]) -> None:
    """Raises when a stream was ended."""
    if lost := sum(one.gone for one in members):
        raise SystemExit(f"{lost:,} of {len(members):,} streams were ended by the server")


def private_bytes(*pids: int) -> int:
    """The memory of these processes that they share with nobody."""
    return sum(map(_private_bytes, pids))


def _private_bytes(pid: int) -> int:
    fields = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:])
    return int(fields["Private_Dirty"].split()[0]) * 1024


def processor_seconds(*pids: int) -> float:
    """What these processes have used of the processor, in user and kernel mode: by their own clocks.

    (See clock_getcpuclockid.)
    """
    return sum(time.clock_gettime((~pid << 3) | 2) for pid in pids)
