"""Scores arrive: what they make of a lead at once, what is remembered of them, and who hears of it."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from leads import STATIC, at_noon, best_bets, ids, night, own, push_score, score, set_tiers, standing
from statements import BY_A_TEST, Statements
from stream_client import following
from world import Service, World, ok, problem

pytestmark = pytest.mark.anyio
HISTORY = f"{BY_A_TEST} SELECT lead_id, day, opening FROM score_day WHERE org_id = $1 ORDER BY lead_id, day"
AGE_HISTORY = f"{BY_A_TEST} UPDATE score_day SET day = day - $2::int WHERE org_id = $1"


async def history(world: World) -> list[tuple[Any, ...]]:
    async with world.service.app.state.database.read() as connection:
        return [tuple(row) for row in await connection.fetch(HISTORY, world.org_id)]


async def days_pass(world: World, days: int) -> None:
    """As if what is remembered had been so many days ago."""
    async with world.service.app.state.database.write() as connection:
        await connection.execute(AGE_HISTORY, world.org_id, days)


async def test_static_tiers_place_a_score_at_once(world: World) -> None:
    await set_tiers(world, **STATIC)
    await own(world, "ana", {"cold": 10, "warm": 20, "hot": 80})

    assert standing(await best_bets(world, "ana")) == {
        "hot": (3, 0, True),
        "warm": (1, 0, False),
        "cold": (0, 0, False),
    }


async def test_before_the_first_tiering_nobody_stands_out_by_percentages(world: World) -> None:
    await own(world, "ana", {"low": 1, "high": 99})
    assert set(standing(await best_bets(world, "ana")).values()) == {(0, 0, False)}

    await night(world)

    assert standing(await best_bets(world, "ana"))["high"] == (3, 0, True)


async def test_a_new_score_is_placed_by_the_last_cutoffs_without_waiting_for_the_night(world: World) -> None:
    await own(world, "ana", {f"l{number}": number for number in range(100)})
    await night(world)
    before = standing(await best_bets(world, "ana"))
    assert before["l0"] == (0, 0, False)
    assert before["l99"] == (3, 0, True)

    await score(world, l0=97)

    after = standing(await best_bets(world, "ana"))
    assert after["l0"][0] == 3
    assert {lead: place for lead, place in after.items() if lead != "l0"} == {
        lead: place for lead, place in before.items() if lead != "l0"
    }


async def test_a_rise_kindles_and_a_fall_does_not(world: World) -> None:
    await set_tiers(world, **STATIC)
    await own(world, "ana", {"up": 10, "down": 60, "still": 30})
    await score(world, up=26, down=20, still=30)

    placed = standing(await best_bets(world, "ana"))

    assert placed == {"up": (1, 2, True), "still": (1, 0, False), "down": (1, 0, False)}
    assert {item["lead"]["id"]: item["change"] for item in await best_bets(world, "ana")} == {
        "up": 16,
        "still": None,
        "down": -40,
    }


async def test_rises_of_scores_with_decimals_count_as_they_are_written(world: World) -> None:
    await set_tiers(world, flames={"method": "static", "at_least": [0.2, 15, 30]})
    await own(world, "ana", {"low": 0.1, "high": 100_000.1})
    await score(world, low=0.3, high=100_000.3)

    assert [(bet["change"], bet["lead"]["flames"]) for bet in await best_bets(world, "ana")] == [(0.2, 1), (0.2, 1)]


async def test_a_first_score_is_where_a_lead_starts_and_no_rise(world: World) -> None:
    await set_tiers(world, **STATIC)
    await own(world, "ana", {"new": 90})
    assert standing(await best_bets(world, "ana")) == {"new": (3, 0, True)}
    assert await history(world) == []


async def test_history_keeps_one_row_a_day_with_the_score_that_the_day_began_with(world: World) -> None:
    with at_noon():
        await own(world, "ana", {"l1": 10})
        for value in (20, 30, 5, 40):
            await push_score(world, "l1", value)

        assert await history(world) == [("l1", datetime.now(UTC).date(), 10.0)]


async def test_a_change_is_measured_over_the_window_and_cools_down_after_it(world: World) -> None:
    await set_tiers(world, **STATIC, window_days=7)
    await own(world, "ana", {"l1": 10})
    await push_score(world, "l1", 50)  # eight days ago
    await days_pass(world, 5)
    await push_score(world, "l1", 60)  # three days ago
    assert (await push_score(world, "l1", 60))["flames"] == 3
    await days_pass(world, 3)

    assert (await push_score(world, "l1", 64))["flames"] == 1, "the rise of eight days ago is over"

    await night(world)
    assert standing(await best_bets(world, "ana"))["l1"] == (2, 1, True)
    await night(world, days=9)
    assert standing(await best_bets(world, "ana"))["l1"] == (2, 0, False)
    assert await history(world) == []


async def test_a_night_keeps_the_day_on_which_the_window_opens(world: World) -> None:
    await set_tiers(world, **STATIC, window_days=7)
    await own(world, "ana", {"l1": 10})
    await push_score(world, "l1", 50)

    for _ in range(2):
        await night(world, days=7)
        assert standing(await best_bets(world, "ana"))["l1"] == (2, 3, True)


async def test_clearing_a_score_forgets_its_past(world: World) -> None:
    await set_tiers(world, **STATIC)
    await own(world, "ana", {"l1": 50})
    assert (await push_score(world, "l1", 90))["flames"] == 3

    cleared = await push_score(world, "l1", None)

    assert cleared == {"id": "l1", "score": None, "stars": 0, "flames": 0, "starred": False}
    assert await history(world) == []
    assert (await push_score(world, "l1", 95))["flames"] == 0


async def test_clearing_a_score_leaves_the_past_of_every_other(world: World) -> None:
    await set_tiers(world, **STATIC)
    await own(world, "ana", {"l1": 10, "l2": 10})
    await score(world, l1=40, l2=40)

    await score(world, l1=None)

    assert (await push_score(world, "l2", 41))["flames"] == 3


async def test_negative_scores_rank_below_zero(world: World) -> None:
    await own(world, "ana", {"worst": -30, "bad": -5, "zero": 0, "unknown": None})
    await night(world)
    placed = standing(await best_bets(world, "ana"))
    assert [placed[lead][0] for lead in ("worst", "bad", "zero", "unknown")] == [0, 1, 3, 0]


async def test_the_crms_own_priority_stands_whatever_the_score_does(world: World) -> None:
    await set_tiers(world, **STATIC)
    await own(world, "ana", {"l1": 10, "l2": 99})
    await world.sync(leads=[{"id": "l1", "stars": 2, "flames": 3}, {"id": "l2", "starred": False}])
    expected = {"l1": (2, 3, True), "l2": (0, 0, False)}
    assert standing(await best_bets(world, "ana")) == expected
    assert await history(world) == [], "no score moved"

    await score(world, l1=0, l2=1)
    await night(world)
    assert standing(await best_bets(world, "ana")) == expected

    await world.sync(leads=[{"id": "l1", "stars": None, "flames": None}, {"id": "l2", "starred": None, "score": 85}])
    assert standing(await best_bets(world, "ana")) == {"l2": (3, 0, True), "l1": (0, 0, False)}


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [("stars", 4, "invalid-stars"), ("flames", -1, "invalid-flames"), ("starred", 1, "invalid-starred"),
     ("score", 1e10, "invalid-score"), ("score", "9", "invalid-score"), ("stars", True, "invalid-stars")],
)  # fmt: skip
async def test_a_priority_that_makes_no_sense_spoils_only_its_record(
    world: World, field: str, value: object, code: str
) -> None:
    body = {"leads": [{"id": "l1", "name": "One", field: value}, {"id": "l2", "name": "Two", "score": 5}]}
    answer = ok(await world.client.post("/v1/sync", headers=world.machine, json=body))
    assert [result["status"] for result in answer["results"]] == ["rejected", "accepted"]
    assert answer["results"][0]["problem"] == code


async def test_a_score_of_its_own_address_answers_with_where_the_lead_stands(world: World) -> None:
    await set_tiers(world, **STATIC)
    await own(world, "ana", {"l1": 10})

    assert await push_score(world, "l1", 30.5) == {"id": "l1", "score": 30.5, "stars": 1, "flames": 2, "starred": True}
    address = "/v1/leads/{}/score"
    problem(
        await world.client.post(address.format("nobody"), headers=world.machine, json={"score": 1}), 404, "unknown-lead"
    )
    for body in ({}, {"score": "7"}, {"score": 1e12}, {"score": True}, {"score": 7, "why": "x"}):
        problem(await world.client.post(address.format("l1"), headers=world.machine, json=body), 422, "invalid")
    problem(
        await world.client.post(address.format("l1"), headers=world.rep("ana"), json={"score": 1}),
        403,
        "insufficient-scope",
    )


async def test_a_score_of_its_own_address_leaves_every_other_leads_as_it_is(world: World) -> None:
    await set_tiers(world, **STATIC)
    await own(world, "ana", {"l1": 10, "l2": 60})

    await push_score(world, "l1", 30)

    listed = {item["lead"]["id"]: (item["score"], item["lead"]["stars"]) for item in await best_bets(world, "ana")}
    assert listed == {"l1": (30, 1), "l2": (60, 2)}


async def test_another_organisations_lead_is_as_unknown_as_none(service: Service, world: World) -> None:
    other = await service.new_world()
    await own(other, "ana", {"l1": 10})
    answer = await world.client.post("/v1/leads/l1/score", headers=world.machine, json={"score": 90})
    problem(answer, 404, "unknown-lead")
    assert [item["score"] for item in await best_bets(other, "ana")] == [10]


async def test_a_batch_of_scores_takes_as_many_statements_as_one(world: World, statements: Statements) -> None:
    leads = {f"l{number}": float(number) for number in range(1_000)}
    await own(world, "ana", leads)
    await night(world)
    counts: list[Sequence[str]] = []
    for changed in ({"l1": 2_000.0}, {lead: value + 3_000 for lead, value in leads.items()}):
        statements.verify()
        statements.executed.clear()
        await score(world, **changed)
        counts.append(statements.of_tables())

    one, thousand = counts
    # One that finds the caller; lock, read, write; rules, history, placing; position, who sees it, telling.
    assert len(thousand) == len(one) == 10, "\n".join(thousand)


async def test_a_score_that_changes_nothing_shown_tells_nobody(world: World) -> None:
    await set_tiers(world, **STATIC)
    await own(world, "ana", {"l1": 21})
    before = (await world.page("ana"))["live_cursor"]

    await push_score(world, "l1", 22)
    await score(world, l1=23)

    assert (await world.page("ana"))["live_cursor"] == before


async def test_a_changed_star_reaches_the_open_feeds_of_those_who_see_the_lead(server: Service) -> None:
    world = await server.new_world()
    await set_tiers(world, **STATIC)
    await world.people("ana", "bob", "eve", leads={"l1": "ana", "l2": "eve"})
    await score(world, l1=10, l2=10)
    await world.client.put("/v1/watchlist/l1", headers=world.rep("bob"))
    async with following(world, "ana") as owner, following(world, "bob") as watcher, following(world, "eve") as other:
        for stream in (owner, watcher, other):
            await stream.ready()

        await score(world, l1=85)
        for stream in (owner, watcher):
            event = await stream.next()
            assert event.name == "lead"
            card = {name: event.data[name] for name in ("id", "starred", "stars", "flames")}
            assert card == {"id": "l1", "starred": True, "stars": 3, "flames": 3}

        await push_score(world, "l2", 12)
        await push_score(world, "l2", 81)
        assert (await other.next()).data["id"] == "l2", "and nothing of the lead that it does not see"


async def test_erasing_a_person_erases_its_scores(world: World) -> None:
    await own(world, "ana", {"l1": 10, "l2": 10})
    await score(world, l1=50, l2=50)
    await world.client.put("/v1/leads/l1/hidden", headers=world.rep("ana"), json={"days": 3})

    assert (await world.client.delete("/v1/leads/l1", headers=world.machine)).status_code == 204

    assert [row[0] for row in await history(world)] == ["l2"]
    assert ids(await best_bets(world, "ana", hidden=True)) == []


async def test_days_are_those_of_the_organisations_time_zone(world: World) -> None:
    ahead, behind = "Pacific/Kiritimati", "Pacific/Pago_Pago"  # a whole day and an hour apart
    await own(world, "ana", {"l1": 10})
    for number, zone in enumerate((behind, ahead), 1):
        ok(await world.client.patch("/v1/settings", headers=world.machine, json={"time_zone": zone}))
        await push_score(world, "l1", 10 + number)

    days = [row[1] for row in await history(world)]

    assert days[1] - days[0] >= timedelta(days=1)


async def test_a_rise_is_kept_where_the_organisation_moves_to_yesterday(world: World) -> None:
    await set_tiers(world, **STATIC)
    await own(world, "ana", {"l1": 10})
    for zone, number in (("Pacific/Kiritimati", 80), ("Pacific/Pago_Pago", 81)):
        ok(await world.client.patch("/v1/settings", headers=world.machine, json={"time_zone": zone}))
        await push_score(world, "l1", number)
    (bet,) = await best_bets(world, "ana")
    assert bet["change"] == 71
