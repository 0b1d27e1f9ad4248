"""How a stream begins: who may, from where, and that nothing happens unheard while somebody is being looked up."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import timedelta

import pytest

from leadfeed_api.errors import Unavailable
from leadfeed_api.stream.arrivals import ARRIVALS, STATEMENTS, Arrival, Asked
from leadfeed_api.stream.connection import Stream
from leadfeed_api.stream.live import Live
from statements import Statements
from stream_client import following
from world import World, problem

pytestmark = pytest.mark.anyio

CROWD = 30
HOUR = timedelta(hours=1)


@pytest.fixture
def process(live: World) -> Live:
    """The live feed of the service's process."""
    found: Live = live.service.app.state.live
    return found


def meanwhile(monkeypatch: pytest.MonkeyPatch, process: Live, happens: Callable[[], Awaitable[object]]) -> None:
    """Whoever is looked up next gets their answer when something has happened that was not in it."""
    find = process.arrivals.find

    async def slow(org_id: int, asked: Asked) -> Arrival:
        monkeypatch.setattr(process.arrivals, "find", find)
        found = await find(org_id, asked)
        await happens()
        return found

    monkeypatch.setattr(process.arrivals, "find", slow)


async def test_those_who_come_together_are_looked_up_together(
    live: World, process: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    users = [f"u{number}" for number in range(CROWD)]
    await live.people(*users, leads=dict.fromkeys(["shared"]))
    statements = Statements(monkeypatch)
    find, free = process.arrivals.find, asyncio.Event()
    came = 0

    async def all_at_once(org_id: int, asked: Asked) -> Arrival:
        nonlocal came
        came += 1
        if came == CROWD:
            free.set()
        await free.wait()
        return await find(org_id, asked)

    monkeypatch.setattr(process.arrivals, "find", all_at_once)
    async with AsyncExitStack() as streams, asyncio.TaskGroup() as opening:
        for user in users:
            opening.create_task(streams.enter_async_context(following(live, user)))

    assert len([text for text in statements.executed if text == ARRIVALS]) == STATEMENTS + 1


@pytest.mark.parametrize("comes_back", [False, True], ids=["from now", "where the log stands"])
async def test_what_happens_while_somebody_is_looked_up_is_heard(
    live: World, process: Live, monkeypatch: pytest.MonkeyPatch, *, comes_back: bool
) -> None:
    at = (await live.page("ana"))["live_cursor"] if comes_back else None
    told: list[str] = []

    async def report() -> None:
        told.extend(await live.report(live.moment("l1")))

    meanwhile(monkeypatch, process, report)
    async with following(live, "ana", at=at) as stream:
        told += await live.report(live.moment("l1"))
        assert [one.data["id"] for one in await stream.take(2)] == told


async def test_who_comes_back_to_where_the_log_stands_has_it_not_read(
    live: World, process: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As everyone does whose server was restarted."""
    here = (await live.page("ana"))["live_cursor"]
    await live.report(live.moment("l2"))
    further = (await live.page("ana"))["live_cursor"]
    read: list[int] = []
    history = process.history

    def noted(stream: object) -> object:
        read.append(1)
        return history(stream)  # type: ignore[arg-type]

    monkeypatch.setattr(process, "history", noted)
    async with following(live, "ana", at=further) as stream:
        told = await live.report(live.moment("l1"))
        assert [one.data["id"] for one in await stream.take(1)] == told
        assert read == []
    async with following(live, "ana", at=here) as stream:
        assert [one.data["id"] for one in await stream.take(1)] == told
        assert read == [1]


@pytest.fixture
def attended(process: Live, monkeypatch: pytest.MonkeyPatch) -> list[Stream]:
    """Those for whom the rounds were told to look, from now on."""
    noted: list[Stream] = []
    attend = process.rounds.attend

    def note(stream: Stream) -> None:
        noted.append(stream)
        attend(stream)

    monkeypatch.setattr(process.rounds, "attend", note)
    return noted


async def test_who_is_refused_is_not_among_the_streams(live: World, process: Live, attended: list[Stream]) -> None:
    await live.sync(users=[{"id": "bob", "name": "Bob", "active": False}])
    stranger = {"Authorization": f"Bearer {token_of(live, 'elsewhere')}"}

    for method in ("GET", "HEAD"):
        for headers, status in ((live.rep("nobody"), 403), (live.rep("bob"), 403), (stranger, 401)):
            answer = await live.client.request(method, "/v1/feed/stream", headers=headers)
            assert answer.status_code == status
    problem(await live.client.get("/v1/feed/stream", headers=live.rep("nobody")), 403, "unknown-user")
    problem(await live.client.get("/v1/feed/stream", headers=live.rep("bob")), 403, "user-disabled")
    problem(await live.client.get("/v1/feed/stream", headers=stranger), 401, "invalid-token")
    assert [stream for stream in process.connections if stream.org_id == live.org_id] == []
    assert attended
    assert all(stream.ended for stream in attended), "it would be visited for an hour"


def token_of(live: World, org: str) -> str:
    """A good token for a user of an organisation that was never made."""
    signed: str = live.service.app.state.tokens.for_user(org, "ana", role="rep", ttl=HOUR)[0]
    return signed


async def test_when_the_database_fails_while_somebody_is_looked_up_nobody_is_left_behind(
    live: World, process: Live, attended: list[Stream], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails() -> None:
        raise Unavailable

    meanwhile(monkeypatch, process, fails)
    problem(await live.client.get("/v1/feed/stream", headers=live.rep("ana")), 503, "unavailable")
    assert [stream for stream in process.connections if stream.org_id == live.org_id] == []
    assert [stream.ended for stream in attended] == [True]


async def test_when_a_stream_cannot_be_looked_after_nobody_is_left_behind(
    live: World, process: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(stream: Stream) -> None:
        raise OverflowError

    monkeypatch.setattr(process.rounds, "attend", fails)
    problem(await live.client.get("/v1/feed/stream", headers=live.rep("ana")), 500, "internal-error")
    assert [stream for stream in process.connections if stream.org_id == live.org_id] == []
