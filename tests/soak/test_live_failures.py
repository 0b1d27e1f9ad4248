"""What breaks around the service: a database process, the connection that listens, an instance between two steps."""

import asyncio
import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import httpx2
import pytest

from clients import plain_client
from instances import instance, instances, world_at
from leadfeed_api.db.embedded import EmbeddedPostgres
from leadfeed_api.db.migrate import migrate
from leadfeed_api.db.session import Database
from leadfeed_api.settings import Settings
from neighbours import wire
from stream_client import following
from world import World

pytest_plugins = ["figures"]
pytestmark = [pytest.mark.anyio, pytest.mark.soak]


async def report_until_acknowledged(world: World) -> str:
    """Reports one moment, again whenever the service cannot take it; returns its id."""
    moment = world.moment("l1")
    while True:
        with suppress(httpx2.HTTPError):
            answer = await world.client.post("/v1/moments", headers=world.machine, json={"moments": [moment]})
            if answer.status_code == 200:
                identity: str = answer.json()["results"][0]["id"]
                return identity
            assert answer.status_code == 503, answer.text
        await asyncio.sleep(0.02)


@pytest.fixture
def own_server(tmp_path: Path) -> object:
    """A database server of this test's own, to be broken: as durable as the default one."""
    tmp_path.chmod(0o711)
    with EmbeddedPostgres(tmp_path / "data") as server:
        migrate(server.dsn)
        yield server.dsn


async def test_after_kill_9_of_a_database_process_every_stream_goes_on_by_itself(
    own_server: str, settings: Settings, note: Callable[[str], None]
) -> None:
    broken = settings.model_copy(update={"database_url": own_server})
    async with (
        instances(broken, 2) as (one, other),
        world_at(broken, one.base_url) as world,
    ):
        await world.people("ana", leads={"l1": "ana"})
        async with following(world, "ana") as here, following(world, "ana", base_url=other.base_url) as there:
            await here.ready()
            await there.ready()
            ids, outages = [], []
            for _ in range(5):
                ids += [await report_until_acknowledged(world) for _ in range(20)]
                async with Database(own_server, pool_size=1) as database, database.read() as connection:
                    victim = await connection.fetchval(
                        "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend'"
                        " AND pid <> pg_backend_pid() ORDER BY random() LIMIT 1"
                    )
                os.kill(victim, signal.SIGKILL)
                killed_at = time.monotonic()
                ids += [await report_until_acknowledged(world)]
                outages.append(time.monotonic() - killed_at)
            for stream in (here, there):
                assert [one.data["id"] for one in await stream.take(len(ids))] == ids
    note(
        f"5 kills, {len(ids)} moments, 0 lost on 2 streams that stayed open; outages {[f'{s:.2f} s' for s in outages]}"
    )


async def test_a_listening_connection_black_holed_for_60_seconds_is_noticed_and_polled_around(
    settings: Settings, note: Callable[[str], None]
) -> None:
    async with wire(settings.database_url or "") as (line, through_wire):
        holed = settings.model_copy(update={"listen_url": through_wire})
        async with (
            instance(holed) as listening,
            instance(settings) as writing,
            world_at(settings, writing.base_url) as world,
        ):
            await world.people("ana", leads={"l1": "ana"})
            async with following(world, "ana", base_url=listening.base_url) as stream:
                await stream.ready()
                line.dead, before, died_at = True, line.accepted, time.monotonic()
                noticed, delays = None, []
                while time.monotonic() - died_at < 60:
                    sent_at = time.monotonic()
                    (moment_id,) = await world.report(world.moment("l1"))
                    assert (await stream.next()).data["id"] == moment_id
                    delays.append(time.monotonic() - sent_at)
                    if noticed is None and line.accepted > before:
                        noticed = time.monotonic() - died_at
                line.dead = False
    note(f"noticed after {noticed:.1f} s; {len(delays)} deliveries by polling meanwhile, at most {max(delays):.2f} s")
    assert noticed is not None
    assert noticed <= 20
    assert max(delays) <= 2


async def test_whatever_an_instance_had_committed_when_it_was_killed_the_others_deliver_in_two_seconds(
    settings: Settings, note: Callable[[str], None]
) -> None:
    delays = []
    async with instance(settings) as other:
        for _ in range(10):
            async with instance(settings) as doomed, world_at(settings, doomed.base_url) as world:
                await world.people("ana", leads={"l1": "ana"})
                async with following(world, "ana", base_url=other.base_url) as stream:
                    await stream.ready()
                    acknowledged: list[str] = []

                    async def report(world: World = world, acknowledged: list[str] = acknowledged) -> None:
                        while True:
                            acknowledged.extend(await world.report(world.moment("l1")))

                    reporting = [asyncio.create_task(report()) for _ in range(8)]
                    for _ in range(50):
                        await stream.next()
                    doomed.kill()
                    killed_at = time.monotonic()
                    await asyncio.gather(*reporting, return_exceptions=True)
                    stored = [item["id"] for item in reversed(await _feed(world, other.base_url))]
                    received = 50
                    while received < len(stored):
                        await stream.next()
                        received += 1
                    delays.append(time.monotonic() - killed_at)
                    assert set(acknowledged) <= set(stored)
    note(f"10 kills: everything committed was delivered after at most {max(delays):.2f} s")
    assert max(delays) <= 2


async def _feed(world: World, base_url: str) -> list[dict[str, str]]:
    async with plain_client(base_url=base_url) as client:
        items: list[dict[str, str]] = []
        query = {"limit": "200"}
        while True:
            page = (await client.get("/v1/feed", headers=world.rep("ana"), params=query)).json()
            items += page["items"]
            if page["next_cursor"] is None:
                return items
            query["cursor"] = page["next_cursor"]
