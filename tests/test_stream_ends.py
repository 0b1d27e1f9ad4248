"""How streams end, and how many there may be: limits, credentials taken back, old age, clients that do not read."""

import asyncio
import re
import socket
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import pairwise
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from clients import figure
from leadfeed_api.errors import Unavailable
from leadfeed_api.organizations import revocation
from leadfeed_api.organizations.identity import Caller
from leadfeed_api.settings import Settings
from leadfeed_api.stream import conversation, live, protocol, rounds
from leadfeed_api.stream.connection import BUFFER_BYTES, WRITE_BYTES, Stream
from leadfeed_api.stream.events import farewell
from leadfeed_api.stream.protocol import HandingOver, StreamProtocol
from leadfeed_api.stream.replay import History, Piece
from leadfeed_api.stream.rounds import Rounds
from stream_client import following, until
from world import Service, World, ok, problem, served

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def world_on(settings: Settings, **changes: object) -> AsyncIterator[World]:
    """An organisation with a rep who owns a lead, on a service with these settings changed."""
    async with served(settings.model_copy(update=changes)) as service:
        world = await service.new_world()
        await world.people("ana", "bob", leads={"l1": "ana"})
        yield world


def open_streams(service: Service) -> int:
    return len(service.app.state.live.connections)


def unreadable(error: type[Exception]) -> Callable[..., AsyncIterator[Piece]]:
    """In place of ``History.since``."""

    async def since(*_: object) -> AsyncIterator[Piece]:
        nothing: list[Piece] = []
        for piece in nothing:
            yield piece
        raise error

    return since


@asynccontextmanager
async def stalled(world: World, user_id: str, at: str = "") -> AsyncIterator[socket.socket]:
    """A client that opens a stream and does not read from it, with as little room for unread bytes as it can have."""
    address = urlsplit(world.service.base_url)
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        client.connect((address.hostname, address.port))
        lines = ["GET /v1/feed/stream HTTP/1.1", "Host: test", f"Authorization: {world.rep(user_id)['Authorization']}"]
        lines += [f"Last-Event-ID: {at}"] * bool(at)
        before = open_streams(world.service)
        client.sendall("\r\n".join([*lines, "", ""]).encode())
        await until(lambda: open_streams(world.service) > before)
        yield client


async def test_a_user_may_have_so_many_streams_and_is_told_when_there_is_no_more(settings: Settings) -> None:
    async with world_on(settings, streams_per_user=2) as world:
        async with following(world, "ana") as one, following(world, "ana") as two:
            await one.ready()
            await two.ready()
            refused = await world.client.get("/v1/feed/stream", headers=world.rep("ana"))
            problem(refused, 429, "too-many")
            assert int(refused.headers["retry-after"]) > 0
            head = await world.client.head("/v1/feed/stream", headers=world.rep("ana"))
            assert (head.status_code, head.headers["retry-after"]) == (429, refused.headers["retry-after"])
            async with following(world, "bob") as other:
                await other.ready()
        await until(lambda: open_streams(world.service) == 0)
        async with following(world, "ana") as again:
            await again.ready()


async def test_a_process_may_have_so_many_streams(settings: Settings) -> None:
    async with world_on(settings, streams_per_process=1) as world, following(world, "ana") as one:
        await one.ready()
        refused = await world.client.get("/v1/feed/stream", headers=world.rep("bob"))
        assert "retry-after" in refused.headers
        problem(refused, 429, "too-many")


async def test_a_client_that_leaves_is_forgotten_at_once(settings: Settings) -> None:
    async with world_on(settings) as world:
        async with following(world, "ana") as stream:
            await stream.ready()
            assert open_streams(world.service) == 1
        await until(lambda: open_streams(world.service) == 0)


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials are looked at fifty times a second."""
    monkeypatch.setattr(rounds, "CREDENTIALS_S", 0.02)


async def revoke(world: World) -> None:
    """Ends the key that ``key_for`` made."""
    (newest,) = [
        one for one in ok(await world.client.get("/v1/api-keys", headers=world.machine))["items"]
        if one["name"] == "of a test"
    ]  # fmt: skip
    await world.client.delete(f"/v1/api-keys/{newest['id']}", headers=world.machine)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux's kernel can be told how long to try")
async def test_a_client_that_vanished_without_a_word_keeps_no_place(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one whose network is gone, one without room for another byte takes nothing, and the kernel gives both up."""
    monkeypatch.setattr(protocol, "UNACKNOWLEDGED_MS", 300)
    async with world_on(settings, stream_send_timeout=60) as world, stalled(world, "ana"):
        async with asyncio.timeout(10):
            while open_streams(world.service):
                await world.report(*(world.moment("l1", description="x" * 900) for _ in range(20)))


def test_credentials_are_looked_at_so_often_that_whoever_is_revoked_is_out_within_five_seconds() -> None:
    assert rounds.CREDENTIALS_S <= 4, "that leaves no second to ask and to tell"


@pytest.mark.parametrize("by", ["the key", "a token that it asked for"])
async def test_a_revoked_key_ends_its_streams(settings: Settings, often: None, by: str) -> None:
    async with world_on(settings) as world:
        headers, params = {**await world.key_for("read"), "Leadfeed-User": "ana"}, {}
        if by != "the key":
            token = ok(await world.client.post("/v1/stream-tokens", headers=headers), 201)["token"]
            headers, params = {}, {"token": token}
        async with (
            following(world, "ana", headers=headers, params=params) as stream,
            following(world, "ana") as other,
        ):
            await stream.ready()
            await other.ready()
            await revoke(world)
            events = await stream.rest()
            await world.report(world.moment("l1"))
            assert (await other.next()).name == "moment"
        for method in ("GET", "HEAD"):
            again = await world.client.request(method, "/v1/feed/stream", headers=headers, params=params)
            assert again.status_code == 401

    assert [(one.name, one.data) for one in events] == [("expired", {"reason": "revoked"})]


async def test_a_disabled_user_is_out(settings: Settings, often: None) -> None:
    async with world_on(settings) as world, following(world, "ana") as stream, following(world, "bob") as other:
        await stream.ready()
        await other.ready()
        await world.sync(users=[{"id": "ana", "name": "Ana", "active": False}])
        events = await stream.rest()
        assert open_streams(world.service) == 1
        problem(await world.client.get("/v1/feed/stream", headers=world.rep("ana")), 403, "user-disabled")

    assert [(one.name, one.data) for one in events] == [("expired", {"reason": "revoked"})]


async def test_who_is_disabled_is_out_though_another_organisation_came_first(settings: Settings, often: None) -> None:
    async with world_on(settings) as first:
        world = await first.service.new_world()
        await world.people("ana", leads={})
        async with following(first, "ana") as one, following(world, "ana") as other:
            await one.ready()
            await other.ready()
            await world.sync(users=[{"id": "ana", "name": "Ana", "active": False}])
            assert [event.name for event in await other.rest()] == ["expired"]
            assert open_streams(first.service) == 1


async def test_a_stream_that_fails_for_whatever_reason_is_cut_so_that_its_client_comes_back(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with world_on(settings) as world:
        at = (await world.page("ana"))["live_cursor"]
        (missed,) = await world.report(world.moment("l1"))
        with monkeypatch.context() as broken:
            broken.setattr(History, "since", unreadable(RuntimeError))
            async with following(world, "ana", at=at):
                await until(lambda: open_streams(world.service) == 0)
        async with following(world, "ana", at=at) as again:
            assert (await again.next()).data["id"] == missed


async def test_a_disabled_user_is_out_though_the_database_was_away_when_it_was_asked(
    settings: Settings, often: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask, failures = revocation.barred_users, 0

    async def fail_at_first(*asked: Any) -> set[str]:
        nonlocal failures
        failures += 1
        if failures < 4:
            raise Unavailable if failures % 2 else RuntimeError
        return await ask(*asked)

    async with world_on(settings) as world, following(world, "ana") as stream:
        await stream.ready()
        monkeypatch.setattr(revocation, "barred_users", fail_at_first)
        await world.sync(users=[{"id": "ana", "name": "Ana", "active": False}])
        events = await stream.rest()

    assert [(one.name, one.data) for one in events] == [("expired", {"reason": "revoked"})]


async def test_an_old_stream_is_closed_with_a_time_to_come_back_and_resumes(settings: Settings) -> None:
    async with world_on(settings, stream_lifetime=1) as world:
        async with world.client.stream("GET", "/v1/feed/stream", headers=world.rep("ana")) as response:
            body = await response.aread()
        began = body.split(b"id: ")[1].split(b"\r\n")[0].decode()
        (missed,) = await world.report(world.moment("l1"))
        async with following(world, "ana", at=began) as stream:
            assert (await stream.next()).data["id"] == missed

    assert body.count(b"retry: ") == 2
    told_to_wait = int(body.rsplit(b"retry: ", 1)[1])
    assert rounds.OLD_AGE_WAIT_MS[0] <= told_to_wait <= rounds.OLD_AGE_WAIT_MS[1]


async def test_streams_neither_end_nor_come_back_all_at_once(settings: Settings) -> None:
    async with world_on(settings) as world:
        who = Caller(world.org_id, world.org, "ana", frozenset())
        ends = [world.service.app.state.live.connect(who).ends_at - time.time() for _ in range(50)]
    assert max(ends) - min(ends) > settings.stream_lifetime / 50
    assert all(0.89 < end / settings.stream_lifetime < 1.11 for end in ends)
    assert len({farewell((0, 1_000_000)) for _ in range(5)}) > 1


def test_whose_credential_ends_as_the_stream_grows_old_is_told_to_get_a_new_one() -> None:
    now = 0.0
    stream = Stream.of(Caller(1, "o", "ana", frozenset(), None, expires_at=3), b"k" * 32)
    stream.ends_at = 2.5
    looking_after = Rounds(None, None, clock=lambda: now, ticks=lambda: now)  # type: ignore[arg-type]
    looking_after.attend(stream)
    now = 10.0
    looking_after.visit()
    assert stream.last_words.startswith(b"event: expired")


async def test_who_comes_while_the_process_is_leaving_is_told_when_to_come_back(settings: Settings) -> None:
    async with world_on(settings) as world:
        await world.service.app.state.live.leave()
        async with world.client.stream("GET", "/v1/feed/stream", headers=world.rep("ana")) as response:
            body = await response.aread()
    assert (response.status_code, body.count(b": goodbye"), body.count(b"retry: ")) == (200, 1, 2)


async def test_a_process_that_is_leaving_waits_for_no_client_that_does_not_read(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "GRACE_S", 0.2)
    async with world_on(settings, stream_send_timeout=60) as world, stalled(world, "ana"):
        (stream,) = world.service.app.state.live.connections
        async with asyncio.timeout(20):
            while stream.direct is not None:
                await world.report(*(world.moment("l1", description="x" * 900) for _ in range(20)))
        await world.service.app.state.live.leave()
        await until(lambda: open_streams(world.service) == 0)


async def test_a_silent_stream_shows_a_sign_of_life_every_so_often(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rounds, "VISIT_S", 0.0)
    monkeypatch.setattr(rounds, "ROUND_S", 0.02)
    async with (
        world_on(settings) as world,
        world.client.stream("GET", "/v1/feed/stream", headers=world.rep("ana")) as response,
    ):
        body = b""
        async for chunk in response.aiter_bytes():
            body += chunk
            if body.count(b":\r\n") >= 3:
                break
    assert body.split(b"\r\n\r\n")[-1] == b":\r\n" * 3


@pytest.mark.parametrize("http", [HandingOver, HttpToolsProtocol], ids=["handed over", "a response"])
async def test_a_stream_that_waits_for_the_log_shows_signs_of_life(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, http: type[asyncio.Protocol]
) -> None:
    """As everyone does who comes back to a busy log with all others, or while the database hangs."""
    monkeypatch.setattr(rounds, "VISIT_S", 0.0)
    monkeypatch.setattr(rounds, "ROUND_S", 0.02)
    async with served(settings, http) as service, AsyncExitStack() as held:
        world = await service.new_world()
        await world.people("ana", leads={"l1": "ana"})
        at = {"Last-Event-ID": (await world.page("ana"))["live_cursor"]}
        await world.report(world.moment("l1"))
        reading = service.app.state.live._reading
        while not reading.locked():
            await held.enter_async_context(reading)
        async with world.client.stream("GET", "/v1/feed/stream", headers=world.rep("ana") | at) as response:
            body = b""
            async for chunk in response.aiter_bytes():
                body += chunk
                if body.count(b":\r\n") >= 3:
                    await held.aclose()
                if b"event: moment" in body:
                    break
    assert re.search(rb"retry: \d+\r\n(:\r\n){3,}id: \S+\r\nevent: moment\r\n", body)


async def test_a_stream_that_waits_for_a_database_that_is_away_shows_signs_of_life(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rounds, "VISIT_S", 0.0)
    monkeypatch.setattr(rounds, "ROUND_S", 0.02)
    monkeypatch.setattr(conversation, "DATABASE_PAUSE_S", (0.05, 0.05))

    async with world_on(settings) as world:
        at = {"Last-Event-ID": (await world.page("ana"))["live_cursor"]}
        await world.report(world.moment("l1"))
        body = b""
        with monkeypatch.context() as away:
            away.setattr(History, "since", unreadable(Unavailable))
            async with world.client.stream("GET", "/v1/feed/stream", headers=world.rep("ana") | at) as response:
                async for chunk in response.aiter_bytes():
                    body += chunk
                    if body.count(b":\r\n") >= 3:
                        away.undo()
                    if b"event: moment" in body:
                        break
    assert re.search(rb"retry: \d+\r\n(:\r\n){3,}id: \S+\r\nevent: moment\r\n", body)


def test_a_stream_that_fails_when_it_is_visited_is_cut_and_the_others_are_visited() -> None:
    class Failing(Stream):
        def beat(self) -> None:
            raise RuntimeError

    now = 0.0
    caller = Caller(1, "o", "ana", frozenset(), None, expires_at=3)
    failing, other = Failing.of(caller, b"k" * 32), Stream.of(caller, b"k" * 32)
    failing.expires_at = None
    looking_after = Rounds(None, None, clock=lambda: now, ticks=lambda: now)  # type: ignore[arg-type]
    looking_after.attend(failing)
    looking_after.attend(other)
    while now < 15:
        now += 1
        looking_after.visit()
    assert (failing.ended, failing.last_words) == (True, b"")
    assert other.last_words.startswith(b"event: expired")


@given(st.lists(st.integers(1, 120_000), unique=True, max_size=30))
def test_fifteen_seconds_never_pass_without_a_sign_of_life_and_an_event_is_one(events_ms: list[int]) -> None:
    now = 0.0
    signs, beats = [0.0], []

    class Listening(Stream):
        def beat(self) -> None:
            beats.append(now)

    stream = Listening.of(Caller(1, "o", "ana", frozenset(), None, None), b"k" * 32)
    looking_after = Rounds(None, None, clock=lambda: now, ticks=lambda: now)  # type: ignore[arg-type]
    looking_after.attend(stream)

    for millisecond in sorted({*events_ms, *range(1_000, 121_000, 1_000)}):
        now = millisecond / 1_000
        if millisecond in events_ms:
            stream.position += 1
            signs.append(now)
        if millisecond % 1_000 == 0:
            looking_after.visit()

    everything = sorted([*signs, *beats, 120.0])
    assert all(after - before <= 15 for before, after in pairwise(everything))
    assert all(beat - max(sign for sign in [*signs, *beats] if sign < beat) >= rounds.VISIT_S for beat in beats)


async def test_a_client_that_does_not_read_is_cut_and_harms_nobody(settings: Settings) -> None:
    async with (
        world_on(settings, stream_send_timeout=2) as world,
        following(world, "ana") as reading,
    ):
        await reading.ready()
        before = await figure(world.client, "leadfeed_stream_slow_disconnects_total")
        received: list[str] = []
        sent: list[str] = []

        async def read() -> None:
            while True:
                received.append((await reading.next()).data["id"])

        reader = asyncio.create_task(read())
        async with stalled(world, "ana"):
            async with asyncio.timeout(20):
                while open_streams(world.service) == 2:
                    sent += await world.report(*(world.moment("l1", description="x" * 900) for _ in range(20)))
            await until(lambda: len(received) == len(sent))
        reader.cancel()
        assert await figure(world.client, "leadfeed_stream_slow_disconnects_total") == before + 1

    assert received == sent


async def test_a_client_that_reads_slowly_but_steadily_is_not_cut(settings: Settings) -> None:
    """What it missed is more than it can read in the time after which one that does not read is cut."""
    async with world_on(settings, stream_send_timeout=2) as world:
        at = (await world.page("ana"))["live_cursor"]
        for count in (100, 10):  # one that does not read would be noticed when it is sent more
            await world.report(*(world.moment("l1", description="\N{GRINNING FACE}" * 990) for _ in range(count)))
        before = await figure(world.client, "leadfeed_stream_slow_disconnects_total")
        read, began = b"", time.monotonic()
        async with stalled(world, "ana", at=at) as client:
            client.setblocking(False)
            while read.count(b"event: moment") < 110:
                piece = await asyncio.get_running_loop().sock_recv(client, 2_000)
                assert piece, "the client was cut"
                read += piece
                await asyncio.sleep(0.02)
        assert time.monotonic() - began > 2
        assert await figure(world.client, "leadfeed_stream_slow_disconnects_total") == before


async def test_what_waits_for_a_client_that_missed_much_is_little(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with world_on(settings) as world:
        at = (await world.page("ana"))["live_cursor"]
        ids = await world.report(*(world.moment("l1", description="\N{GRINNING FACE}" * 990) for _ in range(60)))
        live = world.service.app.state.live
        stream = live.connect(Caller(world.org_id, world.org, "ana", frozenset()))
        pieces = [piece async for piece in live.history(stream).since(stream.positions.read(at))]
        assert sum(piece.events for piece in pieces) == len(ids)
        assert all(len(piece.data) <= BUFFER_BYTES for piece in pieces)

        written: list[int] = []
        send = StreamProtocol.send

        async def noted(wire: StreamProtocol, data: bytes) -> None:
            written.append(len(data))
            await send(wire, data)

        monkeypatch.setattr(StreamProtocol, "send", noted)
        async with following(world, "ana", at=at) as follower:
            assert [one.data["id"] for one in await follower.take(len(ids))] == ids
        assert max(written) <= WRITE_BYTES


async def test_a_client_slower_than_the_feed_gets_everything_in_the_end(settings: Settings) -> None:
    """More than its buffer holds waits for it: the rest comes from the log, each event once, in order."""
    async with world_on(settings) as world, following(world, "ana") as stream:
        await stream.ready()
        sent: list[str] = []
        for _ in range(10):
            sent += await world.report(*(world.moment("l1", description="y" * 900) for _ in range(100)))
        events = await stream.take(len(sent))

    assert [one.data["id"] for one in events] == sent
    positions = [one.position for one in events]
    assert positions == sorted(set(positions))


async def test_idle_streams_hold_no_database_connection(settings: Settings) -> None:
    async with world_on(settings, pool_size=3) as world:
        streams = [following(world, "ana") for _ in range(3 + 5)]
        for stream in streams:
            await (await stream.__aenter__()).ready()
        try:
            database = world.service.app.state.database
            await until(lambda: database.checked_out == 0)
            await world.page("ana")
        finally:
            for stream in streams:
                await stream.__aexit__(None, None, None)


async def test_when_all_have_gone_no_task_and_no_registration_is_left(settings: Settings) -> None:
    async with world_on(settings) as world:
        await world.page("ana")
        before = {task.get_coro().__qualname__ for task in asyncio.all_tasks()}  # type: ignore[union-attr]
        for _ in range(5):
            async with following(world, "ana") as stream, following(world, "bob") as other:
                await stream.ready()
                await other.ready()
        live = world.service.app.state.live
        await until(lambda: len(live.connections) == 0)

        def left() -> set[str]:
            return {task.get_coro().__qualname__ for task in asyncio.all_tasks()} - before  # type: ignore[union-attr]

        await until(lambda: not left())
        assert live.connections._audiences == {}
        await until(lambda: live.tail._logs == {})
