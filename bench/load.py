"""The load: many HTTP requests from a process of its own, by a client that costs far less than the server.

Every answer is checked (status, and a text it must hold) before it is counted.
"""

import asyncio
import atexit
import itertools
import multiprocessing
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import cache
from multiprocessing.pool import Pool
from typing import Any

import uvloop

from bench.cores import move_to_load, parted

TURN_S = 0.25  # of each of those that are asked by turns


@dataclass(frozen=True)
class Request:
    """One request as it goes over the wire, and what makes its answer right."""

    head: bytes
    body: bytes = b""
    status: int = 200
    holds: bytes = b""


@dataclass(frozen=True)
class Answered:
    """What a load found: requests per second, and seconds per request in order."""

    per_second: float
    seconds: Sequence[float]


def get(path: str, token: str | None = None, *, status: int = 200, holds: str = "", **headers: str) -> Request:
    """A GET."""
    return Request(_head("GET", path, token, headers), b"", status, holds.encode())


def post(path: str, token: str, body: bytes, *, holds: str = "") -> Request:
    """A POST of JSON."""
    headers = {"Content-Type": "application/json", "Content-Length": str(len(body))}
    return Request(_head("POST", path, token, headers), body, 200, holds.encode())


def _head(method: str, path: str, token: str | None, headers: dict[str, str]) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1"]
    lines += [f"Authorization: Bearer {token}"] if token else []
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def in_own_process(work: Callable[..., Any], *args: Any, limit_s: float | None = None) -> Any:
    """``work(*args)`` in a process beside this one, so that its costs are not the server's; raises what it raised.

    Raises ``TimeoutError`` after ``limit_s``; that process is good for nothing more then.
    """
    try:
        return _beside().apply_async(guarded, (work, *args)).get(limit_s)
    except multiprocessing.TimeoutError:
        raise TimeoutError(f"{work.__name__} came to no end in {limit_s} s") from None


def guarded(work: Callable[..., Any], *args: Any) -> Any:
    """``work(*args)``; a wrong answer is an error here, because a pool forgets the work of a process that exits."""
    try:
        return work(*args)
    except SystemExit as wrong:
        raise RuntimeError(str(wrong)) from None


@cache
def _beside() -> Pool:
    pool = multiprocessing.get_context("spawn").Pool(1, move_to_load, (parted(),))
    atexit.register(pool.terminate)
    return pool


def send(port: int, requests: Sequence[Request], concurrency: int, seconds: float) -> Answered:
    """Sends the requests over and over from ``concurrency`` connections for ``seconds``."""
    return uvloop.run(sending(port, itertools.cycle(requests), concurrency, seconds))


async def sending(port: int, requests: Iterator[Request], concurrency: int, seconds: float) -> Answered:
    """As :func:`send`, in the running loop, and each request once."""
    async with connected(port, requests, concurrency) as callers:
        return await ask_for(callers, seconds)


def send_by_turns(asked: Sequence[tuple[int, Request]], seconds: float) -> list[Sequence[float]]:
    """Seconds per request, in order, of each of several at their ports: a connection each, asked ``seconds`` in all.

    In many short turns, so that whatever else the machine does meets all of them.
    """
    return uvloop.run(_by_turns(asked, seconds))


async def _by_turns(asked: Sequence[tuple[int, Request]], seconds: float) -> list[Sequence[float]]:
    took: list[list[float]] = [[] for _ in asked]
    turns = max(1, round(seconds / TURN_S))
    async with AsyncExitStack() as opened:
        callers = [
            await opened.enter_async_context(connected(port, itertools.cycle([request]), 1)) for port, request in asked
        ]
        for _ in range(turns):
            for one, of_one in zip(callers, took, strict=True):
                of_one.extend((await ask_for(one, seconds / turns)).seconds)
    return [sorted(one) for one in took]


@asynccontextmanager
async def connected(port: int, requests: Iterator[Request], concurrency: int) -> AsyncIterator[Sequence["Caller"]]:
    """So many connections, which stay open between one :func:`ask_for` and the next."""
    loop, callers = asyncio.get_running_loop(), [Caller(requests) for _ in range(concurrency)]
    for caller in callers:
        await loop.create_connection(lambda one=caller: one, "127.0.0.1", port)  # type: ignore[misc]
    yield callers
    for caller in callers:
        caller.transport.close()


async def ask_for(callers: Sequence["Caller"], seconds: float) -> Answered:
    """Has all of them ask for ``seconds``, each one time at least."""
    took: list[float] = []
    started = time.perf_counter()
    await asyncio.gather(*(caller.ask_until(started + seconds, took) for caller in callers))
    return Answered(len(took) / (time.perf_counter() - started), sorted(took))


class Caller(asyncio.Protocol):
    """One connection that asks again as soon as it is answered, until its time is over.

    No stream and no task: what the load costs is taken from the server where cores are few.
    """

    def __init__(self, requests: Iterator[Request]) -> None:
        self.requests = requests
        self.until, self.took = 0.0, list[float]()
        self.ended = asyncio.get_running_loop().create_future()
        self.transport: Any = None
        self.asked: Request | None = None
        self.asked_at = 0.0
        self.pieces: list[bytes] = []
        self.missing = 0  # bytes of the answer, once its head is here

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def ask_until(self, until: float, took: list[float]) -> asyncio.Future[None]:
        """Begins to ask; done when ``until`` is over and the last is answered. What each ``took`` is put there."""
        if self.transport.is_closing():
            raise SystemExit("the server hung up")
        self.until, self.took = until, took
        self.ended = asyncio.get_running_loop().create_future()
        self._ask()
        return self.ended

    def data_received(self, data: bytes) -> None:
        if not self.missing:
            data, self.pieces = b"".join([*self.pieces, data]), []
            head_ends = data.find(b"\r\n\r\n")
            if head_ends < 0:
                self.pieces = [data]
                return
            self.missing = head_ends + 4 + _content_length(data[:head_ends])
        self.pieces.append(data)
        self.missing -= len(data)
        if not self.missing:
            self._check(b"".join(self.pieces))
            self.pieces = []

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.ended.done():
            self.ended.set_exception(SystemExit("the server hung up"))

    def _check(self, answer: bytes) -> None:
        asked = self.asked
        if asked is None or int(answer[9:12]) != asked.status or asked.holds not in answer:
            self.ended.set_exception(SystemExit(f"a wrong answer: {answer[:600]!r}"))
            self.transport.close()
            return
        now = time.perf_counter()
        self.took.append(now - self.asked_at)
        if now < self.until:
            self._ask()
        else:
            self.ended.set_result(None)

    def _ask(self) -> None:
        self.asked = next(self.requests)
        self.asked_at = time.perf_counter()
        self.transport.write(self.asked.head + self.asked.body)


def _content_length(head: bytes) -> int:
    place = head.lower().find(b"\r\ncontent-length:")
    return int(head[place + 17 :].split(b"\r\n", 1)[0]) if place >= 0 else 0
