"""The feed against its definition, under any interleaving of what can happen to it.

The oracle is three dictionaries. Operations run in concurrent batches over several connections, so that the
database decides their order; what must hold afterwards does not depend on it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from world import MONDAY, Service, World, ok, running_app

from leadfeed_api.feed import audit
from leadfeed_api.settings import Settings

pytestmark = pytest.mark.anyio

USERS = ("ana", "bob", "eve")
LEADS = ("l1", "l2", "l3", "l4")
MANY = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@dataclass
class Oracle:
    """What each operation means, said in Python."""

    owner: dict[str, str | None] = field(default_factory=lambda: dict.fromkeys(LEADS))
    watches: set[tuple[str, str]] = field(default_factory=set)
    moments: dict[str, tuple[str, int]] = field(default_factory=dict)  # id -> (lead, minute)
    erased: set[str] = field(default_factory=set)

    def feed(self, user: str) -> list[str]:
        """The definition: moments of leads the user owns or watches, newest first by (time, id)."""
        mine = [
            (minute, moment)
            for moment, (lead, minute) in self.moments.items()
            if lead not in self.erased and (self.owner[lead] == user or (user, lead) in self.watches)
        ]
        return [moment for _, moment in sorted(mine, reverse=True)]


users, leads = st.sampled_from(USERS), st.sampled_from(LEADS)
operations = st.one_of(
    st.tuples(st.just("post"), st.lists(st.tuples(leads, st.integers(0, 9)), min_size=1, max_size=5)),
    st.tuples(st.just("watch"), users, leads),
    st.tuples(st.just("unwatch"), users, leads),
    st.tuples(st.just("watch_all"), users),
    st.tuples(st.just("assign"), leads, st.one_of(st.none(), users)),
    st.tuples(st.just("sync"), leads, st.one_of(st.none(), users)),
    st.tuples(st.just("erase"), leads),
)


class Driver:
    """Performs operations through the API, and on the oracle what the answers say was done."""

    def __init__(self, world: World, oracle: Oracle) -> None:
        self.world = world
        self.oracle = oracle

    async def do(self, operation: tuple[Any, ...]) -> None:
        """One operation, alone."""
        name, *args = operation
        perform: Callable[..., Awaitable[None]] = getattr(self, name)
        await perform(*args)

    async def post(self, wanted: list[tuple[str, int]]) -> None:
        moments = [
            self.world.moment(lead, occurred_at=(MONDAY + timedelta(minutes=minute)).isoformat())
            for lead, minute in wanted
        ]
        answer = ok(await self.world.client.post("/v1/moments", headers=self.world.machine, json={"moments": moments}))
        for (lead, minute), result in zip(wanted, answer["results"], strict=True):
            if result["status"] == "accepted":
                self.oracle.moments[result["id"]] = (lead, minute)

    async def watch(self, user: str, lead: str) -> None:
        answer = await self.world.client.put(f"/v1/watchlist/{lead}", headers=self.world.rep(user))
        if answer.status_code == 204:
            self.oracle.watches.add((user, lead))

    async def unwatch(self, user: str, lead: str) -> None:
        answer = await self.world.client.delete(f"/v1/watchlist/{lead}", headers=self.world.rep(user))
        assert answer.status_code == 204
        self.oracle.watches.discard((user, lead))

    async def watch_all(self, user: str) -> None:
        body = {"account_id": "acme"}
        ok(await self.world.client.post("/v1/watchlist", headers=self.world.rep(user), json=body))
        self.oracle.watches |= {(user, lead) for lead in LEADS if lead not in self.oracle.erased}

    async def assign(self, lead: str, owner: str | None) -> None:
        answer = await self.world.client.put(
            f"/v1/leads/{lead}/owner", headers=self.world.machine, json={"owner_id": owner}
        )
        if answer.status_code == 204:
            self.oracle.owner[lead] = owner

    async def sync(self, lead: str, owner: str | None) -> None:
        record = {"id": lead, "name": lead, "account_id": "acme", "owner_id": owner}
        await self.world.sync(leads=[record])
        if lead in self.oracle.erased:
            self.oracle.erased.discard(lead)
            self.oracle.moments = {m: at for m, at in self.oracle.moments.items() if at[0] != lead}
            self.oracle.watches = {pair for pair in self.oracle.watches if pair[1] != lead}
        self.oracle.owner[lead] = owner

    async def erase(self, lead: str) -> None:
        answer = await self.world.client.delete(f"/v1/leads/{lead}", headers=self.world.machine)
        if answer.status_code == 204:
            self.oracle.erased.add(lead)


async def prepared(service: Service) -> Driver:
    """A new organisation with the users and leads of the oracle."""
    world = await service.new_world()
    await world.people(*USERS, leads=dict.fromkeys(LEADS))
    return Driver(world, Oracle())


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
        await asyncio.gather(*(_tolerant(driver, operation) for operation in together))
    database = service.app.state.database
    found = await audit.compare(database, driver.world.org_id, repair=False)
    assert (found.missing, found.surplus) == (0, 0)
    await _agree_with_stored_facts(driver.world)


async def _tolerant(driver: Driver, operation: tuple[Any, ...]) -> None:
    """Performs it; the oracle's own bookkeeping is of no use where operations race."""
    await driver.do(operation)


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
