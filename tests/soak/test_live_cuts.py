"""Nothing lost, nothing repeated, order kept: clients cut at random while 200 writers commit when they please."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID

import httpx2
import pytest
from uuid_utils.compat import uuid7

from instances import Instance, instances, world_at
from leadfeed_api.db.channels import channel_for
from leadfeed_api.db.session import Connection, Database
from leadfeed_api.db.wakeups import Wakeups
from leadfeed_api.feed import entries
from leadfeed_api.feed.log import appending
from leadfeed_api.ingestion.interpret import Candidate
from leadfeed_api.ingestion.record import INSERT_MOMENTS, Verdict, columns_of
from leadfeed_api.settings import Settings
from leadfeed_api.telemetry import Metrics
from stream_client import following, until
from world import World

pytest_plugins = ["figures"]
pytestmark = [pytest.mark.anyio, pytest.mark.soak]

WRITERS, CUTS = 200, 500
ORGANISATIONS, CLIENTS_EACH = 5, 4


@dataclass
class Client:
    """One user's stream, cut and resumed; what it received, in order."""

    world: World
    received: list[str] = field(default_factory=list)
    last_id: str | None = None
    cuts: int = 0

    async def follow(self, addresses: list[str]) -> None:
        """Follows some instance until cut."""
        async with following(self.world, "ana", at=self.last_id, base_url=random.choice(addresses)) as stream:
            while True:
                event = await stream.next()
                self.received.append(event.data["id"])
                self.last_id = event.id

    async def live(self, addresses: list[str], wanted: int) -> None:
        """Follows, and is cut as often as wanted, after random times."""
        while self.cuts < wanted:
            with suppress(TimeoutError, httpx2.HTTPError):
                async with asyncio.timeout(random.expovariate(1 / 0.3)):
                    await self.follow(addresses)
            self.cuts += 1


class RolledBackError(Exception):
    """A writer changes its mind."""


async def write(database: Database, world: World, committed: list[tuple[int, str]], stop: asyncio.Event) -> None:
    """Commits transactions of one to five moments, each open for a random while; one in ten is rolled back."""
    while not stop.is_set():
        moments = [uuid7() for _ in range(random.randint(1, 5))]
        with suppress(RolledBackError):
            async with appending(database, world.org_id) as log:
                last = await log.advance(len(moments))
                places = list(range(last - len(moments) + 1, last + 1))
                await asyncio.sleep(random.expovariate(1 / 0.01))
                await _insert(log.connection, world, moments, places)
                await asyncio.sleep(random.expovariate(1 / 0.01))
                if random.random() < 0.1:
                    raise RolledBackError
            committed += zip(places, map(str, moments), strict=True)


async def _insert(connection: Connection, world: World, moments: list[UUID], places: list[int]) -> None:
    now = datetime.now(UTC)
    written = [Candidate("soak", str(one), "l1", "web", "A visit", None, None, now) for one in moments]
    columns = columns_of(written, [Verdict("accepted", str(one)) for one in moments])
    await connection.execute(INSERT_MOMENTS, world.org_id, places[0] - 1, *columns, now)
    await entries.fan_out(connection, world.org_id, places[0] - 1, columns.for_inboxes(now))


@asynccontextmanager
async def worlds(settings: Settings, running: Instance, count: int) -> AsyncIterator[list[World]]:
    async with AsyncExitStack() as opened:
        made = [await opened.enter_async_context(world_at(settings, running.base_url)) for _ in range(count)]
        for world in made:
            await world.people("ana", leads={"l1": "ana"})
        yield made


async def test_500_random_cuts_while_200_writers_commit_lose_and_repeat_nothing(
    settings: Settings, note: Callable[[str], None]
) -> None:
    async with (
        instances(settings, 2) as running,
        worlds(settings, running[0], ORGANISATIONS) as organisations,
        Database(settings.database_url or "", pool_size=WRITERS + 5) as database,  # each has its own, and wake-ups too
        Wakeups(database, channel_for(settings, database), Metrics()),
    ):
        addresses = [one.base_url for one in running]
        clients = [Client(world) for world in organisations for _ in range(CLIENTS_EACH)]
        for client in clients:
            client.last_id = (await client.world.page("ana"))["live_cursor"]
        stop = asyncio.Event()
        committed: dict[str, list[tuple[int, str]]] = {world.org: [] for world in organisations}
        writing = [
            asyncio.create_task(write(database, world, committed[world.org], stop))
            for number in range(WRITERS)
            for world in [organisations[number % ORGANISATIONS]]
        ]
        await asyncio.gather(*(client.live(addresses, CUTS // len(clients)) for client in clients))
        stop.set()
        await asyncio.gather(*writing)
        last = [asyncio.create_task(client.follow(addresses)) for client in clients]
        await until(
            lambda: all(len(client.received) >= len(committed[client.world.org]) for client in clients), within=60
        )
        for task in last:
            task.cancel()
        await asyncio.gather(*last, return_exceptions=True)

    for client in clients:
        assert client.received == [moment for _, moment in sorted(committed[client.world.org])]
    note(
        f"{sum(client.cuts for client in clients)} cuts, {sum(map(len, committed.values()))} moments committed, "
        f"{sum(len(client.received) for client in clients)} received: 0 lost, 0 repeated, in order"
    )
