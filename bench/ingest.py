"""Moments coming in: HTTP batches against asyncpg doing the same SQL; single moments grouped against ungrouped."""

import itertools
import json
import time
from collections import deque
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial

import uvloop
from fastapi import FastAPI

from bench.figures import Figure
from bench.load import Request, in_own_process, post, sending
from bench.world import World, serving
from leadfeed_api.cli.serve import app_from_environment
from leadfeed_api.db.session import Database
from leadfeed_api.ingestion.interpret import Candidate
from leadfeed_api.ingestion.record import record_moments

BATCH = 500
SHAPES = ((1, 1), (100, 1), (1, 8), (100, 8), (500, 8))  # moments a batch, callers
FASTEST = 40_000  # moments a second that nobody reaches here
DESCRIPTION = "Visited the pricing page 3 times"


def run(world: World, runs: int, seconds: float) -> list[Figure]:
    """Alternates ours and the reference in every run."""
    batches = Figure(
        "ingest_vs_sql", ">= 0.95", "moments/s in batches of 500, one caller, HTTP ÷ the same writes by asyncpg"
    )
    singles = Figure(
        "single_grouped_vs_ungrouped", ">= 3", "moments/s of 64 callers of one moment each, grouped ÷ ungrouped"
    )
    with serving(world) as port, serving(world, "bench.ingest:ungrouped_app") as ungrouped:
        for turn in range(runs):
            ours = in_own_process(send_batches, port, world.key, f"h{turn}", BATCH, 1, seconds)
            batches.add(ours, in_own_process(write_by_asyncpg, world.url, world.org_id, f"s{turn}", seconds))
            grouped = in_own_process(send_batches, port, world.key, f"g{turn}", 1, 64, seconds)
            alone = in_own_process(send_batches, ungrouped, world.key, f"u{turn}", 1, 64, seconds)
            singles.add(grouped, alone)
        shapes = [_shape(world, port, shape, runs, seconds) for shape in SHAPES]
    return [batches, singles, *shapes]


def _shape(world: World, port: int, shape: tuple[int, int], runs: int, seconds: float) -> Figure:
    size, callers = shape
    about = f"moments/s in batches of {size} from {callers} at a time ÷ batches of {BATCH} from one"
    figure = Figure(f"ingest_{size}x{callers}", "", about)
    for turn in range(runs):
        ours = in_own_process(send_batches, port, world.key, f"{size}x{callers}-{turn}", size, callers, seconds / 2)
        figure.add(
            ours, in_own_process(send_batches, port, world.key, f"o{size}x{callers}-{turn}", BATCH, 1, seconds / 2)
        )
    return figure


def ungrouped_app() -> FastAPI:
    """The same service, but every request is a transaction of its own."""
    app = app_from_environment()
    opened = app.router.lifespan_context

    def without_grouping(app: FastAPI) -> object:
        return _Ungrouped(opened(app), app)

    app.router.lifespan_context = without_grouping  # type: ignore[assignment]
    return app


class _Ungrouped:
    def __init__(self, lifespan: object, app: FastAPI) -> None:
        self.lifespan, self.app = lifespan, app

    async def __aenter__(self) -> None:
        await self.lifespan.__aenter__()  # type: ignore[attr-defined]
        self.app.state.grouping = self
        self.record = partial(record_moments, self.app.state.database)

    async def __aexit__(self, *args: object) -> None:
        await self.lifespan.__aexit__(*args)  # type: ignore[attr-defined]


def send_batches(port: int, key: str, run: str, size: int, callers: int, seconds: float) -> float:
    """Moments per second accepted over HTTP; every batch is new, and every answer must say so."""
    return uvloop.run(sending(port, _Bodies(run, size, key, seconds), callers, seconds)).per_second * size


class _Bodies(Iterator[Request]):
    """Batches that nobody sent before, the first of them made ahead: a client's own work is not the server's."""

    def __init__(self, run: str, size: int, key: str, seconds: float) -> None:
        self.run, self.size, self.key, self.count = run, size, key, itertools.count()
        self.ahead = deque(self._next() for _ in range(_made_ahead(size, seconds)))

    def __next__(self) -> Request:
        return self.ahead.popleft() if self.ahead else self._next()

    def _next(self) -> Request:
        moments = [
            {"source": self.run, "external_id": str(next(self.count)), "lead_id": f"watching-{n % 90}", "type": "web",
             "description": DESCRIPTION}
            for n in range(self.size)
        ]  # fmt: skip
        body = json.dumps({"moments": moments}).encode()
        return post("/v1/moments", self.key, body, holds=f'"accepted":{self.size},')


def _made_ahead(size: int, seconds: float) -> int:
    """More than can be sent in that time, where batches are large; what is missing is made when it is wanted."""
    return int(seconds * FASTEST / (size + 10)) + 1


def write_by_asyncpg(url: str, org_id: int, run: str, seconds: float) -> float:
    """Moments per second by the same statements, without HTTP, JSON, judging of shapes or grouping."""
    return uvloop.run(_write(url, org_id, run, seconds))


async def _write(url: str, org_id: int, run: str, seconds: float) -> float:
    numbers, now, count = itertools.count(), datetime.now(UTC), 0

    def batch() -> list[Candidate]:
        return [
            Candidate(run, str(next(numbers)), f"watching-{n % 90}", "web", DESCRIPTION, None, None, now)
            for n in range(BATCH)
        ]

    ahead = deque(batch() for _ in range(_made_ahead(BATCH, seconds)))
    async with Database(url, pool_size=2) as database:
        started = time.perf_counter()
        while not count or time.perf_counter() < started + seconds:
            verdicts = await record_moments(database, org_id, ahead.popleft() if ahead else batch())
            count += sum(verdict.status == "accepted" for verdict in verdicts)
        return count / (time.perf_counter() - started)
