"""What operators can measure: each metric by its name, as docs/metrics.md tells them."""

import asyncio
import re
import threading
from pathlib import Path

import pytest
from prometheus_client.metrics import MetricWrapperBase

from addresses import operations
from clients import figure
from leadfeed_api.telemetry import Metrics
from stream_client import following
from world import Service

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).resolve().parent.parent
PAGE, SOURCE = ROOT / "docs" / "metrics.md", ROOT / "src"


def test_the_page_for_operators_names_every_metric_with_its_labels_and_no_other() -> None:
    measured = [one for one in vars(Metrics()).values() if isinstance(one, MetricWrapperBase)]
    assert sorted(re.findall(r"^\| `(\S+)` \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)) == sorted(
        map(_shown, measured)
    )


def _shown(metric: MetricWrapperBase) -> str:
    (family,) = metric.describe()
    name = f"{family.name}_total" if family.type == "counter" else family.name
    labels = metric._labelnames
    return f"{name}{{{','.join(labels)}}}" if labels else name


async def test_the_documents_example_of_the_metrics_is_a_part_of_them(service: Service) -> None:
    (answered,) = [one.document for one in operations() if one.path == "/metrics"]
    example = answered["responses"]["200"]["content"]["text/plain"]["example"]
    *described, _ = example.splitlines()
    assert "\n".join(described) in (await service.client.get("/metrics")).text


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

    counted = [f"leadfeed_stream_{name}_total" for name in ("deliveries", "wakeups", "catch_ups", "resets")]
    counted.append("leadfeed_stream_connections")
    others = ["leadfeed_tasks", "leadfeed_stream_lag_positions"]
    before = {name: await figure(world.client, name) for name in counted}
    async with following(world, "ana", at="nonsense") as stream:
        await stream.next()
        await world.report(world.moment("l1"), world.moment("l1"))  # one alone need not be read from the log
        await stream.next()
        now = {name: await figure(world.client, name) for name in [*counted, *others]}
        async with world.service.app.state.database.read():
            assert await figure(world.client, "leadfeed_database_connections_in_use") > 0

    assert [name for name in counted if now[name] <= before[name]] == []
    assert now["leadfeed_tasks"] > 0
    assert now["leadfeed_stream_lag_positions"] == 0


async def test_what_strangers_make_up_is_counted_and_makes_no_more_than_a_few_series(service: Service) -> None:
    async def series() -> int:
        return (await service.client.get("/metrics")).text.count("leadfeed_request_seconds_count{")

    await service.client.get("/metrics")  # has a series of its own
    known, before = await series(), await figure(service.client, "leadfeed_request_seconds_count", route="unmatched")
    offered = {(operation.method, operation.path) for operation in operations()}
    paths = sorted({path for _, path in offered})
    for method in ("PUT", "MKCOL", "PURGE", "FOO"):
        for path in ("/made-up", *paths):
            if (method, path) not in offered:
                assert (await service.client.request(method, path)).status_code in {404, 405}
    assert await series() <= known + 4, "for PUT and for others, each 404 and 405"
    after = await figure(service.client, "leadfeed_request_seconds_count", route="unmatched")
    assert after >= before + 3 * len(paths)


async def test_writing_the_metrics_keeps_nobody_waiting(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    answered = threading.Event()
    monkeypatch.setattr(Metrics, "exposition", lambda _: b"answered meanwhile" if answered.wait(10) else b"")
    async with asyncio.TaskGroup() as tasks:
        scraped = tasks.create_task(service.client.get("/metrics"))
        await asyncio.sleep(0)  # it is asked first
        assert (await service.client.get("/healthz")).status_code == 200
        answered.set()
    assert scraped.result().text == "answered meanwhile"
