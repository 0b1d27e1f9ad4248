"""The watch list: one lead, several, a whole account; repeated, unknown, owned as well; and very many."""

from typing import Any
from urllib.parse import quote

import httpx2
import pytest

from leadfeed_api.feed import queries
from world import World, ok, problem

pytestmark = pytest.mark.anyio
KEPT = "SELECT count(*) FROM read_mark r WHERE r.org_id = $1"


async def watch(world: World, user_id: str, lead_id: str) -> httpx2.Response:
    return await world.client.put(f"/v1/watchlist/{quote(lead_id, safe='')}", headers=world.rep(user_id))


async def unwatch(world: World, user_id: str, lead_id: str) -> httpx2.Response:
    return await world.client.delete(f"/v1/watchlist/{quote(lead_id, safe='')}", headers=world.rep(user_id))


async def watch_many(world: World, user_id: str, **body: object) -> dict[str, Any]:
    return ok(await world.client.post("/v1/watchlist", headers=world.rep(user_id), json=body))


async def watched(world: World, user_id: str, **query: Any) -> dict[str, Any]:
    return ok(await world.client.get("/v1/watchlist", headers=world.rep(user_id), params=query))


async def watched_ids(world: World, user_id: str) -> list[str]:
    page = await watched(world, user_id, limit=1_000)
    ids = [one["lead"]["id"] for one in page["items"]]
    while page["next_after"]:
        page = await watched(world, user_id, limit=1_000, after=page["next_after"])
        ids += [one["lead"]["id"] for one in page["items"]]
    return ids


async def told(world: World, user_id: str) -> list[tuple[str, str | None]]:
    """What the user was told so far beside moments, in the log's order."""
    async with world.service.app.state.database.read() as connection:
        found = await queries.changes_since(connection, world.org_id, [user_id], 0, 10**9)
    return [(one.kind, one.lead_id) for one in sorted(found, key=lambda one: one.position)]


async def test_watching_brings_the_leads_past_and_future_and_unwatching_takes_them_away(world: World) -> None:
    await world.people("ana", "bob", leads={"l1": "bob", "l2": "bob"})
    past = await world.report(world.moment("l1"), world.moment("l2"))

    assert (await watch(world, "ana", "l1")).status_code == 204
    future = await world.report(world.moment("l1"))
    assert [item["id"] for item in await world.feed("ana")] == [*future, past[0]]
    assert [item["because"] for item in await world.feed("ana")] == [["watched"]] * 2

    assert (await unwatch(world, "ana", "l1")).status_code == 204
    assert await world.feed("ana") == []
    assert len(await world.feed("bob")) == 3
    assert await told(world, "ana") == [("watched", "l1"), ("unwatched", "l1")]


async def test_repeating_changes_nothing_and_tells_nobody(world: World) -> None:
    await world.people("ana", "bob", leads={"l1": "bob"})
    for _ in range(3):
        answer = await watch(world, "ana", "l1")
        assert (answer.status_code, answer.content) == (204, b"")
    assert await watched_ids(world, "ana") == ["l1"]
    for _ in range(3):
        assert (await unwatch(world, "ana", "l1")).status_code == 204
    assert await watched_ids(world, "ana") == []
    assert await told(world, "ana") == [("watched", "l1"), ("unwatched", "l1")]


async def test_a_lead_that_is_not_known_cannot_be_watched_and_unwatching_it_is_harmless(world: World) -> None:
    await world.people("ana", leads={})
    problem(await watch(world, "ana", "nobody"), 404, "unknown-lead")
    assert (await unwatch(world, "ana", "nobody")).status_code == 204
    assert await watched_ids(world, "ana") == []


async def test_several_leads_at_once_and_which_of_them_are_none(world: World) -> None:
    await world.people("ana", leads={f"l{n}": None for n in range(4)})
    await watch(world, "ana", "l0")
    done = await watch_many(world, "ana", lead_ids=["l1", "ghost", "l0", "l2", "l1", "phantom", "ghost"])
    assert done == {"watched": 2, "already": 1, "unknown": ["ghost", "phantom"]}
    assert await watched_ids(world, "ana") == ["l0", "l1", "l2"]
    assert [kind for kind, _ in await told(world, "ana")] == ["watched"] * 3


async def test_a_whole_account_means_everyone_who_is_of_it_now(world: World) -> None:
    await world.people("ana", leads={"l1": None, "l2": None})
    await world.sync(accounts=[{"id": "empty", "name": "Empty"}], leads=[{"id": "other", "name": "Other"}])
    await watch(world, "ana", "l1")
    assert await watch_many(world, "ana", account_id="acme") == {"watched": 1, "already": 1, "unknown": []}
    assert await watch_many(world, "ana", account_id="empty") == {"watched": 0, "already": 0, "unknown": []}
    await world.people(leads={"later": None})
    assert await watched_ids(world, "ana") == ["l1", "l2"]
    answer = await world.client.post("/v1/watchlist", headers=world.rep("ana"), json={"account_id": "nothing"})
    problem(answer, 404, "unknown-account")


NEITHER_OR_BOTH: list[object] = [
    {}, {"lead_ids": []}, {"lead_ids": ["l1"], "account_id": "acme"}, {"lead_ids": "l1"}, {"lead_ids": [1]},
    {"lead_ids": [""]}, {"lead_ids": ["a\x00"]}, {"account_id": None}, {"lead_ids": ["l1"], "x": 1},
    {"lead_ids": ["l"] * 1_001}, [],
]  # fmt: skip


async def test_a_bulk_watch_that_names_neither_or_both_is_refused(world: World, subtests: pytest.Subtests) -> None:
    await world.people("ana", leads={"l1": None})
    for body in NEITHER_OR_BOTH:
        with subtests.test(str(body)[:40]):
            problem(await world.client.post("/v1/watchlist", headers=world.rep("ana"), json=body), 422, "invalid")
    assert await watched_ids(world, "ana") == []


async def test_a_lead_both_owned_and_watched_stays_until_it_is_neither(world: World) -> None:
    await world.people("ana", "bob", leads={"l1": "ana"})
    await watch(world, "ana", "l1")
    await world.report(world.moment("l1"))

    async def because() -> list[list[str]]:
        return [item["because"] for item in await world.feed("ana")]

    assert await because() == [["owned", "watched"]]
    assert [one["owned"] for one in (await watched(world, "ana"))["items"]] == [True]
    await unwatch(world, "ana", "l1")
    assert await because() == [["owned"]]
    await watch(world, "ana", "l1")
    await world.client.put("/v1/leads/l1/owner", headers=world.machine, json={"owner_id": "bob"})
    assert await because() == [["watched"]]
    assert [one["owned"] for one in (await watched(world, "ana"))["items"]] == [False]
    await unwatch(world, "ana", "l1")
    assert await because() == []


async def test_the_list_shows_the_person_and_the_company(world: World) -> None:
    await world.people("ana", leads={"l1": "ana"})
    await world.sync(leads=[{"id": "l1", "title": "CTO"}, {"id": "l2", "name": "Bea"}])
    await watch_many(world, "ana", lead_ids=["l1", "l2"])

    first, second = (await watched(world, "ana"))["items"]

    assert first["lead"] == {"id": "l1", "name": "L1", "title": "CTO", "starred": False, "stars": 0, "flames": 0}
    assert first["account"] == {"id": "acme", "name": "Acme"}
    assert (second["account"], second["owned"]) == (None, False)
    assert first["watched_since"].endswith("Z")


async def test_pages_of_the_list_follow_each_other_without_gap_or_repeat(world: World) -> None:
    await world.people("ana", leads={f"l{n}": None for n in range(7)})
    await watch_many(world, "ana", lead_ids=[f"l{n}" for n in range(7)])
    seen, page = [], await watched(world, "ana", limit=3)
    sizes = [len(page["items"])]
    seen += page["items"]
    while page["next_after"]:
        page = await watched(world, "ana", limit=3, after=page["next_after"])
        sizes.append(len(page["items"]))
        seen += page["items"]
    assert sizes == [3, 3, 1]
    assert [one["lead"]["id"] for one in seen] == [f"l{n}" for n in range(7)]
    assert (await watched(world, "ana", limit=7))["next_after"] is None  # a page that is just full is the last
    for query in ({"limit": 0}, {"limit": 1_001}, {"after": ""}, {"after": "\x00"}, {"limit": "x"}):
        answer = await world.client.get("/v1/watchlist", headers=world.rep("ana"), params=query)
        problem(answer, 422, "invalid")


async def test_a_list_of_more_than_a_thousand_leads_is_not_capped(world: World) -> None:
    people = [f"l{n:04}" for n in range(1_200)]
    for start in (0, 600):
        await world.people("ana", leads=dict.fromkeys(people[start : start + 600]))
    await world.report(*(world.moment(lead) for lead in people[:1_000]))

    assert (await watch_many(world, "ana", account_id="acme"))["watched"] == 1_200

    assert await watched_ids(world, "ana") == people
    assert {item["lead"]["id"] for item in await world.feed("ana")} == set(people[:1_000])
    assert await told(world, "ana") == [("reset", None)] * 2, "a flood of changes is one reset, for each thousand leads"
    await world.report(*(world.moment(lead) for lead in people[1_000:]))
    assert len(await world.feed("ana")) == 1_200


async def test_lists_are_each_users_own(world: World) -> None:
    await world.people("ana", "bob", leads={"l1": None})
    await watch(world, "ana", "l1")
    await world.report(world.moment("l1"))
    assert await watched_ids(world, "bob") == []
    assert await world.feed("bob") == []
    await unwatch(world, "bob", "l1")
    assert await watched_ids(world, "ana") == ["l1"]


ODD_IDS = [
    "a b", "a/b", "a//b/", "/", "%2F", "a%b", "?x=1", "#x", "é", "日本", "😀", ";a=b", "+", "..a", "x/owner", "'\"<",
]  # fmt: skip


async def test_any_id_a_crm_may_choose_works_in_an_address(world: World, subtests: pytest.Subtests) -> None:
    for lead_id in ODD_IDS:
        with subtests.test(lead_id):
            await world.people("ana", "bob", leads={lead_id: "bob", "a": "bob"})
            assert (await watch(world, "ana", lead_id)).status_code == 204
            assert await watched_ids(world, "ana") == [lead_id]
            path = f"/v1/leads/{quote(lead_id, safe='')}"
            nobody = await world.client.put(f"{path}/owner", headers=world.machine, json={"owner_id": None})
            assert nobody.status_code == 204
            assert (await unwatch(world, "ana", lead_id)).status_code == 204
            assert await watched_ids(world, "ana") == []
            assert (await world.client.delete(path, headers=world.machine)).status_code == 204
            problem(await watch(world, "ana", lead_id), 404, "unknown-lead")


async def test_an_address_may_be_encoded_in_small_letters(world: World) -> None:
    await world.people("ana", leads={"a/é": None})
    assert (await world.client.put("/v1/watchlist/a%2f%c3%a9", headers=world.rep("ana"))).status_code == 204
    assert await watched_ids(world, "ana") == ["a/é"]


async def test_what_was_read_of_a_lead_that_left_the_feed_is_read_when_it_comes_back(world: World) -> None:
    await world.people("ana", "bob", leads={"l1": "bob"})
    ana = world.rep("ana")
    await world.client.put("/v1/watchlist/l1", headers=ana)
    first, second = await world.report(world.moment("l1"), world.moment("l1"))
    for user in ("ana", "bob"):
        ok(await world.client.post("/v1/feed/read", headers=world.rep(user), json={"ids": [first]}))

    await world.client.delete("/v1/watchlist/l1", headers=ana)
    (third,) = await world.report(world.moment("l1"))
    await world.client.put("/v1/watchlist/l1", headers=ana)
    assert {item["id"]: item["read"] for item in await world.feed("ana")} == {first: True, second: False, third: False}

    for owner in ("ana", "bob"):  # away from bob, and back to him
        await world.sync(leads=[{"id": "l1", "owner_id": owner}])
    assert {item["id"]: item["read"] for item in await world.feed("bob")} == {first: True, second: False, third: False}

    ok(await world.client.post("/v1/feed/unread", headers=ana, json={"ids": [first]}))
    for method in ("DELETE", "PUT"):
        await world.client.request(method, "/v1/watchlist/l1", headers=ana)
    assert not any(item["read"] for item in await world.feed("ana"))


@pytest.mark.parametrize("another", ["comes back", "is erased"])
async def test_what_was_read_of_one_lead_is_kept_while_another_comes_back_or_goes(world: World, another: str) -> None:
    await world.people("ana", leads={"l1": None, "l2": None})
    await watch_many(world, "ana", lead_ids=["l1", "l2"])
    ids = await world.report(world.moment("l1"), world.moment("l2"))
    ok(await world.client.post("/v1/feed/read", headers=world.rep("ana"), json={"ids": ids}))
    for lead in ("l1", "l2"):
        await unwatch(world, "ana", lead)

    if another == "comes back":
        await watch(world, "ana", "l1")
    else:
        await world.client.delete("/v1/leads/l1", headers=world.machine)
    await watch(world, "ana", "l2")

    assert {item["id"]: item["read"] for item in await world.feed("ana", lead_id="l2")} == {ids[1]: True}


async def test_nothing_is_kept_of_what_was_read_once_the_lead_is_erased(world: World) -> None:
    await world.people("ana", "bob", leads={"l1": "bob"})
    await world.client.put("/v1/watchlist/l1", headers=world.rep("ana"))
    ids = await world.report(world.moment("l1"))
    ok(await world.client.post("/v1/feed/read", headers=world.rep("ana"), json={"ids": ids}))
    await world.client.delete("/v1/watchlist/l1", headers=world.rep("ana"))
    async with world.service.app.state.database.read() as connection:
        assert await connection.fetchval(KEPT, world.org_id) == 1
    await world.client.delete("/v1/leads/l1", headers=world.machine)
    async with world.service.app.state.database.read() as connection:
        assert await connection.fetchval(KEPT, world.org_id) == 0
