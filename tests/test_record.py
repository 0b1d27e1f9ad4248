"""Writing a batch down: what is left out takes no position, and nothing is asked that the insert has answered."""

import random
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from leadfeed_api.feed.entries import FAN_OUT
from leadfeed_api.feed.log import ADVANCE
from leadfeed_api.ingestion.interpret import Candidate
from leadfeed_api.ingestion.record import INSERT_MOMENTS, JUDGE, Verdict, record_moments
from statements import BY_A_TEST, Statements
from world import MONDAY, World

pytestmark = pytest.mark.anyio

STORED = f"""{BY_A_TEST} SELECT m.position, m.moment_id, m.external_id, m.lead_id, m.url, m.bot, m.occurred_at
FROM moment m WHERE m.org_id = $1 ORDER BY m.position"""
ENTRIES = f"{BY_A_TEST} SELECT e.occurred_at FROM feed_entry e WHERE e.org_id = $1 ORDER BY e.position"
POSITION = f"{BY_A_TEST} SELECT position FROM organization WHERE org_id = $1"


@pytest.fixture
async def acme(world: World) -> World:
    await world.people("ana", leads={"l1": "ana", "l2": None})
    return world


def candidate(external_id: str, lead_id: str = "l1") -> Candidate:
    return Candidate("tests", external_id, lead_id, "web", "Visited", None, None, MONDAY)


async def record(world: World, *candidates: Candidate) -> list[Verdict]:
    return await record_moments(world.service.app.state.database, world.org_id, candidates)


async def position(world: World) -> int:
    async with world.service.app.state.database.read() as connection:
        found: int = await connection.fetchval(POSITION, world.org_id)
        return found


async def test_a_batch_of_new_moments_is_three_statements_in_one_transaction(
    acme: World, statements: Statements
) -> None:
    statements.executed.clear()
    await record(acme, candidate("a"), candidate("b", "l2"))
    assert statements.of_tables() == [ADVANCE, INSERT_MOMENTS, FAN_OUT]


async def test_what_is_left_out_of_a_batch_takes_no_position(acme: World) -> None:
    before = await position(acme)
    (first,) = await record(acme, candidate("b"))
    verdicts = await record(acme, candidate("a"), candidate("b"), candidate("c", "nobody"), candidate("d", "l2"))

    assert [one.status for one in verdicts] == ["accepted", "duplicate", "rejected", "accepted"]
    assert verdicts[1].id == first.id
    async with acme.service.app.state.database.read() as connection:
        stored = [tuple(row)[:4] for row in await connection.fetch(STORED, acme.org_id)]
    assert stored == [
        (before + 1, UUID(first.id), "b", "l1"),
        (before + 2, UUID(verdicts[0].id), "a", "l1"),
        (before + 3, UUID(verdicts[3].id), "d", "l2"),
    ]
    assert await position(acme) == before + 3


async def test_a_batch_with_nothing_new_moves_no_log_and_wakes_nobody(acme: World) -> None:
    database = acme.service.app.state.database
    told: list[tuple[int, int]] = []
    (first,) = await record(acme, candidate("a"))
    before = await position(acme)
    database.announce = lambda org_id, moved: told.append((org_id, moved))

    duplicate, unknown = Verdict("duplicate", first.id), Verdict("rejected", problem="unknown-lead")
    assert await record(acme, candidate("a"), candidate("b", "nobody")) == [duplicate, unknown]
    assert await record(acme, candidate("a"), candidate("a")) == [duplicate, duplicate]
    assert (await position(acme), told) == (before, [])


async def test_one_identity_twice_in_a_batch_is_the_first_that_has_a_lead(acme: World, statements: Statements) -> None:
    statements.executed.clear()
    rejected, accepted, duplicate = await record(acme, candidate("a", "nobody"), candidate("a"), candidate("a", "l2"))
    assert [rejected.status, accepted.status, duplicate] == ["rejected", "accepted", Verdict("duplicate", accepted.id)]
    assert statements.executed.count(JUDGE) == 1


async def test_what_a_batch_holds_is_what_is_stored(acme: World) -> None:
    strange = "a, {b} \"c\" 'd' \\x1f NULL"
    batch = [
        candidate(strange)._replace(url="https://a.example/?a=1,2", bot="Ünï 😀", description=strange),
        candidate("plain"),
    ]
    await record(acme, *batch)
    async with acme.service.app.state.database.read() as connection:
        rows = await connection.fetch(STORED, acme.org_id)
    assert [tuple(row)[2:] for row in rows] == [
        (strange, "l1", "https://a.example/?a=1,2", "Ünï 😀", MONDAY),
        ("plain", "l1", None, None, MONDAY),
    ]
    assert {item["description"] for item in await acme.feed("ana")} == {strange, "Visited"}


async def test_a_text_that_would_be_taken_for_two_is_never_written(acme: World) -> None:
    before = await position(acme)
    with pytest.raises(ValueError, match="control character"):
        await record(acme, candidate("a"), candidate("b\x1fc"))
    assert await position(acme) == before


@pytest.mark.parametrize("seed", range(4))
async def test_whatever_is_sent_each_moment_is_stored_once_in_the_order_of_positions(acme: World, seed: int) -> None:
    rng, begun = random.Random(seed), await position(acme)
    stored: dict[str, str | None] = {}
    for _ in range(12):
        batch = [
            candidate(str(rng.randrange(30)), rng.choice(["l1", "l2", "nobody"])) for _ in range(rng.randint(1, 9))
        ]
        for one, verdict in zip(batch, await record(acme, *batch), strict=True):
            if one.external_id in stored:
                assert verdict == Verdict("duplicate", stored[one.external_id])
            elif one.lead_id == "nobody":
                assert verdict == Verdict("rejected", problem="unknown-lead")
            else:
                assert verdict.status == "accepted"
                stored[one.external_id] = verdict.id

    async with acme.service.app.state.database.read() as connection:
        rows = await connection.fetch(STORED, acme.org_id)
    assert [(row["external_id"], str(row["moment_id"])) for row in rows] == list(stored.items())
    assert [row["position"] for row in rows] == list(range(begun + 1, begun + 1 + len(stored)))
    assert await position(acme) == begun + len(stored)


async def test_an_instant_is_kept_to_the_microsecond_by_the_moment_and_by_the_inbox(acme: World) -> None:
    """They go to PostgreSQL as numbers, by way of its floating point."""
    draw = random.Random(7)
    seconds = [draw.uniform(0, MONDAY.timestamp()) for _ in range(200)]
    instants = [datetime(1970, 1, 1, tzinfo=UTC), MONDAY, MONDAY + timedelta(microseconds=1)]
    instants += [datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=whole, microseconds=1) for whole in seconds]
    await record(acme, *(candidate(str(n))._replace(occurred_at=when) for n, when in enumerate(instants)))
    async with acme.service.app.state.database.read() as connection:
        stored = [row["occurred_at"] for row in await connection.fetch(STORED, acme.org_id)]
        in_inbox = [row["occurred_at"] for row in await connection.fetch(ENTRIES, acme.org_id)]
    assert stored == in_inbox == sorted(instants)
