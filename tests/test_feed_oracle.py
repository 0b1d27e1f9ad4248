"""The feed against its definition, under any interleaving of what can happen to it.

The oracle is three dictionaries. Operations run in concurrent batches over several connections, so that the
database decides their order; what must hold afterwards does not depend on it.
"""

import asyncio
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from leadfeed_api.feed import audit
from leadfeed_api.settings import Settings
from oracle import LEADS, USERS, leads, operations, prepared
from world import MONDAY, Service, World, ok, running_app

pytestmark = pytest.mark.anyio

MANY = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


async def shown(world: World, user: str) -> list[str]:
    """The ids in a user's feed, in order."""
    return [item["id"] for item in await world.feed(user)]


@MANY
@given(st.lists(operations, max_size=25))
async def test_every_feed_equals_the_moments_of_owned_or_watched_leads(
    service: Service, history: list[tuple[Any, ...]]
) -> None:
    driver = await prepared(service)
    for operation in history:
        await driver.do(operation)
    for user in USERS:
        assert await shown(driver.world, user) == driver.oracle.feed(user)


@MANY
@given(st.lists(st.lists(operations, min_size=2, max_size=8), min_size=1, max_size=4))
async def test_operations_at_once_leave_every_inbox_as_its_definition_says(
    service: Service, rounds: list[list[tuple[Any, ...]]]
) -> None:
    """Concurrent operations have an order only the database knows; the stored facts are the oracle then."""
    driver = await prepared(service)
    for together in rounds:
        await asyncio.gather(*(driver.do(operation) for operation in together))
    database = service.app.state.database
    found = await audit.compare(database, driver.world.org_id, repair=False)
    assert (found.missing, found.surplus) == (0, 0)
    await _agree_with_stored_facts(driver.world)


async def _agree_with_stored_facts(world: World) -> None:
    """Each feed's leads are those the API itself calls owned or watched, and nobody else's."""
    for user in USERS:
        watched = {
            entry["lead"]["id"]
            for entry in ok(await world.client.get("/v1/watchlist", headers=world.rep(user)))["items"]
        }
        for item in await world.feed(user):
            assert ("watched" in item["because"]) == (item["lead"]["id"] in watched)
            assert item["because"], item


@settings(parent=MANY, max_examples=15)
@given(st.lists(st.integers(1, 7), min_size=1, max_size=6), st.lists(st.lists(leads, max_size=4), max_size=6))
async def test_paging_while_moments_arrive_yields_every_older_moment_exactly_once(
    service: Service, limits: list[int], arrivals: list[list[str]]
) -> None:
    driver = await prepared(service)
    world = driver.world
    for lead in LEADS:
        await world.client.put(f"/v1/watchlist/{lead}", headers=world.rep("ana"))
    old = await world.report(*(world.moment(LEADS[n % 4], occurred_at=MONDAY.isoformat()) for n in range(17)))

    seen: list[str] = []
    page = await world.page("ana", limit=limits[0])
    for limit, lead_ids in _endless(limits, arrivals):
        seen += [item["id"] for item in page["items"]]
        if page["next_cursor"] is None:
            break
        if lead_ids:
            later = (MONDAY + timedelta(minutes=1)).isoformat()
            await world.report(*(world.moment(lead, occurred_at=later) for lead in lead_ids))
        page = await world.page("ana", limit=limit, cursor=page["next_cursor"])

    assert seen == sorted(old, reverse=True)


def _endless(limits: list[int], arrivals: list[list[str]]) -> Iterable[tuple[int, list[str]]]:
    turn = 0
    while True:
        yield limits[turn % len(limits)], arrivals[turn] if turn < len(arrivals) else []
        turn += 1


async def test_the_oracle_catches_an_inbox_that_lost_a_row(settings: Settings) -> None:
    """The proof of the proof: an entry removed behind the log's back is found, named and repaired."""
    async with running_app(settings) as service:
        driver = await prepared(service)
        await driver.do(("assign", "l1", "ana"))
        await driver.do(("post", [("l1", 1), ("l1", 2)]))
        database, org_id = service.app.state.database, driver.world.org_id
        async with database.write() as connection:
            await connection.execute(
                "DELETE FROM feed_entry WHERE org_id = $1 AND moment_id = $2", org_id, next(iter(driver.oracle.moments))
            )

        broken = await audit.compare(database, org_id, repair=False)
        mended = await audit.compare(database, org_id, repair=True)

        assert (broken.missing, broken.surplus, broken.repaired) == (1, 0, False)
        assert mended.repaired
        assert (await audit.compare(database, org_id, repair=False)).missing == 0
        assert await shown(driver.world, "ana") == driver.oracle.feed("ana")
