"""Wake-ups between processes: sent after the commit, gathered, heard by everyone, and no loss when they are lost."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

import asyncpg
import pytest
import structlog

from clients import figure, plain_client
from leadfeed_api.db import postgres_channel, wakeups
from leadfeed_api.db.channels import channel_for
from leadfeed_api.db.session import Database
from leadfeed_api.db.wakeups import Origin, Wakeups
from leadfeed_api.feed.log import appending
from leadfeed_api.settings import Settings
from leadfeed_api.stream import live, tail
from leadfeed_api.telemetry import Metrics
from neighbours import free_port, nats_server, pgbouncer, wire
from stream_client import following, until
from world import World, served

pytestmark = pytest.mark.anyio


class Listener:
    """A process that hears, without more."""

    def __init__(self, wakeups: Wakeups) -> None:
        self.wakeups = wakeups
        self.heard: list[tuple[int, int, Origin]] = []
        self.begun = 0
        wakeups.heard = lambda *wakeup: self.heard.append(wakeup)
        wakeups.resumed = self._resumed

    def _resumed(self) -> None:
        self.begun += 1

    @property
    def from_others(self) -> list[tuple[int, int]]:
        """What came by the channel."""
        return [(org_id, position) for org_id, position, origin in self.heard if origin == "channel"]


@asynccontextmanager
async def process(settings: Settings, *, awaited: bool = True) -> AsyncIterator[tuple[Database, Listener]]:
    """A process's database and its end of the channel; it listens when the block begins, if ``awaited``."""
    pooled_outside = settings.listen_url is not None
    async with Database(settings.database_url or "", pool_size=2, pooled_outside=pooled_outside) as database:
        ours = Wakeups(database, channel_for(settings, database), Metrics())
        listener = Listener(ours)
        async with ours:
            await until(lambda: listener.begun == 1 or not awaited)
            yield database, listener


async def test_a_commit_wakes_its_own_process_before_the_next_step_and_the_others_by_the_channel(
    settings: Settings,
) -> None:
    async with process(settings) as (writing, own), process(settings) as (_, other):
        writing.announce(7, 42)
        assert own.heard == [(7, 42, "local")]
        await until(lambda: (7, 42) in other.from_others)


async def test_a_batch_wakes_its_own_process_at_once_and_the_others_too(settings: Settings) -> None:
    async with process(settings) as (writing, own), process(settings) as (_, other):
        writing.announce(7, 500, 500)
        assert own.heard == [(7, 500, "local")]
        await until(lambda: (7, 500) in other.from_others)


async def test_a_batchs_wake_up_is_not_forgotten_by_a_process_that_ends(settings: Settings) -> None:
    async with process(settings) as (_, other):
        async with process(settings) as (writing, _):
            writing.announce(7, 500, 500)
        await until(lambda: (7, 500) in other.from_others)


async def test_a_moments_wake_up_takes_a_batchs_along_and_the_next_batch_has_its_own(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wakeups, "AFTER_BATCH_S", 3_600)
    async with process(settings) as (writing, _), process(settings) as (_, other):
        writing.announce(7, 500, 500)
        writing.announce(8, 1)
        await until(lambda: {(7, 500), (8, 1)} <= set(other.from_others))
        monkeypatch.setattr(wakeups, "AFTER_BATCH_S", 0)
        writing.announce(7, 1_000, 500)
        await until(lambda: (7, 1_000) in other.from_others)


async def test_wake_ups_are_sent_while_all_connections_are_lent(settings: Settings) -> None:
    async with process(settings) as (writing, _), process(settings) as (_, other), writing.read(), writing.read():
        assert writing.checked_out == 2
        writing.announce(7, 42)
        await until(lambda: (7, 42) in other.from_others)


async def test_a_process_that_cannot_listen_still_wakes_the_others(settings: Settings) -> None:
    deaf = settings.model_copy(update={"listen_url": f"postgresql://leadfeed@127.0.0.1:{free_port()}/leadfeed"})
    async with process(deaf, awaited=False) as (writing, listener), process(settings) as (_, other):
        writing.announce(7, 42)
        await until(lambda: (7, 42) in other.from_others)
        assert not listener.begun


async def test_a_process_ends_though_its_channel_passes_over_being_told_to(database: Database) -> None:
    channel = Stubborn()
    async with Wakeups(database, channel, Metrics()):
        await until(lambda: channel.listening)
    assert channel.told == 2


async def test_wake_ups_of_a_moment_are_gathered_into_the_last_of_each_organisation(settings: Settings) -> None:
    async with process(settings) as (writing, _), process(settings) as (_, other):
        for position in range(1, 200):
            writing.announce(7, position)
            writing.announce(8, position + 1_000)
        await until(lambda: {(7, 199), (8, 1_199)} <= set(other.from_others))
        assert len(other.from_others) == 2


async def test_a_transaction_that_moves_the_log_is_announced_after_its_commit_and_a_rollback_is_not(
    settings: Settings, database: Database
) -> None:
    async with served(settings) as service:
        world = await service.new_world()
    told: list[tuple[int, int, int]] = []
    database.announce = lambda *wakeup: told.append(wakeup)

    async with appending(database, world.org_id) as log:
        await log.advance(3)
        assert told == []
    assert told == [(world.org_id, 3, 3)]
    with suppress(RuntimeError):
        async with appending(database, world.org_id) as log:
            await log.advance(1)
            raise RuntimeError
    assert told == [(world.org_id, 3, 3)]


async def test_a_process_that_ends_while_it_asks_after_its_connection_leaves_nothing_behind(settings: Settings) -> None:
    async with wire(settings.database_url or "") as (line, through_wire):
        connection = await asyncpg.connect(through_wire)
        line.dead = True
        asking = asyncio.create_task(postgres_channel.Line(connection).answers())
        await asyncio.sleep(0)  # it has asked
        asking.cancel()
        await asyncio.wait({asking})

        assert asking.cancelled()
        assert connection.is_closed()


async def test_a_connection_that_goes_dead_before_it_listens_is_noticed(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_channel, "CHECK_TIMEOUT_S", 0.5)
    listen, asked = asyncpg.Connection.add_listener, 0
    async with wire(settings.database_url or "") as (line, through_wire):

        async def listen_as_the_line_goes_dead(connection: asyncpg.Connection, *how: Any) -> None:
            nonlocal asked
            asked += 1
            line.dead = asked == 1
            try:
                await listen(connection, *how)
            finally:
                line.dead = False

        monkeypatch.setattr(asyncpg.Connection, "add_listener", listen_as_the_line_goes_dead)
        async with process(settings.model_copy(update={"listen_url": through_wire})) as (writing, listener):
            assert asked > 1
            writing.announce(7, 42)
            await until(lambda: (7, 42) in listener.from_others)


async def test_whatever_ends_listening_it_begins_again(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    listen, failed = asyncpg.Connection.add_listener, asyncio.Event()

    async def fail_once(connection: asyncpg.Connection, *how: Any) -> None:
        if not failed.is_set():
            failed.set()
            raise asyncpg.InternalClientError
        await listen(connection, *how)

    monkeypatch.setattr(asyncpg.Connection, "add_listener", fail_once)
    async with process(settings) as (writing, listener):
        assert failed.is_set()
        writing.announce(7, 42)
        await until(lambda: (7, 42) in listener.from_others)


async def test_whatever_keeps_wake_ups_from_being_sent_the_next_are_sent(database: Database) -> None:
    channel = Full()
    async with Wakeups(database, channel, Metrics()):
        database.announce(7, 41)
        await until(lambda: channel.refused == ["7:41"])
        database.announce(7, 42)
        await until(lambda: channel.sent == ["7:42"])


async def test_a_sending_that_hangs_keeps_no_later_wake_up_from_being_sent(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wakeups, "SEND_TIMEOUT_S", 0.05)
    channel = Hanging()
    async with Wakeups(database, channel, Metrics()):
        try:
            database.announce(7, 41)
            await until(lambda: channel.refused == ["7:41"])
            database.announce(7, 42)
            await until(lambda: channel.sent == ["7:42"], within=5)
        finally:
            channel.end.set()


async def test_what_somebody_else_shouts_on_the_channel_is_not_heard(settings: Settings) -> None:
    async with process(settings) as (database, listener):
        async with database.read() as connection:
            for nonsense in ("", "7", "7:", ":7", "x:y", "7:8:9", "9" * 5_000, "\N{SNOWMAN}:1"):
                await connection.execute("SELECT pg_notify('leadfeed', $1)", nonsense)
            await connection.execute("SELECT pg_notify('leadfeed', '7:42')")
        await until(lambda: (7, 42) in listener.from_others)
        assert listener.from_others == [(7, 42)]


async def test_a_killed_listening_connection_is_made_again_and_says_so(settings: Settings, database: Database) -> None:
    async with process(settings) as (writing, listener):
        async with database.read() as connection:
            await connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND (query LIKE 'LISTEN %' OR query = 'SELECT 1')"
            )
        await until(lambda: listener.begun == 2)
        writing.announce(7, 42)
        await until(lambda: (7, 42) in listener.from_others)


async def test_a_listening_connection_that_went_dead_without_a_word_is_noticed(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_channel, "CHECK_EVERY_S", 0.2)
    monkeypatch.setattr(postgres_channel, "CHECK_TIMEOUT_S", 0.3)
    async with (
        wire(settings.database_url or "") as (line, through_wire),
        process(settings.model_copy(update={"listen_url": through_wire})) as (writing, listener),
    ):
        line.dead = True
        await until(lambda: line.accepted >= 2)
        line.dead = False
        await until(lambda: listener.begun == 2)
        writing.announce(7, 42)
        await until(lambda: (7, 42) in listener.from_others)


def test_a_dead_listening_connection_is_noticed_within_twenty_seconds() -> None:
    assert postgres_channel.CHECK_EVERY_S + postgres_channel.CHECK_TIMEOUT_S <= 20


async def test_wake_ups_travel_by_nats_where_its_url_is_set(settings: Settings) -> None:
    async with nats_server() as url:
        by_nats = settings.model_copy(update={"nats_url": url})
        async with process(by_nats) as (writing, _), process(by_nats) as (_, other), process(settings) as (_, deaf):
            writing.announce(7, 42)
            await until(lambda: (7, 42) in other.from_others)
            assert deaf.heard == []


async def test_any_of_several_nats_servers_will_do(settings: Settings) -> None:
    async with nats_server() as url:
        several = settings.model_copy(update={"nats_url": f"nats://127.0.0.1:{free_port()},{url}"})
        async with process(several) as (writing, _), process(several) as (_, other):
            writing.announce(7, 42)
            await until(lambda: (7, 42) in other.from_others)


async def test_a_process_that_said_nothing_ends_well_without_the_nats_server(
    settings: Settings, database: Database
) -> None:
    by_nats = settings.model_copy(update={"nats_url": f"nats://127.0.0.1:{free_port()}"})
    async with Wakeups(database, channel_for(by_nats, database), Metrics()):
        pass


async def test_a_process_that_has_something_to_say_ends_well_though_the_nats_server_went_away(
    settings: Settings,
) -> None:
    port = free_port()
    by_nats = settings.model_copy(update={"nats_url": f"nats://127.0.0.1:{port}"})
    with structlog.testing.capture_logs() as lines:
        async with process(by_nats, awaited=False) as (writing, listener):
            async with nats_server(port):
                await until(lambda: listener.begun)
            client = listener.wakeups._channel._client  # type: ignore[attr-defined]
            await until(lambda: client.is_reconnecting)
            writing.announce(7, 42)
            await until(lambda: client.pending_data_size)
    assert [line["log_level"] for line in lines if line["event"] == "nats-not-closed"] == ["warning"]


async def test_a_nats_server_that_comes_late_or_again_is_heard_and_says_so(settings: Settings) -> None:
    port = free_port()
    by_nats = settings.model_copy(update={"nats_url": f"nats://127.0.0.1:{port}"})
    async with process(by_nats, awaited=False) as (writing, listener):
        writing.announce(7, 1)  # nobody can be told: no error
        for position in (42, 43):
            begun = listener.begun
            async with nats_server(port):
                await until(lambda begun=begun: listener.begun > begun)
                writing.announce(7, position)
                await until(lambda position=position: (7, position) in listener.from_others)


async def test_a_client_that_nats_closes_over_an_error_is_replaced(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sending goes on, so nobody would see that nothing is heard any more."""
    from leadfeed_api.db import nats_channel

    monkeypatch.setattr(nats_channel, "PAUSE_S", 0.05)
    async with nats_server() as url:
        by_nats = settings.model_copy(update={"nats_url": url})
        async with process(by_nats) as (writing, _), process(by_nats) as (_, other):
            channel: nats_channel.NatsChannel = other.wakeups._channel  # type: ignore[assignment]
            channel._client._transport.write(b"NONSENSE\r\n")  # type: ignore[union-attr]
            await until(lambda: other.begun == 2)
            writing.announce(7, 42)
            await until(lambda: (7, 42) in other.from_others)
            assert other.from_others == [(7, 42)]


# --- the same, as streams show it --------------------------------------------------------------------------------


class Dead:
    """A channel on which nothing is ever heard: what is left of one after a crash between commit and wake-up."""

    async def send(self, payloads: Sequence[str]) -> None:
        """Says nothing."""

    async def listen(self, heard: object, resumed: object) -> None:
        """Hears nothing."""
        await asyncio.Event().wait()

    async def close(self) -> None:
        """Has nothing to close."""


class Full(Dead):
    """A channel with no room at first."""

    def __init__(self) -> None:
        self.refused: list[str] = []
        self.sent: list[str] = []

    async def send(self, payloads: Sequence[str]) -> None:
        """Fails the first time, by an error that the server makes when its queue of notifications is full."""
        if not self.refused:
            self.refused += payloads
            raise asyncpg.ProgramLimitExceededError("too many notifications in the NOTIFY queue")
        self.sent += payloads


class Stubborn(Dead):
    """A channel that takes note of being told to end once, and ends the second time: as NATS's while it connects."""

    def __init__(self) -> None:
        self.listening = False
        self.told = 0

    async def listen(self, heard: object, resumed: object) -> None:
        """Hears nothing."""
        self.listening = True
        while self.told < 2:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                self.told += 1


@asynccontextmanager
async def two_instances(settings: Settings) -> AsyncIterator[tuple[World, str]]:
    """An organisation as one instance serves it, and another instance's address."""
    async with served(settings) as one, served(settings) as other:
        world = await one.new_world()
        await world.people("ana", leads={"l1": "ana"})
        yield world, other.base_url


async def wakeups_by(base_url: str, origin: str) -> float:
    """How many wake-ups of an origin an instance has heard."""
    async with plain_client(base_url=base_url) as client:
        return await figure(client, "leadfeed_stream_wakeups_total", origin=origin)


async def test_a_moment_reported_to_one_instance_arrives_on_another(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tail, "POLL_S", 3_600.0)  # nobody asks by the clock: what arrives was announced
    async with two_instances(settings) as (world, other), following(world, "ana", base_url=other) as stream:
        await stream.ready()
        (moment_id,) = await world.report(world.moment("l1"))
        assert (await stream.next()).data["id"] == moment_id


async def test_a_client_cut_on_one_instance_resumes_on_another(settings: Settings) -> None:
    async with two_instances(settings) as (world, other):
        async with following(world, "ana") as stream:
            await stream.ready()
            ids = await world.report(world.moment("l1"))
            await stream.next()
        ids += await world.report(world.moment("l1"), world.moment("l1"))
        async with following(world, "ana", at=stream.last_id, base_url=other) as resumed:
            ids += await world.report(world.moment("l1"))
            assert [one.data["id"] for one in await resumed.take(3)] == ids[1:]


async def test_a_wake_up_that_was_lost_costs_two_seconds_at_most(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "channel_for", lambda *_: Dead())
    async with two_instances(settings) as (world, other), following(world, "ana", base_url=other) as stream:
        await stream.ready()
        before = await wakeups_by(other, "poll")
        (moment_id,) = await world.report(world.moment("l1"))
        async with asyncio.timeout(2):
            assert (await stream.next()).data["id"] == moment_id
        assert await wakeups_by(other, "poll") == before + 1


async def test_behind_a_transaction_pooler_everything_works_with_a_direct_connection_to_listen_on(
    settings: Settings,
) -> None:
    direct = settings.database_url or ""
    async with pgbouncer(direct) as pooled:
        behind = settings.model_copy(update={"database_url": pooled, "listen_url": direct})
        async with two_instances(behind) as (world, other), following(world, "ana", base_url=other) as stream:
            await stream.ready()
            before = await wakeups_by(other, "channel")
            ids = [(await world.report(world.moment("l1")))[0] for _ in range(20)]
            assert [one.data["id"] for one in await stream.take(20)] == ids
            assert await wakeups_by(other, "channel") > before
            assert [item["id"] for item in await world.feed("ana")] == ids[::-1]


async def test_streams_outlive_the_loss_of_every_database_connection(settings: Settings, database: Database) -> None:
    async with served(settings) as service:
        world = await service.new_world()
        await world.people("ana", leads={"l1": "ana"})
        async with following(world, "ana") as stream:
            await stream.ready()
            async with database.read() as connection:
                await connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
            (moment_id,) = await persistently(world)
            assert (await stream.next()).data["id"] == moment_id


async def persistently(world: World) -> list[str]:
    """Reports a moment, again if the service cannot just now."""
    moment = world.moment("l1")
    while True:
        answer = await world.client.post("/v1/moments", headers=world.machine, json={"moments": [moment]})
        if answer.status_code == 200:
            return [result["id"] for result in answer.json()["results"]]
        assert answer.status_code == 503, answer.text


class Hanging(Full):
    """As :class:`Full`, but the first sending does not end by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.end = asyncio.Event()

    async def send(self, payloads: Sequence[str]) -> None:
        if not self.refused:
            self.refused += payloads
            await self.end.wait()
        self.sent += payloads
