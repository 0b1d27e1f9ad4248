"""The CRM's people: bulk upserts with a verdict each, ownership, erasure, and what feeds are told of it."""

import asyncio
from typing import Any
from xml.etree import ElementTree

import httpx2
import pytest

from leadfeed_api.feed import queries
from statements import Statements
from world import World, ok, problem

pytestmark = pytest.mark.anyio


async def sync(world: World, **records: object) -> list[dict[str, Any]]:
    """The verdicts on a body."""
    answer = ok(await world.client.post("/v1/sync", headers=world.machine, json=records))
    results: list[dict[str, Any]] = answer["results"]
    assert answer["rejected"] == sum(one["status"] == "rejected" for one in results)
    assert answer["accepted"] == len(results) - answer["rejected"]
    return results


async def changes(world: World, *users: str) -> list[tuple[str, str, str | None]]:
    """What users were told so far beside moments: (user, kind, lead), in the log's order."""
    async with world.service.app.state.database.read() as connection:
        found = await queries.changes_since(connection, world.org_id, users, 0, 10**9)
    return [(one.user_id, one.kind, one.lead_id) for one in sorted(found, key=lambda one: (one.position, one.user_id))]


async def position(world: World) -> int:
    """How far the organisation's log has come."""
    async with world.service.app.state.database.read() as connection:
        return (await queries.reach(connection, world.org_id))[0]


async def assign(world: World, lead_id: str, owner_id: str | None) -> httpx2.Response:
    return await world.client.put(f"/v1/leads/{lead_id}/owner", headers=world.machine, json={"owner_id": owner_id})


def verdicts(results: list[dict[str, Any]]) -> list[tuple[object, ...]]:
    return [(one["kind"], one["index"], one["status"], one.get("problem"), one.get("pointer")) for one in results]


# --- bulk sync -----------------------------------------------------------------------------------------------------


async def test_one_body_may_hold_all_that_belongs_together_in_any_order(world: World) -> None:
    results = await sync(
        world,
        leads=[{"id": "l1", "name": "Ana Ruiz", "account_id": "a1", "owner_id": "u1"}],
        accounts=[{"id": "a1", "name": "Initech"}],
        users=[{"id": "u1", "name": "Nora", "email": "nora@crm.example"}],
    )
    assert [(one["kind"], one["id"], one["status"], one["change"]) for one in results] == [
        ("users", "u1", "accepted", "created"),
        ("accounts", "a1", "accepted", "created"),
        ("leads", "l1", "accepted", "created"),
    ]
    await world.report(world.moment("l1"))
    (item,) = await world.feed("u1")
    assert (item["lead"]["name"], item["account"]) == ("Ana Ruiz", {"id": "a1", "name": "Initech"})


async def test_each_record_gets_a_verdict_with_its_place_and_spoils_no_other(world: World) -> None:
    results = await sync(
        world,
        users=[{"id": "u1", "name": "Nora"}, {"id": "u2"}, {"name": "Nobody"}, {"id": "u3", "name": 7}, "x"],
        accounts=[{"id": "a1", "name": "Initech", "url": "javascript:x"}, {"id": "a2", "name": "Acme", "size": 3}],
        leads=[
            {"id": "l1", "name": "Ana", "owner_id": "u1"},
            {"id": "l2", "name": "Bea", "owner_id": "u2"},
            {"id": "l3", "name": "Cid", "account_id": "a1"},
            {"id": "l4", "name": "Dan", "score": True},
            {"id": "l5", "name": "Eva", "score": 1e10},
            {"id": "l6", "name": "Fay", "score": 71},
            {"id": "x" * 129, "name": "Gil"},
            {"id": "l7", "name": "  "},
        ],
    )
    assert verdicts(results) == [
        ("users", 0, "accepted", None, None),
        ("users", 1, "rejected", "invalid-name", "/users/1/name"),
        ("users", 2, "rejected", "invalid-id", "/users/2/id"),
        ("users", 3, "rejected", "invalid-name", "/users/3/name"),
        ("users", 4, "rejected", "invalid-record", "/users/4"),
        ("accounts", 0, "rejected", "invalid-url", "/accounts/0/url"),
        ("accounts", 1, "rejected", "unknown-field", "/accounts/1/size"),
        ("leads", 0, "accepted", None, None),
        ("leads", 1, "rejected", "unknown-user", "/leads/1/owner_id"),
        ("leads", 2, "rejected", "unknown-account", "/leads/2/account_id"),
        ("leads", 3, "rejected", "invalid-score", "/leads/3/score"),
        ("leads", 4, "rejected", "invalid-score", "/leads/4/score"),
        ("leads", 5, "accepted", None, None),
        ("leads", 6, "rejected", "invalid-id", "/leads/6/id"),
        ("leads", 7, "rejected", "invalid-name", "/leads/7/name"),
    ]
    assert all(one["detail"] for one in results if one["status"] == "rejected")


async def test_an_accounts_website_may_come_without_its_scheme(world: World) -> None:
    await world.sync(
        users=[{"id": "u1", "name": "Nora"}],
        accounts=[{"id": "a1", "name": "Initech", "url": " www.initech.example "}],
        leads=[{"id": "l1", "name": "Ana", "owner_id": "u1", "account_id": "a1"}],
    )
    await world.report(world.moment("l1"))
    ok(await world.client.patch("/v1/settings", headers=world.machine, json={"rss_enabled": True}))
    link = ok(await world.client.get("/v1/feed-link", headers=world.rep("u1")))
    assert "https://www.initech.example" in (await world.client.get(link["rss"])).text


async def test_a_rejected_record_is_named_by_its_id_where_that_can_be_read(world: World) -> None:
    unreadable: list[Any] = [{"id": 7, "name": "x"}, {"id": "\x00", "score": "x"}, {"name": "x"}, "l9"]
    records = [{"id": "l1", "score": "x"}, {"id": "l2", "fax_number": "1"}, {"id": "l3"}, *unreadable]
    answer = ok(await world.client.post("/v1/sync", headers=world.machine, json={"leads": records}))
    assert [one.get("id") for one in answer["results"]] == ["l1", "l2", "l3", *[None] * len(unreadable)]


async def test_a_field_left_out_keeps_its_value_and_null_clears_it(world: World) -> None:
    full = {"id": "l1", "name": "Ana", "title": "CTO", "account_id": "a1", "owner_id": "u1", "phone": "+1 512 555 0142"}
    await sync(world, users=[{"id": "u1", "name": "Nora"}], accounts=[{"id": "a1", "name": "Initech"}], leads=[full])
    await world.report(world.moment("l1"))

    async def card() -> tuple[object, ...]:
        (item,) = await world.feed("u1")
        return item["lead"]["name"], item["lead"]["title"], item["account"] and item["account"]["name"]

    for given, change, shown in (
        ({"id": "l1", "name": "Ana R."}, "updated", ("Ana R.", "CTO", "Initech")),
        ({"id": "l1", "title": None}, "updated", ("Ana R.", None, "Initech")),
        ({"id": "l1", "title": "  "}, "unchanged", ("Ana R.", None, "Initech")),
        ({"id": "l1", "name": None}, "unchanged", ("Ana R.", None, "Initech")),
        ({"id": "l1", "account_id": None}, "updated", ("Ana R.", None, None)),
        ({"id": "l1"}, "unchanged", ("Ana R.", None, None)),
    ):
        (result,) = await sync(world, leads=[given])
        assert (result["change"], await card()) == (change, shown)
    await sync(world, leads=[{"id": "l1", "owner_id": None}])
    assert await world.feed("u1") == []


OTHERWISE: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("users", {"name": "Nora"}, {"name": "Nora Lind"}),
    ("users", {"email": "nora@crm.example"}, {"email": "lind@crm.example"}),
    ("users", {"language": "fr"}, {"language": "en"}),
    ("users", {"time_zone": "Europe/Paris"}, {"time_zone": "Asia/Tokyo"}),
    ("users", {"active": True}, {"active": False}),
    ("accounts", {"name": "Initech"}, {"name": "Initech Ltd."}),
    ("accounts", {"url": "https://initech.example"}, {"url": "https://initech.test"}),
    ("accounts", {"address": "1 Main St"}, {"address": "2 Main St"}),
    ("leads", {"title": "CTO"}, {"title": "CEO"}),
    ("leads", {"account_id": "a1"}, {"account_id": "a2"}),
    ("leads", {"owner_id": "u1"}, {"owner_id": "u2"}),
    ("leads", {"email": "ana@initech.example"}, {"email": "ruiz@initech.example"}),
    ("leads", {"phone": "+1 512 555 0101"}, {"phone": "+1 512 555 0201"}),
    ("leads", {"mobile": "+1 512 555 0102"}, {"mobile": "+1 512 555 0202"}),
    ("leads", {"fax": "+1 512 555 0103"}, {"fax": "+1 512 555 0203"}),
    ("leads", {"score": 1}, {"score": 2}),
    ("leads", {"stars": 1}, {"stars": 2}),
    ("leads", {"flames": 1}, {"flames": 2}),
    ("leads", {"starred": True}, {"starred": False}),
]


@pytest.mark.parametrize(
    ("kind", "first", "then"), OTHERWISE, ids=[f"{kind}: {next(iter(then))}" for kind, _, then in OTHERWISE]
)
async def test_what_was_stored_once_is_stored_otherwise(
    world: World, kind: str, first: dict[str, Any], then: dict[str, Any]
) -> None:
    await sync(world, users=[{"id": one, "name": one} for one in ("u1", "u2")])
    await sync(world, accounts=[{"id": one, "name": one} for one in ("a1", "a2")])
    done = [
        (await sync(world, **{kind: [{"id": "x", "name": "X", **fields}]}))[0]["change"]
        for fields in (first, then, then, first)
    ]
    assert done == ["created", "updated", "unchanged", "updated"]


async def test_of_two_records_with_one_id_the_later_overlays_the_earlier(world: World) -> None:
    results = await sync(
        world,
        users=[{"id": "u1", "name": "Nora", "email": "n@crm.example"}, {"id": "u1", "name": "Nora Lind"}],
        leads=[{"id": "l", "title": "CTO"}, {"id": "l", "name": "Ana", "owner_id": "u1"}, {"id": "l", "title": "CEO"}],
    )  # fmt: skip
    assert [one.get("change") for one in results] == ["created", "updated", None, "created", "updated"]
    await world.report(world.moment("l"))
    (item,) = await world.feed("u1")
    assert (item["lead"]["name"], item["lead"]["title"]) == ("Ana", "CEO")


async def test_sending_the_same_again_changes_nothing_and_tells_nobody(world: World) -> None:
    await world.people("ana", leads={"l1": "ana"})
    before = await position(world), await changes(world, "ana")

    await world.people("ana", leads={"l1": "ana"})

    assert (await position(world), await changes(world, "ana")) == before


async def test_a_user_who_is_switched_off_is_refused_and_can_come_back(world: World) -> None:
    await world.people("ana", leads={"l1": "ana"})
    await world.report(world.moment("l1"))
    await sync(world, users=[{"id": "ana", "active": False}])
    problem(await world.client.get("/v1/feed", headers=world.rep("ana")), 403, "user-disabled")
    await sync(world, users=[{"id": "ana", "name": "Ana"}])
    problem(await world.client.get("/v1/feed", headers=world.rep("ana")), 403, "user-disabled")
    await sync(world, users=[{"id": "ana", "active": True}])
    assert len(await world.feed("ana")) == 1


async def test_an_empty_body_is_a_batch_of_nothing(world: World) -> None:
    assert await sync(world) == []
    assert await sync(world, users=[], leads=[]) == []


@pytest.mark.parametrize(
    "body",
    [[], "x", 5, {"people": []}, {"users": {}}, {"leads": None}, {"users": [], "Leads": []},
     {"accounts": [{"id": "a", "name": "A"}] * 1_001}],
)  # fmt: skip
async def test_a_body_that_is_no_batch_is_refused_as_a_whole(world: World, body: object) -> None:
    problem(await world.client.post("/v1/sync", headers=world.machine, json=body), 422, "invalid")


async def test_the_number_of_statements_does_not_grow_with_the_batch(world: World, statements: Statements) -> None:
    async def executed(size: int) -> list[str]:
        """The statements of a body with so many new leads, of which half change hands in a second body."""
        await sync(world, users=[{"id": f"u{size}", "name": "U"}, {"id": f"v{size}", "name": "V"}])
        statements.verify()
        statements.executed.clear()
        await sync(
            world,
            accounts=[{"id": f"a{size}-{n}", "name": "A"} for n in range(size)],
            leads=[
                {"id": f"l{size}-{n}", "name": "L", "owner_id": f"u{size}", "account_id": f"a{size}-{n}", "score": n}
                for n in range(size)
            ],
        )
        await sync(
            world,
            accounts=[{"id": f"a{size}-{n}", "name": "B"} for n in range(size)],
            leads=[{"id": f"l{size}-{n}", "owner_id": f"v{size}", "score": 5} for n in range(size)],
        )
        return statements.of_tables()

    few, many = await executed(2), await executed(300)
    assert len(few) == len(many), f"{len(few)} statements for 2 records, {len(many)} for 300"


# --- who is told ---------------------------------------------------------------------------------------------------


async def test_a_changed_card_is_told_to_everybody_who_sees_the_lead_and_to_nobody_else(world: World) -> None:
    await world.people("ana", "bob", "cid", leads={"l1": "ana", "l2": "cid"})
    await world.client.put("/v1/watchlist/l1", headers=world.rep("bob"))
    told = len(await changes(world, "ana", "bob", "cid"))

    await sync(world, leads=[{"id": "l1", "title": "CEO"}])
    assert (await changes(world, "ana", "bob", "cid"))[told:] == [("ana", "lead", "l1"), ("bob", "lead", "l1")]

    await sync(world, accounts=[{"id": "acme", "name": "Acme & Sons"}])
    after = (await changes(world, "ana", "bob", "cid"))[told + 2 :]
    assert sorted(after) == [("ana", "lead", "l1"), ("bob", "lead", "l1"), ("cid", "lead", "l2")]


async def test_a_new_owner_gains_the_leads_past_and_the_old_one_loses_it(world: World) -> None:
    await world.people("ana", "bob", leads={"l1": "ana", "l2": "ana"})
    ids = await world.report(world.moment("l1"), world.moment("l2"), world.moment("l1"))
    told = len(await changes(world, "ana", "bob"))

    assert (await assign(world, "l1", "bob")).status_code == 204

    assert [item["id"] for item in await world.feed("ana")] == [ids[1]]
    assert [item["id"] for item in await world.feed("bob")] == [ids[2], ids[0]]
    assert (await changes(world, "ana", "bob"))[told:] == [("ana", "unassigned", "l1"), ("bob", "assigned", "l1")]
    (moment_id,) = await world.report(world.moment("l1"))
    assert (await world.feed("bob"))[0]["id"] == moment_id
    assert len(await world.feed("ana")) == 1


async def test_an_old_owner_who_watches_the_lead_keeps_it(world: World) -> None:
    await world.people("ana", "bob", leads={"l1": "ana"})
    await world.client.put("/v1/watchlist/l1", headers=world.rep("ana"))
    await world.report(world.moment("l1"))
    await assign(world, "l1", "bob")
    assert [item["because"] for item in await world.feed("ana")] == [["watched"]]
    await assign(world, "l1", "ana")
    assert [item["because"] for item in await world.feed("ana")] == [["owned", "watched"]]
    assert await world.feed("bob") == []


async def test_assigning_again_is_harmless_and_null_means_nobody(world: World) -> None:
    await world.people("ana", leads={"l1": "ana"})
    await world.report(world.moment("l1"))
    before = await position(world)
    assert (await assign(world, "l1", "ana")).status_code == 204
    assert await position(world) == before
    assert (await assign(world, "l1", None)).status_code == 204
    assert await world.feed("ana") == []
    assert (await assign(world, "l1", None)).status_code == 204


async def test_who_is_not_known_cannot_be_assigned(world: World) -> None:
    await world.people("ana", leads={"l1": "ana"})
    problem(await assign(world, "nobody", "ana"), 404, "unknown-lead")
    document = problem(await assign(world, "l1", "nobody"), 422, "unknown-user")
    assert document["errors"][0]["pointer"] == "/owner_id"
    problem(await world.client.put("/v1/leads/l1/owner", headers=world.machine, json={}), 422, "invalid")


async def test_a_flood_of_changes_for_one_user_becomes_one_reset(world: World) -> None:
    await world.people("ana", "bob", leads={f"l{n}": "ana" for n in range(101)} | {"one": "bob"})
    told = len(await changes(world, "ana", "bob"))
    await sync(world, leads=[{"id": f"l{n}", "title": "VP"} for n in range(101)] + [{"id": "one", "title": "VP"}])
    assert sorted((await changes(world, "ana", "bob"))[told:]) == [("ana", "reset", None), ("bob", "lead", "one")]


async def test_whoever_sees_a_lead_of_an_account_that_has_very_many_is_told_to_reload_and_nobody_else(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.people("ana", "bob", "cy", leads={"l1": "ana", "l2": None})
    await world.sync(accounts=[{"id": "b", "name": "B"}], leads=[{"id": "l3", "name": "L", "owner_id": "cy"}])
    await world.client.put("/v1/watchlist/l2", headers=world.rep("bob"))
    told = len(await changes(world, "ana", "bob", "cy"))
    monkeypatch.setattr("leadfeed_api.people.sync.MANY", 1)
    before = await position(world)

    await sync(world, accounts=[{"id": "acme", "name": "Acme Ltd."}])

    assert sorted((await changes(world, "ana", "bob", "cy"))[told:]) == [("ana", "reset", None), ("bob", "reset", None)]
    assert await position(world) == before + 1


async def test_reassignment_in_bulk_moves_feeds_as_one_by_one_does(world: World) -> None:
    await world.people("ana", "bob", leads={f"l{n}": "ana" for n in range(20)})
    await world.report(*(world.moment(f"l{n % 20}") for n in range(60)))
    await sync(world, leads=[{"id": f"l{n}", "owner_id": "bob"} for n in range(0, 20, 2)])
    assert {item["lead"]["id"] for item in await world.feed("ana")} == {f"l{n}" for n in range(1, 20, 2)}
    assert {item["lead"]["id"] for item in await world.feed("bob")} == {f"l{n}" for n in range(0, 20, 2)}
    assert len(await world.feed("ana")) == len(await world.feed("bob")) == 30


# --- erasure -------------------------------------------------------------------------------------------------------


async def test_an_erased_person_is_gone_everywhere(world: World) -> None:
    await world.people("ana", "bob", leads={"gone": "ana", "stays": "ana"})
    await sync(world, leads=[{"id": "gone", "name": "Zoë Unique", "email": "zoe@unique.example"}])
    for watched in ("gone", "stays"):
        await world.client.put(f"/v1/watchlist/{watched}", headers=world.rep("bob"))
    erased = world.moment("gone", description="Asked for a very special thing")
    await world.report(erased, world.moment("stays"))
    await world.client.patch("/v1/settings", headers=world.machine, json={"rss_enabled": True})
    link = ok(await world.client.get("/v1/feed-link", headers=world.rep("bob")))
    told = len(await changes(world, "ana", "bob"))

    assert (await world.client.delete("/v1/leads/gone", headers=world.machine)).status_code == 204

    for user in ("ana", "bob"):
        assert [item["lead"]["id"] for item in await world.feed(user)] == ["stays"]
    watchlist = ok(await world.client.get("/v1/watchlist", headers=world.rep("bob")))
    assert [one["lead"]["id"] for one in watchlist["items"]] == ["stays"]
    for form in ("rss", "atom", "json"):
        document = await world.client.get(link[form])
        assert document.status_code == 200
        assert not any(trace in document.text for trace in ("Zoë", "unique.example", "very special"))
    assert len(ElementTree.fromstring((await world.client.get(link["rss"])).text).findall(".//item")) == 1  # noqa: S314
    assert (await changes(world, "ana", "bob"))[told:] == [("ana", "erased", "gone"), ("bob", "erased", "gone")]
    assert await _rows_naming(world, "gone") == {"feed_change"}

    problem(await world.client.delete("/v1/leads/gone", headers=world.machine), 404, "unknown-lead")
    problem(await world.client.put("/v1/watchlist/gone", headers=world.rep("bob")), 404, "unknown-lead")


async def _rows_naming(world: World, lead_id: str) -> set[str]:
    """Tables in which a row of the organisation still names the lead."""
    async with world.service.app.state.database.read() as connection:
        columns = await connection.fetch(
            "/* by a test */ SELECT table_name FROM information_schema.columns WHERE column_name = 'lead_id'"
            " AND table_schema = 'public'"
        )
        assert len(columns) >= 5
        count = "/* by a test */ SELECT count(*) FROM {} WHERE org_id = $1 AND lead_id = $2"
        return {name for (name,) in columns if await connection.fetchval(count.format(name), world.org_id, lead_id)}


async def test_an_erased_id_may_come_back_as_a_new_person_without_a_past(world: World) -> None:
    await world.people("ana", leads={"l1": "ana"})
    moment = world.moment("l1")
    await world.report(moment)
    await world.client.delete("/v1/leads/l1", headers=world.machine)
    (result,) = await sync(world, leads=[{"id": "l1", "name": "Somebody else", "owner_id": "ana"}])
    assert result["change"] == "created"
    assert await world.feed("ana") == []
    await world.report(moment)
    assert [item["lead"]["name"] for item in await world.feed("ana")] == ["Somebody else"]


async def test_ownership_watching_erasure_and_ingestion_at_once_leave_feeds_that_agree(world: World) -> None:
    await world.people("ana", "bob", leads={f"l{n}": "ana" for n in range(6)})

    async def report(n: int) -> None:
        body = {"moments": [world.moment(f"l{lead}") for lead in range(6)]}
        ok(await world.client.post("/v1/moments", headers=world.machine, json=body))

    await asyncio.gather(
        *(report(n) for n in range(6)),
        *(assign(world, f"l{n}", "bob") for n in range(0, 6, 2)),
        *(world.client.put(f"/v1/watchlist/l{n}", headers=world.rep("bob")) for n in range(6)),
        world.client.delete("/v1/leads/l5", headers=world.machine),
    )

    ana, bob = await world.feed("ana"), await world.feed("bob")
    assert {item["lead"]["id"] for item in ana} == {"l1", "l3"}
    assert {item["lead"]["id"] for item in bob} == {"l0", "l1", "l2", "l3", "l4"}
    assert (len(ana), len(bob)) == (12, 30)
