"""Re-tiering takes its turn at the organisation's lock and gives it back soon, whatever row, disk or crash it meets."""

import asyncio
import gc
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadfeed_api.best_bets import lease, placing, retier, telling
from leadfeed_api.best_bets.lease import Claim
from leadfeed_api.best_bets.tiers import Rules
from leadfeed_api.best_bets.turns import COMMIT_WITHOUT_WAITING, Hold, Pace, TookTooLong, Turns, uncollected
from leadfeed_api.db.embedded import EmbeddedPostgres
from leadfeed_api.db.migrate import migrate
from leadfeed_api.db.session import Connection, Database
from leadfeed_api.feed import log
from leadfeed_api.settings import Settings
from leads import best_bets, night, own, plan_nodes, score, standing
from server_owner import kill_server
from statements import BY_A_TEST, Statements
from world import World, ok, running_app

pytestmark = pytest.mark.anyio
SOMEBODY_HOLDS_A_LEAD = f"{BY_A_TEST} SELECT 1 FROM lead WHERE org_id = $1 AND lead_id = $2 FOR UPDATE"
POSITION = f"{BY_A_TEST} SELECT position FROM organization WHERE org_id = $1"
TOLD = f"{BY_A_TEST} SELECT count(*) FROM feed_change WHERE org_id = $1 AND kind = 'lead'"
RESETS = f"{BY_A_TEST} SELECT user_id, position FROM feed_change WHERE org_id = $1 AND kind = 'reset'"


@given(st.lists(st.floats(0, 0.5), max_size=60))
def test_the_pace_slows_down_when_the_lock_was_held_for_long(held: list[float]) -> None:
    pace = Pace()
    sizes = [pace.size]
    for seconds in held:
        pace.observe(seconds)
        sizes.append(pace.size)
    assert all(Pace.SMALLEST <= size <= Pace.LARGEST for size in sizes)
    for (before, after), seconds in zip(pairwise(sizes), held, strict=True):
        assert after < before or before == Pace.SMALLEST if seconds > Pace.TARGET_S else after >= before


async def test_a_turn_that_meets_an_obstacle_gives_the_lock_back(world: World, database: Database) -> None:
    """Somebody holds a lead's row. The run cannot place it; moments are stored meanwhile, again and again."""
    await own(world, "ana", {f"l{number}": number for number in range(40)})
    async with database.write() as other:
        await other.fetchval(SOMEBODY_HOLDS_A_LEAD, world.org_id, "l39")
        running = asyncio.create_task(night(world))
        for _ in range(5):
            await world.report(world.moment("l39"))
        assert not running.done()

    done = await running

    assert done.progress.changed == 20
    assert standing(await best_bets(world, "ana"))["l39"] == (3, 0, True)


async def test_a_turn_is_granted_more_time_where_it_is_never_enough(world: World, database: Database) -> None:
    """On a machine so slow that not even the smallest step is done in time, the run comes to its end all the same."""
    async with database.write() as connection:
        claimed = await lease.claim(connection, world.org_id, datetime.now(UTC), whether_due_or_not=True)
    assert claimed is not None
    held: list[Hold] = []
    turns = Turns(database, claimed, held.append)

    attempts = 0
    while True:
        attempts += 1
        try:
            async with turns.take() as ours:
                await ours.connection.fetchval("SELECT pg_sleep($1)", Turns.LIMIT_S * 1.2)
            break
        except TookTooLong:
            continue

    assert attempts > Turns.ATTEMPTS
    assert len(held) == attempts


async def test_no_garbage_is_collected_while_any_turn_lasts(world: World, database: Database) -> None:
    """A full collection stops the whole process, and with it whoever holds a lock, for longer than a turn may last."""
    async with database.write() as connection:
        claimed = await lease.claim(connection, world.org_id, datetime.now(UTC), whether_due_or_not=True)
    assert claimed is not None
    turns = Turns(database, claimed, lambda _: None)

    with uncollected():  # as by another organisation's turn
        async with turns.take():
            assert not gc.isenabled()
        assert not gc.isenabled()
    assert gc.isenabled()
    with pytest.raises(LookupError):
        async with turns.take():
            raise LookupError
    assert gc.isenabled()


async def test_whoever_collects_no_garbage_at_all_is_not_made_to() -> None:
    gc.disable()
    try:
        with uncollected():
            assert not gc.isenabled()
        assert not gc.isenabled()
    finally:
        gc.enable()


async def test_no_turn_waits_for_the_disk_and_what_is_told_is_on_disk_before_anybody_is_woken(
    world: World, statements: Statements, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lease is prolonged durably after each telling: so a long telling keeps it, too."""
    monkeypatch.setattr(telling, "AT_A_TIME", 5)
    monkeypatch.setattr(Turns, "LIMIT_S", 60)  # no turn is given up
    await own(world, "ana", {f"l{number}": number for number in range(40)})
    database: Database = world.service.app.state.database
    woken = database.announce

    def announced(*wakeup: int) -> None:
        statements.executed.append("announced")
        woken(*wakeup)

    monkeypatch.setattr(database, "announce", announced)
    statements.executed.clear()

    await night(world)

    seen = {log.LOCK: "lock", log.INSERT_CHANGES: "told", lease.PROLONG: "prolonged", "announced": "announced"}
    steps = [
        "not waiting" if COMMIT_WITHOUT_WAITING in text else seen[text]
        for text in statements.executed
        if COMMIT_WITHOUT_WAITING in text or text in seen
    ]
    assert steps[-20:] == ["not waiting", "lock", "told", "prolonged", "announced"] * 4
    assert steps.count("lock") == steps.count("not waiting")


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """Where a server that writes to disk keeps its data."""
    tmp_path.chmod(0o711)
    return tmp_path / "data"


class PowerCut(Exception):
    """All that happens after this never happened."""


async def _power_cut(connection: Connection, claimed: Claim, now: datetime) -> None:
    raise PowerCut


async def test_what_a_power_cut_took_from_a_run_is_told_again_above_all_that_anybody_saw(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Committed, seen by a reader, and lost before it was on disk: its positions are given out to others."""
    prolong = lease.prolong

    async def until_somebody_is_told(connection: Connection, claimed: Claim, now: datetime) -> None:
        told = await connection.fetchval(TOLD, claimed.org_id)
        await (_power_cut if told else prolong)(connection, claimed, now)

    # The background writer of the log would have it on disk within a fifth of a second.
    with EmbeddedPostgres(data_dir, options={"wal_writer_delay": "10s"}) as server:
        await asyncio.to_thread(migrate, server.dsn)
        settings = Settings(database_url=server.dsn, pool_size=4)
        async with running_app(settings) as service:
            world = await service.new_world("acme")
            await own(world, "ana", {f"l{number}": number for number in range(8)})
            monkeypatch.setattr(lease, "prolong", until_somebody_is_told)
            with pytest.raises(PowerCut):
                await night(world)
            seen = await _position(service.app.state.database, world)
            kill_server(data_dir)
    monkeypatch.setattr(lease, "prolong", prolong)

    with EmbeddedPostgres(data_dir) as server:
        async with running_app(Settings(database_url=server.dsn, pool_size=4)) as service:
            world, database = World(service, "acme", world.key), service.app.state.database
            assert await _position(database, world) < seen, "nothing was lost: this test shows nothing"
            await world.report(world.moment("l1"))

            done = await retier.retier_if_due(
                database, world.org_id, clock=lambda: datetime.now(UTC) + timedelta(minutes=2)
            )

            assert done is not None
            assert done.progress.resets == 1
            async with database.read() as connection:
                (reset,) = await connection.fetch(RESETS, world.org_id)
            assert reset["user_id"] == "ana"
            assert reset["position"] > seen
            assert ok(await world.client.get("/v1/feed", headers=world.rep("ana")))["items"]


async def _position(database: Database, world: World) -> int:
    async with database.read() as connection:
        position: int = await connection.fetchval(POSITION, world.org_id)
        return position


async def test_a_turn_reads_the_history_of_its_leads_once_whatever_postgresql_knows_of_them(
    world: World, database: Database
) -> None:
    """The suite's server gathers no statistics by itself, like one that was set up a minute ago."""
    leads = {f"l{number}": float(number) for number in range(200)}
    await own(world, "ana", leads)
    await score(world, **{lead: value + 1 for lead, value in leads.items()})
    rules = Rules((10, 20, 30), (1, 2, 3), starred_from=3)
    parameters = placing._parameters(rules, datetime.now(UTC).date())

    async with database.write() as connection:
        await connection.execute(placing.FRESH_PLANS)
        explained = await connection.fetchval(
            f"EXPLAIN (ANALYZE, FORMAT JSON) {placing.PLACE}", world.org_id, *parameters, [*leads][:100]
        )

    reads = [node for node in plan_nodes(explained) if node.get("Relation Name") == "score_day"]
    assert reads
    assert sum(node["Actual Rows"] * node["Actual Loops"] for node in reads) == 100, reads
