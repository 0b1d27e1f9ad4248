"""Every night: all leads tiered anew, by one process, in small steps; and everyone told, once."""

import asyncio
import random
from collections import Counter
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from leadfeed_api.best_bets import lease
from leadfeed_api.best_bets import night as shifts
from leadfeed_api.best_bets import retier as tiering
from leadfeed_api.best_bets.cutoffs import read_back
from leadfeed_api.best_bets.lease import Superseded, next_night
from leadfeed_api.best_bets.night import NightShift
from leadfeed_api.best_bets.retier import Progress
from leadfeed_api.best_bets.telling import Audience
from leadfeed_api.best_bets.tiers import Rules, place
from leadfeed_api.clock import Clock, utc_now
from leadfeed_api.db.session import Connection, Database
from leadfeed_api.errors import Busy
from leadfeed_api.feed.log import FLOOD
from leadfeed_api.settings import Settings
from leadfeed_api.telemetry import Metrics
from leads import STATIC, at_noon, best_bets, night, own, push_score, score, set_tiers, standing
from statements import BY_A_TEST, Statements
from stream_client import following
from world import Service, World, ok, running_app

pytestmark = pytest.mark.anyio
LEADS = f"""{BY_A_TEST}
SELECT l.lead_id, l.score, l.stars, l.flames, l.starred,
  (SELECT s.opening FROM score_day s WHERE s.org_id = $1 AND s.lead_id = l.lead_id ORDER BY s.day LIMIT 1) AS opening
FROM lead l WHERE l.org_id = $1
"""
TIERING = f"{BY_A_TEST} SELECT * FROM tiering WHERE org_id = $1"
WAITING = f"""{BY_A_TEST} SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%tiering t%'"""
CHANGES = f"{BY_A_TEST} SELECT user_id, kind, count(*) FROM feed_change WHERE org_id = $1 GROUP BY 1, 2"


def ours(world: World) -> Database:
    database: Database = world.service.app.state.database
    return database


async def tiering_row(world: World) -> dict[str, Any]:
    async with ours(world).read() as connection:
        return dict(await connection.fetchrow(TIERING, world.org_id) or {})


async def told(world: World) -> Counter[tuple[str, str]]:
    """How many changes of which kind each user was told of."""
    async with ours(world).read() as connection:
        return Counter({(row[0], row[1]): row[2] for row in await connection.fetch(CHANGES, world.org_id)})


@pytest.fixture
def ours_are_due(monkeypatch: pytest.MonkeyPatch) -> set[int]:
    """Night shifts of this test see only the organisations put into this set: other tests leave some that are due."""
    seen: set[int] = set()
    due = lease.due

    async def due_of_ours(connection: Connection, now: datetime) -> list[int]:
        return [org_id for org_id in await due(connection, now) if org_id in seen]

    monkeypatch.setattr(lease, "due", due_of_ours)
    return seen


def later(**span: float) -> Clock:
    return lambda: datetime.now(UTC) + timedelta(**span)


# --- what a run does ---------------------------------------------------------------------------------------------


async def test_a_few_changes_are_told_one_by_one_to_those_who_see_them(server: Service) -> None:
    world = await server.new_world()
    await own(world, "ana", {f"l{number}": number for number in range(40)})
    await own(world, "bob", {"other": None})
    async with following(world, "ana") as ana, following(world, "bob") as bob:
        await ana.ready()
        await bob.ready()

        done = await night(world)

        events = await ana.take(done.progress.changed)
        assert {event.name for event in events} == {"lead"}
        placed = standing(await best_bets(world, "ana"))
        assert {event.data["id"]: event.data["stars"] for event in events} == {
            lead: stars for lead, (stars, _, _) in placed.items() if stars
        }
        await push_score(world, "other", 99)
        assert (await bob.next()).data["id"] == "other", "and nothing before it"


async def test_many_changes_are_one_reset_a_user(server: Service) -> None:
    world = await server.new_world()
    await own(world, "ana", {f"l{number}": number for number in range(4 * FLOOD)})
    before = await told(world)
    async with following(world, "ana") as stream:
        await stream.ready()

        done = await night(world)

        assert done.progress.changed > FLOOD
        assert (await stream.next()).name == "reset"
        await push_score(world, "l0", 9_999)
        assert (await stream.next()).data["id"] == "l0", "one reset and no more"
    assert await told(world) - before == {("ana", "reset"): 1, ("ana", "lead"): 1}


async def test_a_run_that_changes_nothing_tells_nobody(world: World) -> None:
    await own(world, "ana", {"l1": 1, "l2": 2})
    await night(world)
    before = (await world.page("ana"))["live_cursor"]
    assert (await night(world)).progress.changed == 0
    assert (await world.page("ana"))["live_cursor"] == before


async def test_the_lock_is_taken_for_small_batches_only(world: World, statements: Statements) -> None:
    await own(world, "ana", {f"l{number}": number for number in range(900)})
    statements.executed.clear()

    done = await night(world)

    batches = sum("UPDATE lead u" in text for text in statements.executed)
    assert done.progress.changed == 450
    assert batches >= 3
    assert done.progress.longest_lock_s > 0


async def test_scores_that_arrive_meanwhile_are_placed_right_in_the_end(world: World, database: Database) -> None:
    """Whatever the order: when all is quiet, every lead stands where the last cut-offs put its score."""
    rng = random.Random(5)
    names = [f"l{number:04}" for number in range(700)]
    await own(world, "ana", {name: float(rng.randint(0, 100)) for name in names})
    await night(world)

    async def shuffle() -> None:
        for _ in range(25):
            await score(world, **{name: float(rng.randint(0, 100)) for name in rng.sample(names, 20)})

    await asyncio.gather(shuffle(), shuffle(), *(retier_or_give_way(database, world) for _ in range(2)))

    rules = read_back((await tiering_row(world))["rules"])
    async with database.read() as connection:
        for row in await connection.fetch(LEADS, world.org_id):
            wanted = place(row["score"], row["opening"], rules)
            assert (row["stars"], row["flames"], row["starred"]) == (wanted.stars, wanted.flames, wanted.starred), row


async def retier_or_give_way(database: Database, world: World) -> None:
    """One of two runs gives way to the other; which one is no matter."""
    with suppress(Superseded):
        await tiering.retier(database, world.org_id)


async def test_an_organisation_without_leads_is_tiered_in_no_time(world: World) -> None:
    done = await night(world)
    assert (done.progress.leads, done.progress.changed) == (0, 0)


# --- whose turn it is --------------------------------------------------------------------------------------------


class Crash(BaseException):
    """The process ends here."""


def crash(progress: Progress) -> None:
    raise Crash


async def test_a_run_that_was_cut_short_is_done_again_and_everyone_loads_anew(world: World) -> None:
    await own(world, "ana", {"l1": 1, "l2": 2})
    await own(world, "bob", {})
    with pytest.raises(Crash):
        await tiering.retier(ours(world), world.org_id, crash)
    assert standing(await best_bets(world, "ana"))["l2"][0] == 3, "it was placed, but nobody heard of it"
    assert not await told(world) - Counter({("ana", "assigned"): 2})

    assert await tiering.retier_if_due(ours(world), world.org_id) is None, "its lease still runs"
    done = await tiering.retier_if_due(ours(world), world.org_id, clock=later(minutes=2))

    assert done is not None
    assert (done.progress.changed, done.progress.resets) == (0, 2)
    assert {user for user, kind in await told(world) if kind == "reset"} == {"ana", "bob"}


async def test_a_later_run_takes_over_and_the_earlier_one_stops(world: World) -> None:
    await own(world, "ana", {f"l{number}": number for number in range(20)})
    database = ours(world)
    async with database.write() as connection:
        claimed = await lease.claim(connection, world.org_id, datetime.now(UTC), whether_due_or_not=True)
    assert claimed is not None
    async with database.write() as connection:
        await lease.claim(connection, world.org_id, datetime.now(UTC), whether_due_or_not=True)

    with pytest.raises(Superseded):
        await tiering.Run(database, claimed, lambda _: None, utc_now).carry_out()

    assert set(standing(await best_bets(world, "ana")).values()) == {(0, 0, False)}


async def test_a_batch_of_an_overtaken_run_writes_nothing(world: World, database: Database) -> None:
    await own(world, "ana", {"l1": 1, "l2": 2})
    async with database.write() as connection:
        overtaken = await lease.claim(connection, world.org_id, datetime.now(UTC), whether_due_or_not=True)
    async with database.write() as connection:
        await lease.claim(connection, world.org_id, datetime.now(UTC), whether_due_or_not=True)
    assert overtaken is not None
    run = tiering.Run(database, overtaken, lambda _: None, utc_now)
    stale = Rules((0, 0, 0), (0, 0, 0), starred_from=1)

    with pytest.raises(Superseded):
        await run._place(stale, datetime.now(UTC).date(), ["l1", "l2"])

    assert set(standing(await best_bets(world, "ana")).values()) == {(0, 0, False)}


async def test_of_two_claims_at_once_the_second_finds_nothing_due(world: World, database: Database) -> None:
    await own(world, "ana", {"l1": 1, "l2": 2})

    async def claim() -> object:
        async with database.write() as connection:
            return await lease.claim(connection, world.org_id, datetime.now(UTC))

    async with database.write() as connection:
        first = await lease.claim(connection, world.org_id, datetime.now(UTC))
        second = asyncio.create_task(claim())
        async with database.read() as other:
            await until_waiting(other)

    assert first is not None
    assert await second is None


async def until_waiting(connection: Connection) -> None:
    """Waits until a claim waits for another's row."""
    async with asyncio.timeout(10):
        while not await connection.fetchval(WAITING):  # noqa: ASYNC110  the database has no event to wait for
            await asyncio.sleep(0.01)


async def test_several_processes_do_a_due_organisation_once(
    world: World, database: Database, ours_are_due: set[int]
) -> None:
    ours_are_due.add(world.org_id)
    await own(world, "ana", {"l1": 1, "l2": 2})
    metrics = Metrics()
    shifts = [NightShift(database, metrics, clock=later(days=2)) for _ in range(4)]

    await asyncio.gather(*(shift.look() for shift in shifts))

    row = await tiering_row(world)
    assert row["run"] is None
    assert row["due_at"] > datetime.now(UTC) + timedelta(days=2)
    assert await told(world) - Counter({("ana", "assigned"): 2}) == {("ana", "lead"): 1}


async def test_changed_tiers_are_put_to_work_by_the_next_look(
    world: World, database: Database, ours_are_due: set[int]
) -> None:
    ours_are_due.add(world.org_id)
    await own(world, "ana", {"l1": 10, "l2": 60})
    shift = NightShift(database, Metrics())
    await shift.look()
    row = await tiering_row(world)
    await night(world)
    await set_tiers(world, **STATIC)

    await shift.look()

    assert standing(await best_bets(world, "ana"))["l2"] == (2, 0, False)
    assert (await tiering_row(world))["made_with"] != row["made_with"]
    assert await shift.look() == 0, "and that is all there was to do"


async def test_an_organisation_that_is_filling_up_is_tiered_again_shortly(world: World) -> None:
    with at_noon():
        await own(world, "ana", {"l1": 1, "l2": 2})
        soon = (await night(world)).next_due
        assert soon - datetime.now(UTC) <= lease.SETTLING
        settled = (await night(world)).next_due
        assert settled == next_night(datetime.now(UTC), "UTC")
        await score(world, l3=3, l4=4, l5=5)
        assert (await night(world)).next_due - datetime.now(UTC) <= lease.SETTLING


async def test_one_that_fails_keeps_no_other_waiting(
    service: Service, world: World, database: Database, ours_are_due: set[int]
) -> None:
    other = await service.new_world()
    ours_are_due |= {world.org_id, other.org_id}
    await own(world, "ana", {"l1": 1, "l2": 2})
    await own(other, "ana", {"l1": 1, "l2": 2})
    async with database.write() as connection:
        await connection.execute(
            f"{BY_A_TEST} UPDATE organization SET tiers = '{{\"moons\": 3}}' WHERE org_id = $1", world.org_id
        )
    metrics = Metrics()

    await NightShift(database, metrics).look()

    assert (await tiering_row(other))["tiered_at"] is not None
    assert metrics.registry.get_sample_value("leadfeed_retier_runs_total", {"outcome": "failed"}) == 1


async def test_one_that_is_held_up_keeps_no_other_waiting(
    service: Service, world: World, database: Database, ours_are_due: set[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    other = await service.new_world()
    ours_are_due |= {world.org_id, other.org_id}
    for one in (world, other):
        await own(one, "ana", {"l1": 1, "l2": 2})

    async def held_up(database: Database, org_id: int, *given: Any) -> Any:
        if org_id == world.org_id:
            raise Busy
        return await tiering.retier_if_due(database, org_id, *given)

    monkeypatch.setattr(shifts, "retier_if_due", held_up)
    await NightShift(database, Metrics()).look()

    assert (await tiering_row(other))["tiered_at"] is not None


async def test_the_service_tiers_what_is_due_by_itself(
    world: World, settings: Settings, ours_are_due: set[int]
) -> None:
    ours_are_due.add(world.org_id)
    await own(world, "ana", {"l1": 1, "l2": 2})

    async with running_app(settings.model_copy(update={"night_shift": True})), asyncio.timeout(10):
        while (await tiering_row(world))["tiered_at"] is None:  # noqa: ASYNC110  the database has no event to wait for
            await asyncio.sleep(0.01)

    assert standing(await best_bets(world, "ana"))["l2"] == (3, 0, True)
    exposed = (await world.client.get("/metrics")).text
    assert "leadfeed_retier_progress_ratio" in exposed


async def test_progress_is_counted(world: World, database: Database, ours_are_due: set[int]) -> None:
    ours_are_due.add(world.org_id)
    await own(world, "ana", {f"l{number}": number for number in range(100)})
    metrics = Metrics()
    await NightShift(database, metrics).look()

    def value(name: str, **labels: str) -> float | None:
        return metrics.registry.get_sample_value(name, labels)

    assert value("leadfeed_retier_leads_total", outcome="looked_at") == 100
    assert value("leadfeed_retier_leads_total", outcome="changed") == 50
    assert value("leadfeed_retier_progress_ratio") == 1
    assert (value("leadfeed_retier_longest_lock_seconds") or 0) > 0


@pytest.mark.parametrize(
    ("now", "zone", "expected"),
    [
        ("2026-11-23T02:59:59Z", "UTC", "2026-11-23T03:00:00Z"),
        ("2026-11-23T03:00:00Z", "UTC", "2026-11-24T03:00:00Z"),
        ("2026-11-23T12:00:00Z", "America/New_York", "2026-11-24T08:00:00Z"),
        ("2026-11-23T12:00:00Z", "Asia/Kolkata", "2026-11-23T21:30:00Z"),
        ("2026-03-28T12:00:00Z", "Europe/Paris", "2026-03-29T01:00:00Z"),  # the clocks jump from 2 to 3
        ("2026-10-24T12:00:00Z", "Europe/Paris", "2026-10-25T02:00:00Z"),  # and back from 3 to 2
        ("2026-12-31T23:30:00Z", "Pacific/Kiritimati", "2027-01-01T13:00:00Z"),
    ],
)
def test_the_night_is_that_of_the_organisation(now: str, zone: str, expected: str) -> None:
    assert next_night(datetime.fromisoformat(now), zone) == datetime.fromisoformat(expected)


def test_an_audience_counts_each_lead_once_and_drowns_beyond_the_flood() -> None:
    audience = Audience()
    for _ in range(3):
        audience.add([(f"l{number}", "ana") for number in range(FLOOD)])
        audience.add([(f"l{number}", "bob") for number in range(FLOOD + 1)])
    assert [len(part) for part in audience.cards()] == [FLOOD]
    assert list(audience.resets()) == [["bob"]]


async def test_a_demanded_run_is_due_at_once_and_after_one_under_way_which_is_left_alone(
    world: World, database: Database
) -> None:
    await own(world, "ana", {"l1": 1, "l2": 2})
    await night(world)
    await night(world)
    assert await tiering.retier_if_due(database, world.org_id) is None
    ok(await world.client.post("/v1/settings/tiers/retier", headers=world.machine), 202)
    async with database.write() as connection:
        claimed = await lease.claim(connection, world.org_id, datetime.now(UTC))
        assert claimed is not None
    ok(await world.client.post("/v1/settings/tiers/retier", headers=world.machine), 202)
    assert (await tiering_row(world))["run"] == claimed.run
    assert await tiering.retier_if_due(database, world.org_id) is None
    async with database.write() as connection:
        now = datetime.now(UTC)
        assert await lease.finish(connection, claimed, 2, now) == now
    assert await tiering.retier_if_due(database, world.org_id) is not None
    assert await tiering.retier_if_due(database, world.org_id) is None


async def test_who_is_switched_off_while_a_broken_run_is_made_good_is_told_too(world: World) -> None:
    await own(world, "ana", {"l1": 1, "l2": 2})
    with pytest.raises(Crash):
        await tiering.retier(ours(world), world.org_id, crash)
    await world.sync(users=[{"id": "ana", "active": False}])
    assert await tiering.retier_if_due(ours(world), world.org_id, clock=later(minutes=2)) is not None
    assert (await told(world))["ana", "reset"] == 1
