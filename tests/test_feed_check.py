"""`leadfeed check` while the service works: it waits for nobody, nobody waits for it, and it mends what is amiss."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest

from leadfeed_api.db import session
from leadfeed_api.db.session import Connection, Database
from leadfeed_api.errors import Busy
from leadfeed_api.feed import audit, definition
from leadfeed_api.feed.audit import Differences
from leadfeed_api.feed.definition import Key
from leadfeed_api.feed.log import appending
from statements import BY_A_TEST
from world import World

pytestmark = pytest.mark.anyio

PATIENCE_S = 10
WAITING = """
SELECT count(*) FROM pg_locks k JOIN pg_database d ON d.oid = k.database AND d.datname = current_database()
WHERE NOT k.granted AND k.relation = $1::regclass AND k.mode = 'AccessShareLock'
"""
TOLD = f"{BY_A_TEST} SELECT user_id, count(*) AS times FROM feed_change WHERE org_id = $1 AND kind = 'reset' GROUP BY 1"


@pytest.fixture
async def world(world: World) -> World:
    """Ana and Bob own a lead each, and something has happened."""
    await world.people("ana", "bob", leads={"l1": "ana", "l2": "bob"})
    await world.report(*(world.moment(lead) for lead in ("l1", "l1", "l2")))
    return world


async def tamper(database: Database, statement: str, *arguments: Any) -> None:
    async with database.write() as connection:
        await connection.execute(f"{BY_A_TEST} {statement}", *arguments)


async def told(database: Database, world: World) -> Counter[str]:
    """How often each user was told to load anew."""
    async with database.read() as connection:
        return Counter({row["user_id"]: row["times"] for row in await connection.fetch(TOLD, world.org_id)})


async def assign(world: World, lead: str, user: str) -> None:
    answer = await world.client.put(f"/v1/leads/{lead}/owner", headers=world.machine, json={"owner_id": user})
    assert answer.status_code == 204


def meanwhile(monkeypatch: pytest.MonkeyPatch, happens: Callable[[], Awaitable[object]]) -> None:
    """Something happens when a check has begun to read and has not done yet."""
    surplus = definition.surplus

    async def interrupted(connection: Connection, org_id: int) -> list[Key]:
        async with asyncio.timeout(PATIENCE_S):
            await happens()
        return await surplus(connection, org_id)

    monkeypatch.setattr(definition, "surplus", interrupted)


# --- nobody waits -----------------------------------------------------------------------------------------------------


async def test_a_check_does_not_wait_for_who_holds_the_organisations_lock(world: World, database: Database) -> None:
    async with appending(database, world.org_id) as log:
        await log.lock()
        async with asyncio.timeout(PATIENCE_S):
            found = await audit.compare(database, world.org_id, repair=True)
    assert found == Differences(3, 0, 0, repaired=False)


async def test_feeds_change_while_a_check_reads_and_it_sees_them_as_they_were(
    world: World, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def change() -> None:
        await world.report(world.moment("l1"))
        await assign(world, "l2", "ana")

    meanwhile(monkeypatch, change)
    assert await audit.compare(database, world.org_id, repair=True) == Differences(3, 0, 0, repaired=False)
    assert len(await world.feed("ana")) == 4


@asynccontextmanager
async def held(url: str, table: str) -> AsyncIterator[Connection]:
    """A table that nobody else can read for the length of a block."""
    connection = await asyncpg.connect(url)
    try:
        async with connection.transaction():
            await connection.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
            yield connection
    finally:
        await connection.close()


@pytest.mark.parametrize("table", ["feed_entry", "watch"])
async def test_a_check_reads_for_longer_than_any_other_statement_may(
    world: World, database_url: str, table: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "STATEMENT_S", 1.0)
    async with Database(database_url) as database:
        async with held(database_url, table) as holder, asyncio.timeout(PATIENCE_S):
            checking = asyncio.create_task(audit.compare(database, world.org_id, repair=False))
            while not await holder.fetchval(WAITING, table):  # noqa: ASYNC110  the condition is the server's
                await asyncio.sleep(0.01)
            with pytest.raises(Busy):  # begun after the check's, and cut
                async with database.read() as connection:
                    await connection.fetch(f"{BY_A_TEST} SELECT FROM {table} WHERE org_id = $1", world.org_id)
            assert not checking.done()
        assert await checking == Differences(3, 0, 0, repaired=False)


# --- what is mended ---------------------------------------------------------------------------------------------------


async def test_what_is_no_longer_amiss_when_it_comes_to_be_mended_is_left_alone(
    world: World, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.sync(users=[{"id": "eve", "name": "Eve"}])
    await tamper(database, "UPDATE feed_entry SET user_id = 'eve' WHERE org_id = $1 AND lead_id = 'l1'", world.org_id)
    meanwhile(monkeypatch, lambda: assign(world, "l1", "eve"))

    found = await audit.compare(database, world.org_id, repair=True)

    assert found == Differences(3, 2, 2, repaired=True)
    assert [len(await world.feed(user)) for user in ("ana", "eve")] == [0, 2]
    assert await told(database, world) == {}


async def test_a_repair_is_done_in_one_go_though_an_entry_stands_at_another_time(
    world: World, database: Database
) -> None:
    feed = await world.feed("ana")
    await tamper(
        database,
        "UPDATE feed_entry SET occurred_at = occurred_at - interval '1 day' WHERE org_id = $1 AND user_id = 'ana'",
        world.org_id,
    )

    found = await audit.compare(database, world.org_id, repair=True)

    assert found == Differences(3, 2, 2, repaired=True)
    assert await audit.compare(database, world.org_id, repair=False) == Differences(3, 0, 0, repaired=False)
    assert await world.feed("ana") == feed


async def test_an_entry_of_a_wrong_lead_is_put_right_in_one_go(world: World, database: Database) -> None:
    feed = await world.feed("ana")
    await tamper(database, "UPDATE feed_entry SET lead_id = 'l2' WHERE org_id = $1 AND user_id = 'ana'", world.org_id)

    assert await audit.compare(database, world.org_id, repair=True) == Differences(3, 0, 2, repaired=True)

    assert await audit.compare(database, world.org_id, repair=False) == Differences(3, 0, 0, repaired=False)
    assert await world.feed("ana") == feed


async def test_what_is_in_a_feed_while_only_another_watches_the_lead_is_taken_out(
    world: World, database: Database
) -> None:
    await world.sync(users=[{"id": "eve", "name": "Eve"}])
    assert (await world.client.put("/v1/watchlist/l1", headers=world.rep("bob"))).status_code == 204
    await tamper(database, "UPDATE feed_entry SET user_id = 'eve' WHERE org_id = $1 AND user_id = 'ana'", world.org_id)
    assert len(await world.feed("eve")) == 2, "or there is nothing to find"

    assert await audit.compare(database, world.org_id, repair=True) == Differences(5, 2, 2, repaired=True)

    assert [len(await world.feed(user)) for user in ("ana", "bob", "eve")] == [2, 3, 0]


async def test_much_is_mended_in_small_transactions_that_each_tell_few(
    world: World, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit, "AT_A_TIME", 4)
    await world.report(*(world.moment(lead) for lead in ("l1", "l2") * 3))
    await tamper(database, "DELETE FROM feed_entry WHERE org_id = $1", world.org_id)

    found = await audit.compare(database, world.org_id, repair=True)

    assert found == Differences(0, 9, 0, repaired=True)
    assert await told(database, world) == {"ana": 2, "bob": 2}
    assert await audit.compare(database, world.org_id, repair=False) == Differences(9, 0, 0, repaired=False)
