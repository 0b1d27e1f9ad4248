"""The stream against the page, under any interleaving of what can happen to either.

Owns the steps (those of the feed's own oracle, and a network's and an operator's), and the verdict. What an instance
is, in this process or one of its own, is its tests' choice.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

from hypothesis import strategies as st

from clients import plain_client
from mirror import Mirror, mirrored, settled
from oracle import USERS, Driver, operations, prepared, users
from world import Service, World

INSTANCES = 2
instances = st.integers(0, INSTANCES - 1)
happenings = st.one_of(
    operations,
    operations,  # most of what happens changes the feed
    st.tuples(st.just("rename"), st.sampled_from(("l1", "l2", "l3", "l4"))),
    st.tuples(st.just("cut"), users),
    st.tuples(st.just("resume"), users, instances),
    st.tuples(st.just("page"), users),
)


def histories(*operators: str) -> st.SearchStrategy[list[tuple[Any, ...]]]:
    """Histories in which an operator may also do these things to an instance."""
    deeds = [st.tuples(st.just(deed), instances) for deed in operators]
    return st.lists(st.one_of(happenings, happenings, happenings, *deeds), min_size=3, max_size=30)


@dataclass
class Fleet:
    """Two instances: where each is, and what an operator can do to it, by name."""

    addresses: list[str]
    operate: Callable[[str, int], Awaitable[None]]


async def play(service: Service, fleet: Fleet, history: Sequence[tuple[Any, ...]]) -> list[str]:
    """Plays one history; returns what went wrong. ``service`` makes the organisation and signs tokens."""
    driver = await prepared(service)
    world = driver.world
    await world.sync(leads=[{"id": f"own-{user}", "name": user, "owner_id": user} for user in USERS])
    ever: dict[str, set[str]] = {user: set() for user in USERS}
    async with mirrored(world, *USERS) as mirrors:
        for user in USERS:
            mirrors[user].open(lambda: fleet.addresses[0])
        for number, step in enumerate(history):
            async with speaking_to(world, fleet.addresses[number % INSTANCES]):
                await _play_step(driver, fleet, mirrors, step)
            for user in USERS:
                ever[user] |= set(driver.oracle.feed(user))
        for user in USERS:
            mirrors[user].open(lambda: fleet.addresses[1])
        async with speaking_to(world, fleet.addresses[0]):
            reported = await world.report(*(world.moment(f"own-{user}") for user in USERS))
            sentinels = dict(zip(USERS, reported, strict=True))
            await settled(list(mirrors.values()), sentinels)
            found = [fault for user in USERS for fault in mirrors[user].faults(ever[user] | {sentinels[user]})]
            for user in USERS:
                found += await _differences(driver, mirrors[user], sentinels[user])
    return found


@asynccontextmanager
async def speaking_to(world: World, address: str) -> AsyncIterator[None]:
    """Requests go to the instance at ``address``."""
    before = world.service
    async with plain_client(base_url=address, timeout=15) as client:
        world.service = replace(before, client=client)
        yield
    world.service = before


async def _play_step(driver: Driver, fleet: Fleet, mirrors: dict[str, Mirror], step: tuple[Any, ...]) -> None:
    name, *args = step
    world = driver.world
    if name == "cut":
        await mirrors[args[0]].cut()
    elif name == "resume":
        mirrors[args[0]].open(lambda: fleet.addresses[args[1]])
    elif name == "page":
        await world.page(args[0])
    elif name == "rename":
        if args[0] not in driver.oracle.erased:
            await world.sync(leads=[{"id": args[0], "name": f"Renamed {next(iter(world.numbers))}"}])
    elif name in {"restart", "kill"}:
        await fleet.operate(name, args[0])
    else:
        await driver.do(step)


async def _differences(driver: Driver, mirror: Mirror, sentinel: str) -> list[str]:
    page = await driver.world.feed(mirror.user)
    shown = {item["id"]: item for item in page}
    found = [f"{mirror.user}: {one} only on the page" for one in shown.keys() - mirror.items.keys()]
    found += [f"{mirror.user}: {one} only on the mirror" for one in mirror.items.keys() - shown.keys()]
    found += [
        f"{mirror.user}: {item} is not {mirror.items[one]}"
        for one, item in shown.items()
        if one in mirror.items and mirror.items[one] != item
    ]
    if set(driver.oracle.feed(mirror.user)) | {sentinel} != set(shown):
        found.append(f"{mirror.user}: the page is not the oracle's feed")
    return found
