"""The feed narrowed to best bets: the same items as ever, found by index however rare or common stars are."""

import random
from datetime import timedelta
from typing import Any

import pytest

from leadfeed_api.feed.filters import Conditions
from leadfeed_api.feed.paging import NEWEST, page_statement, rows_statement
from leadfeed_api.feed.starred import WALK
from leads import plan_nodes
from statements import BY_A_TEST, Statements
from world import MONDAY, World

pytestmark = pytest.mark.anyio
EXPLAIN = f"{BY_A_TEST} EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) "
STARRED: Conditions = (("starred", 0),)
ENTRIES = 50_000
# 5,000 owned leads and 500 watched, nine moments each; the newest are of the leads with the highest numbers.
FILL = (
    f"""{BY_A_TEST} INSERT INTO lead (org_id, lead_id, name, owner_id)
    SELECT $1, 'l' || n, 'Lead ' || n, CASE WHEN n < 5000 THEN 'ana' END FROM generate_series(0, 5499) n""",
    f"""{BY_A_TEST} INSERT INTO watch (org_id, user_id, lead_id, created_at)
    SELECT $1, 'ana', 'l' || n, '2026-11-01' FROM generate_series(5000, 5499) n""",
    f"""{BY_A_TEST} INSERT INTO moment (org_id, moment_id, position, source, external_id, lead_id, type, description,
      occurred_at, recorded_at)
    SELECT $1, lpad(to_hex(n), 32, '0')::uuid, n, 'tests', 'm' || n, 'l' || n * 11 / 100, 'web', 'Visited page ' || n,
      '2026-10-01'::timestamptz + n * interval '1 minute', '2026-11-23' FROM generate_series(0, 49999) n""",
    f"""{BY_A_TEST} INSERT INTO feed_entry (org_id, user_id, occurred_at, moment_id, lead_id, type, position, live)
    SELECT org_id, 'ana', occurred_at, moment_id, lead_id, type, position, true FROM moment WHERE org_id = $1""",
)
SET_STARS = f"{BY_A_TEST} UPDATE lead SET starred = substr(lead_id, 2)::int = ANY($2::int[]) WHERE org_id = $1"


async def star(world: World, **starred: bool) -> None:
    await world.sync(leads=[{"id": lead, "starred": value} for lead, value in starred.items()])


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"type": "email"},
        {"scope": "owned"},
        {"scope": "watched"},
        {"lead_id": "l3"},
        {"account_id": "acme"},
        {"q": "page 7"},
        {"q": "acme"},
        {"since": (MONDAY + timedelta(seconds=40)).isoformat()},
        {"until": (MONDAY + timedelta(seconds=90)).isoformat(), "type": ["web", "email"]},
        {"muted": "only"},
        {"muted": "show"},
    ],
)
@pytest.mark.parametrize("share", [0.0, 0.1, 0.9])
async def test_starred_narrows_every_other_filter_like_a_plain_condition(
    world: World, query: dict[str, Any], share: float
) -> None:
    rng = random.Random(share)
    leads = [f"l{number}" for number in range(12)]
    await world.people("ana", "bob", leads={lead: "ana" if number % 2 else "bob" for number, lead in enumerate(leads)})
    await world.client.post("/v1/watchlist", headers=world.rep("ana"), json={"lead_ids": leads[:6]})
    await world.client.put("/v1/mutes/leads/l2", headers=world.rep("ana"), json={"until": "2099-01-01T00:00:00Z"})
    await world.report(*(world.moment(rng.choice(leads), type=rng.choice(["web", "email"])) for _ in range(120)))
    stars = {lead: rng.random() < share for lead in leads}
    await star(world, **stars)

    expected = [item for item in await world.feed("ana", **query) if stars[item["lead"]["id"]]]
    found = []
    page = await world.page("ana", starred="true", limit=7, **query)
    found += page["items"]
    while page["next_cursor"]:
        page = await world.page("ana", starred="true", limit=7, cursor=page["next_cursor"], **query)
        found += page["items"]

    assert found == expected
    others = [item for item in await world.feed("ana", **query) if not stars[item["lead"]["id"]]]
    assert await world.feed("ana", starred="false", **query) == others


async def test_a_starred_page_is_one_statement(world: World, statements: Statements) -> None:
    await world.people("ana", leads={"l1": "ana"})
    statements.verify()
    statements.executed.clear()
    page = await world.page("ana", starred="true")
    assert page["items"] == []
    assert page["live_cursor"]
    assert len(statements.of_tables()) == 1


async def test_stars_are_found_by_index_at_fifty_thousand_entries(world: World) -> None:
    await world.people("ana", leads={})
    database = world.service.app.state.database
    async with database.write() as connection:
        for statement in FILL:
            await connection.execute(statement, world.org_id)
    async with database.read() as connection:
        await connection.execute(f"{BY_A_TEST} VACUUM ANALYZE feed_entry, moment, watch")
    cases = {
        "one lead, long ago": [3],
        "a hundred, long ago": range(100),
        "a watched one": [5_050],
        "every fiftieth": range(0, 5_500, 50),
        "every fifth": range(0, 5_500, 5),
        "all": range(5_500),
        "none": [],
    }
    touched = {}
    for case, starred in cases.items():
        async with database.write() as connection:
            await connection.execute(SET_STARS, world.org_id, list(starred))
        async with database.read() as connection:
            await connection.execute(f"{BY_A_TEST} VACUUM ANALYZE lead")
            plan = await connection.fetchval(EXPLAIN + page_statement(STARRED, 50), world.org_id, "ana", *NEWEST)
            rows = await connection.fetch(rows_statement(STARRED, 50), world.org_id, "ana", *NEWEST)
        wanted = sorted((n for n in range(ENTRIES) if n * 11 // 100 in starred), reverse=True)[:51]
        assert [row["moment_id"].int for row in rows] == wanted, case
        touched[case] = max(
            node["Actual Rows"] * node["Actual Loops"]
            for node in plan_nodes(plan)
            if node.get("Relation Name") == "feed_entry"
        )

    # The plain condition walks all 50,000 for the first three and for the last.
    assert max(touched.values()) <= WALK + 1_100 < ENTRIES / 25, touched
