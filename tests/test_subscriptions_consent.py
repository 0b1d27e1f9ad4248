"""From when on somebody is mailed, and in whose words: what they, or their organisation, said last counts.

The worker comes late in most of these: what it finds then is judged by when it happened, not by when it is found.
"""

import asyncio
from email.message import EmailMessage
from typing import Any

import pytest

from leadfeed_api.settings import Settings
from leadfeed_api.subscriptions.delivery.carriers import Refused, Uncertain
from post import (
    Post,
    address_of,
    administer,
    at,
    confirm_path,
    just_now,
    open_post,
    standing,
    subscribe,
    text_of,
    unsubscribe_path,
)
from world import World, ok

pytestmark = [pytest.mark.anyio, pytest.mark.alone]
PAT = "pat@partner.example"


def told(mails: list[EmailMessage]) -> list[str]:
    """What the mails' subjects say was done."""
    return [str(mail["Subject"]).rpartition(": ")[2] for mail in mails]


async def stop_path(world: World, post: Post) -> str:
    """Where the first mail that ana got leads whoever wants no more."""
    await world.people("ana", leads={"l1": "ana"})
    await subscribe(world, "ana", "lead", "l1")
    await world.report(just_now(world, "l1", "First"))
    (mail,) = await post.instant()
    return unsubscribe_path(mail)


async def test_what_happened_while_mail_was_off_is_not_mailed_by_a_worker_that_comes_later(
    world: World, post: Post
) -> None:
    await world.people("ana", leads={"l1": "ana"})
    await subscribe(world, "ana", "lead", "l1")
    await world.report(just_now(world, "l1", "Before"))
    await post.go()
    await administer(world, mail_enabled=False)
    await world.report(just_now(world, "l1", "Meanwhile"))
    await administer(world, mail_enabled=True)
    await administer(world, rss_enabled=True)  # a setting that was on already begins nothing anew
    await world.report(just_now(world, "l1", "Afterwards"))
    (mail,) = await post.instant()
    assert "Before" in text_of(mail)
    assert "Afterwards" in text_of(mail)
    assert "Meanwhile" not in text_of(mail)


async def test_what_happened_between_no_and_yes_is_not_mailed_by_a_worker_that_comes_later(
    world: World, post: Post
) -> None:
    stop = await stop_path(world, post)
    await world.client.post(stop)
    await world.report(just_now(world, "l1", "Meanwhile"))
    await world.client.post(stop.replace("/unsubscribe", "/resubscribe"))
    await world.report(just_now(world, "l1", "Afterwards"))
    assert told(await post.instant()) == ["Afterwards"]


async def test_what_happened_between_no_and_yes_is_not_mailed_though_a_mail_was_on_its_way(
    world: World, post: Post
) -> None:
    stop = await stop_path(world, post)
    post.box.fault = lambda _: Refused("451 later", "nobody")
    await world.report(just_now(world, "l1", "Put off"))
    await post.instant()
    await world.client.post(stop)
    await world.report(just_now(world, "l1", "Meanwhile"))
    await post.go(seconds=3)
    await world.client.post(stop.replace("/unsubscribe", "/resubscribe"))
    post.box.fault = lambda _: None
    await world.report(just_now(world, "l1", "Afterwards"))
    assert told([mail for _ in range(10) for mail in await post.go(minutes=1)]) == ["Afterwards"]


async def test_yes_said_again_by_whoever_never_said_no_forgets_nothing_that_waits(world: World, post: Post) -> None:
    await world.people("ana", leads={"l1": "ana"})
    await subscribe(world, "ana", "lead", "l1")
    await world.report(just_now(world, "l1", "Visited"))
    await post.go()
    preferences = {"unsubscribed": False}
    ok(await world.client.patch("/v1/mail-preferences", headers=world.rep("ana"), json=preferences))
    assert told(await post.instant()) == ["Visited"]


async def test_what_happened_before_an_address_outside_agreed_is_not_kept_for_it(world: World, post: Post) -> None:
    await world.people("ana", leads={"l1": "ana"})
    await subscribe(world, "ana", "lead", "l1", recipients=[PAT])
    (question,) = await post.instant()
    await world.report(just_now(world, "l1", "Noticed before"))
    await post.instant()
    await world.report(just_now(world, "l1", "Noticed afterwards"))
    await world.client.post(confirm_path(question))
    await world.report(just_now(world, "l1", "Afterwards"))
    assert told(await post.instant()) == ["Afterwards"]


async def test_whoever_agrees_agrees_for_nobody_else(world: World, post: Post) -> None:
    await world.people("ana", leads={"l1": "ana"})
    await subscribe(world, "ana", "lead", "l1", recipients=[PAT, "sam@partner.example"])
    (question,) = [mail for mail in await post.instant() if address_of(mail) == PAT]
    await world.client.post(confirm_path(question))
    await world.report(just_now(world, "l1", "Visited"))
    assert [address_of(mail) for mail in await post.instant()] == [PAT]


async def test_whoever_says_no_and_yes_says_so_for_nobody_else(world: World, post: Post) -> None:
    await world.people("ana", "bob", leads={"l1": "ana"})
    await subscribe(world, "ana", "lead", "l1", recipients=[PAT, "ana@crm.example"])
    await subscribe(world, "bob", "lead", "l1")
    (question,) = await post.instant()
    await world.client.post(confirm_path(question))
    no = {"unsubscribed": True}
    ok(await world.client.patch("/v1/mail-preferences", headers=world.rep("ana"), json=no))
    await world.report(just_now(world, "l1", "Noticed"))
    await post.go()
    await world.report(just_now(world, "l1", "Not noticed yet"))

    stop = unsubscribe_path(question)
    for end in (stop, stop.replace("/unsubscribe", "/resubscribe")):
        assert (await world.client.post(end)).status_code == 200

    (mail,) = await post.instant()
    assert address_of(mail) == "bob@crm.example"
    assert [words in text_of(mail) for words in ("Noticed", "Not noticed yet")] == [True, True]
    await world.report(just_now(world, "l1", "Afterwards"))
    assert sorted(address_of(mail) for mail in await post.instant()) == ["bob@crm.example", PAT]


async def test_an_address_outside_is_spoken_to_as_whoever_named_it_likes_to_be(world: World, post: Post) -> None:
    await world.people("ana", leads={"l1": "ana"})
    wishes = {"language": "fr", "time_zone": "Asia/Tokyo"}
    ok(await world.client.patch("/v1/mail-preferences", headers=world.rep("ana"), json=wishes))
    await subscribe(world, "ana", "lead", "l1", recipients=[PAT])
    (question,) = await post.instant()
    assert question["Content-Language"] == "fr"
    await world.client.post(confirm_path(question))
    await world.report(just_now(world, "l1", "Visited"))
    (mail,) = await post.instant()
    assert "Les heures sont celles d’Asia/Tokyo." in text_of(mail)


@pytest.mark.parametrize(("language", "spoken"), [("fr-CA", "fr"), ("FR", "fr"), ("fry", "en")])
async def test_french_is_french_and_not_what_begins_like_it(
    world: World, post: Post, language: str, spoken: str
) -> None:
    await world.people("ana", leads={"l1": "ana"})
    await world.sync(users=[{"id": "ana", "language": language}])
    await subscribe(world, "ana", "lead", "l1")
    await world.report(just_now(world, "l1", "Visited"))
    (mail,) = await post.instant()
    assert mail["Content-Language"] == spoken


async def test_nobody_is_asked_because_of_a_subscription_that_is_gone(world: World, post: Post) -> None:
    await world.people("ana", leads={"l1": "ana"})
    made = await subscribe(world, "ana", "lead", "l1", recipients=["typo@stranger.example"])
    await world.client.delete(f"/v1/subscriptions/{made['id']}", headers=world.rep("ana"))
    assert await post.instant() == []


async def test_an_address_that_became_a_users_before_it_was_asked_is_not_asked(world: World, post: Post) -> None:
    await world.people("ana", leads={"l1": "ana"})
    await subscribe(world, "ana", "lead", "l1", recipients=["bob@crm.example"])
    await world.people("bob", leads={})
    assert await post.instant() == []
    await world.report(just_now(world, "l1", "Visited"))
    (mail,) = await post.instant()
    assert (address_of(mail), told([mail])) == ("bob@crm.example", ["Visited"])


async def test_a_question_that_never_left_is_asked_when_the_address_is_named_again(world: World, post: Post) -> None:
    await world.people("ana", leads={"l1": "ana"})
    await subscribe(world, "ana", "lead", "l1", recipients=[PAT])
    await administer(world, mail_enabled=False)
    assert await post.instant() == []
    await administer(world, mail_enabled=True)
    await subscribe(world, "ana", "type", "web", recipients=[PAT])
    assert [address_of(mail) for mail in await post.instant()] == [PAT]


async def test_an_older_mails_link_takes_back_what_the_newest_ended_once_the_address_is_a_users(
    world: World, post: Post
) -> None:
    await world.people("ana", leads={"l1": "ana"})
    await subscribe(world, "ana", "lead", "l1", recipients=["bob@crm.example"])
    (question,) = await post.instant()
    await world.client.post(confirm_path(question))
    await world.report(just_now(world, "l1", "To an address"))
    (older,) = await post.instant()
    await world.people("bob", leads={})
    await world.report(just_now(world, "l1", "To a user"))
    (newest,) = await post.instant()
    for back in (unsubscribe_path(older).replace("/unsubscribe", "/resubscribe"), confirm_path(question)):
        await world.client.post(unsubscribe_path(newest))
        assert (await standing(world, "ana"))["status"] == "unsubscribed"
        assert (await world.client.post(back)).status_code == 200
        assert (await standing(world, "ana"))["status"] == "active"


async def test_two_who_have_one_address_may_say_no_and_yes_at_once(world: World, post: Post) -> None:
    await world.people("ana", "bob", leads={"l1": "ana"})
    await world.sync(users=[{"id": user, "email": "team@crm.example"} for user in ("ana", "bob")])
    for user in ("ana", "bob"):
        await subscribe(world, user, "lead", "l1")
    await world.report(just_now(world, "l1", "Visited"))
    stops = [unsubscribe_path(mail) for mail in await post.instant()]
    ends = [*stops, *(stop.replace("/unsubscribe", "/resubscribe") for stop in stops)]
    answers = await asyncio.gather(*(world.client.post(end) for _ in range(40) for end in ends))
    assert {answer.status_code for answer in answers} == {200}


async def test_a_moment_that_may_have_arrived_twice_is_in_no_third_mail(world: World, post: Post) -> None:
    await world.people("ana", leads={"l1": "ana"})
    await subscribe(world, "ana", "lead", "l1")
    await subscribe(world, "ana", "type", "web", frequency="daily")
    handed = []

    def swallow(envelope: Any) -> Exception:
        handed.append(envelope)
        return Uncertain("connection lost")

    post.box.fault = swallow
    await world.report(just_now(world, "l1", "Visited"))
    await post.instant()
    for _ in range(4):
        await post.go(hours=1)
    assert len(handed) == 2
    post.box.fault = lambda _: None
    await world.report(just_now(world, "l1", "Afterwards"))
    mails = [*await post.instant(), *await post.go(days=1), *await post.go(days=1)]
    assert told(mails) == ["Afterwards"]


async def test_what_may_have_arrived_for_one_is_mailed_to_another_all_the_same(
    settings: Settings, world: World
) -> None:
    async with open_post(settings, clock=at(10)) as post:
        await world.people("ana", "bob", leads={"l1": "ana"})
        await subscribe(world, "ana", "lead", "l1")
        await subscribe(world, "bob", "lead", "l1", frequency="daily")
        post.box.fault = lambda mail: Uncertain("connection lost") if mail.recipient == "ana@crm.example" else None
        await world.report(just_now(world, "l1", "Visited"))
        await post.instant()
        mails = [mail for pause in (10, 10, 10, 10, 1440, 1440) for mail in await post.go(minutes=pause)]
        assert [(address_of(mail), "Visited" in text_of(mail)) for mail in mails] == [("bob@crm.example", True)]


async def test_a_refused_address_is_pointed_at_where_it_stands_in_the_request(world: World) -> None:
    await world.people("ana", leads={"l1": "ana"})
    await administer(world, mail_domains=["crm.example"])
    named = ["ana@crm.example", "Ana@crm.example", "x@evil.example"]
    body = {"match": {"kind": "lead", "value": "l1"}, "recipients": named}
    answer = await world.client.post("/v1/subscriptions", headers=world.rep("ana"), json=body)
    assert [error["pointer"] for error in answer.json()["errors"]] == ["/recipients/2"]
