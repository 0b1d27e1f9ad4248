"""Read, unread and muted: each user's own, exact, and undone by one call."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
import time_machine

from world import MONDAY, World, ok, problem

pytestmark = pytest.mark.anyio
TOMORROW = (datetime.now(UTC) + timedelta(days=1)).isoformat()


async def post(world: World, user: str, address: str, body: Any, **query: Any) -> dict[str, Any]:
    return ok(await world.client.post(address, headers=world.rep(user), json=body, params=query))


async def unread(world: World, user: str) -> int:
    answer: int = ok(await world.client.get("/v1/feed/unread", headers=world.rep(user)))["unread"]
    return answer


async def read_ids(world: World, user: str, **query: Any) -> list[str]:
    return [item["id"] for item in await world.feed(user, **query) if item["read"]]


async def test_reading_is_by_id_and_for_oneself_only(world: World) -> None:
    await world.people("ana", "bob", leads={"mia": "ana"})
    await world.client.put("/v1/watchlist/mia", headers=world.rep("bob"))
    ids = await world.report(*(world.moment("mia") for _ in range(3)))

    marked = await post(world, "ana", "/v1/feed/read", {"ids": [ids[1], str(uuid4())]})

    assert marked == {"changed": 1, "ids": [ids[1]]}
    assert await read_ids(world, "ana") == [ids[1]]
    assert await read_ids(world, "bob") == []
    assert (await unread(world, "ana"), await unread(world, "bob")) == (2, 3)
    assert await post(world, "ana", "/v1/feed/read", {"ids": [ids[1]]}) == {"changed": 0, "ids": []}


async def test_a_mark_is_undone_by_the_ids_it_answered(world: World) -> None:
    await world.people("ana", leads={"mia": "ana"})
    ids = await world.report(*(world.moment("mia") for _ in range(3)))
    await post(world, "ana", "/v1/feed/read", {"ids": [ids[0]]})

    marked = await post(world, "ana", "/v1/feed/read", {"ids": ids})
    await post(world, "ana", "/v1/feed/unread", {"ids": marked["ids"]})

    assert await read_ids(world, "ana") == [ids[0]]


async def test_up_to_a_next_cursor_marks_what_the_pages_showed_and_nothing_that_came_since(world: World) -> None:
    await world.people("ana", leads={"mia": "ana"})
    ids = await world.report(*(world.moment("mia") for _ in range(6)))
    first = await world.page("ana", limit=2)
    second = await world.page("ana", limit=2, cursor=first["next_cursor"])
    await world.report(world.moment("mia", description="came while reading"))

    marked = await post(world, "ana", "/v1/feed/read", {"up_to": second["next_cursor"]})

    assert marked["changed"] == 4
    assert set(await read_ids(world, "ana")) == set(ids[2:])


async def test_up_to_a_live_cursor_marks_everything_that_was_there(world: World) -> None:
    await world.people("ana", "bob", leads={"mia": "ana", "leo": "bob"})
    ids = await world.report(*(world.moment("mia") for _ in range(3)))
    page = await world.page("ana", limit=1)
    (later,) = await world.report(world.moment("mia", occurred_at=(MONDAY - timedelta(days=1)).isoformat()))
    await world.report(world.moment("leo"))
    await world.client.put("/v1/watchlist/leo", headers=world.rep("ana"))

    await post(world, "ana", "/v1/feed/read", {"up_to": page["live_cursor"]})

    assert set(await read_ids(world, "ana")) == set(ids)
    assert later not in await read_ids(world, "ana")
    assert await unread(world, "ana") == 2


async def test_up_to_a_live_cursor_that_the_log_has_not_come_to_is_refused_and_marks_nothing(world: World) -> None:
    """As one that was changed is, or one from before a backup was restored: it would mark what nobody was shown."""
    await world.people("ana", leads={"mia": "ana"})
    await world.report(world.moment("mia"))
    prefix, position = (await world.page("ana"))["live_cursor"].rsplit("-", 1)

    ahead = {"up_to": f"{prefix}-{int(position) + 1}"}
    refused = await world.client.post("/v1/feed/read", headers=world.rep("ana"), json=ahead)

    problem(refused, 400, "invalid-cursor")
    assert [item["read"] for item in await world.feed("ana")] == [False]


@pytest.mark.parametrize("cursor", ["live_cursor", "next_cursor"])
async def test_up_to_a_cursor_marks_for_oneself_only(world: World, cursor: str) -> None:
    await world.people("ana", "bob", leads={"mia": "ana"})
    await world.client.put("/v1/watchlist/mia", headers=world.rep("bob"))
    await world.report(*(world.moment("mia") for _ in range(3)))
    page = await world.page("ana", limit=2)

    marked = await post(world, "ana", "/v1/feed/read", {"up_to": page[cursor]})

    assert len(await read_ids(world, "ana")) == marked["changed"] > 0
    assert await read_ids(world, "bob") == []


async def test_up_to_under_a_filter_marks_only_what_the_filter_shows(world: World) -> None:
    await world.people("ana", leads={"mia": "ana"})
    kinds = ["web", "email", "web", "email", "web"]
    ids = await world.report(*(world.moment("mia", type=kind) for kind in kinds))
    page = await world.page("ana", type="web", limit=2)

    problem(
        await world.client.post(
            "/v1/feed/read", headers=world.rep("ana"), json={"up_to": page["next_cursor"]}
        ), 400, "invalid-cursor",
    )  # fmt: skip
    await post(world, "ana", "/v1/feed/read", {"up_to": page["next_cursor"]}, type="web")

    assert set(await read_ids(world, "ana")) == {ids[2], ids[4]}


async def test_looking_marks_nothing(world: World) -> None:
    await world.people("ana", leads={"mia": "ana"})
    await world.report(*(world.moment("mia") for _ in range(3)))

    await world.feed("ana")
    await world.feed("ana", type="web", q="visited")

    assert await unread(world, "ana") == 3


async def test_a_muted_person_is_hidden_and_not_lost(world: World) -> None:
    await world.people("ana", "bob", leads={"mia": "ana", "leo": "ana"})
    await world.client.put("/v1/watchlist/mia", headers=world.rep("bob"))
    of_mia, of_leo = await world.report(world.moment("mia"), world.moment("leo"))

    await mute(world, "ana", "leads/mia", TOMORROW)

    assert [item["id"] for item in await world.feed("ana")] == [of_leo]
    assert [item["id"] for item in await world.feed("ana", muted="show")] == [of_leo, of_mia]
    assert [item["id"] for item in await world.feed("ana", muted="only")] == [of_mia]
    assert [item["id"] for item in await world.feed("bob")] == [of_mia]
    counts = ok(await world.client.get("/v1/feed/unread", headers=world.rep("ana")))
    assert counts == {"unread": 1, "hidden": 1, "counted": 1000}

    await world.client.delete("/v1/mutes/leads/mia", headers=world.rep("ana"))
    assert [item["id"] for item in await world.feed("ana")] == [of_leo, of_mia]


async def test_hearing_one_thing_again_changes_nothing_else_and_nobody_elses(world: World) -> None:
    await world.people("ana", "bob", leads={"mia": "ana", "leo": "ana"})
    for user in ("ana", "bob"):
        await world.client.put("/v1/watchlist/mia", headers=world.rep(user))
        for what in ("leads/mia", "leads/leo", "types/email", "types/milestone"):
            await mute(world, user, what, None)
    await world.report(world.moment("mia"), world.moment("mia", type="email"))

    for what in ("leads/mia", "types/email"):
        assert (await world.client.delete(f"/v1/mutes/{what}", headers=world.rep("ana"))).status_code == 204

    assert (len(await world.feed("ana")), len(await world.feed("bob"))) == (2, 0)
    assert await muted(world, "ana") == ["leo", "milestone"]
    assert await muted(world, "bob") == ["leo", "mia", "email", "milestone"]


async def muted(world: World, user: str) -> list[str]:
    listed = ok(await world.client.get("/v1/mutes", headers=world.rep(user)))
    return [*(one["lead"]["id"] for one in listed["leads"]), *(one["type"] for one in listed["types"])]


async def test_a_muted_type_is_hidden_and_its_page_cursor_goes_on(world: World) -> None:
    await world.people("ana", leads={"mia": "ana"})
    ids = await world.report(*(world.moment("mia", type=kind) for kind in ["web", "email"] * 3))

    await mute(world, "ana", "types/email", None)

    page = await world.page("ana", limit=2)
    rest = await world.page("ana", limit=2, cursor=page["next_cursor"])
    assert [item["id"] for item in page["items"] + rest["items"]] == [ids[4], ids[2], ids[0]]
    assert rest["next_cursor"] is None


async def test_a_mute_ends_by_itself(world: World) -> None:
    await world.people("ana", leads={"mia": "ana"})
    await world.report(world.moment("mia"))
    await mute(world, "ana", "leads/mia", TOMORROW)
    await mute(world, "ana", "types/web", TOMORROW)
    assert await world.feed("ana") == []

    with time_machine.travel(TOMORROW):
        assert len(await world.feed("ana")) == 1
        assert ok(await world.client.get("/v1/mutes", headers=world.rep("ana"))) == {"leads": [], "types": []}


async def test_mutes_are_listed_with_their_ends_and_moved_by_muting_again(world: World) -> None:
    await world.people("ana", leads={"mia": "ana"})
    await mute(world, "ana", "leads/mia", TOMORROW)
    await mute(world, "ana", "leads/mia", "2999-01-01T00:00:00Z")
    await mute(world, "ana", "types/web", None)

    listed = ok(await world.client.get("/v1/mutes", headers=world.rep("ana")))

    assert [(one["lead"]["name"], one["account"]["id"], one["until"]) for one in listed["leads"]] == [
        ("Mia", "acme", "2999-01-01T00:00:00Z")
    ]
    assert listed["types"] == [{"type": "web", "until": None}]


async def test_muted_moments_are_not_marked_by_reading_up_to_a_cursor(world: World) -> None:
    await world.people("ana", leads={"mia": "ana", "leo": "ana"})
    await world.report(world.moment("mia"), world.moment("leo"))
    await mute(world, "ana", "leads/mia", TOMORROW)
    page = await world.page("ana")

    await post(world, "ana", "/v1/feed/read", {"up_to": page["live_cursor"]})

    assert [item["read"] for item in await world.feed("ana", muted="show")] == [True, False]


async def test_erasing_a_person_erases_the_mute(world: World) -> None:
    await world.people("ana", leads={"mia": "ana"})
    await mute(world, "ana", "leads/mia", TOMORROW)

    await world.client.delete("/v1/leads/mia", headers=world.machine)

    assert ok(await world.client.get("/v1/mutes", headers=world.rep("ana")))["leads"] == []


async def test_organisations_do_not_see_each_others_people_moments_or_cursors(world: World) -> None:
    other = await world.service.new_world()
    await world.people("ana", leads={"mia": "ana"})
    await other.people("ana", leads={"leo": "ana"})
    (foreign,) = await other.report(other.moment("leo"))
    await world.report(world.moment("mia"))

    assert (await post(world, "ana", "/v1/feed/read", {"ids": [foreign]}))["changed"] == 0
    assert await read_ids(other, "ana") == []
    answer = await world.client.put("/v1/mutes/leads/leo", headers=world.rep("ana"), json={})
    problem(answer, 404, "unknown-lead")
    cursor = (await other.page("ana"))["live_cursor"]
    answer = await world.client.post("/v1/feed/read", headers=world.rep("ana"), json={"up_to": cursor})
    problem(answer, 400, "invalid-cursor")


@pytest.mark.parametrize(
    ("method", "address", "body"),
    [
        ("POST", "/v1/feed/read", {}),
        ("POST", "/v1/feed/read", {"ids": []}),
        ("POST", "/v1/feed/read", {"ids": ["x"]}),
        ("POST", "/v1/feed/read", {"ids": [str(uuid4())], "up_to": "x"}),
        ("POST", "/v1/feed/read", {"ids": [str(uuid4())], "extra": 1}),
        ("POST", "/v1/feed/unread", {"up_to": "x"}),
        ("PUT", "/v1/mutes/leads/mia", {"until": "9999-12-31T23:59:59.999999Z"}),
        ("PUT", "/v1/mutes/leads/mia", {"until": "2020-01-01T00:00:00Z"}),
        ("PUT", "/v1/mutes/leads/mia", {"until": "tomorrow"}),
        ("PUT", "/v1/mutes/leads/mia", {"for": 3}),
        ("PUT", "/v1/mutes/types/sms", {}),
    ],
)
async def test_what_makes_no_sense_is_refused(world: World, method: str, address: str, body: Any) -> None:
    await world.people("ana", leads={"mia": "ana"})
    answer = await world.client.request(method, address, headers=world.rep("ana"), json=body)
    assert problem(answer, 422, "invalid")["errors"]


async def mute(world: World, user: str, what: str, until: str | None) -> None:
    answer = await world.client.put(f"/v1/mutes/{what}", headers=world.rep(user), json={"until": until})
    assert answer.status_code == 204, answer.text
