"""The rules of stars and flames, as properties; and the rules in SQL, which must be the same rules."""

import math
import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadfeed_api.best_bets import retier as tiering
from leadfeed_api.best_bets.cutoffs import window_opens
from leadfeed_api.best_bets.tiers import (
    NOBODY,
    Given,
    Rules,
    dynamic_cutoffs,
    fitting,
    place,
    priority,
    rise,
    tier,
)
from leadfeed_api.db.session import Database
from leadfeed_api.organizations import queries
from leadfeed_api.organizations.tier_settings import Tiers
from statements import BY_A_TEST
from world import World

scores = st.one_of(st.integers(-20, 20).map(float), st.floats(-1e9, 1e9, allow_nan=False))
values = st.lists(scores, max_size=60)
shares = st.lists(st.integers(1, 9_999), min_size=3, max_size=3, unique=True).map(
    lambda picked: [hundredth / 100 for hundredth in sorted(picked, reverse=True)]
)
tiers = st.integers(0, 3)


@given(values, shares)
def test_a_higher_value_never_has_a_lower_tier(ranked: list[float], top: list[float]) -> None:
    cutoffs = dynamic_cutoffs(ranked, top)
    for lower, higher in pairwise(sorted(ranked)):
        assert tier(lower, cutoffs) <= tier(higher, cutoffs)


@given(values, shares)
def test_no_tier_holds_more_than_its_share_and_none_less_than_ties_allow(ranked: list[float], top: list[float]) -> None:
    cutoffs = dynamic_cutoffs(ranked, top)
    for number, (percent, cutoff) in enumerate(zip(top, cutoffs, strict=True), 1):
        inside = [value for value in ranked if tier(value, cutoffs) >= number]
        fits = fitting(len(ranked), percent)
        assert len(inside) <= fits
        below = [value for value in ranked if value < cutoff]
        if below and max(below) > min(ranked):
            assert len(inside) + below.count(max(below)) > fits


@given(values, shares)
def test_the_tiers_part_the_leads_among_them(ranked: list[float], top: list[float]) -> None:
    cutoffs = dynamic_cutoffs(ranked, top)
    assert list(cutoffs) == sorted(cutoffs)
    count = Counter(tier(value, cutoffs) for value in ranked)
    assert sum(count.values()) == len(ranked)
    assert set(count) <= {0, 1, 2, 3}


@given(values, shares, st.randoms(use_true_random=False))
def test_the_order_in_which_leads_are_met_does_not_matter(
    ranked: list[float], top: list[float], rng: random.Random
) -> None:
    shuffled = rng.sample(ranked, len(ranked))
    assert dynamic_cutoffs(shuffled, top) == dynamic_cutoffs(ranked, top)


@given(scores, st.integers(1, 50), shares)
def test_where_everyone_is_equal_nobody_stands_out(score: float, leads: int, top: list[float]) -> None:
    assert dynamic_cutoffs([score] * leads, top) == NOBODY
    assert dynamic_cutoffs([], top) == NOBODY


@given(st.lists(scores, min_size=2, max_size=60), shares)
def test_the_lowest_is_never_lifted(ranked: list[float], top: list[float]) -> None:
    assert tier(min(ranked), dynamic_cutoffs(ranked, top)) == 0


@pytest.mark.parametrize(
    ("count", "percent", "fits"), [(1, 5, 1), (20, 5, 1), (21, 5, 2), (10_000, 0.01, 1), (3, 33.34, 2), (0, 50, 0)]
)
def test_a_share_is_rounded_up_to_whole_leads(count: int, percent: float, fits: int) -> None:
    assert fitting(count, percent) == fits


def test_a_hundred_leads_are_cut_where_the_percentages_say() -> None:
    assert dynamic_cutoffs(range(1, 101), (50, 20, 5)) == (51, 81, 96)


def test_a_tie_across_an_edge_falls_below_it() -> None:
    cutoffs = dynamic_cutoffs([9, 8, 8, 8, 1, 1, 1, 1, 1, 1], (50, 20, 10))
    assert [tier(value, cutoffs) for value in (9, 8, 1)] == [3, 1, 0]


@pytest.mark.parametrize(
    ("score", "opening", "expected"),
    [
        (10, 4, 6),
        (4, 10, None),
        (4, 4, None),
        (4, None, None),
        (None, 4, None),
        (-3, -10, 7),
        (0.3, 0.1, 0.2),
        (4, 4 - 1e-8, None),
    ],
)
def test_only_a_rise_ranks(score: float | None, opening: float | None, expected: float | None) -> None:
    assert rise(score, opening) == expected


@given(tiers, tiers, tiers, tiers)
def test_priority_is_flames_first_and_stars_second(stars: int, flames: int, other: int, others: int) -> None:
    assert (priority(stars, flames) > priority(other, others)) == ((flames, stars) > (others, other))


@given(scores, st.one_of(st.none(), scores), tiers, tiers, st.one_of(st.none(), st.booleans()), tiers, tiers)
def test_the_crms_own_priority_makes_ours_stand_aside(
    score: float, opening: float | None, stars: int, flames: int, starred: bool | None, cut_stars: int, cut_flames: int
) -> None:
    rules = Rules((-math.inf,) * 3, (-math.inf,) * 3, priority(cut_stars, cut_flames))
    placed = place(score, opening, rules, Given(stars, flames, starred))
    assert (placed.stars, placed.flames) == (stars, flames)
    assert placed.starred == ((flames, stars) >= (cut_flames, cut_stars) if starred is None else starred)


@pytest.mark.parametrize(
    ("given_by_crm", "expected"),
    [
        (Given(stars=3), (3, 0, True)),
        (Given(flames=1), (0, 1, True)),
        (Given(starred=True), (0, 0, True)),
        (Given(starred=False), (0, 0, False)),
        (Given(stars=3, starred=False), (3, 0, False)),
        (Given(), (2, 2, True)),
    ],
)
def test_what_a_crm_leaves_out_counts_as_none(given_by_crm: Given, expected: tuple[int, int, bool]) -> None:
    placed = place(60, 40, Rules((20, 50, 80), (10, 20, 30), priority(3, 0)), given_by_crm)
    assert (placed.stars, placed.flames, placed.starred) == expected


# --- the same in SQL ---------------------------------------------------------------------------------------------

MAKE_LEADS = f"""{BY_A_TEST}
INSERT INTO lead (org_id, lead_id, name, score, stars_given, flames_given, starred_given)
SELECT $1, x.lead_id, x.lead_id, x.score, x.stars, x.flames, x.starred
FROM unnest($2::text[], $3::float8[], $4::int[], $5::int[], $6::bool[]) AS x (lead_id, score, stars, flames, starred)
"""
MAKE_HISTORY = f"""{BY_A_TEST}
INSERT INTO score_day (org_id, lead_id, day, opening)
SELECT $1, x.* FROM unnest($2::text[], $3::date[], $4::float8[]) AS x
"""
PLACED = f"{BY_A_TEST} SELECT lead_id, stars, flames, starred FROM lead WHERE org_id = $1"


def a_score(rng: random.Random) -> float | None:
    return rng.choice(
        [
            None,
            0.0,
            50.0,
            float(rng.randint(-10, 10)),
            rng.uniform(-100, 100),
            rng.randint(-99, 99) / 10,
            float(rng.randint(0, 100)),
        ]
    )


def a_cut(rng: random.Random) -> dict[str, Any]:
    source = rng.choice(["score", "change"])
    if rng.random() < 0.7:
        shares = sorted(rng.sample(range(1, 10_000), 3), reverse=True)
        return {"method": "dynamic", "source": source, "top_percent": [share / 100 for share in shares]}
    return {"method": "static", "source": source, "at_least": sorted(rng.sample(range(-50, 100), 3))}


@pytest.mark.anyio
@pytest.mark.parametrize("seed", range(25))
async def test_the_sql_places_every_lead_as_the_rules_do(world: World, database: Database, seed: int) -> None:
    rng, now = random.Random(seed), datetime.now(UTC)
    tiers = Tiers.model_validate(
        {
            "stars": a_cut(rng),
            "flames": a_cut(rng),
            "starred_from": {"flames": rng.randint(0, 3), "stars": rng.randint(1, 3)},
            "window_days": rng.randint(1, 10),
        }
    )
    ids = [f"l{number}" for number in range(rng.choice([1, 2, 5, 40, 300]))]
    score = {lead: a_score(rng) for lead in ids}
    owns = {lead: rng.random() < 0.1 for lead in ids}
    given = {
        lead: Given(rng.choice([None, 0, 3]), rng.choice([None, 1]), rng.choice([None, True, False]))
        if owns[lead]
        else Given()
        for lead in ids
    }
    history = {
        (lead, now.date() - timedelta(days=age)): rng.choice([rng.uniform(-100, 100), rng.randint(-99, 99) / 10])
        for lead in ids
        for age in rng.sample(range(13), rng.randint(0, 3))
    }
    async with database.write() as connection:
        settings = {**await queries.settings_of(connection, world.org_id), "tiers": tiers.model_dump(exclude_none=True)}
        await queries.save_settings(connection, world.org_id, settings)
        by_crm = [[getattr(given[lead], name) for lead in ids] for name in ("stars", "flames", "starred")]
        await connection.execute(MAKE_LEADS, world.org_id, ids, [score[lead] for lead in ids], *by_crm)
        leads, days = [lead for lead, _ in history], [day for _, day in history]
        await connection.execute(MAKE_HISTORY, world.org_id, leads, days, list(history.values()))

    done = await tiering.retier(database, world.org_id, clock=lambda: now)

    opens = window_opens(now.date(), tiers.window_days)
    opening: dict[str, float] = {}
    for (lead, day), value in sorted(history.items(), key=lambda item: item[0][1], reverse=True):
        if day >= opens:
            opening[lead] = value
    sources = {
        "score": ([value for value in score.values() if value is not None], None),
        "change": ([up for lead in ids if (up := rise(score[lead], opening.get(lead))) is not None], 0.0),
    }
    for cut, found in ((tiers.stars, done.rules.stars), (tiers.flames, done.rules.flames)):
        ranked, lowest = sources[cut.source or ""]
        expected = tuple(cut.at_least) if cut.at_least else dynamic_cutoffs(ranked, cut.top_percent or (), lowest)
        assert found == expected
    async with database.read() as connection:
        placed = {row[0]: tuple(row)[1:] for row in await connection.fetch(PLACED, world.org_id)}
    for lead in ids:
        wanted = place(score[lead], opening.get(lead), done.rules, given[lead])
        assert placed[lead] == (wanted.stars, wanted.flames, wanted.starred), (lead, score[lead], opening.get(lead))

    again = await tiering.retier(database, world.org_id, clock=lambda: now)
    assert (again.progress.changed, again.rules) == (0, done.rules)
