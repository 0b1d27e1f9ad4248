"""What came into an inbox after a position is found whole and alone, in whatever order it happened and is recorded.

Held to the plain definition, by position, after random batches: in time or late, at the same instant, in our future;
with some erased, brought in by backfill, or written by the version before this one.
"""

import random
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from leadfeed_api.feed import audit, queries
from leadfeed_api.feed.order import last_change
from leadfeed_api.feed.retention import purge
from leadfeed_api.ingestion.interpret import Candidate
from leadfeed_api.ingestion.record import record_moments
from leadfeed_api.settings import Settings
from statements import BY_A_TEST
from world import World

pytestmark = pytest.mark.anyio

Connection = asyncpg.Connection

LIVE = f"{BY_A_TEST} SELECT position FROM feed_entry WHERE org_id = $1 AND user_id = $2 AND live ORDER BY position"
CHANGES = f"{BY_A_TEST} SELECT position FROM feed_change WHERE org_id = $1 AND user_id = $2"
LATE = LIVE.replace("AND live", "AND live AND late")
BY_POSITION = f"{BY_A_TEST} SELECT occurred_at FROM moment WHERE org_id = $1 ORDER BY position"
LAST_CHANGE = f"{BY_A_TEST} SELECT {last_change('$2')}"
# What the version before leaves behind: it knows neither column.
AS_BEFORE = (
    f"{BY_A_TEST} UPDATE moment SET watermark = DEFAULT WHERE org_id = $1 AND position > $2",
    f"{BY_A_TEST} UPDATE feed_entry SET late = DEFAULT WHERE org_id = $1 AND position > $2",
)
FEEDS = ("ana", "bob")
LEADS = tuple(f"l{number}" for number in range(6))


@pytest.fixture
async def stored(settings: Settings) -> AsyncIterator[Connection]:
    connection = await asyncpg.connect(str(settings.database_url))
    yield connection
    await connection.close()


async def report(world: World, *when: tuple[str, datetime]) -> None:
    """One batch: a moment for each lead and instant."""
    first = next(iter(world.numbers)) * 1_000
    batch = [
        Candidate("order", str(first + number), lead, "web", "Visited", None, None, at)
        for number, (lead, at) in enumerate(when)
    ]
    verdicts = await record_moments(world.service.app.state.database, world.org_id, batch)
    assert {one.status for one in verdicts} <= {"accepted", "rejected"}


async def positions(stored: Connection, statement: str, world: World, user: str) -> list[int]:
    return [row["position"] for row in await stored.fetch(statement, world.org_id, user)]


@pytest.mark.parametrize("seed", range(6))
async def test_what_came_after_a_position_is_what_the_definition_says(
    world: World, stored: Connection, seed: int
) -> None:
    draw = random.Random(seed)
    await world.people(*FEEDS, leads=dict(zip(LEADS, (*FEEDS, *FEEDS, None, None), strict=True)))
    for _ in range(25):
        await happen(world, stored, draw)

    reached, _ = await queries.reach(stored, world.org_id)
    for user in FEEDS:
        live = await positions(stored, LIVE, world, user)
        changes = await positions(stored, CHANGES, world, user)
        events = sorted(live + changes)
        assert await stored.fetchval(LAST_CHANGE, world.org_id, user) == max(events, default=0)
        for after in range(-1, reached + 1, draw.randint(1, 3)):
            up_to = draw.randint(after + 1, reached + 1)
            found = await queries.moments_since(stored, world.org_id, [user], after, up_to)
            assert sorted(one.position for one in found) == [one for one in live if after < one <= up_to]
            many = draw.randint(1, 8)
            following = [one for one in events if one > after]
            end = following[many - 1] if len(following) >= many else None
            assert await queries.end_of_piece(stored, world.org_id, user, after, many) == end
    told: Any = await queries.moments_between(stored, world.org_id, 0, reached)
    for user in FEEDS:
        heard = sorted(one.position for one, users in told if user in users)
        assert heard == await positions(stored, LIVE, world, user)
    assert not (await audit.compare(world.service.app.state.database, world.org_id, repair=False)).some


async def happen(world: World, stored: Connection, draw: random.Random) -> None:
    """Something that comes between one reading and the next; a batch, mostly."""
    now, lead = datetime.now(UTC), draw.choice(LEADS)
    what = draw.choices(
        ("batch", "batch by the version before", "erased", "watched", "unwatched", "purged"), (14, 3, 1, 2, 2, 1)
    )[0]
    if what == "erased":
        await world.client.delete(f"/v1/leads/{lead}", headers=world.machine)
    elif what in {"watched", "unwatched"}:
        ask = world.client.put if what == "watched" else world.client.delete
        await ask(f"/v1/watchlist/{lead}", headers=world.rep(draw.choice(FEEDS)))
    elif what == "purged":
        async for _ in purge(world.service.app.state.database, world.org_id, now - timedelta(milliseconds=40)):
            pass
    else:
        before, _ = await queries.reach(stored, world.org_id)
        ages = draw.choice(((0,), (0, 0, 1), (-1_800, 0), (3, 2, 1, 0), tuple(draw.choices(range(-9, 99), k=12))))
        same = now.replace(microsecond=0)
        await report(world, *((draw.choice(LEADS), same - timedelta(seconds=age)) for age in ages))
        if what != "batch":
            for statement in AS_BEFORE:
                await stored.execute(statement, world.org_id, before)


async def test_what_passes_for_in_order_and_is_not_is_found_by_a_check_and_repaired(
    world: World, stored: Connection
) -> None:
    await world.people("ana", leads={"l1": "ana"})
    now = datetime.now(UTC)
    for age in (60, 90, 30, 45, 0):
        await report(world, ("l1", now - timedelta(seconds=age)))
    live = await positions(stored, LIVE, world, "ana")
    assert await late(stored, world) == [live[1], live[3]]
    database = world.service.app.state.database
    assert not (await audit.compare(database, world.org_id, repair=False)).some

    wrong = f"{BY_A_TEST} UPDATE feed_entry SET late = false WHERE org_id = $1 AND position = $2"
    await stored.execute(wrong, world.org_id, live[3])
    raised = f"{BY_A_TEST} UPDATE moment SET watermark = $3 WHERE org_id = $1 AND position = $2"
    await stored.execute(raised, world.org_id, live[3], now - timedelta(seconds=1))
    missed = await queries.moments_since(stored, world.org_id, ["ana"], live[2], live[3])
    assert missed == [], "or there is nothing to find"

    assert (await audit.compare(database, world.org_id, repair=False)).misplaced == 1
    assert (await audit.compare(database, world.org_id, repair=True)).repaired
    assert await positions(stored, CHANGES, world, "ana"), "whose streams went on without it are told to reload"
    assert not (await audit.compare(database, world.org_id, repair=False)).some
    (found,) = await queries.moments_since(stored, world.org_id, ["ana"], live[2], live[3])
    assert found.position == live[3]


FALLEN = f"{BY_A_TEST} UPDATE moment SET watermark = watermark - interval '9 min' WHERE org_id = $1 AND position = $2"
ELSEWHERE = f"{BY_A_TEST} UPDATE feed_entry SET position = $2 - 3 WHERE org_id = $1 AND position = $2"


@pytest.mark.parametrize("tampered", [FALLEN, ELSEWHERE], ids=["a watermark fell", "an entry is elsewhere"])
async def test_whatever_else_would_be_missed_is_found_and_repaired(
    world: World, stored: Connection, tampered: str
) -> None:
    await world.people("ana", "bob", leads={"l1": "ana", "l2": "bob"})
    now = datetime.now(UTC)
    for lead, age in (("l2", 80), ("l1", 70), ("l1", 60), ("l1", 50), ("l2", 200)):
        await report(world, (lead, now - timedelta(seconds=age)))
    live = await positions(stored, LIVE, world, "ana")
    at = live[-1] + 1 if tampered == FALLEN else live[-1]
    database = world.service.app.state.database
    assert not (await audit.compare(database, world.org_id, repair=False)).some

    async def heard() -> list[int]:
        found = await queries.moments_since(stored, world.org_id, ["ana"], live[0], live[-1] + 1)
        return sorted(one.position for one in found)

    assert await heard() == live[1:]
    await stored.execute(tampered, world.org_id, at)
    assert await heard() != live[1:], "or there is nothing to find"

    assert (await audit.compare(database, world.org_id, repair=True)).misplaced
    assert await heard() == live[1:]
    assert not (await audit.compare(database, world.org_id, repair=False)).some


async def test_two_of_one_instant_that_stand_the_wrong_way_round_are_found_and_repaired(
    world: World, stored: Connection
) -> None:
    await world.people("ana", leads={"l1": "ana"})
    same = datetime.now(UTC) - timedelta(seconds=5)
    await report(world, ("l1", same), ("l1", same))
    first, second = await positions(stored, LIVE, world, "ana")
    for table in ("feed_entry", "moment"):
        for change in ("-position", f"{first} + {second} + position"):
            await stored.execute(f"{BY_A_TEST} UPDATE {table} SET position = {change} WHERE org_id = $1", world.org_id)
    assert await stored.fetchval(LAST_CHANGE, world.org_id, "ana") == first, "or there is nothing to find"

    database = world.service.app.state.database
    assert (await audit.compare(database, world.org_id, repair=True)).misplaced == 1
    assert not (await audit.compare(database, world.org_id, repair=False)).some


async def late(stored: Connection, world: World) -> Sequence[int]:
    return await positions(stored, LATE, world, "ana")


async def test_what_comes_in_the_order_of_time_is_not_indexed_by_position(world: World, stored: Connection) -> None:
    await world.people("ana", leads={"l1": "ana"})
    start = datetime.now(UTC) - timedelta(hours=1)
    for minute in range(3):
        await report(world, *(("l1", start + timedelta(minutes=minute)) for _ in range(2)))
    assert len(await positions(stored, LIVE, world, "ana")) == 6
    assert await late(stored, world) == []


async def test_a_batch_is_recorded_in_the_order_of_time_so_that_the_newest_may_come_first(
    world: World, stored: Connection
) -> None:
    await world.people("ana", leads={"l1": "ana"})
    now = datetime.now(UTC)
    await report(world, *(("l1", now - timedelta(minutes=minute)) for minute in range(5)))
    assert await late(stored, world) == []
    recorded = [row["occurred_at"] for row in await stored.fetch(BY_POSITION, world.org_id)]
    assert recorded == sorted(recorded)
    assert len(recorded) == 5


async def test_what_happened_before_something_that_is_known_already_is_late(world: World, stored: Connection) -> None:
    await world.people("ana", leads={"l1": "ana"})
    now = datetime.now(UTC)
    await report(world, ("l1", now - timedelta(minutes=1)))
    await report(world, ("l1", now - timedelta(minutes=2)), ("l1", now - timedelta(minutes=1)), ("l1", now))
    live = await positions(stored, LIVE, world, "ana")
    assert await late(stored, world) == live[1:3], "at the same instant is late, too: the order of ids says nothing"


async def test_a_moment_of_our_future_makes_nobody_elses_late(world: World, stored: Connection) -> None:
    await world.people("ana", leads={"l1": "ana"})
    await report(world, ("l1", datetime.now(UTC) + timedelta(minutes=30)))
    await report(world, ("l1", datetime.now(UTC)))
    live = await positions(stored, LIVE, world, "ana")
    assert await late(stored, world) == live[:1]


async def test_moments_are_found_though_the_one_whose_watermark_they_go_by_was_purged(
    world: World, stored: Connection
) -> None:
    await world.people("ana", leads={"l1": "ana"})
    start = datetime.now(UTC) - timedelta(hours=1)
    for minute in range(4):
        await report(world, ("l1", start + timedelta(minutes=minute)))
    live = await positions(stored, LIVE, world, "ana")
    for table in ("feed_entry", "moment"):
        gone = f"{BY_A_TEST} DELETE FROM {table} WHERE org_id = $1 AND position = ANY($2::bigint[])"
        await stored.execute(gone, world.org_id, live[:2])
    found = await queries.moments_since(stored, world.org_id, ["ana"], live[1], live[-1])
    assert sorted(one.position for one in found) == live[2:]
