"""One moment after the other on its way from whoever reports it to whoever follows, timed in a process of its own.

Reports so seldom that nothing queues, and checks every answer and every event before it counts. Every wait has an end.
"""

import asyncio
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvloop

from bench.commits import Commits
from bench.load import Request

OPENING_S, ARRIVING_S, LONGEST_S = 15.0, 5.0, 30.0
PER_SECOND = 100
FIRST = 20  # not counted: connections are opened, statements prepared, plans chosen
UNKNOWN = 0.02  # of the moments, so many at most may have had another commit of the process beside theirs


@dataclass(frozen=True)
class Said:
    """A report, who hears it (the number of a stream), and the description that proves it."""

    request: Request
    stream: int
    description: str


@dataclass
class Times:
    """Seconds of each moment, in order of arrival."""

    from_commit: list[float] = field(default_factory=list)  # COMMIT issued -> bytes
    from_post: list[float] = field(default_factory=list)  # request written -> bytes
    from_answer: list[float] = field(default_factory=list)  # answer here -> bytes; below zero where they came first
    unknown: int = 0  # another commit came in between: nobody can say which was the moment's


class Stream(asyncio.Protocol):
    """A stream that notes when it heard something."""

    def __init__(self) -> None:
        self.data, self.heard_at = b"", 0
        self.opened = asyncio.Event()
        self.heard = asyncio.Event()
        self.transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        now = time.monotonic_ns()
        self.data += data
        if b"event: moment" in self.data and self.data.endswith(b"\r\n\r\n\r\n"):
            self.heard_at = now
            self.heard.set()
        self.opened.set()

    async def open(self, request: bytes) -> None:
        """Asks for the stream, and waits until it has begun."""
        self.transport.write(request)
        while b"\r\n\r\n" not in self.data:
            self.opened.clear()
            await self.opened.wait()
        if b" 200" not in self.data[:12]:
            raise SystemExit(f"a stream did not open: {self.data[:300]!r}")

    def take(self) -> dict[str, Any]:
        """The one event that was heard. Raises when it is not one, or not whole."""
        lines = [line for line in self.data.split(b"\r\n") if line.startswith(b"data: ")]
        self.data = b""
        self.heard.clear()
        if len(lines) != 1:
            raise SystemExit(f"{len(lines)} events at once")
        event: dict[str, Any] = json.loads(lines[0][6:])
        return event


class Reporter(asyncio.Protocol):
    """Who reports: one connection, one request at a time."""

    def __init__(self) -> None:
        self.data, self.answered_at = b"", 0
        self.answered = asyncio.Event()
        self.transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        now = time.monotonic_ns()
        self.data += data
        body = self.data.partition(b"\r\n\r\n")[2]
        if body.endswith(b"}"):
            self.answered_at = now
            self.answered.set()

    def ask(self, request: Request) -> int:
        """Sends; returns when."""
        self.data = b""
        self.answered.clear()
        now = time.monotonic_ns()
        self.transport.write(request.head + request.body)
        return now


def arrivals(commits: Path, ports: tuple[int, int], streams: Sequence[bytes], said: Sequence[Said]) -> Times:
    """Opens the streams at the second port, then reports at the first, one moment after the other.

    Raises when anything is wrong or late.
    """
    return uvloop.run(timed(Commits(commits), ports, streams, said))


async def timed(commits: Commits, ports: tuple[int, int], requests: Sequence[bytes], said: Sequence[Said]) -> Times:
    """As :func:`arrivals`, in the running loop."""
    loop, times = asyncio.get_running_loop(), Times()
    _, reporter = await loop.create_connection(Reporter, "127.0.0.1", ports[0])
    streams = [(await loop.create_connection(Stream, "127.0.0.1", ports[1]))[1] for _ in requests]
    try:
        async with asyncio.timeout(OPENING_S):
            for stream, request in zip(streams, requests, strict=True):
                await stream.open(request)
        await _say_all(commits, reporter, streams, said, times)
    finally:
        for transport in (reporter.transport, *(one.transport for one in streams)):
            transport.abort()
    if times.unknown > max(2, UNKNOWN * len(times.from_post)):
        raise SystemExit(f"of {len(times.from_post)} moments {times.unknown} had another commit beside theirs")
    return times


async def _say_all(
    commits: Commits, reporter: "Reporter", streams: Sequence["Stream"], said: Sequence[Said], times: Times
) -> None:
    loop = asyncio.get_running_loop()
    for number, one in enumerate(said):
        beginning = loop.time()
        await _say(commits, reporter, streams[one.stream], one, times if number >= FIRST else Times())
        await asyncio.sleep(max(0.0, beginning + 1 / PER_SECOND - loop.time()))
    if any(b"event: moment" in one.data for one in streams):
        raise SystemExit("a stream heard something twice, or what was for another")


async def _say(commits: Commits, reporter: Reporter, stream: Stream, said: Said, times: Times) -> None:
    before, _ = commits.last()
    stream.data = b""  # signs of life
    posted_at = reporter.ask(said.request)
    try:
        async with asyncio.timeout(ARRIVING_S):
            await reporter.answered.wait()
            await stream.heard.wait()
    except TimeoutError:
        raise SystemExit(f"no answer or no event in {ARRIVING_S} s: {reporter.data!r}, {stream.data!r}") from None
    if b" 200" not in reporter.data[:12] or b'"accepted":1' not in reporter.data:
        raise SystemExit(f"a wrong answer: {reporter.data!r}")
    event = stream.take()
    if event["description"] != said.description:
        raise SystemExit(f"a wrong event: {event}")
    after, committed_at = commits.last()
    times.from_post.append((stream.heard_at - posted_at) / 1e9)
    times.from_answer.append((stream.heard_at - reporter.answered_at) / 1e9)
    if after == before + 1 and posted_at < committed_at < stream.heard_at:
        times.from_commit.append((stream.heard_at - committed_at) / 1e9)
    else:
        times.unknown += 1
