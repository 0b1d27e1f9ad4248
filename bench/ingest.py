"""Moments coming in: HTTP batches against asyncpg doing the same SQL; single moments grouped against ungrouped."""

from functools import partial

from fastapi import FastAPI

from bench.batches import Into, in_turn, into_world, send_batches
from bench.figures import Figure
from bench.load import in_own_process
from bench.peopled import demand_spread, twins
from bench.world import World, serving
from leadfeed_api.cli.serve import app_from_environment
from leadfeed_api.ingestion.record import record_moments

BATCH, FAN_OUT = 500, 3.6  # a moment is in so many inboxes: that of its lead's owner, and of who watches it
SHAPES = ((1, 1), (100, 1), (1, 8), (100, 8), (500, 8))  # moments a batch, callers


def run(world: World, runs: int, seconds: float) -> list[Figure]:
    """Alternates ours and the reference in every run."""
    about = "moments/s in batches of 500, one caller, fan-out {}, HTTP ÷ the same writes by asyncpg"
    batches = Figure("ingest_vs_sql", ">= 0.95", about.format("3.6"))
    fewer = Figure("ingest_to_2_by_1", "", about.format("2"))
    singles = Figure(
        "single_grouped_vs_ungrouped", ">= 3", "moments/s of 64 callers of one moment each, grouped ÷ ungrouped"
    )
    into, watched, by_two = into_world(world), *(twins(world.url, f"to-{n:.0f}", n) for n in (FAN_OUT, 2.0))
    with serving(world) as port, serving(world, "bench.ingest:ungrouped_app") as ungrouped:
        for turn in range(runs):
            batches.add(*in_own_process(in_turn, world.url, port, watched, f"{turn}", BATCH, 1, seconds))
            fewer.add(*in_own_process(in_turn, world.url, port, by_two, f"{turn}", BATCH, 1, seconds))
            grouped = in_own_process(send_batches, port, into, f"g{turn}", 1, 64, seconds)
            alone = in_own_process(send_batches, ungrouped, into, f"u{turn}", 1, 64, seconds)
            singles.add(grouped, alone)
        shapes = [_shape(into, port, shape, runs, seconds) for shape in SHAPES]
    for fan_out, pair in ((FAN_OUT, watched), (2.0, by_two)):
        for one in pair:
            demand_spread(world.url, one, fan_out)
    return [batches, fewer, singles, *shapes]


def _shape(into: Into, port: int, shape: tuple[int, int], runs: int, seconds: float) -> Figure:
    size, callers = shape
    about = f"moments/s in batches of {size} from {callers} at a time ÷ batches of {BATCH} from one"
    figure = Figure(f"ingest_{size}x{callers}", "", about)
    for turn in range(runs):
        ours = in_own_process(send_batches, port, into, f"{size}x{callers}-{turn}", size, callers, seconds / 2)
        figure.add(ours, in_own_process(send_batches, port, into, f"o{size}x{callers}-{turn}", BATCH, 1, seconds / 2))
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
