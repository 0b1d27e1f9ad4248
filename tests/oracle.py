"""The feed's definition in Python, and the operations that change it, for tests that compare the two."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from hypothesis import strategies as st

from leadfeed_api.feed.retention import purge
from world import MONDAY, Service, World, ok

USERS = ("ana", "bob", "eve")
LEADS = ("l1", "l2", "l3", "l4")


def recorded_at(moment_id: str) -> datetime:
    """The millisecond in an identifier."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=UUID(moment_id).int >> 80)


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
    st.tuples(st.just("purge"), st.integers(0, 9)),
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

    async def purge(self, kept: int) -> None:
        """Ends the retention of all but the newest ``kept`` and what came with the oldest of them."""
        posted = sorted(self.oracle.moments)  # by when they were recorded: identifiers begin with it
        if not posted:
            return
        before = recorded_at(posted[-min(len(posted), kept + 1)])
        database = self.world.service.app.state.database
        async for _ in purge(database, self.world.org_id, before):
            pass
        self.oracle.moments = {m: at for m, at in self.oracle.moments.items() if recorded_at(m) >= before}


async def prepared(service: Service) -> Driver:
    """A new organisation with the users and leads of the oracle."""
    world = await service.new_world()
    await world.people(*USERS, leads=dict.fromkeys(LEADS))
    return Driver(world, Oracle())
