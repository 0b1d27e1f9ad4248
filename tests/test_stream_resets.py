"""Positions that cannot be served: each is answered by a reset with a position to go on from."""

from collections.abc import Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import structlog
from asyncpg import Record

from clients import figure
from leadfeed_api.db.session import Database
from leadfeed_api.feed import queries, trimming
from leadfeed_api.feed.log import FLOOD
from leadfeed_api.feed.trimming import trim
from leadfeed_api.organizations.identity import Caller
from leadfeed_api.stream.connection import NOWHERE
from leadfeed_api.stream.live import Live
from losses import put_back
from statements import BY_A_TEST
from stream_client import following, until
from world import Service, World

pytestmark = pytest.mark.anyio


@pytest.fixture
async def live(server: Service) -> World:
    """An organisation with a rep who owns a lead and missed a moment, on a service that can be streamed from."""
    world = await server.new_world()
    await world.people("ana", "bob", leads={"l1": "ana", "l2": "bob"})
    await world.report(world.moment("l1"), world.moment("l2"))
    return world


async def assert_reset(world: World, at: str, reason: str) -> None:
    """The first event is the reset, its id serves, and what comes after it comes."""
    async with following(world, "ana", at=at) as stream:
        reset = await stream.next()
        assert (reset.name, reset.data) == ("reset", {"reason": reason})
        page = await world.page("ana")
        (after,) = await world.report(world.moment("l1"))
        assert (await stream.next()).data["id"] == after
    assert after not in [item["id"] for item in page["items"]]
    async with following(world, "ana", at=reset.id) as stream:
        assert (await stream.next()).data["id"] == after


@pytest.mark.parametrize("position", ["nonsense", "1042", "-5", "q3Zx0a1b-1", "a" * 3_000, "%00", "-"])
async def test_a_malformed_position_is_reset(live: World, position: str) -> None:
    await assert_reset(live, position, "unknown-position")


@pytest.mark.parametrize("empty", ["", "  "])
async def test_an_empty_position_is_none(live: World, empty: str) -> None:
    async with following(live, "ana", at="", params={"last_event_id": empty}) as stream:
        (told,) = await live.report(live.moment("l1"))
        event = await stream.next()
        assert (event.name, event.data["id"]) == ("moment", told)


async def test_blanks_around_a_position_are_not_its_own(live: World) -> None:
    at = (await live.page("ana"))["live_cursor"]
    (missed,) = await live.report(live.moment("l1"))
    for spaced in (f"{at} ", f" {at}"):
        async with following(live, "ana", params={"last_event_id": spaced}) as stream:
            assert (await stream.next()).data["id"] == missed


async def test_another_users_position_is_reset(live: World) -> None:
    await assert_reset(live, (await live.page("bob"))["live_cursor"], "unknown-position")


async def test_another_organisations_position_is_reset(live: World) -> None:
    other = await live.service.new_world()
    await other.people("ana", leads={"l1": "ana"})
    await assert_reset(live, (await other.page("ana"))["live_cursor"], "unknown-position")


async def test_a_position_of_the_future_is_reset(live: World) -> None:
    tag, _, number = (await live.page("ana"))["live_cursor"].rpartition("-")
    await assert_reset(live, f"{tag}-{int(number) + 1}", "future-position")
    await assert_reset(live, f"{tag}-{10**18 - 1}", "future-position")


async def test_a_position_older_than_the_kept_history_is_reset(live: World) -> None:
    old = (await live.page("ana"))["live_cursor"]
    await live.client.put("/v1/watchlist/l2", headers=live.rep("ana"))
    await live.client.delete("/v1/watchlist/l2", headers=live.rep("ana"))
    await trim(live.service.app.state.database, live.org_id, datetime.now(UTC) + timedelta(seconds=1))

    await assert_reset(live, old, "old-position")


async def test_a_position_before_the_last_moment_that_is_too_old_is_reset(live: World) -> None:
    """A stream does not bring up those of a month ago as news, though they are kept."""
    old = (await live.page("ana"))["live_cursor"]
    await live.report(live.moment("l1"), live.moment("l1"))
    await trim(live.service.app.state.database, live.org_id, datetime.now(UTC) + timedelta(seconds=1))

    await assert_reset(live, old, "old-position")


async def test_the_newest_position_is_served_though_everything_before_it_was_trimmed(live: World) -> None:
    await trim(live.service.app.state.database, live.org_id, datetime.now(UTC) + timedelta(seconds=1))
    newest = (await live.page("ana"))["live_cursor"]

    async with following(live, "ana", at=newest) as stream:
        (after,) = await live.report(live.moment("l1"))
        assert (await stream.next()).data["id"] == after


async def test_trimming_keeps_what_is_younger(live: World) -> None:
    await live.client.put("/v1/watchlist/l2", headers=live.rep("ana"))
    start = (await live.page("ana"))["live_cursor"]
    boundary = datetime.now(UTC)
    await live.client.delete("/v1/watchlist/l2", headers=live.rep("ana"))
    await live.report(live.moment("l1"))

    await trim(live.service.app.state.database, live.org_id, boundary)

    async with following(live, "ana", at=start) as stream:
        assert [one.name for one in await stream.take(2)] == ["changed", "moment"]


async def test_trimming_never_makes_a_feed_look_older_than_it_is(live: World) -> None:
    """A feed's version is its highest position: were the last change of a user trimmed, an old ETag would fit again."""
    await live.sync(leads=[{"id": "l1", "name": "Renamed"}])
    database = live.service.app.state.database
    await trim(database, live.org_id, datetime.now(UTC) + timedelta(seconds=1))

    async with database.read() as connection:
        left = await connection.fetchval(
            f"{BY_A_TEST} SELECT max(position) FROM feed_change WHERE org_id = $1 AND user_id = 'ana'", live.org_id
        )
    assert left == int((await live.page("ana"))["live_cursor"].rpartition("-")[2])


async def test_of_an_erased_person_nothing_is_left_once_the_log_is_trimmed(live: World) -> None:
    before = (await live.page("ana"))["live_cursor"]
    database = live.service.app.state.database
    assert (await live.client.delete("/v1/leads/l1", headers=live.machine)).status_code == 204
    erased = (await live.page("ana"))["live_cursor"]

    await trim(database, live.org_id, datetime.now(UTC) + timedelta(seconds=1))

    async with database.read() as connection:
        left = await connection.fetch(f"{BY_A_TEST} SELECT * FROM feed_change WHERE org_id = $1", live.org_id)
    assert {(row["kind"], row["lead_id"]) for row in left} == {("reset", None)}
    assert max(row["position"] for row in left if row["user_id"] == "ana") == int(erased.rpartition("-")[2])
    async with following(live, "ana", at=before) as stream:
        assert (await stream.next()).data == {"reason": "old-position"}


async def test_a_history_that_is_trimmed_while_it_is_read_ends_with_a_reset(live: World) -> None:
    database, running = live.service.app.state.database, live.service.app.state.live
    stream = running.connect(Caller(live.org_id, live.org, "ana", frozenset()))
    start = stream.positions.read((await live.page("ana"))["live_cursor"])
    await live.client.delete("/v1/leads/l1", headers=live.machine)

    pieces = running.history(stream).since(start)
    assert (await anext(pieces)).reset is None, "when it is begun it can be served"
    await trim(database, live.org_id, datetime.now(UTC) + timedelta(seconds=1))

    assert [(piece.reset, b"changed" in piece.data) async for piece in pieces] == [("old-position", False)]


async def test_a_long_log_is_trimmed_in_small_transactions_between_which_others_have_their_turn(
    live: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = live.service.app.state.database
    for part in range(3):
        await live.sync(leads=[{"id": f"x{part}-{n}", "name": "X", "owner_id": "ana"} for n in range(15)])
    sizes, forget = [], trimming._forget

    async def counted(database: Database, org_id: int, old: Sequence[Record]) -> None:
        sizes.append(len(old))
        await forget(database, org_id, old)
        await live.report(live.moment("l2"))

    monkeypatch.setattr(trimming, "AT_A_TIME", 10)
    monkeypatch.setattr(trimming, "_forget", counted)
    before = datetime.now(UTC)

    assert await trim(database, live.org_id, before) == sum(sizes)

    assert (max(sizes), sum(sizes)) == (10, 45 + 2)  # and the two leads that were there
    async with database.read() as connection:
        left = await connection.fetch(f"{BY_A_TEST} SELECT * FROM feed_change WHERE org_id = $1", live.org_id)
        assert sorted((row["user_id"], row["lead_id"]) for row in left) == [("ana", None), ("bob", None)]
        assert (await queries.reach(connection, live.org_id))[1] >= max(row["position"] for row in left)
    assert await trim(database, live.org_id, before) == 0


async def test_many_changes_at_once_are_one_reset(live: World) -> None:
    leads = [{"id": f"x{n}", "name": f"X{n}", "owner_id": "ana"} for n in range(FLOOD + 1)]
    async with following(live, "ana") as stream:
        await stream.ready()
        await live.sync(leads=leads)
        (after,) = await live.report(live.moment("x7"))
        reset, moment = await stream.take(2)

    assert (reset.name, reset.data) == ("reset", {"reason": "many-changes"})
    assert moment.data["id"] == after


@pytest.fixture
def process(live: World) -> Live:
    """The live feed of the service's process."""
    found: Live = live.service.app.state.live
    return found


async def test_when_the_log_goes_back_the_streams_that_are_open_are_reset_and_go_on(live: World) -> None:
    async with following(live, "ana") as ana, following(live, "bob") as bob:
        await ana.ready()
        await bob.ready()
        await live.report(*(live.moment("l1") for _ in range(3)))
        gone = await ana.take(3)
        with structlog.testing.capture_logs() as lines:
            await put_back(live, 3)
            resets = [await ana.next(), await bob.next()]
        assert [(one.name, one.data) for one in resets] == [("reset", {"reason": "unknown-position"})] * 2
        assert [one.position for one in resets] == [gone[0].position - 1] * 2
        (after,) = await live.report(live.moment("l1"))
        told = await ana.next()
        assert (told.data["id"], told.position) == (after, gone[0].position)

    assert [line["position"] for line in lines if line["event"] == "log-went-back"] == [resets[0].position]


async def test_a_poll_that_a_commit_overtakes_does_not_take_the_log_for_one_that_went_back(
    live: World, process: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask = queries.positions
    told: list[str] = []

    async def overtaken(*asked: Any) -> dict[int, int]:
        found = await ask(*asked)
        if not told:
            told.extend(await live.report(live.moment("l1")))
        return found

    async with following(live, "ana") as stream:
        await stream.ready()
        monkeypatch.setattr(queries, "positions", overtaken)
        process.wakeups.resumed()
        await until(lambda: told)
        told += await live.report(live.moment("l1"))
        assert [one.data.get("id") for one in await stream.take(2)] == told


async def test_a_stream_that_is_catching_up_when_the_log_goes_back_is_reset_too(live: World, process: Live) -> None:
    at = (await live.page("ana"))["live_cursor"]
    await live.report(*(live.moment("l1") for _ in range(3)))
    async with AsyncExitStack() as held:
        while not process._reading.locked():
            await held.enter_async_context(process._reading)
        async with following(live, "ana", at=at) as stream:
            (ours,) = process.connections.audience(live.org_id).streams
            await until(lambda: process._reading._waiters)
            await put_back(live, 2)
            await until(lambda: ours.position == NOWHERE)
            await held.aclose()
            assert (await stream.next()).name == "reset"


async def test_resets_are_counted_by_reason(live: World) -> None:
    async def counted() -> float:
        return await figure(live.client, "leadfeed_stream_resets_total", reason="unknown-position")

    before = await counted()
    async with following(live, "ana", at="nonsense") as stream:
        await stream.next()
        assert await counted() == before + 1
