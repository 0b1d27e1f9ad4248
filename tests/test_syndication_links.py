"""The secret address of a user's feed: made once, shown again, replaced, ended; and never in the database."""

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest

from leadfeed_api.db.session import Database
from leadfeed_api.settings import Settings
from leadfeed_api.syndication.links import Owner
from world import World, ok, problem, running_app

pytestmark = pytest.mark.anyio
LINK = "/v1/feed-link"
ANOTHER_KEY = "another-secret-of-the-same-service"


@pytest.fixture
async def world(world: World) -> World:
    """An organisation with feeds for readers switched on, and two reps."""
    await switch_rss(world, True)
    await world.people("ana", "bob", leads={"lead": "ana"})
    return world


async def switch_rss(world: World, on: bool) -> None:
    ok(await world.client.patch("/v1/settings", headers=world.machine, json={"rss_enabled": on}))


async def link_of(world: World, user_id: str) -> dict[str, Any]:
    return ok(await world.client.get(LINK, headers=world.rep(user_id)))


async def status_of(world: World, url: str) -> int:
    return (await world.client.get(url)).status_code


def token_of(link: dict[str, Any]) -> str:
    return str(link["rss"].split("/")[-2])


async def test_first_look_makes_the_link_and_the_next_shows_the_same(world: World) -> None:
    first = await world.client.get(LINK, headers=world.rep("ana"))

    link = ok(first)
    assert set(link) == {"rss", "atom", "json", "contact_details", "created_at"}
    assert link["contact_details"] is True
    assert link["created_at"].endswith("Z")
    assert await link_of(world, "ana") == link
    assert first.headers["cache-control"] == "no-store"
    assert first.headers["referrer-policy"] == "no-referrer"


async def test_all_three_addresses_are_absolute_and_share_a_secret_of_256_bits(settings: Settings) -> None:
    async with running_app(settings.model_copy(update={"public_url": "https://leads.example.com/in"})) as service:
        world = await service.new_world()
        await switch_rss(world, True)
        await world.people("ana", leads={})

        link = await link_of(world, "ana")

    root = f"https://leads.example.com/in/feeds/{token_of(link)}"
    assert (link["rss"], link["atom"], link["json"]) == (f"{root}/rss.xml", f"{root}/atom.xml", f"{root}/feed.json")
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}", token_of(link))


async def test_every_user_of_every_organisation_has_a_link_of_their_own(world: World) -> None:
    other = await world.service.new_world()
    await switch_rss(other, True)
    await other.people("ana", leads={})

    tokens = {token_of(await link_of(world, "ana")), token_of(await link_of(world, "bob"))}

    assert len(tokens | {token_of(await link_of(other, "ana"))}) == 3


async def test_token_cannot_be_read_from_the_database(world: World, database: Database) -> None:
    token = token_of(await link_of(world, "ana"))

    async with database.read() as connection:
        (row,) = await connection.fetch("SELECT * FROM feed_link WHERE org_id = $1", world.org_id)

    assert row["token_hash"] == hashlib.sha256(token.encode()).digest()
    assert token not in repr(dict(row))


def test_token_depends_on_everything_it_is_made_of() -> None:
    owners = [
        Owner(1, "23", b"key"),
        Owner(1, "24", b"key"),
        Owner(12, "3", b"key"),
        Owner(-1, "23", b"key"),
        Owner(1, "23", b"another key"),
    ]
    tokens = {owner.token(nonce) for owner in owners for nonce in (b"\0" * 16, b"\1" * 16)}

    assert len(tokens) == 10
    assert Owner(1, "23", b"key").token(b"\0" * 16) in tokens
    assert "key" not in repr(owners)


async def test_several_first_looks_at_once_find_one_link(world: World) -> None:
    answers = await asyncio.gather(*(link_of(world, "ana") for _ in range(12)))

    assert len({token_of(answer) for answer in answers}) == 1
    assert await status_of(world, answers[0]["rss"]) == 200


async def test_rotating_ends_the_old_address_at_once_and_keeps_what_was_chosen(world: World) -> None:
    old = ok(await world.client.patch(LINK, headers=world.rep("ana"), json={"contact_details": False}))

    new = ok(await world.client.post(f"{LINK}/rotate", headers=world.rep("ana")))

    assert token_of(new) != token_of(old)
    assert new["contact_details"] is False
    assert new["created_at"] > old["created_at"]
    assert await link_of(world, "ana") == new
    assert [await status_of(world, old[form]) for form in ("rss", "atom", "json")] == [404, 404, 404]
    assert await status_of(world, new["rss"]) == 200


async def test_rotating_before_the_first_look_makes_a_link(world: World) -> None:
    made = ok(await world.client.post(f"{LINK}/rotate", headers=world.rep("ana")))

    assert await link_of(world, "ana") == made


async def test_deleting_ends_the_address_and_the_next_look_makes_another(world: World) -> None:
    old = await link_of(world, "ana")
    kept = await link_of(world, "bob")

    answers = [await world.client.delete(LINK, headers=world.rep("ana")) for _ in range(2)]

    assert [(answer.status_code, answer.content) for answer in answers] == [(204, b""), (204, b"")]
    assert await status_of(world, old["rss"]) == 404
    assert token_of(await link_of(world, "ana")) != token_of(old)
    assert await status_of(world, kept["rss"]) == 200


async def test_contact_details_are_switched_without_changing_the_address(world: World) -> None:
    before = await link_of(world, "ana")

    hidden = ok(await world.client.patch(LINK, headers=world.rep("ana"), json={"contact_details": False}))

    assert hidden == {**before, "contact_details": False}
    assert await link_of(world, "ana") == hidden
    shown = ok(await world.client.patch(LINK, headers=world.rep("ana"), json={"contact_details": True}))
    assert shown == before


async def test_contact_details_can_be_hidden_before_the_first_look(world: World) -> None:
    made = ok(await world.client.patch(LINK, headers=world.rep("ana"), json={"contact_details": False}))

    assert made["contact_details"] is False
    assert await link_of(world, "ana") == made


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        {"contact_details": "no"},
        {"contact_details": 0},
        {"contact_details": None},
        {"contact_details": True, "token": "mine"},
    ],
)
async def test_change_that_makes_no_sense_is_refused(world: World, body: Any) -> None:
    link = await link_of(world, "ana")

    problem(await world.client.patch(LINK, headers=world.rep("ana"), json=body), 422, "invalid")

    assert await link_of(world, "ana") == link


async def requests_for_a_link(world: World, headers: dict[str, str]) -> AsyncIterator[httpx2.Response]:
    yield await world.client.get(LINK, headers=headers)
    yield await world.client.patch(LINK, headers=headers, json={"contact_details": False})
    yield await world.client.post(f"{LINK}/rotate", headers=headers)
    yield await world.client.delete(LINK, headers=headers)


async def test_nothing_can_be_done_while_feeds_for_readers_are_off(world: World) -> None:
    link = await link_of(world, "ana")
    await switch_rss(world, False)

    async for answer in requests_for_a_link(world, world.rep("ana")):
        problem(answer, 403, "rss-disabled")

    assert await status_of(world, link["rss"]) == 404
    await switch_rss(world, True)
    assert await link_of(world, "ana") == link
    assert await status_of(world, link["rss"]) == 200


async def test_new_organisation_has_feeds_for_readers_off(world: World) -> None:
    fresh = await world.service.new_world()
    await fresh.people("ana", leads={})

    problem(await fresh.client.get(LINK, headers=fresh.rep("ana")), 403, "rss-disabled")


async def test_only_the_user_or_an_administrators_key_may_handle_a_link(world: World) -> None:
    async for answer in requests_for_a_link(world, {}):
        problem(answer, 401, "not-authenticated")
    async for answer in requests_for_a_link(world, {**await world.key_for("read"), "Leadfeed-User": "ana"}):
        problem(answer, 403, "insufficient-scope")

    on_behalf = ok(await world.client.get(LINK, headers={**world.machine, "Leadfeed-User": "ana"}))
    assert on_behalf == await link_of(world, "ana")


async def test_link_made_under_another_signing_key_works_until_its_owner_looks(
    world: World, settings: Settings
) -> None:
    old = await link_of(world, "ana")

    async with running_app(settings.model_copy(update={"jwt_secret": ANOTHER_KEY})) as service:
        renewed = World(service, world.org, world.key)
        assert await status_of(renewed, old["rss"]) == 200

        answers = await asyncio.gather(*(link_of(renewed, "ana") for _ in range(8)))

        assert len({token_of(answer) for answer in answers}) == 1
        assert token_of(answers[0]) != token_of(old)
        assert await status_of(renewed, old["rss"]) == 404
        assert await status_of(renewed, answers[0]["rss"]) == 200


async def test_link_made_under_another_key_is_made_anew_when_it_is_changed(world: World, settings: Settings) -> None:
    await link_of(world, "ana")

    async with running_app(settings.model_copy(update={"jwt_secret": ANOTHER_KEY})) as service:
        renewed = World(service, world.org, world.key)
        changed = ok(await renewed.client.patch(LINK, headers=renewed.rep("ana"), json={"contact_details": False}))

        assert changed["contact_details"] is False
        assert await link_of(renewed, "ana") == changed
        assert await status_of(renewed, changed["json"]) == 200
