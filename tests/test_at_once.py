"""What two do at once ends as if one had come after the other: no deadlock, nothing lost, nobody kept waiting."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import Any

import pytest

from leadfeed_api.db.session import Connection, Database
from leadfeed_api.feed.log import appending
from leadfeed_api.settings import Settings
from leadfeed_api.subscriptions import queries as subscriptions
from leadfeed_api.subscriptions.match import Rule
from leadfeed_api.triage.marks import ONE_AFTER_THE_OTHER
from statements import BY_A_TEST
from world import World, ok, problem, running_app

pytestmark = pytest.mark.anyio
WAITING = f"""{BY_A_TEST} SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND wait_event_type = 'Lock'"""
SET_RETENTION = f"{BY_A_TEST} UPDATE organization SET retention_days = 30 WHERE org_id = $1"
DELETE_LEAD = f"{BY_A_TEST} DELETE FROM lead WHERE org_id = $1 AND lead_id = $2"


@pytest.fixture
async def acme(world: World) -> World:
    await world.people("ana", "bob", leads={"mia": "ana"})
    return world


async def until_waiting(database: Database, how_many: int = 1) -> None:
    """Waits until so many wait for a lock."""
    async with asyncio.timeout(10), database.read() as connection:
        while await connection.fetchval(WAITING) < how_many:  # noqa: ASYNC110  the database has no event to wait for
            await asyncio.sleep(0.01)


@asynccontextmanager
async def meanwhile(database: Database, request: Awaitable[Any]) -> AsyncIterator[tuple[Connection, asyncio.Task[Any]]]:
    """A transaction that does something first and ends when ``request`` waits for it."""
    async with database.write() as connection:
        # Not before the transaction has begun: what it does first is done before the request is sent.
        begun = asyncio.Event()

        async def after() -> Any:
            await begun.wait()
            return await request

        asked = asyncio.create_task(after())
        yield connection, asked
        begun.set()
        await until_waiting(database)
        assert not asked.done()


async def read(world: World, *ids: str) -> Any:
    return ok(await world.client.post("/v1/feed/read", headers=world.rep("ana"), json={"ids": list(ids)}))


async def test_marking_waits_for_who_takes_moments_away(acme: World, database: Database) -> None:
    (moment,) = await acme.report(acme.moment("mia"))
    async with appending(database, acme.org_id) as log:
        await log.lock()
        marking = asyncio.create_task(read(acme, moment))
        await until_waiting(database)
        assert not marking.done()
    assert (await marking)["ids"] == [moment]


async def test_marking_and_reporting_do_not_wait_for_each_other(acme: World, database: Database) -> None:
    (moment,) = await acme.report(acme.moment("mia"))
    with suppress(RuntimeError):
        async with asyncio.timeout(10), appending(database, acme.org_id) as log:
            await log.advance(1)
            assert (await read(acme, moment))["ids"] == [moment]
            raise RuntimeError


async def test_a_users_tabs_mark_one_after_the_other(acme: World, database: Database) -> None:
    (moment,) = await acme.report(acme.moment("mia"))
    async with meanwhile(database, read(acme, moment)) as (other_tab, marking):
        await other_tab.execute(ONE_AFTER_THE_OTHER, acme.org_id, "ana")
    assert (await marking)["ids"] == [moment]


async def test_settings_that_two_administrators_change_at_once_are_both_changed(
    acme: World, database: Database
) -> None:
    change = acme.client.patch("/v1/settings", headers=acme.machine, json={"rss_enabled": True})
    async with meanwhile(database, change) as (other, changing):
        await other.execute(SET_RETENTION, acme.org_id)

    assert ok(await changing)["retention_days"] == 30
    stored = ok(await acme.client.get("/v1/settings", headers=acme.machine))
    assert (stored["rss_enabled"], stored["retention_days"]) == (True, 30)


async def test_a_lead_that_is_erased_while_it_is_hidden_is_not_there(acme: World, database: Database) -> None:
    hiding = acme.client.put("/v1/leads/mia/hidden", headers=acme.rep("ana"), json={})
    async with meanwhile(database, hiding) as (erasing, asked):
        await erasing.execute(DELETE_LEAD, acme.org_id, "mia")
    problem(await asked, 404, "unknown-lead")


async def test_nobody_stays_subscribed_to_a_lead_that_is_erased_meanwhile(acme: World, database: Database) -> None:
    wanted = subscriptions.Wanted(Rule("lead", "mia"), [], "instant", paused=False)
    erasing = acme.client.delete("/v1/leads/mia", headers=acme.machine)
    async with meanwhile(database, erasing) as (subscribing, erased):
        await subscriptions.insert(subscribing, acme.org_id, "ana", wanted, datetime.now(UTC))

    assert (await erased).status_code == 204
    assert ok(await acme.client.get("/v1/subscriptions", headers=acme.rep("ana")))["items"] == []


async def test_an_organisation_that_changes_much_leaves_connections_to_the_others(
    settings: Settings, database: Database
) -> None:
    async with running_app(settings.model_copy(update={"pool_size": 3})) as service:
        acme, other = await service.new_world(), await service.new_world()
        await acme.people("ana", "bob", leads={f"l{n}": "ana" for n in range(6)})
        await other.people("eva", leads={"x": "eva"})
        await other.report(other.moment("x"))
        async with appending(database, acme.org_id) as log:
            await log.lock()
            assigning = [
                asyncio.create_task(
                    acme.client.put(f"/v1/leads/l{n}/owner", headers=acme.machine, json={"owner_id": "bob"})
                )
                for n in range(6)
            ]
            await until_waiting(database, 2)

            assert len(await other.feed("eva")) == 1
            assert not any(one.done() for one in assigning)
        assert {(await one).status_code for one in assigning} == {204}
