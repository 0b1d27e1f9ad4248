"""The feed's pages: what is in them, in which order, and how they are narrowed and followed."""

import gc
import tracemalloc
from datetime import timedelta
from itertools import pairwise

import pytest

from statements import Statements
from world import MONDAY, World, ok, problem

pytestmark = pytest.mark.anyio


async def test_a_rep_sees_the_moments_of_owned_and_watched_leads_newest_first(world: World) -> None:
    await world.people("ana", "bob", leads={"own": "ana", "seen": "bob", "other": "bob"})
    await world.client.put("/v1/watchlist/seen", headers=world.rep("ana"))
    await world.report(world.moment("own"), world.moment("seen"), world.moment("other"), world.moment("own"))

    items = await world.feed("ana")

    assert [item["lead"]["id"] for item in items] == ["own", "seen", "own"]
    assert [item["because"] for item in items] == [["owned"], ["watched"], ["owned"]]
    keys = [(item["occurred_at"], item["id"]) for item in items]
    assert all(newer > older for newer, older in pairwise(keys))


async def test_an_item_carries_what_the_contract_says(world: World) -> None:
    await world.people("ana", leads={"l1": "ana"})
    (moment_id,) = await world.report(
        world.moment("l1", description="Asked for a demo", type="milestone", url="https://acme.example/demo",
                     bot="likely a mail scanner", occurred_at="2026-11-23T09:12:00+02:00")
    )  # fmt: skip

    page = await world.page("ana")

    assert page["items"] == [
        {
            "id": moment_id,
            "type": "milestone",
            "description": "Asked for a demo",
            "occurred_at": "2026-11-23T07:12:00Z",
            "url": "https://acme.example/demo",
            "source": "tests",
            "lead": {"id": "l1", "name": "L1", "title": None, "starred": False, "stars": 0, "flames": 0},
            "account": {"id": "acme", "name": "Acme"},
            "because": ["owned"],
            "subscribed": False,
            "read": False,
            "bot": "likely a mail scanner",
        }
    ]
    assert page["next_cursor"] is None


async def test_pages_follow_each_other_without_gap_or_repeat_though_moments_share_an_instant(world: World) -> None:
    await world.people("ana", leads={"l1": "ana"})
    instant = MONDAY.isoformat()
    ids = await world.report(*(world.moment("l1", occurred_at=instant) for _ in range(25)))

    seen, page = [], await world.page("ana", limit=4)
    while True:
        seen += [item["id"] for item in page["items"]]
        if page["next_cursor"] is None:
            break
        page = await world.page("ana", limit=4, cursor=page["next_cursor"])

    assert seen == sorted(ids, reverse=True)


async def test_the_link_header_leads_to_the_same_next_page(world: World) -> None:
    await world.people("ana", leads={"l1": "ana"})
    await world.report(*(world.moment("l1") for _ in range(3)))
    first = await world.client.get("/v1/feed?limit=1&type=web", headers=world.rep("ana"))

    url = first.headers["link"].split(">")[0].removeprefix("<")
    assert first.headers["link"].endswith('; rel="next"')
    by_link = ok(await world.client.get(url[url.index("/v1/") :], headers=world.rep("ana")))
    by_cursor = await world.page("ana", limit=1, type="web", cursor=first.json()["next_cursor"])
    assert by_link["items"] == by_cursor["items"] != []


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"type": "email"}, {"b"}),
        ({"type": ["email", "web"]}, {"a", "b", "d"}),
        ({"scope": "owned"}, {"a", "b", "c"}),
        ({"scope": "watched"}, {"d"}),
        ({"lead_id": "own2"}, {"c"}),
        ({"lead_id": "nobody"}, set()),
        ({"account_id": "acme"}, {"a", "b", "c", "d"}),
        ({"account_id": "nothing"}, set()),
        ({"starred": "true"}, set()),
        ({"starred": "false"}, {"a", "b", "c", "d"}),
        ({"since": "2026-11-23T11:00:00Z"}, {"c", "d"}),
        ({"until": "2026-11-23T11:00:00Z"}, {"a", "b"}),
        ({"since": "2026-11-23T10:00:00Z", "until": "2026-11-23T12:00:00Z"}, {"b", "c"}),
        ({"q": "PRICING"}, {"a"}),
        ({"q": "own2"}, {"c"}),
        ({"q": "100%"}, {"d"}),
        ({"q": "%"}, {"d"}),
        ({"scope": "owned", "type": "web", "q": "visited"}, {"a"}),
    ],
)
async def test_a_filter_narrows_the_feed(world: World, query: dict[str, str], expected: set[str]) -> None:
    await world.people("ana", "bob", leads={"own1": "ana", "own2": "ana", "seen": "bob"})
    await world.client.put("/v1/watchlist/seen", headers=world.rep("ana"))
    nine = MONDAY
    by_id = dict(
        zip(
            await world.report(
                world.moment("own1", description="Visited pricing", occurred_at=nine.isoformat()),
                world.moment("own1", type="email", occurred_at=(nine + timedelta(hours=1)).isoformat()),
                world.moment("own2", type="milestone", occurred_at=(nine + timedelta(hours=2)).isoformat()),
                world.moment(
                    "seen", description="Read 100% of it", occurred_at=(nine + timedelta(hours=3)).isoformat()
                ),
            ),
            "abcd",
            strict=True,
        )
    )

    assert {by_id[item["id"]] for item in await world.feed("ana", **query)} == expected


async def test_a_cursor_is_bound_to_user_and_filters_and_may_not_be_touched(world: World) -> None:
    await world.people("ana", "bob", leads={"l1": "ana", "l2": "bob"})
    await world.report(*(world.moment("l1") for _ in range(3)), *(world.moment("l2") for _ in range(3)))
    cursor = (await world.page("ana", limit=1))["next_cursor"]
    other = (await world.page("bob", limit=1))["next_cursor"]

    async def refused(user: str, **query: str) -> None:
        problem(await world.client.get("/v1/feed", headers=world.rep(user), params=query), 400, "invalid-cursor")

    await refused("ana", cursor=other)
    await refused("ana", cursor=cursor, type="web")
    await refused("ana", cursor=cursor[:-1])
    await refused("ana", cursor=cursor[:-1] + ("A" if cursor[-1] != "A" else "B"))
    await refused("ana", cursor="~")
    await refused("ana", cursor="")
    await refused("ana", cursor="é")
    assert await world.page("ana", limit=2, cursor=cursor)


async def test_a_page_is_one_statement_beside_authentication(world: World, statements: Statements) -> None:
    await world.people("ana", leads={"l1": "ana"})
    await world.report(world.moment("l1"))
    statements.verify()
    statements.executed.clear()

    await world.page("ana")

    about_the_feed = [text for text in statements.of_tables() if "feed_entry" in text or "moment" in text]
    assert len(about_the_feed) == 1
    assert statements.of_tables() == about_the_feed, "whether the user may read is asked along"


async def test_an_unknown_user_is_told_so_instead_of_shown_an_empty_feed(world: World) -> None:
    answer = await world.client.get("/v1/feed", headers=world.rep("stranger"))
    assert "sync" in problem(answer, 403, "unknown-user")["detail"]


@pytest.mark.parametrize(
    "query",
    [
        {"limit": "0"}, {"limit": "201"}, {"limit": "x"}, {"type": "sms"}, {"scope": "mine"}, {"since": "yesterday"},
        {"since": "2026-11-23T09:00:00"}, {"lead_id": ""}, {"lead_id": "x" * 129}, {"lead_id": "a\x00b"},
        {"starred": "maybe"}, {"q": ""}, {"q": "x" * 201}, {"cursr": "x"}, {"until": "9999-12-31T23:59:59-23:59"},
    ],
)  # fmt: skip
async def test_a_query_that_makes_no_sense_is_refused_with_the_parameter(world: World, query: dict[str, str]) -> None:
    await world.people("ana", leads={})
    document = problem(await world.client.get("/v1/feed", headers=world.rep("ana"), params=query), 422, "invalid")
    assert document["errors"]
    assert "x" * 129 not in str(document)


async def test_long_query_strings_do_not_stay_in_memory(world: World) -> None:
    await world.people("ana", leads={"l1": "ana"})
    await world.report(*(world.moment("l1", description="x") for _ in range(2)))
    rep = world.rep("ana")

    async def ask(blanks: int) -> None:
        answer = await world.client.get(f"/v1/feed?limit=1&q=x{'+' * blanks}", headers=rep)
        assert ok(answer)["next_cursor"]

    await ask(50_000)
    tracemalloc.start()
    try:
        for number in range(1, 31):
            await ask(50_000 + number)
        gc.collect()
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 30 * 50_000 / 2


async def test_text_is_found_however_its_accents_were_written(world: World) -> None:
    """One character or two: nobody can see which, and ids alone are taken as they are."""
    composed, apart = "Étude des prix", "E\u0301tude des prix"
    await world.people("ana", leads={"Zoe\u0308": "ana"})
    await world.sync(leads=[{"id": "Zoe\u0308", "name": "Jose\u0301", "owner_id": "ana"}])
    await world.report(world.moment("Zoe\u0308", description=apart, external_id="e\u0301"))
    for said in (composed, apart, "José", "Jose\u0301", "jos\u00e9"):
        (item,) = (await world.page("ana", q=said))["items"]
        assert (item["description"], item["lead"]["id"]) == (composed, "Zoe\u0308")
    answer = await world.client.post(
        "/v1/moments", headers=world.machine, json={"moments": [world.moment("Zoe\u0308", external_id="é")]}
    )
    assert ok(answer)["accepted"] == 1, "another identity"
