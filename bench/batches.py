"""Batches of moments that nobody sent before: over HTTP, and by the same statements without it.

Bodies and parameters are made ahead: a client's own work is neither the server's nor the statements'.
"""

import asyncio
import itertools
import json
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import uvloop

from bench.load import Request, ask_for, connected, post, sending
from bench.world import World
from leadfeed_api.db.session import Database
from leadfeed_api.ingestion.interpret import Candidate
from leadfeed_api.ingestion.record import record_moments

TURNS = 16  # of each, in one run of four seconds
AGE = timedelta(hours=1)  # of the first moment that is made ahead: none may be from the future
FASTEST = 40_000  # moments a second that nobody reaches here
DESCRIPTION = "Visited the pricing page 3 times"
MOMENTS = "/v1/moments"


@dataclass(frozen=True)
class Into:
    """Where moments go: organisations, taken by turns, and which leads do something, one after the other."""

    org_ids: tuple[int, ...]
    keys: tuple[str, ...]
    leads: tuple[str, ...]


def into_world(world: World) -> Into:
    """The leads of the rep who has 90 of them; somebody else watches each, so that a moment is in two inboxes."""
    return Into((world.org_id,), (world.key,), tuple(f"watching-{n}" for n in range(90)))


def send_batches(
    port: int, into: Into, run: str, size: int, callers: int, seconds: float, path: str = MOMENTS
) -> float:
    """Moments per second accepted over HTTP; every batch is new, and every answer must say so."""
    return uvloop.run(sending(port, Bodies(into, run, size, seconds, path), callers, seconds)).per_second * size


def in_turn(
    url: str, port: int, into: tuple[Into, Into], run: str, size: int, callers: int, seconds: float
) -> tuple[float, float]:
    """Moments per second over HTTP, and by asyncpg on connections that are kept; each into organisations of its own.

    Both report in the order of time, which decides how they are indexed: so neither may report into the other's past.

    By many short turns, so that PostgreSQL's checkpoints, and whatever else the machine does, meet both alike.
    """
    return uvloop.run(_in_turn(url, port, into, run, size, callers, seconds))


class _Batches(Iterator[tuple[int, list[Candidate]]]):
    """Organisation and moments, again and again; the first of them made ahead. Each happened after the one before."""

    def __init__(self, into: Into, run: str, size: int, seconds: float) -> None:
        self.into, self.run, self.size = into, run, size
        self.firsts, self.turns, self.now = itertools.count(0, size), itertools.count(), datetime.now(UTC) - AGE
        self.ahead = deque(self._make() for _ in range(_made_ahead(size, seconds)))

    def __next__(self) -> tuple[int, list[Candidate]]:
        return self.ahead.popleft() if self.ahead else self._make()

    def _make(self) -> tuple[int, list[Candidate]]:
        turn = next(self.turns)
        org_id, now = self.into.org_ids[turn % len(self.into.org_ids)], self.now + turn * timedelta(milliseconds=1)
        return org_id, [
            Candidate(self.run, str(number), lead, "web", DESCRIPTION, None, None, now)
            for number, lead in _numbered(self.into, next(self.firsts), self.size)
        ]


class Bodies(Iterator[Request]):
    """The same as requests to ours; to Django's, if they go elsewhere."""

    def __init__(self, into: Into, run: str, size: int, seconds: float, path: str = MOMENTS) -> None:
        self.into, self.run, self.size, self.path = into, run, size, path
        self.firsts, self.turns = itertools.count(0, size), itertools.count()
        self.ahead = deque(self._make() for _ in range(_made_ahead(size, seconds)))

    def __next__(self) -> Request:
        return self.ahead.popleft() if self.ahead else self._make()

    def _make(self) -> Request:
        key = self.into.keys[next(self.turns) % len(self.into.keys)]
        moments = [
            {"source": self.run, "external_id": str(number), "lead_id": lead, "type": "web", "description": DESCRIPTION}
            for number, lead in _numbered(self.into, next(self.firsts), self.size)
        ]
        body = json.dumps({"moments": moments}).encode()
        asked = post(self.path, key, body, holds=f'"accepted":{self.size},')
        if self.path != MOMENTS:
            return Request(asked.head.replace(b" Bearer ", b" Token "), asked.body, asked.status, asked.holds)
        return asked


def _numbered(into: Into, first: int, size: int) -> list[tuple[int, str]]:
    """Numbers from ``first`` on, each with a lead; the leads come in another order than they are stored in."""
    return [(first + n, into.leads[(first + n * 7) % len(into.leads)]) for n in range(size)]


def _made_ahead(size: int, seconds: float) -> int:
    """More than can be sent in that time, where batches are large; what is missing is made when it is wanted."""
    return int(seconds * FASTEST / (size + 10)) + 1


async def _in_turn(
    url: str, port: int, into: tuple[Into, Into], run: str, size: int, callers: int, seconds: float
) -> tuple[float, float]:
    bodies, batches = Bodies(into[0], f"h{run}", size, seconds), _Batches(into[1], f"s{run}", size, seconds)
    asked, written = _Pace(), _Pace()
    turns = max(1, min(TURNS, round(seconds / 4 * TURNS)))  # each long enough for more than a batch a caller
    async with Database(url, pool_size=callers) as database, connected(port, bodies, callers) as connections:
        # What a connection has to learn at first: the statements it is asked, or how much it may send.
        await ask_for(connections, 0)
        await _write(database, batches, callers, 0)
        for _ in range(turns):
            answered = await ask_for(connections, seconds / turns)
            asked.add(len(answered.seconds), len(answered.seconds) / answered.per_second)
            written.add(*await _write(database, batches, callers, seconds / turns))
    return asked.per_second * size, written.per_second * size


@dataclass
class _Pace:
    count: int = 0
    seconds: float = 0.0

    def add(self, count: int, seconds: float) -> None:
        self.count += count
        self.seconds += seconds

    @property
    def per_second(self) -> float:
        return self.count / self.seconds


async def _write(database: Database, batches: _Batches, callers: int, seconds: float) -> tuple[int, float]:
    """So many batches in so many seconds: each caller at least one."""
    started = time.perf_counter()

    async def caller() -> int:
        count = 0
        while not count or time.perf_counter() < started + seconds:
            org_id, batch = next(batches)
            verdicts = await record_moments(database, org_id, batch)
            if any(verdict.status != "accepted" for verdict in verdicts):
                raise SystemExit("a moment was not accepted")
            count += 1
        return count

    counts = await asyncio.gather(*(caller() for _ in range(callers)))
    return sum(counts), time.perf_counter() - started
