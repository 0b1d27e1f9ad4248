"""How what was committed a moment ago reaches the streams: read once, by a plan that is kept, and believing nobody."""

import asyncio
from contextlib import AsyncExitStack
from typing import Any

import pytest

from leadfeed_api.db.session import Connection, Database, HandOver
from leadfeed_api.errors import Unavailable
from leadfeed_api.feed import at_position, queries
from leadfeed_api.feed.at_position import OF_EVERYONE, OF_SOME
from leadfeed_api.ingestion import record
from leadfeed_api.stream import news, tail
from statements import BY_A_TEST, Statements
from stream_client import following, until
from world import World

pytestmark = pytest.mark.anyio

FAR = 1_000_000


@pytest.fixture
def database(live: World) -> Database:
    """The service's."""
    found: Database = live.service.app.state.database
    return found


class Elsewhere:
    """While this is entered, commits here are to the streams as those of another process."""

    def __init__(self, database: Database) -> None:
        self._database, self._foresee = database, database.foresee

    def __enter__(self) -> None:
        async def nothing(connection: Connection, org_id: int, position: int) -> HandOver | None:
            return None

        self._database.foresee = nothing

    def __exit__(self, *_: object) -> None:
        self._database.foresee = self._foresee


class Gate:
    """The reading of a moment up to its statement; that waits until it is let through."""

    def __init__(self) -> None:
        self.reached, self.open = asyncio.Event(), asyncio.Event()
        self._ask = at_position.moment_at

    async def moment_at(self, *asked: Any) -> Any:
        """Whom to ask for was chosen; nothing was asked yet."""
        self.reached.set()
        await self.open.wait()
        return await self._ask(*asked)


async def test_a_lone_moment_is_read_by_the_transaction_that_writes_it_and_not_again(
    live: World, statements: Statements, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tail, "POLL_S", 3_600.0)
    async with following(live, "ana") as ana:
        await ana.ready()
        statements.executed.clear()
        await live.report(live.moment("l1", description="told"))
        assert (await ana.next()).data["description"] == "told"
        asked = statements.executed
    assert asked.count(OF_SOME) == 1
    assert asked.index(OF_SOME) < asked.index("COMMIT;")
    after = asked[asked.index("COMMIT;") :]
    assert not [text for text in after if "moment_id" in text or "feed_change" in text]


async def test_a_moment_for_many_is_not_read_under_the_lock(
    live: World, statements: Statements, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record, "FEW", 1)
    await live.client.put("/v1/watchlist/l1", headers=live.rep("bob"))
    async with following(live, "ana") as ana:
        await ana.ready()
        statements.executed.clear()
        await live.report(live.moment("l1"))
        await ana.next()
        asked = statements.executed
    assert asked.index(OF_SOME) > asked.index("COMMIT;")


async def test_what_is_foreseen_and_not_committed_is_told_to_nobody(
    live: World, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    foresee = database.foresee

    async def foresee_and_fail(*asked: Any) -> HandOver | None:
        assert await foresee(*asked) is not None
        raise Unavailable

    async with following(live, "ana") as ana:
        await ana.ready()
        with monkeypatch.context() as patched:
            patched.setattr(database, "foresee", foresee_and_fail)
            with pytest.raises(AssertionError, match="503"):
                await live.report(live.moment("l1", description="taken back"))
        await live.report(live.moment("l1", description="committed"))
        assert (await ana.next()).data["description"] == "committed"


@pytest.mark.parametrize("statement", ["SELECT 1 / 0", "SELECT 1"])
async def test_a_foresight_that_fails_fails_no_report(
    live: World, monkeypatch: pytest.MonkeyPatch, statement: str
) -> None:
    ask, failed = at_position.moment_at, asyncio.Event()

    async def fail_once(connection: Connection, *asked: Any) -> Any:
        if failed.is_set():
            return await ask(connection, *asked)
        failed.set()
        await connection.execute(statement)
        raise LookupError

    async with following(live, "ana") as ana:
        await ana.ready()
        monkeypatch.setattr(at_position, "moment_at", fail_once)
        await live.report(live.moment("l1", description="reported all the same"))
        assert failed.is_set()
        assert (await ana.next()).data["description"] == "reported all the same"


@pytest.mark.parametrize(("module", "question"), [(queries, "positions"), (at_position, "moment_at")])
async def test_what_could_not_be_read_once_for_whatever_reason_is_read_by_the_next_poll(
    live: World, database: Database, monkeypatch: pytest.MonkeyPatch, module: object, question: str
) -> None:
    ask, failed = getattr(module, question), asyncio.Event()

    async def fail_once(*asked: Any) -> Any:
        if not failed.is_set():
            failed.set()
            raise RuntimeError
        return await ask(*asked)

    monkeypatch.setattr(tail, "POLL_S", 0.05)
    async with following(live, "ana") as ana:
        await ana.ready()
        monkeypatch.setattr(database, "announce", lambda *_: None)  # nobody is woken
        with Elsewhere(database):
            monkeypatch.setattr(module, question, fail_once)
            told = await live.report(live.moment("l1"))
            await failed.wait()
            assert [(await ana.next()).data["id"]] == told


async def test_who_comes_and_looks_between_the_foresight_and_the_commit_misses_nothing(
    live: World, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    foresee, foreseen, commit = database.foresee, asyncio.Event(), asyncio.Event()

    async def foresee_and_wait(*asked: Any) -> HandOver | None:
        hand_over = await foresee(*asked)
        foreseen.set()
        await commit.wait()
        return hand_over

    monkeypatch.setattr(database, "foresee", foresee_and_wait)
    async with following(live, "ana") as ana, asyncio.TaskGroup() as reporting:
        await ana.ready()
        reporting.create_task(live.report(live.moment("l2", description="foreseen for ana alone")))
        await foreseen.wait()
        async with following(live, "bob") as bob:
            await bob.ready()
            commit.set()
            assert (await bob.next()).data["description"] == "foreseen for ana alone"


async def test_who_comes_and_looks_between_the_tails_choice_and_its_snapshot_misses_nothing(
    live: World, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with following(live, "ana") as ana:
        position = int((await ana.ready()).rsplit("-", 1)[1])
        gate = Gate()
        with monkeypatch.context() as patched, Elsewhere(database):
            patched.setattr(at_position, "moment_at", gate.moment_at)
            live.service.app.state.live.tail.hear(live.org_id, position + 1, "channel")  # too early
            await gate.reached.wait()
            async with following(live, "bob") as bob:
                await bob.ready()
                await live.report(live.moment("l2", description="while nobody asked for bob"))
                gate.open.set()
                assert (await bob.next()).data["description"] == "while nobody asked for bob"


async def test_what_a_reading_under_way_may_find_is_not_handed_over_too(
    live: World, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise a stream that is kept from sending would be told twice."""
    foresee, foreseen, commit = database.foresee, asyncio.Event(), asyncio.Event()
    gate = Gate()

    async def foresee_and_wait(*asked: Any) -> HandOver | None:
        hand_over = await foresee(*asked)
        foreseen.set()
        await commit.wait()
        return hand_over

    async with following(live, "ana") as ana, asyncio.TaskGroup() as reporting:
        position = int((await ana.ready()).rsplit("-", 1)[1])
        monkeypatch.setattr(database, "foresee", foresee_and_wait)
        reported = reporting.create_task(live.report(live.moment("l1", description="once")))
        await foreseen.wait()
        monkeypatch.setattr(at_position, "moment_at", gate.moment_at)
        live.service.app.state.live.tail.hear(live.org_id, position + 1, "channel")
        await gate.reached.wait()
        commit.set()
        await reported
        followed = live.service.app.state.live.tail._logs[live.org_id]
        assert followed.position == position
        gate.open.set()
        assert (await ana.next()).data["description"] == "once"


@pytest.mark.parametrize("count", [1, 2])
async def test_what_a_stream_read_from_the_log_before_the_tail_did_is_told_once(
    live: World, database: Database, monkeypatch: pytest.MonkeyPatch, *, count: int
) -> None:
    start, told = (await live.page("ana"))["live_cursor"], [str(number) for number in range(count)]
    running, gate = live.service.app.state.live, Gate()
    async with following(live, "bob") as bob:
        await bob.ready()
        with monkeypatch.context() as patched, Elsewhere(database):
            patched.setattr(at_position, "moment_at", gate.moment_at)
            await live.report(*(live.moment("l1", description=text) for text in told))
            await gate.reached.wait()
            async with following(live, "ana", at=start) as ana:
                heard = await ana.take(count)
                (stream,) = running.connections.audience(live.org_id).of("ana")
                await until(lambda: stream.direct is not None)
                gate.open.set()
                await until(lambda: running.tail._logs[live.org_id].reading is None)
                await live.report(live.moment("l1", description="afterwards"))
                heard.append(await ana.next())
    assert [one.data["description"] for one in heard] == [*told, "afterwards"]


async def test_what_happens_while_a_stream_waits_for_the_log_is_told_once(live: World) -> None:
    start, running = (await live.page("ana"))["live_cursor"], live.service.app.state.live
    await live.report(live.moment("l1", description="missed"))
    async with AsyncExitStack() as held:
        while not running._reading.locked():
            await held.enter_async_context(running._reading)
        async with following(live, "ana", at=start) as ana:
            (stream,) = running.connections.audience(live.org_id).of("ana")
            await until(lambda: not stream.behind)
            await live.report(live.moment("l1", description="meanwhile"))
            await until(lambda: stream._waiting)
            await held.aclose()
            heard = await ana.take(2)
            await live.report(live.moment("l1", description="afterwards"))
            heard.append(await ana.next())
    assert [one.data["description"] for one in heard] == ["missed", "meanwhile", "afterwards"]


@pytest.mark.parametrize("few", [True, False])
async def test_a_moment_that_was_there_before_its_lead_came_is_no_news(
    live: World, database: Database, monkeypatch: pytest.MonkeyPatch, *, few: bool
) -> None:
    monkeypatch.setattr(news, "PROBES_PER_POSITION", 16 if few else 0)
    gate = Gate()
    async with following(live, "ana") as ana:
        await ana.ready()
        with monkeypatch.context() as patched, Elsewhere(database):
            patched.setattr(at_position, "moment_at", gate.moment_at)
            await live.report(live.moment("l2"))
            await gate.reached.wait()
            await live.client.put("/v1/watchlist/l2", headers=live.rep("ana"))
            gate.open.set()
            event = await ana.next()
    assert (event.name, event.data) == ("changed", {"reason": "watched", "lead_id": "l2"})


async def test_a_wake_up_that_names_too_high_a_position_skips_nothing(live: World, database: Database) -> None:
    with Elsewhere(database):
        async with following(live, "ana") as ana:
            await ana.ready()
            for number in range(3):
                async with database.read() as connection:
                    await connection.execute("SELECT pg_notify('leadfeed', $1)", f"{live.org_id}:{FAR + number}")
                await live.report(live.moment("l1", description=str(number)))
            assert [one.data["description"] for one in await ana.take(3)] == ["0", "1", "2"]


async def test_what_is_heard_while_it_is_being_read_is_not_read_again(live: World, database: Database) -> None:
    metrics = live.service.app.state.metrics
    async with following(live, "ana") as ana:
        position = int((await ana.ready()).rsplit("-", 1)[1])
        gate = Gate()
        with pytest.MonkeyPatch.context() as patched, Elsewhere(database):
            patched.setattr(at_position, "moment_at", gate.moment_at)
            before = metrics.catch_ups._value.get()
            await live.report(live.moment("l1"))
            await gate.reached.wait()
            live.service.app.state.live.tail.hear(live.org_id, position + 1, "channel")  # our own, come back
            gate.open.set()
            await ana.next()
            followed = live.service.app.state.live.tail._logs[live.org_id]
            await until(lambda: followed.reading is None)
    assert metrics.catch_ups._value.get() == before + 1


@pytest.mark.parametrize("few", [True, False])
async def test_a_lone_moment_of_another_process_is_read_by_one_statement_whose_plan_is_kept(
    live: World, statements: Statements, database: Database, monkeypatch: pytest.MonkeyPatch, *, few: bool
) -> None:
    monkeypatch.setattr(news, "PROBES_PER_POSITION", 16 if few else 0)
    monkeypatch.setattr(tail, "POLL_S", 3_600.0)
    asked = OF_SOME if few else OF_EVERYONE
    async with following(live, "ana") as ana:
        position = int((await ana.ready()).rsplit("-", 1)[1])
        statements.executed.clear()
        with Elsewhere(database):
            await live.report(live.moment("l1"))
            await ana.next()
    assert [text for text in statements.of_tables() if "feed_change" in text or "AS reached" in text] == [asked]
    async with database.read() as connection:
        for _ in range(8):  # after five PostgreSQL compares
            await at_position.moment_at(connection, live.org_id, position + 1, ["ana"] if few else None)
        kept = await connection.fetchval(
            f"{BY_A_TEST} SELECT generic_plans FROM pg_prepared_statements WHERE statement = $1", asked
        )
    assert kept > 0
