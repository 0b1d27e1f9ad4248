"""How a stream begins: who may, from where, and that nothing happens unheard while somebody is being looked up."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import timedelta

import pytest

from leadfeed_api.errors import Unavailable
from leadfeed_api.stream.arrivals import ARRIVALS, STATEMENTS, Arrival
from leadfeed_api.stream.live import Live
from statements import Statements
from stream_client import following
from world import Service, World, problem

pytestmark = pytest.mark.anyio

CROWD = 30
HOUR = timedelta(hours=1)


@pytest.fixture
async def world(server: Service) -> World:
    """An organisation on a service that can be streamed from, with two reps who own a lead each."""
    made = await server.new_world()
    await made.people("ana", "bob", leads={"l1": "ana", "l2": "bob"})
    return made


@pytest.fixture
def live(world: World) -> Live:
    """The service's live feed."""
    found: Live = world.service.app.state.live
    return found


def meanwhile(monkeypatch: pytest.MonkeyPatch, live: Live, happens: Callable[[], Awaitable[object]]) -> None:
    """Whoever is looked up next gets their answer when something has happened that was not in it."""
    find = live.arrivals.find

    async def slow(org_id: int, user_id: str) -> Arrival:
        monkeypatch.setattr(live.arrivals, "find", find)
        found = await find(org_id, user_id)
        await happens()
        return found

    monkeypatch.setattr(live.arrivals, "find", slow)


async def test_those_who_come_together_are_looked_up_together(
    world: World, live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    users = [f"u{number}" for number in range(CROWD)]
    await world.people(*users, leads=dict.fromkeys(["shared"]))
    statements = Statements(monkeypatch)
    find, free = live.arrivals.find, asyncio.Event()
    came = 0

    async def all_at_once(org_id: int, user_id: str) -> Arrival:
        nonlocal came
        came += 1
        if came == CROWD:
            free.set()
        await free.wait()
        return await find(org_id, user_id)

    monkeypatch.setattr(live.arrivals, "find", all_at_once)
    async with AsyncExitStack() as streams, asyncio.TaskGroup() as opening:
        for user in users:
            opening.create_task(streams.enter_async_context(following(world, user)))

    assert len([text for text in statements.executed if text == ARRIVALS]) == STATEMENTS + 1


@pytest.mark.parametrize("comes_back", [False, True], ids=["from now", "where the log stands"])
async def test_what_happens_while_somebody_is_looked_up_is_heard(
    world: World, live: Live, monkeypatch: pytest.MonkeyPatch, *, comes_back: bool
) -> None:
    at = (await world.page("ana"))["live_cursor"] if comes_back else None
    told: list[str] = []

    async def report() -> None:
        told.extend(await world.report(world.moment("l1")))

    meanwhile(monkeypatch, live, report)
    async with following(world, "ana", at=at) as stream:
        told += await world.report(world.moment("l1"))
        assert [one.data["id"] for one in await stream.take(2)] == told


async def test_who_comes_back_to_where_the_log_stands_has_it_not_read(
    world: World, live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As everyone does whose server was restarted."""
    here = (await world.page("ana"))["live_cursor"]
    await world.report(world.moment("l2"))
    further = (await world.page("ana"))["live_cursor"]
    read: list[int] = []
    history = live.history

    def noted(stream: object) -> object:
        read.append(1)
        return history(stream)  # type: ignore[arg-type]

    monkeypatch.setattr(live, "history", noted)
    async with following(world, "ana", at=further) as stream:
        told = await world.report(world.moment("l1"))
        assert [one.data["id"] for one in await stream.take(1)] == told
        assert read == []
    async with following(world, "ana", at=here) as stream:
        assert [one.data["id"] for one in await stream.take(1)] == told
        assert read == [1]


async def test_who_is_refused_is_not_among_the_streams(world: World, live: Live) -> None:
    await world.sync(users=[{"id": "bob", "name": "Bob", "active": False}])
    stranger = {"Authorization": f"Bearer {token_of(world, 'elsewhere')}"}

    for method in ("GET", "HEAD"):
        for headers, status in ((world.rep("nobody"), 403), (world.rep("bob"), 403), (stranger, 401)):
            answer = await world.client.request(method, "/v1/feed/stream", headers=headers)
            assert answer.status_code == status
    problem(await world.client.get("/v1/feed/stream", headers=world.rep("nobody")), 403, "unknown-user")
    problem(await world.client.get("/v1/feed/stream", headers=world.rep("bob")), 403, "user-disabled")
    problem(await world.client.get("/v1/feed/stream", headers=stranger), 401, "invalid-token")
    assert [stream for stream in live.connections if stream.org_id == world.org_id] == []


def token_of(world: World, org: str) -> str:
    """A good token for a user of an organisation that was never made."""
    signed: str = world.service.app.state.tokens.for_user(org, "ana", role="rep", ttl=HOUR)[0]
    return signed


async def test_when_the_database_fails_while_somebody_is_looked_up_nobody_is_left_behind(
    world: World, live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails() -> None:
        raise Unavailable

    meanwhile(monkeypatch, live, fails)
    problem(await world.client.get("/v1/feed/stream", headers=world.rep("ana")), 503, "unavailable")
    assert [stream for stream in live.connections if stream.org_id == world.org_id] == []
