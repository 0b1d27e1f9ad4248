"""One address, however many recipients have it: outside first and a user's later, shared, stopped and asked again."""

from email.message import EmailMessage

import pytest

from post import (
    Post,
    address_of,
    confirm_path,
    just_now,
    standing,
    subscribe,
    text_of,
    unsubscribe_path,
)
from world import World, ok

pytestmark = [pytest.mark.anyio, pytest.mark.alone]


async def agreed(world: World, post: Post) -> EmailMessage:
    """Ana has Bob mailed of her lead, who is nobody the CRM knows, and agrees; the mail that asked him."""
    await world.people("ana", leads={"l1": "ana"})
    await subscribe(world, "ana", "lead", "l1", recipients=["bob@crm.example"])
    (question,) = await post.instant()
    assert (await world.client.post(confirm_path(question))).status_code == 200
    return question


async def test_an_address_outside_that_becomes_a_users_is_one_recipient_with_one_mail_and_one_stop(
    world: World, post: Post
) -> None:
    await agreed(world, post)
    await world.people("bob", leads={})
    await subscribe(world, "bob", "lead", "l1")
    await world.report(just_now(world, "l1", "Visited"))
    (mail,) = await post.instant()
    assert (address_of(mail), "Ana subscribed you" in text_of(mail)) == ("bob@crm.example", True)

    assert (await world.client.post(unsubscribe_path(mail))).status_code == 200
    await world.report(just_now(world, "l1", "Again"))
    assert await post.instant() == []


async def test_an_address_outside_that_becomes_a_users_keeps_what_waits_and_hears_nothing_that_was_read(
    world: World, post: Post
) -> None:
    await agreed(world, post)
    await subscribe(world, "ana", "type", "web", recipients=["bob@crm.example"], frequency="daily")
    await world.report(just_now(world, "l1", "Before"))
    await post.instant()
    await world.report(just_now(world, "l1", "Waits", type="email"))
    await post.go()
    await world.people("bob", leads={})
    assert (await world.client.put("/v1/watchlist/l1", headers=world.rep("bob"))).status_code == 204
    ids = await world.report(just_now(world, "l1", "Read"), just_now(world, "l1", "Unread"))
    ok(await world.client.post("/v1/feed/read", headers=world.rep("bob"), json={"ids": ids[:1]}))

    (mail,) = await post.instant()

    assert [words in text_of(mail) for words in ("Before", "Waits", "Read", "Unread")] == [False, True, False, True]
    assert await post.go(days=2) == []
    await world.sync(users=[{"id": "bob", "active": False}])
    await world.report(just_now(world, "l1", "When he had left"))
    assert await post.instant() == []


async def test_an_address_outside_goes_on_being_mailed_though_a_user_who_is_switched_off_has_it(
    world: World, post: Post
) -> None:
    await agreed(world, post)
    await world.sync(users=[{"id": "bob", "name": "Bob", "email": "bob@crm.example", "active": False}])
    await world.report(just_now(world, "l1", "Visited"))
    assert [address_of(mail) for mail in await post.instant()] == ["bob@crm.example"]


async def test_a_stop_to_an_address_holds_for_whoever_has_it_then_or_later(world: World, post: Post) -> None:
    await world.people("ana", leads={"l1": "ana"})
    await subscribe(world, "ana", "lead", "l1", recipients=["bob@crm.example"])
    (question,) = await post.instant()
    assert (await world.client.post(unsubscribe_path(question))).status_code == 200  # no, and do not ask again

    await world.people("bob", leads={})
    named = await subscribe(world, "ana", "type", "web", recipients=["bob@crm.example"])
    assert named["deliveries"][0]["status"] == "unsubscribed"
    await world.report(just_now(world, "l1", "Visited"))
    assert await post.instant() == []
    await subscribe(world, "bob", "lead", "l1")  # his own wish beats his no
    await world.report(just_now(world, "l1", "Again"))
    assert [address_of(mail) for mail in await post.instant()] == ["bob@crm.example"]


async def test_a_stop_by_one_of_two_users_with_one_address_ends_the_mail_to_both(world: World, post: Post) -> None:
    await world.people("ana", "bob", leads={"l1": "ana"})
    await world.sync(users=[{"id": user, "email": "Team@crm.example"} for user in ("ana", "bob")])
    for user in ("ana", "bob"):
        await subscribe(world, user, "lead", "l1")
    await world.report(just_now(world, "l1", "Visited"))
    mails = await post.instant()
    assert len(mails) == 2

    stop = unsubscribe_path(mails[0])
    assert (await world.client.post(stop)).status_code == 200
    await world.report(just_now(world, "l1", "Again"))
    assert await post.instant() == []
    assert {(await standing(world, user))["status"] for user in ("ana", "bob")} == {"unsubscribed"}
    assert (await world.client.post(stop.replace("/unsubscribe", "/resubscribe"))).status_code == 200
    assert {(await standing(world, user))["status"] for user in ("ana", "bob")} == {"active"}


async def test_whoever_stopped_as_a_user_is_not_asked_when_they_are_none_any_more(world: World, post: Post) -> None:
    await world.people("ana", "bob", leads={"l1": "ana"})
    bob = world.rep("bob")
    ok(await world.client.patch("/v1/mail-preferences", headers=bob, json={"unsubscribed": True}))
    await world.sync(users=[{"id": "bob", "active": False}])
    named = await subscribe(world, "ana", "lead", "l1", recipients=["bob@crm.example"])
    assert named["deliveries"][0]["status"] == "unsubscribed"
    assert await post.instant() == []
