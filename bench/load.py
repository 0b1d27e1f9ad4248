"""The load: many HTTP requests from a process of its own, by a client that costs far less than the server.

Every answer is checked (status, and a text it must hold) before it is counted.
"""

import asyncio
import itertools
import multiprocessing
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import uvloop


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


def in_own_process(work: Callable[..., Any], *args: Any) -> Any:
    """``work(*args)`` in a fresh process, so that its costs are not the server's; raises what it raised."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(work, args)


def send(port: int, requests: Sequence[Request], concurrency: int, seconds: float) -> Answered:
    """Sends the requests over and over from ``concurrency`` connections for ``seconds``."""
    return uvloop.run(sending(port, itertools.cycle(requests), concurrency, seconds))


async def sending(port: int, requests: Iterator[Request], concurrency: int, seconds: float) -> Answered:
    """As :func:`send`, in the running loop, and each request once."""
    took: list[float] = []
    ends = time.perf_counter() + seconds

    async def caller() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while time.perf_counter() < ends:
            request = next(requests)
            started = time.perf_counter()
            writer.write(request.head + request.body)
            await _checked(reader, request)
            took.append(time.perf_counter() - started)
        writer.close()

    started = time.perf_counter()
    await asyncio.gather(*(caller() for _ in range(concurrency)))
    return Answered(len(took) / (time.perf_counter() - started), sorted(took))


async def _checked(reader: asyncio.StreamReader, request: Request) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    status = int(head[9:12])
    length = 0
    for line in head.split(b"\r\n"):
        if line[:15].lower() == b"content-length:":
            length = int(line[15:])
    body = await reader.readexactly(length) if length else b""
    if status != request.status or request.holds not in body:
        raise SystemExit(f"a wrong answer: {status}, {body[:300]!r}")
    return body
