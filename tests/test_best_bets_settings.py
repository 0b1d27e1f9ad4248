"""The administrator's side: tiers shown in full, changed in part, tried out before, and put to work."""

from datetime import UTC, datetime
from typing import Any

import pytest

from leadfeed_api.best_bets.tiers import dynamic_cutoffs
from leads import STATIC, best_bets, night, own, set_tiers, standing
from world import World, ok, problem

pytestmark = pytest.mark.anyio
DEFAULTS = {
    "stars": {"method": "dynamic", "source": "score", "top_percent": [50, 20, 5], "at_least": None},
    "flames": {"method": "dynamic", "source": "change", "top_percent": [30, 10, 3], "at_least": None},
    "starred_from": {"flames": 0, "stars": 3},
    "window_days": 7,
    "hide_days": 14,
}


async def settings(world: World) -> dict[str, Any]:
    return ok(await world.client.get("/v1/settings", headers=world.machine))


async def preview(world: World, **tiers: Any) -> dict[str, Any]:
    return ok(await world.client.post("/v1/settings/tiers/preview", headers=world.machine, json=tiers))


async def test_the_tiers_in_effect_are_shown_defaults_included(world: World) -> None:
    found = await settings(world)
    assert found["tiers"] == DEFAULTS
    assert found["time_zone"] == "UTC"


async def test_a_change_replaces_what_it_names_and_null_goes_back_to_the_default(world: World) -> None:
    changed = await set_tiers(world, stars={"method": "static", "at_least": [20, 50, 80]}, window_days=14)
    expected = {
        **DEFAULTS,
        "stars": {"method": "static", "source": "score", "top_percent": None, "at_least": [20, 50, 80]},
        "window_days": 14,
    }
    assert changed["tiers"] == expected == (await settings(world))["tiers"]

    other = {"rss_enabled": True, "time_zone": "Asia/Kolkata"}
    ok(await world.client.patch("/v1/settings", headers=world.machine, json=other))
    assert (await settings(world))["tiers"] == expected

    assert (await set_tiers(world, stars=None))["tiers"] == {**DEFAULTS, "window_days": 14}


@pytest.mark.parametrize(
    ("tiers", "pointer"),
    [
        ({"stars": {"method": "dynamic", "top_percent": [5, 20, 50]}}, "/tiers/stars"),
        ({"stars": {"method": "dynamic", "top_percent": [50, 20]}}, "/tiers/stars/top_percent"),
        ({"stars": {"method": "dynamic", "top_percent": [100, 20, 5]}}, "/tiers/stars/top_percent/0"),
        ({"stars": {"method": "dynamic", "top_percent": [50, 20, 0]}}, "/tiers/stars/top_percent/2"),
        ({"stars": {"method": "dynamic", "top_percent": [50, 20, 0.001]}}, "/tiers/stars/top_percent/2"),
        ({"stars": {"method": "dynamic", "top_percent": [50, 20, 1e-9]}}, "/tiers/stars/top_percent/2"),
        ({"stars": {"method": "dynamic", "at_least": [1, 2, 3]}}, "/tiers/stars"),
        ({"stars": {"method": "dynamic"}}, "/tiers/stars"),
        ({"flames": {"method": "static", "at_least": [30, 20, 10]}}, "/tiers/flames"),
        ({"flames": {"method": "static", "at_least": [1, 1, 2]}}, "/tiers/flames"),
        ({"flames": {"method": "static", "at_least": [1, "2", 3]}}, "/tiers/flames/at_least/1"),
        ({"flames": {"method": "static", "at_least": [1, 2, 3], "top_percent": [5, 4, 3]}}, "/tiers/flames"),
        ({"flames": {"method": "static", "source": "moon", "at_least": [1, 2, 3]}}, "/tiers/flames/source"),
        ({"flames": {"method": "both"}}, "/tiers/flames/method"),
        ({"starred_from": {"flames": 0, "stars": 0}}, "/tiers/starred_from"),
        ({"starred_from": {"flames": 4, "stars": 0}}, "/tiers/starred_from/flames"),
        ({"window_days": 0}, "/tiers/window_days"),
        ({"hide_days": 1000}, "/tiers/hide_days"),
        ({"moons": 3}, "/tiers/moons"),
    ],
)
async def test_tiers_that_make_no_sense_are_refused_with_the_place(
    world: World, tiers: dict[str, Any], pointer: str
) -> None:
    answer = await world.client.patch("/v1/settings", headers=world.machine, json={"tiers": tiers})
    assert [fault["pointer"] for fault in problem(answer, 422, "invalid")["errors"]] == [pointer]
    tried = await world.client.post("/v1/settings/tiers/preview", headers=world.machine, json=tiers)
    problem(tried, 422, "invalid")
    assert (await settings(world))["tiers"] == DEFAULTS


@pytest.mark.parametrize("zone", ["Mars/Phobos", "", "../etc/passwd", "europe/paris", 5])
async def test_a_time_zone_nobody_knows_is_refused(world: World, zone: object) -> None:
    answer = await world.client.patch("/v1/settings", headers=world.machine, json={"time_zone": zone})
    document = problem(answer, 422, "invalid")
    assert document["errors"][0]["pointer"] == "/time_zone"
    assert "passwd" not in answer.text


async def test_a_preview_counts_who_would_get_what_and_stores_nothing(world: World) -> None:
    await own(world, "ana", {f"l{number}": number for number in range(1, 101)})
    await night(world)
    before = standing(await best_bets(world, "ana"))

    found = await preview(world, stars={"method": "dynamic", "top_percent": [40, 30, 10]})

    cutoffs = dynamic_cutoffs(range(1, 101), (40, 30, 10))
    assert found["leads"] == 100
    assert found["stars"] == {"none": 60, "one": 10, "two": 20, "three": 10, "cutoffs": list(cutoffs)}
    assert found["flames"] == {"none": 100, "one": 0, "two": 0, "three": 0, "cutoffs": [None, None, None]}
    assert found["starred"] == 10
    assert found["tiers"]["stars"]["top_percent"] == [40, 30, 10]
    assert found["tiers"]["flames"] == DEFAULTS["flames"]
    assert (await settings(world))["tiers"] == DEFAULTS
    assert standing(await best_bets(world, "ana")) == before


async def test_a_preview_is_what_comes_to_be(world: World) -> None:
    await own(world, "ana", {f"l{number}": number % 13 for number in range(60)})
    await set_tiers(world, stars={"method": "dynamic", "top_percent": [60, 25, 9.5]})
    expected = await preview(world)

    await night(world)

    stars = [stars for stars, _, _ in standing(await best_bets(world, "ana")).values()]
    names = ("none", "one", "two", "three")
    assert {name: stars.count(number) for number, name in enumerate(names)} == {n: expected["stars"][n] for n in names}


async def test_an_empty_organisation_has_an_empty_preview(world: World) -> None:
    found = await preview(world)
    assert (found["leads"], found["starred"]) == (0, 0)
    assert found["stars"] == {"none": 0, "one": 0, "two": 0, "three": 0, "cutoffs": [None, None, None]}


async def test_only_administrators_see_and_set_tiers(world: World) -> None:
    await own(world, "ana", {})
    for method, address in (
        ("POST", "/v1/settings/tiers/preview"),
        ("GET", "/v1/settings/tiers"),
        ("POST", "/v1/settings/tiers/retier"),
    ):
        answer = await world.client.request(method, address, headers=world.rep("ana"), json={})
        problem(answer, 403, "insufficient-scope")


async def test_where_re_tiering_stands_is_told_before_and_after(world: World) -> None:
    async def tiering() -> dict[str, Any]:
        return ok(await world.client.get("/v1/settings/tiers", headers=world.machine))

    assert await tiering() == {"tiered_at": None, "next_at": None, "running": False, "stars": None, "flames": None}
    await set_tiers(world, **STATIC)
    await own(world, "ana", {"l1": 5})
    assert datetime.fromisoformat((await tiering())["next_at"]) <= datetime.now(UTC), "the first score makes it due"

    await night(world)

    after = await tiering()
    assert (after["stars"], after["flames"]) == ([20, 50, 80], [5, 15, 30])
    assert datetime.fromisoformat(after["tiered_at"]) <= datetime.now(UTC) < datetime.fromisoformat(after["next_at"])
    demanded = await world.client.post("/v1/settings/tiers/retier", headers=world.machine)
    assert datetime.fromisoformat(ok(demanded, 202)["next_at"]) <= datetime.now(UTC)
