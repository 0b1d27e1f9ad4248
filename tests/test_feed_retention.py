"""How long moments are kept: as many days as the organisation said, from when they were recorded, and no longer."""

import asyncio
import re
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest

from leadfeed_api import app
from leadfeed_api.db.session import Database
from leadfeed_api.errors import Busy, Unavailable
from leadfeed_api.feed import audit, retention, upkeep
from leadfeed_api.feed.retention import Purged, end_of_keeping, purge
from leadfeed_api.feed.trimming import trim
from leadfeed_api.feed.upkeep import Upkeep
from leadfeed_api.settings import Settings
from leadfeed_api.telemetry import Metrics
from oracle import recorded_at
from statements import BY_A_TEST
from stream_client import following, until
from world import World, ok, running_app

pytestmark = pytest.mark.anyio
KEPT_MARKS = "SELECT count(*) FROM read_mark r WHERE r.org_id = $1"

MOMENTS = f"{BY_A_TEST} SELECT moment_id FROM moment WHERE org_id = $1"
TOLD = f"{BY_A_TEST} SELECT user_id, count(*) AS times FROM feed_change WHERE org_id = $1 AND kind = 'reset' GROUP BY 1"


def ours(world: World) -> Database:
    database: Database = world.service.app.state.database
    return database


async def stored(world: World) -> set[str]:
    """The ids of all moments that the organisation has."""
    async with ours(world).read() as connection:
        return {str(row["moment_id"]) for row in await connection.fetch(MOMENTS, world.org_id)}


async def told(world: World) -> Counter[str]:
    """How often each user was told to load anew."""
    async with ours(world).read() as connection:
        return Counter({row["user_id"]: row["times"] for row in await connection.fetch(TOLD, world.org_id)})


async def end_keeping(world: World, before: datetime | None = None) -> list[Purged]:
    """Ends the retention of what was recorded before an instant, or of everything so far."""
    before = before or datetime.now(UTC) + timedelta(seconds=1)
    return [done async for done in purge(ours(world), world.org_id, before)]


async def another_millisecond() -> None:
    """What tells apart what is recorded now and afterwards."""
    now = time.time_ns() // 1_000_000
    await until(lambda: time.time_ns() // 1_000_000 > now)


async def nothing_amiss(world: World) -> bool:
    """Every inbox is what its definition says."""
    found = await audit.compare(ours(world), world.org_id, repair=False)
    return (found.missing, found.surplus) == (0, 0)


# --- what goes, and what stays -----------------------------------------------------------------------------------


async def test_what_was_recorded_before_is_gone_everywhere_and_what_came_since_stays(world: World) -> None:
    await world.people("ana", "bob", leads={"l1": "ana", "l2": "bob", "nobodys": None})
    await world.client.put("/v1/watchlist/l2", headers=world.rep("ana"))
    await world.report(*(world.moment(lead) for lead in ("l1", "l2", "nobodys")))
    await another_millisecond()
    new = await world.report(*(world.moment(lead) for lead in ("l1", "l2", "nobodys")))

    await end_keeping(world, recorded_at(new[0]))

    assert [item["id"] for item in await world.feed("ana")] == [new[1], new[0]]
    assert [item["id"] for item in await world.feed("bob")] == [new[1]]
    counted = ok(await world.client.get("/v1/feed/unread", headers=world.rep("ana")))
    assert counted["unread"] == 2
    assert await stored(world) == set(new)
    assert await nothing_amiss(world)


async def test_nothing_is_kept_of_what_was_read_of_a_lead_that_left(world: World) -> None:
    await world.people("ana", "bob", leads={"l1": "bob"})
    await world.client.put("/v1/watchlist/l1", headers=world.rep("ana"))
    ids = await world.report(world.moment("l1"))
    await world.client.post("/v1/feed/read", headers=world.rep("ana"), json={"ids": ids})
    await world.client.delete("/v1/watchlist/l1", headers=world.rep("ana"))
    await another_millisecond()
    async with ours(world).read() as connection:
        assert await connection.fetchval(KEPT_MARKS, world.org_id) == 1
        await end_keeping(world)
        assert await connection.fetchval(KEPT_MARKS, world.org_id) == 0


async def test_what_was_read_is_kept_for_as_long_as_its_moment(world: World) -> None:
    await world.people("ana", "bob", leads={"l1": "bob"})
    await world.client.put("/v1/watchlist/l1", headers=world.rep("ana"))
    before = await world.report(world.moment("l1"))
    await another_millisecond()
    since = await world.report(world.moment("l1"))
    ok(await world.client.post("/v1/feed/read", headers=world.rep("ana"), json={"ids": before + since}))
    await world.client.delete("/v1/watchlist/l1", headers=world.rep("ana"))

    await end_keeping(world, recorded_at(since[0]))

    await world.client.put("/v1/watchlist/l1", headers=world.rep("ana"))
    assert {item["id"]: item["read"] for item in await world.feed("ana")} == dict.fromkeys(since, True)


async def test_what_happened_long_ago_is_kept_for_as_long_as_anything_else(world: World) -> None:
    await world.people("ana", leads={"l1": "ana"})
    (imported,) = await world.report(world.moment("l1", occurred_at="2019-05-17T08:00:00Z"))

    await end_keeping(world, recorded_at(imported))

    assert [item["id"] for item in await world.feed("ana")] == [imported]


async def test_another_organisation_keeps_its_own(world: World) -> None:
    other = await world.service.new_world()
    for one in (world, other):
        await one.people("ana", leads={"l1": "ana"})
        await one.report(one.moment("l1"))

    await end_keeping(world)

    assert await world.feed("ana") == []
    assert len(await other.feed("ana")) == 1
    assert await told(other) == {}


async def test_what_went_may_be_reported_again(world: World) -> None:
    await world.people("ana", leads={"l1": "ana"})
    moment = world.moment("l1")
    (first,) = await world.report(moment)
    await end_keeping(world)
    (second,) = await world.report(moment)

    assert first != second
    assert [item["id"] for item in await world.feed("ana")] == [second]


# --- who is told --------------------------------------------------------------------------------------------------


async def test_who_lost_something_is_told_to_load_anew_and_nobody_else(live: World) -> None:
    await live.report(live.moment("l1"))
    async with following(live, "ana") as ana, following(live, "bob") as bob:
        await ana.ready()
        await bob.ready()
        await end_keeping(live)
        (after,) = await live.report(live.moment("l2"))
        reset, next_of_bob = await ana.next(), await bob.next()

    assert (reset.name, reset.data) == ("reset", {"reason": "many-changes"})
    assert next_of_bob.data["id"] == after


async def test_a_feed_that_lost_something_never_looks_older_than_it_did(world: World) -> None:
    """The version of a feed is its last position: one that went back would fit what a reader had long ago."""
    await world.people("ana", leads={"l1": "ana"})
    await world.report(world.moment("l1"))
    before = (await world.page("ana"))["live_cursor"]
    await end_keeping(world)
    after = (await world.page("ana"))["live_cursor"]

    assert int(after.rpartition("-")[2]) > int(before.rpartition("-")[2])


async def test_much_goes_in_small_transactions_that_each_tell_few(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "AT_A_TIME", 10)
    monkeypatch.setattr(retention, "AT_A_LOOK", 45)
    await world.people("ana", "bob", "eve", leads={f"l{n}": ("ana", "bob", "eve")[n % 3] for n in range(6)})
    await world.report(*(world.moment(f"l{n % 6}") for n in range(90)))

    done = await end_keeping(world)

    assert [one.moments for one in done] == [10, 10, 10, 10, 5] * 2
    assert sum(one.users for one in done) == sum((await told(world)).values())
    assert max((await told(world)).values()) <= 4  # of ten transactions: a look's share of 15 is in two at most
    assert await stored(world) == set()
    assert await nothing_amiss(world)


async def test_two_processes_at_once_do_the_work_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "AT_A_TIME", 5)
    await world.people("ana", leads={"l1": "ana"})
    await world.report(*(world.moment("l1") for _ in range(50)))

    both = await asyncio.gather(end_keeping(world), end_keeping(world))

    assert sum(one.moments for each in both for one in each) == 50
    assert (await told(world))["ana"] == 10
    assert await stored(world) == set()


async def test_reports_go_on_meanwhile_and_none_is_lost(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "AT_A_TIME", 5)
    await world.people("ana", "bob", leads={"l1": "ana", "l2": "bob"})
    old = await world.report(*(world.moment("l1") for _ in range(60)))
    await another_millisecond()
    (first,) = await world.report(world.moment("l1"))

    async def report() -> list[str]:
        return [(await world.report(world.moment("l1")))[0] for _ in range(20)]

    async def move() -> None:
        for owner in ("bob", "ana") * 3:
            await world.client.put("/v1/leads/l1/owner", headers=world.machine, json={"owner_id": owner})

    new, _, _ = await asyncio.gather(report(), end_keeping(world, recorded_at(first)), move())

    assert {item["id"] for item in await world.feed("ana")} == {first, *new}
    assert not set(old) & await stored(world)
    assert await nothing_amiss(world)


# --- when -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("now", "days", "zone", "expected"),
    [
        ("2026-11-29T15:00Z", 760, "UTC", "2024-10-30T00:00Z"),
        ("2026-11-29T00:00Z", 1, "UTC", "2026-11-28T00:00Z"),
        ("2026-11-28T23:59Z", 1, "UTC", "2026-11-27T00:00Z"),
        ("2026-11-28T23:30Z", 1, "Europe/Paris", "2026-11-27T23:00Z"),  # it is the 29th there
        ("2026-11-29T04:00Z", 1, "America/New_York", "2026-11-27T05:00Z"),  # it is the 28th there
        ("2026-03-29T12:00Z", 1, "Europe/Paris", "2026-03-27T23:00Z"),  # the clocks went forward since
        ("2026-03-30T12:00Z", 1, "Europe/Paris", "2026-03-28T23:00Z"),
    ],
)
def test_what_is_kept_begins_with_a_day_of_the_organisations(now: str, days: int, zone: str, expected: str) -> None:
    assert end_of_keeping(datetime.fromisoformat(now), days, zone) == datetime.fromisoformat(expected)


@pytest.fixture
def round_of(monkeypatch: pytest.MonkeyPatch) -> Any:
    """One round of upkeep, so many days from now, of these organisations alone; gives its metrics."""

    async def run(*worlds: World, days: float, purging: bool = True) -> Metrics:
        async def only(_: Database) -> list[int]:
            return [world.org_id for world in worlds]

        monkeypatch.setattr(upkeep, "organizations", only)
        metrics = Metrics()
        clock = lambda: datetime.now(UTC) + timedelta(days=days)  # noqa: E731
        kept = timedelta(days=7)
        await Upkeep(ours(worlds[0]), metrics, log_kept=kept, purging=purging, clock=clock).look()
        return metrics

    return run


async def test_moments_go_the_night_after_their_last_day(world: World, round_of: Any) -> None:
    await world.people("ana", leads={"l1": "ana"})
    await world.client.patch("/v1/settings", headers=world.machine, json={"retention_days": 30})
    await world.report(world.moment("l1"), world.moment("l1"))

    await round_of(world, days=30)
    assert len(await world.feed("ana")) == 2
    metrics = await round_of(world, days=31)
    assert await world.feed("ana") == []
    (counted,) = re.findall(r"^leadfeed_moments_purged_total (\S+)$", metrics.exposition().decode(), re.MULTILINE)
    assert float(counted) == 2


async def test_each_organisation_keeps_its_moments_for_as_long_as_it_said(world: World, round_of: Any) -> None:
    other = await world.service.new_world()
    for one, days in ((world, 30), (other, 60)):
        await one.people("ana", leads={"l1": "ana"})
        await one.client.patch("/v1/settings", headers=one.machine, json={"retention_days": days})
        await one.report(one.moment("l1"))

    await round_of(world, other, days=31)

    assert (len(await world.feed("ana")), len(await other.feed("ana"))) == (0, 1)


async def test_a_process_that_takes_no_part_in_the_night_deletes_nothing(world: World, round_of: Any) -> None:
    await world.people("ana", leads={"l1": "ana"})
    await world.report(world.moment("l1"))

    await round_of(world, days=10_000, purging=False)

    assert len(await world.feed("ana")) == 1


@pytest.mark.parametrize("error", [RuntimeError("of this test"), Busy()], ids=["fault", "held up"])
async def test_an_organisation_whose_turn_fails_keeps_no_other_waiting(
    world: World, round_of: Any, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    other = await world.service.new_world()
    await other.people("ana", leads={"l1": "ana"})
    await other.report(other.moment("l1"))

    async def failing(database: Database, org_id: int, before: datetime) -> int:
        if org_id == world.org_id:
            raise error
        return await trim(database, org_id, before)

    monkeypatch.setattr(upkeep, "trim", failing)
    await round_of(world, other, days=10_000)

    assert await other.feed("ana") == []


@pytest.mark.parametrize("night_shift", [True, False])
async def test_a_service_deletes_by_itself_if_it_takes_part_in_the_night(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, night_shift: bool
) -> None:
    rounds = asyncio.Event()
    worlds: list[World] = []

    async def only(_: Database) -> list[int]:
        if worlds:
            rounds.set()
        return [world.org_id for world in worlds]

    monkeypatch.setattr(upkeep, "organizations", only)
    monkeypatch.setattr(upkeep, "EVERY_S", 0.01)
    later = lambda: datetime.now(UTC) + timedelta(days=10_000)  # noqa: E731
    monkeypatch.setattr(app, "Upkeep", partial(Upkeep, first_after_s=0.01, clock=later))
    async with running_app(settings.model_copy(update={"night_shift": night_shift})) as service:
        world = await service.new_world()
        await world.people("ana", leads={"l1": "ana"})
        await world.report(world.moment("l1"))
        worlds.append(world)
        for _ in range(2):  # the second begins when the first has ended
            rounds.clear()
            await asyncio.wait_for(rounds.wait(), 10)
        assert len(await stored(world)) == (0 if night_shift else 1)


async def test_whatever_goes_wrong_in_one_round_there_is_a_next(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep, "EVERY_S", 0.01)
    rounds = 0

    class Failing(Upkeep):
        async def look(self) -> None:
            nonlocal rounds
            rounds += 1
            raise RuntimeError if rounds % 2 else Unavailable

    async with Failing(database, Metrics(), log_kept=timedelta(days=7), first_after_s=0.01):
        await until(lambda: rounds > 3)
