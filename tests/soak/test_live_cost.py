"""What a stream costs: memory a connection and processor time a delivery, at 10,000 connections on one process.

Side by side with nginx's nchan where that is installed: the same clients, the same bytes, in one run, by turns.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest
from crowd import crowd
from nchan import installed, nchan

from instances import instance, world_at
from leadfeed_api.db.session import Database
from leadfeed_api.settings import Settings
from leadfeed_api.stream.capacity import make_room
from stream_client import until

pytest_plugins = ["figures"]
pytestmark = [pytest.mark.anyio, pytest.mark.soak]

CONNECTIONS, ROUNDS, TURNS, BYTES_A_CONNECTION = 10_000, 20, 3, 16 * 1024
DESCRIPTION = "Visited the pricing page 3 times in 5 minutes, and came back twice the day after"


class Counter(asyncio.Protocol):
    """One stream, and how many events it brought; as cheap as can be."""

    def __init__(self) -> None:
        self.count = 0
        self.opened = asyncio.get_running_loop().create_future()
        self.transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        if not self.opened.done():
            self.opened.set_result(data)
        self.count += data.count(b"data: ")


@dataclass
class Cost:
    """What was measured of one server in one turn."""

    memory: float  # bytes a connection
    seconds: float  # of the processor, a delivery


async def open_all(address: str, requests: list[bytes]) -> list[Counter]:
    """So many streams."""
    parts, gate = urlsplit(address), asyncio.Semaphore(100)

    async def open_one(request: bytes) -> Counter:
        async with gate:
            _, counter = await asyncio.get_running_loop().create_connection(
                Counter, parts.hostname or "", parts.port or 80
            )
            counter.transport.write(request)
            assert b" 200 " in (await counter.opened).split(b"\r\n")[0]
            return counter

    return list(await asyncio.gather(*map(open_one, requests)))


async def measure(pid: int, address: str, requests: list[bytes], say: Callable[[], Awaitable[Any]]) -> Cost:
    """Opens the streams, says something ``ROUNDS`` times to all of them, and hangs up."""
    early, late = requests[:200], requests[200:]
    counters = await open_all(address, early)
    before = private_bytes(pid)
    counters += await open_all(address, late)
    memory = (private_bytes(pid) - before) / len(late)
    busy = processor_seconds(pid)
    for number in range(ROUNDS):
        await say()
        await until(lambda number=number: all(one.count > number for one in counters), within=60)
    seconds = processor_seconds(pid) - busy
    for counter in counters:
        counter.transport.abort()
    return Cost(memory, seconds / ROUNDS / len(counters))


def private_bytes(pid: int) -> int:
    """The process's memory that it shares with nobody."""
    fields = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:])
    return int(fields["Private_Dirty"].split()[0]) * 1024


def processor_seconds(pid: int) -> float:
    """What the process has used of the processor, in user and kernel mode."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / float(os.sysconf("SC_CLK_TCK"))


def request(path: str, token: str) -> bytes:
    """What a browser would send, about."""
    return (
        f"GET {path} HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\nAuthorization: Bearer {token}\r\n\r\n"
    ).encode()


async def measure_ours(settings: Settings, database: Database) -> tuple[Cost, int]:
    """Also how many bytes an event has."""
    async with (
        instance(settings) as running,
        world_at(settings, running.base_url) as world,
        crowd(world, database, CONNECTIONS),
    ):
        requests = [request("/v1/feed/stream", world.token(f"u{number}")) for number in range(CONNECTIONS)]

        async def say() -> None:
            await world.report(world.moment("shared", description=DESCRIPTION))

        cost = await measure(running.process.pid, running.base_url, requests, say)
        (newest,) = (await world.page("u1", limit=1))["items"]
        return cost, len(str(newest))


async def measure_nchan(size: int) -> Cost:
    """The same clients at nchan, and messages of that size."""
    async with nchan() as (pid, address), httpx2.AsyncClient(base_url=address, timeout=60) as client:
        return await measure(
            pid, address, [request("/listen", "x" * 250)] * CONNECTIONS, lambda: client.post("/say", content="y" * size)
        )


async def test_ten_thousand_streams_cost_no_more_than_they_may(
    settings: Settings, database: Database, note: Callable[[str], None]
) -> None:
    make_room()
    ours, peers, size = [], [], 500
    for _ in range(TURNS):
        cost, size = await measure_ours(settings, database)
        ours.append(cost)
        if installed():
            peers.append(await measure_nchan(size))

    for name, costs in (("ours", ours), ("nchan", peers)):
        for cost in costs:
            note(
                f"{name}: {cost.memory / 1024:.1f} KiB a connection, {cost.seconds * 1e6:.1f} µs of processor time a "
                f"delivery of {size} bytes ({1 / cost.seconds:.0f} deliveries a second)"
            )
    assert median(cost.memory for cost in ours) <= BYTES_A_CONNECTION
    if peers:
        ratio = median(cost.seconds for cost in peers) / median(cost.seconds for cost in ours)
        note(f"deliveries per second of processor, ours to nchan's: {ratio:.2f}")
    else:
        note("nchan is not installed here (Debian: nginx, libnginx-mod-nchan): not compared")
