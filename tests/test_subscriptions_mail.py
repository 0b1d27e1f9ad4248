"""What is mailed and what is not: the worker on a clock that a test moves, and the mails as their readers get them."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from leadfeed_api.db.session import Database
from leadfeed_api.settings import Settings
from leadfeed_api.subscriptions.delivery import backlog, composing, noticing, outbox, smtp, worker
from leadfeed_api.subscriptions.delivery.carriers import Refused, Uncertain, Unreachable
from leadfeed_api.subscriptions.letters import render
from post import (
    Post,
    address_of,
    administer,
    at,
    html_of,
    just_now,
    open_post,
    path_of,
    standing,
    subscribe,
    text_of,
)
from statements import BY_A_TEST
from world import World, ok

pytestmark = [pytest.mark.anyio, pytest.mark.alone]


def subjects(mails: list[EmailMessage]) -> list[str]:
    return [str(mail["Subject"]) for mail in mails]


async def prefer(world: World, user: str, **fields: Any) -> None:
    ok(await world.client.patch("/v1/mail-preferences", headers=world.rep(user), json=fields))


async def test_an_instant_mail_leaves_within_thirty_seconds_and_gathers_what_one_lead_does(
    world: World, post: Post
) -> None:
    await world.people("ana", leads={"l1": "ana"})
    await subscribe(world, "ana", "lead", "l1")
    await world.report(just_now(world, "l1", "Visited the pricing page"))
    assert await post.go() == []
    await world.report(just_now(world, "l1", "Asked for a demo", type="milestone"))
    assert await post.go(seconds=6) == []

    (mail,) = await post.go(seconds=5)

    assert address_of(mail) == "ana@crm.example"
    assert mail["Subject"] == "L1 (Acme): Asked for a demo (and 1 more)"
    assert "Visited the pricing page" in text_of(mail)
    assert await post.go(days=3) == []


async def test_a_mail_says_who_did_what_when_and_why_in_the_readers_language_and_time(world: World, post: Post) -> None:
    await world.people("ana", leads={"l1": "ana"})
    await administer(world, lead_url="https://crm.example/leads/{lead_id}", panel_url="https://crm.example/lead-feed")
    await world.sync(users=[{"id": "ana", "language": "fr", "time_zone": "Asia/Kathmandu"}],
                     leads=[{"id": "l1", "name": "Zoë Müller", "title": "CTO"}])  # fmt: skip
    await subscribe(world, "ana", "description", "démo")
    when = datetime.now(UTC) - timedelta(hours=1)
    await world.report(just_now(world, "l1", "A demandé une démo", type="milestone", occurred_at=when.isoformat()))

    (mail,) = await post.instant()

    local = when + timedelta(hours=5, minutes=45)
    assert mail["Subject"] == "Zoë Müller (Acme)\N{NO-BREAK SPACE}: A demandé une démo"
    assert mail["Content-Language"] == "fr"
    for text in (text_of(mail), html_of(mail)):
        assert "Zoë Müller" in text
        assert "CTO, Acme" in text
        assert "Étape clé" in text
        assert f"{local.day} " in text
        assert f"{local:%H:%M}" in text
        assert "https://crm.example/leads/l1" in text
        assert "https://crm.example/lead-feed" in text
        assert "«\N{NO-BREAK SPACE}démo\N{NO-BREAK SPACE}»" in text


async def test_nothing_is_mailed_that_was_read_muted_or_reassigned_meanwhile(world: World, post: Post) -> None:
    await world.people("ana", "bob", leads={"read": "ana", "muted": "ana", "lost": "ana", "kept": "ana"})
    await subscribe(world, "ana", "type", "web")
    ids = await world.report(*(just_now(world, lead, f"{lead} happened") for lead in ("read", "muted", "lost", "kept")))
    assert await post.go() == []

    rep = world.rep("ana")
    ok(await world.client.post("/v1/feed/read", headers=rep, json={"ids": ids[:1]}))
    until = (datetime.now(UTC) + timedelta(days=9)).isoformat()
    assert (await world.client.put("/v1/mutes/leads/muted", headers=rep, json={"until": until})).status_code == 204
    moved = await world.client.put("/v1/leads/lost/owner", headers=world.machine, json={"owner_id": "bob"})
    assert moved.status_code == 204

    (mail,) = await post.go(seconds=11)
    assert subjects([mail]) == ["Kept (Acme): kept happened"]


async def test_what_another_read_or_muted_is_mailed_all_the_same(world: World, post: Post) -> None:
    await world.people("ana", "bob", leads={"l1": "ana", "l2": "ana"})
    bob = world.rep("bob")
    for lead in ("l1", "l2"):
        await world.client.put(f"/v1/watchlist/{lead}", headers=bob)
        await subscribe(world, "ana", "lead", lead)
    ids = await world.report(just_now(world, "l1", "Read"), just_now(world, "l2", "Read, and out of sight"))
    await post.go()

    ok(await world.client.post("/v1/feed/read", headers=bob, json={"ids": ids}))
    await world.client.delete("/v1/watchlist/l2", headers=bob)
    for what in ("leads/l1", "types/web"):
        assert (await world.client.put(f"/v1/mutes/{what}", headers=bob, json={})).status_code == 204

    (mail,) = await post.go(seconds=11)
    assert [words in text_of(mail) for words in ("L1", "L2")] == [True, True]


async def test_a_mute_that_has_ended_keeps_nothing_from_being_mailed(world: World, post: Post) -> None:
    await world.people("ana", leads={"l1": "ana", "l2": "ana"})
    await subscribe(world, "ana", "account", "acme", frequency="hourly")
    until = (datetime.now(UTC) + timedelta(minutes=5)).isoformat()
    for what in ("leads/l1", "types/web"):
        answer = await world.client.put(f"/v1/mutes/{what}", headers=world.rep("ana"), json={"until": until})
        assert answer.status_code == 204
    await world.report(just_now(world, "l1", "Wrote", type="email"), just_now(world, "l2", "Visited"))
    await post.go()

    (mail,) = await post.go(hours=2)
    assert [words in text_of(mail) for words in ("Wrote", "Visited")] == [True, True]


async def test_what_only_another_still_watches_is_not_mailed(world: World, post: Post) -> None:
    await world.people("ana", "bob", leads={"l1": None})
    for user in ("ana", "bob"):
        await world.client.put("/v1/watchlist/l1", headers=world.rep(user))
    await subscribe(world, "ana", "type", "web", scope="feed")
    await world.report(just_now(world, "l1", "Visited"))
    assert await post.go() == []

    await world.client.delete("/v1/watchlist/l1", headers=world.rep("ana"))

    assert await post.go(seconds=11) == []


async def test_what_was_read_is_not_mailed_though_its_lead_has_left_the_feed(world: World, post: Post) -> None:
    await world.people("ana", "bob", leads={"l1": "bob"})
    await world.client.put("/v1/watchlist/l1", headers=world.rep("ana"))
    await subscribe(world, "ana", "lead", "l1", frequency="hourly")
    ids = await world.report(just_now(world, "l1", "Was read"))
    await post.go()
    ok(await world.client.post("/v1/feed/read", headers=world.rep("ana"), json={"ids": ids}))
    await world.client.delete("/v1/watchlist/l1", headers=world.rep("ana"))
    assert await post.go(hours=2) == []


async def test_a_mail_of_which_nothing_is_left_is_not_sent(world: World, post: Post) -> None:
    await world.people("ana", leads={"l1": "ana"})
    await subscribe(world, "ana", "type", "web")
    ids = await world.report(just_now(world, "l1", "Visited"))
    await post.go()
    ok(await world.client.post("/v1/feed/read", headers=world.rep("ana"), json={"ids": ids}))
    assert await post.go(seconds=11) == await post.go(days=2) == []


async def test_an_erased_lead_is_in_no_mail(world: World, post: Post) -> None:
    await world.people("ana", leads={"l1": "ana", "l2": "ana"})
    await subscribe(world, "ana", "account", "acme")
    await world.report(just_now(world, "l1", "Visited"), just_now(world, "l2", "Stayed"))
    await post.go()
    assert (await world.client.delete("/v1/leads/l1", headers=world.machine)).status_code == 204
    assert subjects(await post.go(seconds=11)) == ["L2 (Acme): Stayed"]


async def test_what_happened_before_subscribing_during_a_pause_or_long_ago_is_not_mailed(
    world: World, post: Post
) -> None:
    await world.people("ana", leads={"l1": "ana"})
    await world.report(just_now(world, "l1", "Before"))
    made = await subscribe(world, "ana", "lead", "l1")
    path, rep = f"/v1/subscriptions/{made['id']}", world.rep("ana")
    ok(await world.client.patch(path, headers=rep, json={"paused": True}))
    await world.report(just_now(world, "l1", "While paused"))
    ok(await world.client.patch(path, headers=rep, json={"paused": False}))
    long_ago = (datetime.now(UTC) - timedelta(days=8)).isoformat()
    await world.report(just_now(world, "l1", "Long ago", occurred_at=long_ago), just_now(world, "l1", "Now"),
                       just_now(world, "l1", "By a machine", bot="likely a mail scanner"))  # fmt: skip

    assert subjects(await post.instant()) == ["L1 (Acme): Now"]


async def test_a_subscription_to_a_type_has_no_moment_of_another_one_looked_at(
    world: World, database: Database
) -> None:
    await world.people("ana", "bob", leads={"l1": "ana"})
    ok(await world.client.post("/v1/watchlist", headers=world.rep("bob"), json={"lead_ids": ["l1"]}))
    for user in ("ana", "bob"):
        await subscribe(world, user, "type", "milestone", scope="feed")
    await world.report(just_now(world, "l1", "Visited"), just_now(world, "l1", "Asked", type="milestone"))
    async with database.read() as connection:
        found = await connection.fetch(noticing.CANDIDATES, world.org_id, 0, 100, noticing.HISTORY)
    assert [row["description"] for row in found] == ["Asked", "Asked"]


async def test_pausing_or_deleting_a_subscription_also_stops_what_waits(world: World, post: Post) -> None:
    await world.people("ana", leads={"l1": "ana"})
    paused = await subscribe(world, "ana", "type", "web")
    deleted = await subscribe(world, "ana", "lead", "l1")
    await world.report(just_now(world, "l1", "Visited"))
    await post.go()
    rep = world.rep("ana")
    ok(await world.client.patch(f"/v1/subscriptions/{paused['id']}", headers=rep, json={"paused": True}))
    await world.client.delete(f"/v1/subscriptions/{deleted['id']}", headers=rep)
    assert await post.go(seconds=11) == []


async def test_a_moment_that_several_subscriptions_match_is_mailed_once_at_the_fastest(
    world: World, post: Post
) -> None:
    await world.people("ana", "bob", leads={"l1": "ana"})
    await subscribe(world, "ana", "type", "web", frequency="daily")
    await subscribe(world, "ana", "lead", "l1")
    await subscribe(world, "bob", "account", "acme", frequency="hourly", recipients=["ana@crm.example"])
    await world.report(just_now(world, "l1", "Visited"))

    (mail,) = await post.instant()

    assert text_of(mail).count("Visited") == 1
    assert await post.go(days=2) == []


async def test_a_slower_subscription_still_mails_what_a_faster_one_may_not_any_more(
    settings: Settings, world: World
) -> None:
    async with open_post(settings, clock=at(10)) as post:
        await world.people("ana", "bob", leads={"l1": "ana"})
        await subscribe(world, "ana", "type", "web")
        await subscribe(world, "ana", "lead", "l1", frequency="daily")
        await world.report(just_now(world, "l1", "Visited"))
        await post.go()
        await world.client.put("/v1/leads/l1/owner", headers=world.machine, json={"owner_id": "bob"})

        assert await post.go(seconds=11) == []
        assert subjects(await post.go(days=1)) == ["L1 (Acme): Visited"]


async def test_a_team_mate_is_mailed_in_their_own_words_and_told_by_whom(world: World, post: Post) -> None:
    await world.people("ana", "bob", leads={"l1": "ana"})
    await prefer(world, "bob", language="fr")
    await subscribe(world, "ana", "type", "web", recipients=["ana@crm.example", "bob@crm.example"])
    (moment,) = await world.report(just_now(world, "l1", "Visited"))
    await post.go()
    ok(await world.client.post("/v1/feed/read", headers=world.rep("ana"), json={"ids": [moment]}))

    (mail,) = await post.go(seconds=11)

    assert (address_of(mail), mail["Content-Language"]) == ("bob@crm.example", "fr")
    assert "Ana vous l’envoie" in text_of(mail)


async def test_digests_go_out_on_the_hour_and_at_the_hour_of_the_readers_day(settings: Settings, world: World) -> None:
    async with open_post(settings, clock=at(9, 20)) as post:
        await world.people("ana", "bob", leads={"l1": "ana", "l2": "bob"})
        await prefer(world, "ana", time_zone="Asia/Kathmandu")
        await prefer(world, "bob", time_zone="America/New_York", daily_hour=7)
        await subscribe(world, "ana", "type", "web", frequency="hourly")
        await subscribe(world, "bob", "type", "web", frequency="daily")
        await world.report(just_now(world, "l1", "One"), just_now(world, "l2", "Uno"))
        assert await post.go() == []
        await world.report(just_now(world, "l1", "Two"))
        assert await post.go(minutes=54) == []  # 10:14 is 15:59 in Kathmandu

        (hourly,) = await post.go(minutes=2)
        assert (address_of(hourly), "One" in text_of(hourly), "Two" in text_of(hourly)) == (
            "ana@crm.example",
            True,
            True,
        )
        assert "Hourly digest" in html_of(hourly)
        sent: list[EmailMessage] = []
        while not sent:
            sent = await post.go(minutes=10)
        (daily,) = sent
        local = post.clock.now.astimezone(ZoneInfo("America/New_York"))
        assert (address_of(daily), local.hour) == ("bob@crm.example", 7)
        assert "Daily digest" in html_of(daily)


async def test_quiet_hours_hold_every_mail_back_and_end_in_one(settings: Settings, world: World) -> None:
    async with open_post(settings, clock=at(21)) as post:
        await world.people("ana", leads={"l1": "ana"})
        await prefer(world, "ana", quiet_from="20:00", quiet_until="06:45", time_zone="UTC", daily_hour=3)
        await subscribe(world, "ana", "lead", "l1")
        await subscribe(world, "ana", "type", "email", frequency="daily")
        for number in range(5):
            await world.report(just_now(world, "l1", f"Visit {number}"),
                               just_now(world, "l1", f"Mail {number}", type="email"))  # fmt: skip
            assert await post.go(hours=1) == []
        assert await post.go(hours=4, minutes=44) == []

        (mail,) = await post.go(minutes=1)

        assert mail["Subject"].endswith("(and 9 more)")
        assert await post.go(hours=10) == []


async def test_after_the_days_cap_the_rest_waits_for_the_daily_digest(settings: Settings, world: World) -> None:
    async with open_post(settings, clock=at(10)) as post:
        await world.people("ana", leads={"l1": "ana"})
        await prefer(world, "ana", daily_cap=3, time_zone="UTC")
        await subscribe(world, "ana", "lead", "l1")
        sent = []
        for number in range(6):
            await world.report(just_now(world, "l1", f"Visit {number}"))
            sent += await post.instant()
        assert subjects(sent) == [f"L1 (Acme): Visit {number}" for number in range(3)]
        assert await post.go(hours=21, minutes=50) == []  # midnight is no reason: it waits for the digest

        (digest,) = await post.go(minutes=10)
        assert [f"Visit {n}" in text_of(digest) for n in range(6)] == [False] * 3 + [True] * 3
        await world.report(just_now(world, "l1", "Next day"))
        assert subjects(await post.instant()) == ["L1 (Acme): Next day"]


async def test_what_is_held_right_at_the_hour_of_the_digest_waits_for_the_next_one(
    settings: Settings, world: World
) -> None:
    async with open_post(settings, clock=at(7, 50)) as post:
        await world.people("ana", leads={"l1": "ana"})
        await prefer(world, "ana", daily_cap=1, time_zone="UTC")
        await subscribe(world, "ana", "lead", "l1")
        await world.report(just_now(world, "l1", "First"))
        assert len(await post.instant()) == 1
        await post.go(minutes=9, seconds=44)  # 07:59:55
        await world.report(just_now(world, "l1", "Second"))
        assert await post.go() == await post.go(seconds=20) == await post.go(hours=23) == []
        assert subjects(await post.go(hours=1)) == ["L1 (Acme): Second"]


async def test_ten_thousand_moments_in_a_minute_are_a_handful_of_mails(settings: Settings, world: World) -> None:
    async with open_post(settings, clock=at(10)) as post:
        leads = {f"lead{number}": "ana" for number in range(50)}
        await world.people("ana", leads=leads)
        await prefer(world, "ana", time_zone="UTC", daily_cap=4)
        await subscribe(world, "ana", "type", "web")
        sent: list[EmailMessage] = []
        for _second in range(0, 60, 6):
            await world.report(*(just_now(world, f"lead{number % 50}", "Clicked") for number in range(1_000)))
            sent += await post.go(seconds=6)
        sent += await post.go(seconds=60)
        sent += await post.go(days=1)

        told = [int(str(mail["Subject"]).split()[0]) for mail in sent]
        assert sum(told) == 10_000
        assert len(sent) <= 5  # the cap, and the digest
        assert max(len(mail.as_bytes()) for mail in sent) < 100_000


async def test_a_changed_wish_holds_for_what_waits_already(settings: Settings, world: World) -> None:
    async with open_post(settings, clock=at(10)) as post:
        await world.people("ana", leads={"l1": "ana"})
        made = await subscribe(world, "ana", "lead", "l1", frequency="daily")
        await world.report(just_now(world, "l1", "Visited"))
        assert await post.go() == await post.go(minutes=5) == []
        path = f"/v1/subscriptions/{made['id']}"
        ok(await world.client.patch(path, headers=world.rep("ana"), json={"frequency": "instant"}))
        assert len(await post.go()) == 1


async def test_switching_mail_off_ends_it_and_on_again_begins_anew(world: World, post: Post) -> None:
    await world.people("ana", leads={"l1": "ana"})
    await subscribe(world, "ana", "lead", "l1")
    await world.report(just_now(world, "l1", "Noticed before"))
    await post.go()
    await administer(world, mail_enabled=False)
    await world.report(just_now(world, "l1", "While off"))
    assert await post.instant() == []
    await administer(world, mail_enabled=True)
    await world.report(just_now(world, "l1", "On again"))
    assert subjects(await post.instant()) == ["L1 (Acme): On again"]


async def test_another_setting_changed_while_mail_is_on_keeps_nothing_from_being_mailed(
    world: World, post: Post
) -> None:
    await world.people("ana", leads={"l1": "ana"})
    await subscribe(world, "ana", "lead", "l1")
    await world.report(just_now(world, "l1", "Not noticed yet"))

    await administer(world, rss_enabled=True, mail_enabled=True)

    assert subjects(await post.instant()) == ["L1 (Acme): Not noticed yet"]


async def test_an_address_outside_is_asked_once_and_mailed_only_after_it_agreed(world: World, post: Post) -> None:
    await world.people("ana", leads={"l1": "ana"})
    for _ in range(2):
        await subscribe(world, "ana", "lead", "l1", recipients=["pat@partner.example"])
    await world.report(just_now(world, "l1", "Too early"))
    (question,) = await post.instant()
    assert (address_of(question), "Ana of" in text_of(question)) == ("pat@partner.example", True)
    assert "Too early" not in question.as_string()

    links = [line for line in text_of(question).splitlines() if line.endswith("/confirm")]
    path = path_of(links[0])
    assert (await world.client.get(path)).status_code == 200
    await world.report(just_now(world, "l1", "Still too early"))
    assert await post.instant() == []
    assert (await world.client.post(path)).status_code == (await world.client.post(path)).status_code == 200

    await world.report(just_now(world, "l1", "Welcome"))
    (mail,) = await post.instant()
    assert (address_of(mail), mail["Subject"]) == ("pat@partner.example", "L1 (Acme): Welcome")


async def test_a_question_that_a_server_refuses_for_good_is_asked_again_only_when_somebody_resumes(
    world: World, post: Post
) -> None:
    await world.people("ana", leads={"l1": "ana"})
    made = await subscribe(world, "ana", "lead", "l1", recipients=["pat@partner.example"])
    post.box.fault = lambda _: Refused("550 5.1.1 no such user", "address")
    await post.instant()
    assert await standing(world, "ana") == {
        "address": "pat@partner.example", "status": "refused", "reason": "550 5.1.1 no such user",
    }  # fmt: skip

    post.box.fault = lambda _: None
    await subscribe(world, "ana", "type", "web", recipients=["pat@partner.example"])
    assert await post.instant() == []
    path = f"/v1/subscriptions/{made['id']}"
    for _ in range(2):
        ok(await world.client.patch(path, headers=world.rep("ana"), json={"paused": False}))
    assert [address_of(mail) for mail in await post.instant()] == ["pat@partner.example"]
    assert (await standing(world, "ana"))["status"] == "pending"


async def test_an_address_outside_that_answered_or_that_nobody_names_any_more_makes_room_for_another(
    world: World, post: Post
) -> None:
    await world.people("ana", leads={"l1": "ana"})

    async def name(*names: str, status: int = 201) -> dict[str, Any]:
        body = {"match": {"kind": "lead", "value": "l1"}, "recipients": [f"{one}@partner.example" for one in names]}
        return ok(await world.client.post("/v1/subscriptions", headers=world.rep("ana"), json=body), status)

    async def follow(question: EmailMessage, link: str) -> None:
        (url,) = [line for line in text_of(question).splitlines() if line.endswith(link)]
        assert (await world.client.post(path_of(url))).status_code == 200

    first = await name(*(f"p{number}" for number in range(10)))
    questions = {address_of(mail): mail for mail in await post.instant()}
    await follow(questions["p0@partner.example"], "/confirm")
    await follow(questions["p1@partner.example"], "/unsubscribe")
    await name("p10", "p11")
    await name("p12", status=422)
    await name("p0")  # agreed
    await name("p1")  # said no

    assert (await world.client.delete(f"/v1/subscriptions/{first['id']}", headers=world.rep("ana"))).status_code == 204
    await name("p12", status=422)  # or there would be no end to the people one could write to
    async with world.service.app.state.database.write() as connection:  # two days later
        await connection.execute(f"{BY_A_TEST} UPDATE mail_recipient SET created_at = created_at - interval '2 days'")
    await name("p12")


async def test_a_user_who_is_switched_off_neither_gets_nor_causes_mail(world: World, post: Post) -> None:
    await world.people("ana", "bob", leads={"l1": "ana"})
    await subscribe(world, "ana", "lead", "l1", recipients=["bob@crm.example"])
    await subscribe(world, "bob", "lead", "l1")
    await world.report(just_now(world, "l1", "Visited"))
    await post.go()
    await world.sync(users=[{"id": "ana", "active": False}])
    assert [address_of(mail) for mail in await post.go(seconds=11)] == ["bob@crm.example"]
    await world.sync(users=[{"id": "ana", "active": True}, {"id": "bob", "active": False}])
    await world.report(just_now(world, "l1", "Again"))
    assert await post.instant() == []


async def test_a_refusal_for_good_pauses_the_address_with_the_servers_reason(world: World, post: Post) -> None:
    await world.people("ana", "bob", leads={"l1": "ana"})
    made = await subscribe(world, "ana", "lead", "l1")
    await subscribe(world, "bob", "lead", "l1")
    post.box.fault = lambda envelope: (
        Refused("550 5.1.1 no such user", "address") if envelope.recipient.startswith("ana") else None
    )
    await world.report(just_now(world, "l1", "Visited"))
    assert [address_of(mail) for mail in await post.instant()] == ["bob@crm.example"]
    assert await standing(world, "ana") == {
        "address": "ana@crm.example", "status": "refused", "reason": "550 5.1.1 no such user",
    }  # fmt: skip
    attempts = post.box.attempts
    await world.report(just_now(world, "l1", "Again"))
    assert len(await post.instant()) == 1
    assert post.box.attempts == attempts + 1
    assert post.counted("leadfeed_mails_failed_total", reason="refused") == 1

    post.box.fault = lambda _: None
    path = f"/v1/subscriptions/{made['id']}"
    ok(await world.client.patch(path, headers=world.rep("ana"), json={"paused": False}))
    assert (await standing(world, "ana"))["status"] == "active"
    await world.report(just_now(world, "l1", "Third"))
    assert {address_of(mail) for mail in await post.instant()} == {"ana@crm.example", "bob@crm.example"}


@pytest.mark.parametrize("answer", ["550 5.1.1 adresse refus\udce9e", "550 5.1.1 no such\x00 user"])
async def test_a_refusal_in_bytes_that_are_no_text_is_believed_like_any_other(
    world: World, post: Post, answer: str
) -> None:
    await world.people("ana", leads={"l1": "ana"})
    await subscribe(world, "ana", "lead", "l1")
    post.box.fault = lambda _: Refused(answer, "address")
    await world.report(just_now(world, "l1", "Visited"))
    await post.instant()
    for _ in range(3):
        await post.go(minutes=3)

    assert post.box.attempts == 1
    assert (await standing(world, "ana"))["status"] == "refused"


async def test_a_server_that_cannot_be_used_and_says_so_in_bytes_that_are_no_text_costs_nothing(
    world: World, post: Post
) -> None:
    await world.people("ana", leads={"l1": "ana"})
    await subscribe(world, "ana", "lead", "l1")
    post.box.fault = lambda _: Unreachable("421 closed\x00")
    await world.report(just_now(world, "l1", "Visited"))
    await post.instant()
    post.box.fault = lambda _: None
    assert subjects(await post.go(seconds=1)) == ["L1 (Acme): Visited"]


async def test_a_refused_address_is_active_again_when_the_crm_knows_another(world: World, post: Post) -> None:
    await world.people("ana", leads={"l1": "ana"})
    await subscribe(world, "ana", "lead", "l1")
    post.box.fault = lambda _: Refused("550 gone", "address")
    await world.report(just_now(world, "l1", "Visited"))
    await post.instant()
    assert (await standing(world, "ana"))["status"] == "refused"
    await world.sync(users=[{"id": "ana", "email": "ana.new@crm.example"}])
    assert (await standing(world, "ana"))["status"] == "active"


async def test_a_message_refused_for_its_content_is_insisted_on_for_two_hours_and_then_set_aside(
    world: World, post: Post
) -> None:
    await world.people("ana", "bob", leads={"l1": "ana"})
    await subscribe(world, "ana", "lead", "l1")
    await subscribe(world, "bob", "lead", "l1")
    spam = Refused("554 looks like spam", "message")
    post.box.fault = lambda envelope: spam if envelope.recipient.startswith("ana") else None
    await world.report(just_now(world, "l1", "Visited"))
    assert [address_of(mail) for mail in await post.instant()] == ["bob@crm.example"]
    for pause in (30, 60, 120, 240, 480, 960, 1920):
        await post.go(seconds=pause)
    assert ok(await world.client.get("/v1/outbox", headers=world.machine))["set_aside"] == []
    await post.go(hours=1)
    (aside,) = ok(await world.client.get("/v1/outbox", headers=world.machine))["set_aside"]
    assert (aside["address"], aside["reason"]) == ("ana@crm.example", "554 looks like spam")
    assert (await standing(world, "ana"))["status"] == "active"

    post.box.fault = lambda _: None
    await world.report(just_now(world, "l1", "Again"))
    assert subjects(await post.instant()) == ["L1 (Acme): Again"] * 2
    async with world.service.app.state.database.write() as connection:  # nobody looked at it for nine days
        await connection.execute(f"{BY_A_TEST} UPDATE mail SET created_at = created_at - interval '9 days'")
    await world.client.post(f"/v1/outbox/{aside['id']}/retry", headers=world.machine)
    assert subjects(await post.go()) == ["L1 (Acme): Visited"]


async def test_addresses_refused_one_after_the_other_are_the_servers_trouble_until_it_takes_a_message(
    world: World, post: Post
) -> None:
    reps = [f"rep{number}" for number in range(6)]
    await world.people(*reps, leads={"l1": None})
    for rep in reps:
        await subscribe(world, rep, "lead", "l1")
    gone = {f"{rep}@crm.example" for rep in reps[:5]}
    post.box.fault = lambda _: Refused("550 no", "address")
    await world.report(just_now(world, "l1", "Visited"))
    await post.instant()
    assert sum([(await standing(world, rep))["status"] == "refused" for rep in reps]) == 3

    post.box.fault = lambda envelope: Refused("550 no", "address") if envelope.recipient in gone else None
    for _ in range(6):
        await post.go(hours=1)
    still = [(await standing(world, rep))["status"] for rep in reps[:5]]
    assert still == ["refused"] * 5


async def test_a_mail_put_off_comes_again_with_growing_pauses_the_same_id_and_what_came_up_meanwhile_after_it(
    world: World, post: Post
) -> None:
    await world.people("ana", leads={"l1": "ana"})
    await subscribe(world, "ana", "lead", "l1")
    seen: list[str] = []

    def later(envelope: Any) -> Refused:
        seen.append(envelope.name)
        return Refused("451 greylisted", "nobody")

    post.box.fault = later
    await world.report(just_now(world, "l1", "First"))
    await post.instant()
    for pause in (30, 60, 120):
        await world.report(just_now(world, "l1", "Meanwhile"))
        assert await post.go(seconds=pause - 1) == []
        assert len(seen) == {30: 1, 60: 2, 120: 3}[pause]
        await post.go(seconds=1)
    post.box.fault = lambda _: None

    (first, second) = await post.go(seconds=240)

    assert set(seen) == {str(first["Message-ID"]).strip("<>").split("@")[0]}
    assert subjects([first, second]) == ["L1 (Acme): First", "L1 (Acme): Meanwhile (and 2 more)"]


async def test_a_mail_that_waited_for_a_worker_or_a_server_is_sent_however_long_that_took(
    world: World, post: Post
) -> None:
    await world.people("ana", leads={"l1": "ana"})
    await subscribe(world, "ana", "lead", "l1")
    post.box.fault = lambda _: Unreachable("connection refused")
    await world.report(just_now(world, "l1", "Visited"))
    await post.instant()
    post.clock.move(days=5)  # without a worker; and then the server, which does not know us any more, is slow to agree
    post.box.fault = lambda _: Refused("451 greylisted", "nobody")
    await post.go()
    post.box.fault = lambda _: None
    assert subjects(await post.go(minutes=1)) == ["L1 (Acme): Visited"]


async def test_a_mail_that_the_server_puts_off_for_four_days_fails(world: World, post: Post) -> None:
    await world.people("ana", leads={"l1": "ana"})
    await subscribe(world, "ana", "lead", "l1")
    post.box.fault = lambda _: Refused("451 come again", "nobody")
    await world.report(just_now(world, "l1", "Visited"))
    await post.instant()
    for _ in range(12):
        await post.go(hours=8)
    expired = {"reason": "expired"}
    assert post.counted("leadfeed_mails_failed_total", **expired) == 0
    await post.go(hours=1)
    assert post.counted("leadfeed_mails_failed_total", **expired) == 1
    post.box.fault = lambda _: None
    assert await post.go(days=1) == []


async def test_what_was_read_while_the_server_was_away_is_not_mailed_afterwards(world: World, post: Post) -> None:
    await world.people("ana", leads={"l1": "ana"})
    await subscribe(world, "ana", "lead", "l1")
    post.box.fault = lambda _: Unreachable("connection refused")
    ids = await world.report(just_now(world, "l1", "Read later"), just_now(world, "l1", "Never read"))
    assert await post.instant() == []
    ok(await world.client.post("/v1/feed/read", headers=world.rep("ana"), json={"ids": ids[:1]}))
    post.box.fault = lambda _: None
    assert subjects(await post.go(minutes=2)) == ["L1 (Acme): Never read"]


async def test_a_server_away_for_an_hour_costs_few_attempts_and_ends_in_two_mails(world: World, post: Post) -> None:
    await world.people("ana", leads={"l1": "ana"})
    await subscribe(world, "ana", "lead", "l1")
    post.box.fault = lambda _: Unreachable("connection refused")
    for number in range(60):
        await world.report(just_now(world, "l1", f"Visit {number}"))
        assert await post.go(minutes=1) == []
    assert post.box.attempts < 70
    post.box.fault = lambda _: None

    mails = [*await post.go(minutes=2), *await post.go(minutes=2)]

    assert len(mails) == 2
    assert mails[1]["Subject"].endswith("(and 57 more)")  # the first two are in the first


async def test_a_worker_that_drains_says_why_something_waits_and_only_then(world: World, post: Post) -> None:
    await world.people("ana", "bob", leads={"l1": "ana", "l2": "bob"})
    for rep, lead in (("ana", "l1"), ("bob", "l2")):
        await subscribe(world, rep, "lead", lead)
    # Both leave at once: one finds the server away, the other one does not.
    post.box.fault = lambda _: Unreachable("connection refused") if post.box.attempts == 1 else None
    await world.report(just_now(world, "l1", "Visited"), just_now(world, "l2", "Visited"))
    assert await post.deliverer.drain() is None
    post.clock.move(seconds=11)
    assert await post.deliverer.drain() == "the mail server cannot be used: connection refused"
    assert len(post.box.taken) == 1
    post.clock.move(seconds=2)
    assert await post.deliverer.drain() is None
    assert len(post.box.taken) == 2


async def test_a_message_without_an_answer_is_sent_once_more_and_never_a_third_time(world: World, post: Post) -> None:
    await world.people("ana", "bob", leads={"l1": "ana"})
    await subscribe(world, "ana", "lead", "l1")
    handed: list[bytes] = []

    class Swallowing:
        async def reach(self) -> None:
            """It is always there."""

        async def carry(self, envelope: Any, hand_over: Any) -> None:
            await hand_over()
            handed.append(envelope.message)
            raise Uncertain("connection lost")

        async def close(self) -> None:
            """Nothing is open."""

    post.deliverer._sender._carrier = Swallowing()
    await world.report(just_now(world, "l1", "Visited"))
    await post.instant()
    assert len(handed) == 1
    await post.go(minutes=119)
    assert len(handed) == 1
    for _ in range(50):
        await post.go(minutes=10)
    assert len(handed) == 2

    outbox = ok(await world.client.get("/v1/outbox", headers=world.machine))
    (aside,) = outbox["set_aside"]
    assert (outbox["queued"], aside["address"]) == (0, "ana@crm.example")
    assert "may have arrived" in aside["reason"]
    post.deliverer._sender._carrier = post.box
    again = await world.client.post(f"/v1/outbox/{aside['id']}/retry", headers=world.machine)
    assert again.status_code == 204
    assert subjects(await post.go(minutes=5)) == ["L1 (Acme): Visited"]


def loses(address: str) -> Callable[[Any], Exception | None]:
    return lambda envelope: Uncertain("connection lost") if envelope.recipient == address else None


async def test_a_message_without_an_answer_is_sent_again_once_the_server_took_another(world: World, post: Post) -> None:
    await world.people("ana", "bob", leads={"l1": "ana", "l2": "bob"})
    for rep, lead in (("ana", "l1"), ("bob", "l2")):
        await subscribe(world, rep, "lead", lead)
    post.box.fault = loses("ana@crm.example")
    await world.report(just_now(world, "l1", "Visited"))
    await post.instant()
    post.box.fault = lambda _: None
    assert await post.go(minutes=30) == []
    await world.report(just_now(world, "l2", "Visited"))
    assert [address_of(mail) for mail in await post.instant()] == ["bob@crm.example", "ana@crm.example"]


async def test_while_a_server_loses_messages_every_worker_sends_one_at_a_time_and_says_why(
    settings: Settings, world: World, post: Post
) -> None:
    reps = [f"rep{number}" for number in range(9)]
    await world.people(*reps, leads={"l1": None})
    for rep in reps:
        await subscribe(world, rep, "lead", "l1")
    post.box.fault = lambda _: Uncertain("connection lost")
    await world.report(just_now(world, "l1", "Visited"))
    await post.instant()
    assert post.box.attempts == 4
    async with open_post(settings, clock=post.clock) as other, open_post(settings, clock=post.clock) as third:
        others = other, third
        for one in others:
            one.box.fault = post.box.fault
            assert await one.deliverer.drain() == "the mail server cannot be used: it took a message and did not answer"
        for pause, tries in ((29, 0), (1, 1), (59, 1), (1, 2), (119, 2), (1, 3)):
            post.clock.move(seconds=pause)
            await asyncio.gather(*(one.deliverer.drain() for one in (post, *others)))
            assert sum(one.box.attempts for one in (post, *others)) == 4 + tries


async def test_a_message_that_is_put_off_while_others_were_lost_keeps_no_other_one_waiting(
    world: World, post: Post
) -> None:
    await world.people("ana", "bob", "eve", leads={"l1": "ana", "l2": "bob", "l3": "eve"})
    for rep, lead in (("ana", "l1"), ("bob", "l2"), ("eve", "l3")):
        await subscribe(world, rep, "lead", lead)
    post.box.fault = loses("ana@crm.example")
    await world.report(just_now(world, "l1", "Visited"))
    await post.instant()
    full = Refused("452 full", "nobody")
    post.box.fault = lambda envelope: full if envelope.recipient == "bob@crm.example" else None
    await world.report(just_now(world, "l2", "Visited"))
    await post.go()
    await world.report(just_now(world, "l3", "Visited"))
    mails = [*await post.go(), *await post.go(seconds=30)]
    assert post.counted("leadfeed_mails_failed_total", reason="put-off") == 1
    assert [address_of(mail) for mail in mails] == ["eve@crm.example"]


async def test_a_worker_that_died_while_it_tried_a_server_for_all_keeps_the_others_from_it_for_minutes_only(
    settings: Settings, world: World, post: Post
) -> None:
    await world.people("ana", "bob", leads={"l1": "ana", "l2": "bob"})
    for rep, lead in (("ana", "l1"), ("bob", "l2")):
        await subscribe(world, rep, "lead", lead)
    post.box.fault = loses("ana@crm.example")
    await world.report(just_now(world, "l1", "Visited"))
    await post.instant()
    await world.report(just_now(world, "l2", "Visited"))
    assert await post.instant() == []
    async with Database(settings.database_url or "", pool_size=1) as died:
        assert len(await outbox.claim(died, world.org_id, post.clock.move(minutes=1), 4, "")) == 1
    assert await post.go(minutes=9) == []
    assert [address_of(mail) for mail in await post.go(minutes=1)][:1] == ["bob@crm.example"]


async def test_a_mail_that_cannot_be_built_is_set_aside_and_blocks_nobody(
    world: World, post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.people("ana", "bob", leads={"l1": "ana"})
    await subscribe(world, "ana", "lead", "l1")
    await subscribe(world, "bob", "lead", "l1")
    build = render.moments

    def broken(reader: Any, *rest: Any) -> Any:
        if reader.user_id == "ana":
            raise RuntimeError("no words for this")
        return build(reader, *rest)

    monkeypatch.setattr(render, "moments", broken)
    await world.report(just_now(world, "l1", "Visited"))
    assert [address_of(mail) for mail in await post.instant()] == ["bob@crm.example"]
    assert post.counted("leadfeed_mails_failed_total", reason="unbuildable") == 1
    (aside,) = ok(await world.client.get("/v1/outbox", headers=world.machine))["set_aside"]
    assert aside["reason"] == "RuntimeError: no words for this"

    monkeypatch.setattr(render, "moments", build)
    await world.report(just_now(world, "l1", "Next"))
    assert {address_of(mail) for mail in await post.instant()} == {"ana@crm.example", "bob@crm.example"}
    await world.client.post(f"/v1/outbox/{aside['id']}/retry", headers=world.machine)
    assert subjects(await post.go(minutes=1)) == ["L1 (Acme): Visited"]


async def test_odd_names_harm_neither_the_headers_nor_the_queue(world: World, post: Post) -> None:
    """Not by the API, which cleans what comes in: as an older row, or another writer, might have left them."""
    await world.people("ana", leads={"l1": "ana"})
    odd = "Ev\u202eil\r\nBcc: everybody@crm.example\r\n\r\n<script>alert(1)</script> \u2028\x00".replace("\x00", "")
    await subscribe(world, "ana", "lead", "l1")
    database = world.service.app.state.database
    async with database.write() as connection:
        for table, key in (
            ("lead", "lead_id = 'l1'"),
            ("app_user", "user_id = 'ana'"),
            ("account", "account_id = 'acme'"),
        ):
            await connection.execute(f"{BY_A_TEST} UPDATE {table} SET name = $1 WHERE {key}", odd)
        await connection.execute(f"{BY_A_TEST} UPDATE organization SET name = $1", odd)
    await world.report(just_now(world, "l1", "=?utf-8?q?x?= {{ 7 * 7 }} %s"))

    (mail,) = await post.instant()

    assert mail["Bcc"] is None
    assert len(mail["To"].addresses) == 1
    assert address_of(mail) == "ana@crm.example"
    assert "<script>" not in html_of(mail)
    assert "{{ 7 * 7 }} %s" in html_of(mail)
    head = post.box.taken[-1].message.partition(b"\r\n\r\n")[0].replace(b"\r\n", b"")
    assert b"\n" not in head
    assert b"\r" not in head


async def test_a_mail_carries_the_headers_of_an_automatic_mail_that_can_be_stopped(
    world: World, settings: Settings
) -> None:
    await world.people("ana", leads={"l1": "ana"})
    await subscribe(world, "ana", "lead", "l1")
    await world.report(just_now(world, "l1", "Visited"))
    async with open_post(settings.model_copy(update={"public_url": "https://leads.example.com"})) as post:
        (mail,) = await post.instant()

    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["Precedence"] == "bulk"
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert mail["List-Unsubscribe"].startswith("<https://leads.example.com/mail/")
    assert str(mail["Message-ID"]).endswith("@localhost>")
    assert mail["From"].addresses[0].addr_spec == "leadfeed@localhost"
    assert [part.get_content_type() for part in mail.iter_parts()] == ["text/plain", "text/html"]
    raw = post.box.taken[-1].message
    assert all(len(line) <= 998 for line in raw.split(b"\r\n"))
    assert raw.isascii()


async def test_the_queue_can_be_measured(world: World, post: Post, database: Database) -> None:
    await world.people("ana", leads={"l1": "ana"})
    await subscribe(world, "ana", "lead", "l1")
    post.box.fault = lambda _: Unreachable("connection refused")
    await world.report(just_now(world, "l1", "Visited"))
    await post.instant()
    await post.go(minutes=30)
    await backlog.measure(database, post.metrics, post.clock())
    assert post.counted("leadfeed_mails_queued") == 1
    assert post.counted("leadfeed_mail_oldest_seconds") == 1_800
    assert post.counted("leadfeed_mails_failed_total", reason="unreachable") >= 2
    assert post.metrics.registry.get_sample_value("leadfeed_mails_failed_total", {"reason": "refused"}) == 0
    post.box.fault = lambda _: None
    await post.go(minutes=2)
    await backlog.measure(database, post.metrics, post.clock())
    assert post.counted("leadfeed_mails_queued") == 0
    assert post.counted("leadfeed_mails_sent_total", kind="instant") == 1


async def test_how_long_news_waits_for_a_worker_is_measured_where_somebody_could_be_mailed(
    world: World, post: Post, database: Database
) -> None:
    await world.people("ana", leads={"l1": "ana"})
    made = await subscribe(world, "ana", "lead", "l1")

    async def unread() -> float:
        await backlog.measure(database, post.metrics, post.clock())
        return post.counted("leadfeed_mail_unread_seconds")

    await world.report(just_now(world, "l1", "Visited"))
    post.clock.move(hours=1)
    await world.report(just_now(world, "l1", "Again"))
    assert 3_500 < await unread() <= 3_600
    await administer(world, mail_enabled=False)
    assert await unread() == 0
    await administer(world, mail_enabled=True)
    assert await unread() > 0
    await post.go()
    assert await unread() == 0

    await world.client.delete(f"/v1/subscriptions/{made['id']}", headers=world.rep("ana"))
    await world.report(just_now(world, "l1", "To nobody"))
    post.clock.move(hours=1)
    assert await unread() == 0


async def test_a_mail_that_is_taken_over_by_another_worker_is_not_handed_over(
    settings: Settings, world: World, post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.people("ana", leads={"l1": "ana"})
    await subscribe(world, "ana", "lead", "l1")
    await world.report(just_now(world, "l1", "Visited"))
    compose = composing.compose
    async with open_post(settings, clock=post.clock) as other:

        async def slowly(*arguments: Any) -> Any:
            """While the first worker composes, its lease ends and the other one does the whole work."""
            monkeypatch.setattr(composing, "compose", compose)
            content = await compose(*arguments)
            assert len(await other.go(seconds=outbox.LEASE.total_seconds())) == 1
            return content

        await post.go()
        monkeypatch.setattr(composing, "compose", slowly)
        assert await post.go(seconds=11) == []
        assert len(other.box.taken) == 1


async def test_a_mail_is_nobody_elses_however_slow_the_server_is_up_to_the_hand_over(
    settings: Settings, world: World, post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.people("ana", leads={"l1": "ana"})
    await subscribe(world, "ana", "lead", "l1")
    carry = post.box.carry

    async def late(*_: Any) -> None:
        post.clock.move(seconds=smtp.READY_S)

    async with open_post(settings, clock=post.clock) as other:

        async def as_late(*arguments: Any) -> None:
            await late()
            assert await other.go() == []
            await carry(*arguments)

        monkeypatch.setattr(post.box, "reach", late)
        monkeypatch.setattr(post.box, "carry", as_late)
        await world.report(just_now(world, "l1", "Visited"))
        assert subjects(await post.instant()) == ["L1 (Acme): Visited"]


# --- one organisation's trouble is not another's --------------------------------------------------------------------


@pytest.fixture
async def worlds(world: World) -> tuple[World, World]:
    """Two organisations with a rep who wants to know of a lead at once."""
    both = world, await world.service.new_world()
    for one in both:
        await one.people("ana", leads={"l1": "ana"})
        await subscribe(one, "ana", "lead", "l1")
    return both


async def test_a_row_that_somebody_holds_keeps_no_other_organisations_mail_waiting(
    worlds: tuple[World, World], post: Post, database: Database
) -> None:
    held, other = worlds
    for one in worlds:
        await one.report(just_now(one, "l1", f"Visited {one.org}"))
    async with database.write() as connection:
        await connection.execute(f"{BY_A_TEST} SELECT FROM mail_recipient WHERE org_id = $1 FOR UPDATE", held.org_id)
        async with asyncio.timeout(30):
            (mail,) = await post.instant()
    assert f"Visited {other.org}" in text_of(mail)

    (mail,) = await post.instant()
    assert f"Visited {held.org}" in text_of(mail)


async def test_a_server_that_loses_messages_is_the_same_one_for_every_organisation(
    worlds: tuple[World, World], post: Post
) -> None:
    lost, other = worlds
    post.box.fault = lambda _: Uncertain("connection lost")
    await lost.report(just_now(lost, "l1", f"Visited {lost.org}"))
    await post.instant()
    await other.report(just_now(other, "l1", f"Visited {other.org}"))
    post.box.fault = lambda _: None
    assert await post.instant() == []
    first, *rest = await post.go(minutes=2)
    assert f"Visited {other.org}" in text_of(first)
    assert [f"Visited {lost.org}" in text_of(mail) for mail in [*rest, *await post.go()]] == [True]


async def test_a_fault_in_one_organisations_turn_keeps_no_other_organisations_mail_waiting(
    worlds: tuple[World, World], post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    faulty, other = worlds
    read_on = noticing.read_on

    async def failing(database: Database, org_id: int, now: datetime) -> bool:
        if org_id == faulty.org_id:
            raise RuntimeError("of this test")
        return await read_on(database, org_id, now)

    monkeypatch.setattr(noticing, "read_on", failing)
    for one in worlds:
        await one.report(just_now(one, "l1", f"Visited {one.org}"))
    (mail,) = await post.instant()
    assert f"Visited {other.org}" in text_of(mail)


async def test_a_wave_of_one_organisations_mails_keeps_no_other_organisations_mail_waiting(
    worlds: tuple[World, World], post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    for one in worlds:
        await one.people("bob", leads={})
        await subscribe(one, "bob", "lead", "l1")
        await one.report(just_now(one, "l1", f"Visited {one.org}"))
    monkeypatch.setattr(worker, "AT_ONCE", 1)
    busy, look, carry = asyncio.Lock(), post.deliverer.round, post.box.carry

    async def looking() -> bool:
        """The server is so slow that it takes nothing meanwhile."""
        async with busy:
            return await look()

    async def slowly(*arguments: Any) -> None:
        async with busy:
            await carry(*arguments)

    monkeypatch.setattr(post.deliverer, "round", looking)
    monkeypatch.setattr(post.box, "carry", slowly)
    first, second, *_ = await post.instant()
    assert first["List-Id"] != second["List-Id"]
