"""What operators can measure: each figure of the live feed by its name, as docs/streaming.md tells them."""

import re
from pathlib import Path

import pytest
from prometheus_client.metrics import MetricWrapperBase

from clients import figure
from leadfeed_api.telemetry import Metrics
from stream_client import following
from world import Service

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).resolve().parent.parent
PAGE, SOURCE = ROOT / "docs" / "streaming.md", ROOT / "src"
FIGURES = {
    "leadfeed_stream_connections",
    "leadfeed_stream_deliveries_total",
    "leadfeed_stream_wakeups_total",
    "leadfeed_stream_catch_ups_total",
    "leadfeed_stream_resets_total",
    "leadfeed_stream_slow_disconnects_total",
    "leadfeed_stream_lag_positions",
    "leadfeed_stream_lag_seconds",
    "leadfeed_tasks",
    "leadfeed_database_connections_in_use",
}


def test_the_page_for_operators_names_every_figure_of_the_live_feed() -> None:
    assert set(re.findall(r"`(leadfeed_\w+)`", PAGE.read_text(encoding="utf-8"))) == FIGURES


def test_every_figure_is_moved_by_someone() -> None:
    source = "".join(one.read_text(encoding="utf-8") for one in SOURCE.rglob("*.py"))
    moved = set(re.findall(r"\.(\w+)\.(?:inc|set|observe|labels)\b", source))
    assert {name for name, one in vars(Metrics()).items() if isinstance(one, MetricWrapperBase)} - moved == set()


async def test_reported_moments_are_counted_by_verdict_and_by_transaction(server: Service) -> None:
    world = await server.new_world()
    await world.people("ana", leads={"l1": "ana"})

    async def counted() -> tuple[float, float]:
        accepted = await figure(world.client, "leadfeed_moments_total", verdict="accepted")
        return accepted, await figure(world.client, "leadfeed_ingest_group_moments_sum")

    accepted, in_transactions = await counted()
    await world.report(world.moment("l1"), world.moment("l1"))
    assert await counted() == (accepted + 2, in_transactions + 2)


async def test_what_happens_to_a_stream_is_counted(server: Service) -> None:
    world = await server.new_world()
    await world.people("ana", leads={"l1": "ana"})

    before = {name: await figure(world.client, name) for name in FIGURES}
    async with following(world, "ana", at="nonsense") as stream:
        await stream.next()
        await world.report(world.moment("l1"), world.moment("l1"))  # one alone need not be read from the log
        await stream.next()
        now = {name: await figure(world.client, name) for name in FIGURES}
        async with world.service.app.state.database.read():
            assert await figure(world.client, "leadfeed_database_connections_in_use") > 0

    grown = {name for name in FIGURES if now[name] > before[name]}
    assert grown >= {f"leadfeed_stream_{name}_total" for name in ("deliveries", "wakeups", "catch_ups", "resets")}
    assert "leadfeed_stream_connections" in grown
    assert now["leadfeed_tasks"] > 0
    assert now["leadfeed_stream_lag_positions"] == 0
