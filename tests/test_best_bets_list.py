"""The order of the day: who is on the list, in which order, page by page; and hiding somebody for a while."""

from datetime import UTC, datetime, timedelta
from itertools import product

import pytest

from leadfeed_api.best_bets.queries import Choice, page_statement
from leads import STATIC, best_bets, ids, night, own, plan_nodes, score, set_tiers
from statements import BY_A_TEST
from world import Service, World, ok, problem

pytestmark = pytest.mark.anyio
EXPLAIN = f"{BY_A_TEST} EXPLAIN (ANALYZE, FORMAT JSON) "
HIDINGS = f"{BY_A_TEST} SELECT count(*) FROM hidden_lead WHERE org_id = $1"
TIME_PASSES = f"{BY_A_TEST} UPDATE hidden_lead SET hidden_until = hidden_until - $2::interval WHERE org_id = $1"


async def test_flames_come_first_then_stars_then_the_score_and_then_the_unknown(world: World) -> None:
    await world.people("ana", leads={})
    places = list(product(range(4), range(4), (None, 10, 20)))
    await world.sync(
        leads=[
            {"id": f"{flames}{stars}-{value}", "name": "A lead", "owner_id": "ana",
             "stars": stars, "flames": flames, "score": value}
            for flames, stars, value in places
        ]
    )  # fmt: skip

    listed = ids(await best_bets(world, "ana", limit=7))

    expected = sorted(
        places, key=lambda place: (place[0], place[1], -1 if place[2] is None else place[2]), reverse=True
    )
    assert listed == [f"{flames}{stars}-{value}" for flames, stars, value in expected]


async def test_an_item_says_who_it_is_where_the_score_stands_and_what_happened_last(world: World) -> None:
    await set_tiers(world, **STATIC)
    await own(world, "ana", {"l1": 40})
    await score(world, l1=85)
    await world.report(world.moment("l1", occurred_at="2026-11-23T08:00:00Z"))
    (newest,) = await world.report(
        world.moment("l1", description="Asked for a demo", type="milestone", occurred_at="2026-11-23T09:12:00Z")
    )
    await world.report(world.moment("l1", occurred_at="2026-11-23T08:30:00Z"))

    assert await best_bets(world, "ana") == [
        {
            "lead": {"id": "l1", "name": "L1", "title": None, "starred": True, "stars": 3, "flames": 3},
            "account": {"id": "acme", "name": "Acme"},
            "score": 85,
            "change": 45,
            "owned": True,
            "hidden_until": None,
            "last_moment": {
                "id": newest,
                "type": "milestone",
                "description": "Asked for a demo",
                "occurred_at": "2026-11-23T09:12:00Z",
            },
        }
    ]


async def test_there_is_no_wall_at_a_thousand_and_ties_neither_repeat_nor_vanish(world: World) -> None:
    leads = {f"l{number:04}": float(number % 3) for number in range(1_203)}
    names = list(leads)
    await world.people("ana", leads={})
    for start in range(0, len(names), 1_000):
        chunk = names[start : start + 1_000]
        await world.sync(leads=[{"id": lead, "name": lead, "owner_id": "ana", "score": leads[lead]} for lead in chunk])
    await night(world)

    listed = ids(await best_bets(world, "ana", limit=200))

    assert len(listed) == len(set(listed)) == 1_203
    assert listed == sorted(names, key=lambda lead: (leads[lead], lead), reverse=True)


async def test_the_scope_feed_adds_the_leads_i_watch_each_once(world: World) -> None:
    await set_tiers(world, **STATIC)
    await world.people("ana", "bob", leads={"own": "ana", "both": "ana", "seen": "bob", "other": "bob"})
    await score(world, own=20, both=30, seen=25, other=99)
    for lead in ("both", "seen"):
        await world.client.put(f"/v1/watchlist/{lead}", headers=world.rep("ana"))

    assert ids(await best_bets(world, "ana")) == ["both", "own"]
    for limit in (1, 2, 50):
        items = [
            (item["lead"]["id"], item["owned"]) for item in await best_bets(world, "ana", scope="feed", limit=limit)
        ]
        assert items == [("both", True), ("seen", False), ("own", True)]


async def test_the_scope_feed_has_watched_leads_that_nobody_owns(world: World) -> None:
    await world.people("ana", leads={"own": "ana", "free": None})
    await score(world, own=20, free=30)
    await world.client.put("/v1/watchlist/free", headers=world.rep("ana"))

    items = await best_bets(world, "ana", scope="feed")

    assert [(item["lead"]["id"], item["owned"]) for item in items] == [("free", False), ("own", True)]


async def test_starred_narrows_to_best_bets(world: World) -> None:
    await set_tiers(world, **STATIC, starred_from={"flames": 0, "stars": 2})
    await own(world, "ana", {"a": 10, "b": 50, "c": 90})
    assert ids(await best_bets(world, "ana", starred=True)) == ["c", "b"]


async def test_a_cursor_is_bound_to_its_user_and_filters_and_may_not_be_touched(world: World) -> None:
    await own(world, "ana", {"l1": 1, "l2": 2, "é" * 40: 3})
    await own(world, "bob", {"m1": 1, "m2": 2})
    pages = {user: await world.client.get("/v1/best-bets?limit=1", headers=world.rep(user)) for user in ("ana", "bob")}
    cursor, other = (ok(pages[user])["next_cursor"] for user in ("ana", "bob"))
    feed_cursor = "AgAGPx"

    async def refused(**query: str) -> None:
        answer = await world.client.get("/v1/best-bets", headers=world.rep("ana"), params=query)
        problem(answer, 400, "invalid-cursor")

    for forged in (other, cursor[:-1], cursor[:-1] + ("A" if cursor[-1] != "A" else "B"), "~", "", "é", feed_cursor):
        await refused(cursor=forged)
    await refused(cursor=cursor, scope="feed")
    await refused(cursor=cursor, starred="true")
    link = pages["ana"].headers["link"]
    by_link = await world.client.get(link[link.index("/v1/") :].split(">")[0], headers=world.rep("ana"))
    assert ids(ok(by_link)["items"]) == ["l2"]


@pytest.mark.parametrize("query", [{"limit": "0"}, {"limit": "201"}, {"scope": "all"}, {"hidden": "maybe"}, {"x": "1"}])
async def test_a_query_that_makes_no_sense_is_refused(world: World, query: dict[str, str]) -> None:
    await own(world, "ana", {})
    problem(await world.client.get("/v1/best-bets", headers=world.rep("ana"), params=query), 422, "invalid")


async def test_a_machine_lists_on_behalf_of_a_user_and_hides_nothing_by_reading(world: World) -> None:
    await own(world, "ana", {"l1": 10})
    reading = {**await world.key_for("read"), "Leadfeed-User": "ana"}
    assert ids(ok(await world.client.get("/v1/best-bets", headers=reading))["items"]) == ["l1"]
    problem(await world.client.put("/v1/leads/l1/hidden", headers=reading, json={}), 403, "insufficient-scope")
    problem(await world.client.get("/v1/best-bets", headers=world.machine), 403, "user-needed")


async def test_a_page_reads_by_index_and_no_more_than_it_shows(world: World) -> None:
    """Ten thousand leads of one owner: the page must not sort them."""
    await world.people("ana", leads={})
    database = world.service.app.state.database
    async with database.write() as connection:
        await connection.execute(
            f"""{BY_A_TEST} INSERT INTO lead (org_id, lead_id, name, owner_id, score, stars, flames)
            SELECT $1, 'l' || n, 'A lead', 'ana', n % 97, n % 4, n % 3 FROM generate_series(1, 10000) n""",
            world.org_id,
        )
        await connection.execute(f"{BY_A_TEST} ANALYZE lead")
    now = datetime.now(UTC)
    async with database.read() as connection:
        parameters = (world.org_id, "ana", now, now.date(), 1, 2, 50.0, "l500")
        plan = await connection.fetchval(EXPLAIN + page_statement(Choice(), 51, True), *parameters)
    nodes = plan_nodes(plan)
    assert any(node.get("Index Name") == "lead_by_priority" for node in nodes)
    assert max(node["Actual Rows"] for node in nodes) <= 51


# --- hiding ------------------------------------------------------------------------------------------------------


async def hide(world: World, user: str, lead: str, **body: object) -> datetime:
    answer = await world.client.put(f"/v1/leads/{lead}/hidden", headers=world.rep(user), json=body)
    return datetime.fromisoformat(ok(answer)["hidden_until"])


async def test_a_hidden_lead_leaves_the_list_until_it_is_shown_again(world: World) -> None:
    await own(world, "ana", {"l1": 1, "l2": 2})
    await world.report(world.moment("l1"))

    until = await hide(world, "ana", "l1", days=3)

    assert abs(until - datetime.now(UTC) - timedelta(days=3)) < timedelta(minutes=1)
    assert ids(await best_bets(world, "ana")) == ["l2"]
    hidden = await best_bets(world, "ana", hidden=True)
    assert ids(hidden) == ["l1"]
    assert datetime.fromisoformat(hidden[0]["hidden_until"]) == until
    assert ids(await world.feed("ana")) == ["l1"], "the feed goes on showing it"

    for _ in range(2):
        assert (await world.client.delete("/v1/leads/l1/hidden", headers=world.rep("ana"))).status_code == 204
    assert ids(await best_bets(world, "ana")) == ["l2", "l1"]
    assert await best_bets(world, "ana", hidden=True) == []


async def test_it_comes_back_by_itself_when_the_days_are_over(world: World) -> None:
    await own(world, "ana", {"l1": 1})
    await hide(world, "ana", "l1", days=3)
    async with world.service.app.state.database.write() as connection:
        await connection.execute(TIME_PASSES, world.org_id, timedelta(days=3))

    assert ids(await best_bets(world, "ana")) == ["l1"]


async def test_a_night_ends_no_hiding_but_those_that_are_over(world: World) -> None:
    await own(world, "ana", {"l1": 1, "l2": 2})
    database = world.service.app.state.database
    await hide(world, "ana", "l1", days=3)
    async with database.write() as connection:
        await connection.execute(TIME_PASSES, world.org_id, timedelta(days=3))
    await hide(world, "ana", "l2", days=3)

    await night(world)

    assert ids(await best_bets(world, "ana", hidden=True)) == ["l2"]
    async with database.read() as connection:
        assert await connection.fetchval(HIDINGS, world.org_id) == 1


async def test_without_days_it_is_hidden_for_as_long_as_the_organisation_says(world: World) -> None:
    await own(world, "ana", {"l1": 1})
    near = timedelta(minutes=1)
    assert abs(await hide(world, "ana", "l1") - datetime.now(UTC) - timedelta(days=14)) < near
    await set_tiers(world, hide_days=30)
    bodyless = ok(await world.client.put("/v1/leads/l1/hidden", headers=world.rep("ana")))
    assert abs(datetime.fromisoformat(bodyless["hidden_until"]) - datetime.now(UTC) - timedelta(days=30)) < near


async def test_only_the_owner_hides_and_only_from_themselves(service: Service, world: World) -> None:
    await own(world, "ana", {"l1": 1})
    await own(world, "bob", {})
    await world.client.put("/v1/watchlist/l1", headers=world.rep("bob"))
    await hide(world, "ana", "l1", days=3)

    assert ids(await best_bets(world, "bob", scope="feed")) == ["l1"]
    body = {"days": 3}
    problem(await world.client.put("/v1/leads/l1/hidden", headers=world.rep("bob"), json=body), 403, "not-owner")
    problem(await world.client.put("/v1/leads/none/hidden", headers=world.rep("ana"), json=body), 404, "unknown-lead")
    other = await service.new_world()
    await own(other, "ana", {})
    problem(await other.client.put("/v1/leads/l1/hidden", headers=other.rep("ana"), json=body), 404, "unknown-lead")


async def test_a_new_owner_sees_what_the_old_one_hid(world: World) -> None:
    await own(world, "ana", {"l1": 1})
    await own(world, "bob", {})
    await hide(world, "ana", "l1", days=3)
    await world.client.put("/v1/leads/l1/owner", headers=world.machine, json={"owner_id": "bob"})
    assert ids(await best_bets(world, "bob")) == ["l1"]


async def test_showing_one_lead_again_changes_nothing_else_and_nobody_elses(world: World) -> None:
    await own(world, "ana", {"l1": 1, "l2": 2})
    await own(world, "bob", {})
    for lead in ("l1", "l2"):
        await hide(world, "ana", lead, days=3)
        await world.client.put(f"/v1/leads/{lead}/owner", headers=world.machine, json={"owner_id": "bob"})
        await hide(world, "bob", lead, days=3)

    for user, lead in (("ana", "l1"), ("bob", "l2")):
        assert (await world.client.delete(f"/v1/leads/{lead}/hidden", headers=world.rep(user))).status_code == 204

    assert ids(await best_bets(world, "bob")) == ["l2"]
    assert ids(await best_bets(world, "bob", hidden=True)) == ["l1"]


@pytest.mark.parametrize("body", [{"days": 0}, {"days": 366}, {"days": "3"}, {"days": 1.5}, {"until": "2027-01-01"}])
async def test_days_that_make_no_sense_are_refused(world: World, body: dict[str, object]) -> None:
    await own(world, "ana", {"l1": 1})
    problem(await world.client.put("/v1/leads/l1/hidden", headers=world.rep("ana"), json=body), 422, "invalid")
