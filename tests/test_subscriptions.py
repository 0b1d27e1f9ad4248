"""Subscriptions over the API: making, listing, changing, pausing and deleting them, and who may be mailed."""

import json
import re
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from leadfeed_api.subscriptions.schemas import MailPreferencesPatch
from post import just_now, subscribe
from world import Service, World, ok, problem

pytestmark = pytest.mark.anyio
PAGE = (Path(__file__).resolve().parent.parent / "docs/subscriptions.md").read_text(encoding="utf-8")


async def listed(world: World, user: str) -> list[dict[str, Any]]:
    answer = await world.client.get("/v1/subscriptions", headers=world.rep(user))
    items: list[dict[str, Any]] = ok(answer)["items"]
    return items


async def test_what_the_page_on_subscriptions_shows_is_taken(world: World) -> None:
    await world.people("ana", leads={})
    (subscription,) = re.findall(r"/v1/subscriptions .+? -d '(.+?)'", PAGE, re.DOTALL)
    (preferences,) = re.findall(r"```json\n(.+?)```", PAGE, re.DOTALL)
    rep = world.rep("ana")

    made = ok(await world.client.post("/v1/subscriptions", headers=rep, json=json.loads(subscription)), 201)
    assert made.items() >= json.loads(subscription).items()
    changed = ok(await world.client.patch("/v1/mail-preferences", headers=rep, json=json.loads(preferences)))
    assert changed.items() >= json.loads(preferences).items()
    assert {*json.loads(preferences), "unsubscribed"} == {*MailPreferencesPatch.model_fields}


async def test_a_subscription_is_what_was_asked_for_and_can_be_found_again(world: World) -> None:
    await world.people("ana", leads={"l1": "ana"})

    made = await subscribe(world, "ana", "lead", "l1", recipients=["ANA@crm.example"], frequency="daily")

    assert made | {"id": "", "created_at": ""} == {
        "id": "",
        "match": {"kind": "lead", "value": "l1"},
        "label": "L1",
        "scope": "owned",
        "recipients": ["ana@crm.example"],
        "deliveries": [{"address": "ana@crm.example", "status": "active", "reason": None}],
        "frequency": "daily",
        "paused": False,
        "created_at": "",
    }
    assert await listed(world, "ana") == [made]
    path = f"/v1/subscriptions/{made['id']}"
    assert ok(await world.client.get(path, headers=world.rep("ana"))) == made


async def test_the_least_that_can_be_asked_is_mailed_at_once_to_oneself(world: World) -> None:
    await world.people("ana", leads={"l1": "ana"})

    made = await subscribe(world, "ana", "description", "  Pricing\tpage ")

    assert (made["recipients"], made["frequency"], made["paused"]) == (["ana@crm.example"], "instant", False)
    assert (made["match"]["value"], made["scope"], made["label"]) == ("Pricing page", "owned", None)


async def test_an_edit_changes_what_it_names_and_nothing_else(world: World) -> None:
    await world.people("ana", "bob", leads={"l1": "ana"})
    made = await subscribe(world, "ana", "type", "web")
    path = f"/v1/subscriptions/{made['id']}"

    async def change(**fields: Any) -> dict[str, Any]:
        return ok(await world.client.patch(path, headers=world.rep("ana"), json=fields))

    assert await change(frequency="hourly") == made | {"frequency": "hourly"}
    assert (await change(paused=True))["paused"] is True
    assert (await change(scope="feed", paused=False))["scope"] == "feed"
    assert (await change(match={"kind": "account", "value": "acme"}))["label"] == "Acme"
    assert (await change(recipients=["bob@crm.example", "ana@crm.example"]))["recipients"] == [
        "bob@crm.example",
        "ana@crm.example",
    ]
    assert (await change(recipients=[]))["recipients"] == ["ana@crm.example"]
    assert await change() == (await listed(world, "ana"))[0]
    assert await change(match=None, recipients=None, frequency=None, scope=None, paused=None) == await change()


async def test_a_deleted_subscription_is_gone(world: World) -> None:
    await world.people("ana", leads={"l1": "ana"})
    path = f"/v1/subscriptions/{(await subscribe(world, 'ana', 'type', 'web'))['id']}"

    assert (await world.client.delete(path, headers=world.rep("ana"))).status_code == 204

    assert await listed(world, "ana") == []
    for method in ("GET", "DELETE"):
        answer = await world.client.request(method, path, headers=world.rep("ana"))
        problem(answer, 404, "unknown-subscription")
    problem(await world.client.patch(path, headers=world.rep("ana"), json={}), 404, "unknown-subscription")


async def test_changing_and_deleting_one_leaves_all_others_as_they_are(world: World) -> None:
    await world.people("ana", "bob", leads={"l1": "ana"})
    one, two = [await subscribe(world, "ana", kind, value) for kind, value in (("lead", "l1"), ("type", "web"))]
    three = await subscribe(world, "bob", "type", "email", recipients=["ana@crm.example"])
    path, ana = f"/v1/subscriptions/{one['id']}", world.rep("ana")

    wanted = {"match": {"kind": "account", "value": "acme"}, "recipients": ["bob@crm.example"], "frequency": "daily"}
    changed = ok(await world.client.patch(path, headers=ana, json=wanted))
    assert (await listed(world, "ana"), await listed(world, "bob")) == ([changed, two], [three])

    assert (await world.client.delete(path, headers=ana)).status_code == 204
    assert (await listed(world, "ana"), await listed(world, "bob")) == ([two], [three])


async def test_another_users_and_another_organisations_subscription_look_like_none(
    world: World, service: Service
) -> None:
    await world.people("ana", "bob", leads={"l1": "ana"})
    other = await service.new_world()
    await other.people("ana", leads={"l1": "ana"})
    made = await subscribe(world, "ana", "type", "web")

    for foreign, headers in ((world, world.rep("bob")), (other, other.rep("ana"))):
        for subscription_id in (made["id"], str(uuid4())):
            path = f"/v1/subscriptions/{subscription_id}"
            problem(await foreign.client.get(path, headers=headers), 404, "unknown-subscription")
            problem(await foreign.client.delete(path, headers=headers), 404, "unknown-subscription")
            answer = await foreign.client.patch(path, headers=headers, json={"paused": True})
            problem(answer, 404, "unknown-subscription")
    assert await listed(world, "ana") == [made]
    assert await listed(world, "bob") == await listed(other, "ana") == []


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/match"),
        ({"match": {"kind": "phone", "value": "x"}}, "/match/kind"),
        ({"match": {"kind": "type", "value": "sms"}}, "/match/value"),
        ({"match": {"kind": "type"}}, "/match/value"),
        ({"match": {"kind": "description", "value": "…!?"}}, "/match/value"),
        ({"match": {"kind": "description", "value": "x" * 201}}, "/match/value"),
        ({"match": {"kind": "lead", "value": "nobody"}}, "/match/value"),
        ({"match": {"kind": "lead", "value": "a\u0000b"}}, "/match/value"),
        ({"match": {"kind": "account", "value": "nothing"}}, "/match/value"),
        ({"match": {"kind": "type", "value": "web", "scope": "feed"}}, "/match/scope"),
        ({"match": {"kind": "type", "value": "web"}, "frequency": "weekly"}, "/frequency"),
        ({"match": {"kind": "type", "value": "web"}, "scope": "team"}, "/scope"),
        ({"match": {"kind": "type", "value": "web"}, "paused": "no"}, "/paused"),
        ({"match": {"kind": "type", "value": "web"}, "recipients": ["ana"]}, "/recipients/0"),
        ({"match": {"kind": "type", "value": "web"}, "recipients": ["a@b.example\r\nBcc: x@y"]}, "/recipients/0"),
        ({"match": {"kind": "type", "value": "web"}, "recipients": ["é@crm.example"]}, "/recipients/0"),
        ({"match": {"kind": "type", "value": "web"}, "recipients": [f"a{n}@b.example" for n in "12345678901"]},
         "/recipients"),
        ({"match": {"kind": "type", "value": "web"}, "mood": "good"}, "/mood"),
    ],
)  # fmt: skip
async def test_what_cannot_be_subscribed_to_is_refused_where_it_is_wrong(
    world: World, body: dict[str, Any], pointer: str
) -> None:
    await world.people("ana", leads={"l1": "ana"})

    answer = await world.client.post("/v1/subscriptions", headers=world.rep("ana"), json=body)

    assert pointer in [fault["pointer"] for fault in problem(answer, 422, "invalid")["errors"]]
    assert await listed(world, "ana") == []


async def test_a_lead_nobody_would_guess_cannot_be_found_out_through_another_organisation(
    world: World, service: Service
) -> None:
    await world.people("ana", leads={"l1": "ana"})
    other = await service.new_world()
    await other.people("eve", leads={"theirs": "eve"})

    def body(lead: str) -> dict[str, Any]:
        return {"match": {"kind": "lead", "value": lead}}

    foreign = await world.client.post("/v1/subscriptions", headers=world.rep("ana"), json=body("theirs"))
    missing = await world.client.post("/v1/subscriptions", headers=world.rep("ana"), json=body("nobody"))
    assert foreign.json() | {"request_id": ""} == missing.json() | {"request_id": ""}


async def test_a_user_has_a_hundred_subscriptions_and_is_told_so(world: World) -> None:
    await world.people("ana", "bob", leads={"l1": "ana"})
    for _ in range(100):
        await subscribe(world, "ana", "type", "web")
    body = {"match": {"kind": "type", "value": "email"}}

    refused = await world.client.post("/v1/subscriptions", headers=world.rep("ana"), json=body)

    assert "100" in problem(refused, 409, "subscription-limit")["detail"]
    await subscribe(world, "bob", "type", "web")
    first = (await listed(world, "ana"))[0]["id"]
    await world.client.delete(f"/v1/subscriptions/{first}", headers=world.rep("ana"))
    ok(await world.client.post("/v1/subscriptions", headers=world.rep("ana"), json=body), 201)


async def test_an_item_says_whether_one_of_my_subscriptions_matches_it(world: World) -> None:
    await world.people("ana", "bob", leads={"mine": "ana", "seen": "bob"})
    await world.client.put("/v1/watchlist/seen", headers=world.rep("ana"))
    await world.report(
        just_now(world, "mine", "Read the PRICING page"), just_now(world, "seen", "Compared pricing (twice)")
    )

    async def subscribed(user: str = "ana") -> dict[str, bool]:
        return {item["lead"]["id"]: item["subscribed"] for item in await world.feed(user)}

    assert await subscribed() == {"mine": False, "seen": False}
    made = await subscribe(world, "ana", "description", "pricing page")
    assert await subscribed() == {"mine": True, "seen": False}
    path = f"/v1/subscriptions/{made['id']}"
    for fields, expected in (
        ({"match": {"kind": "description", "value": "twice PRICING"}}, {"mine": False, "seen": False}),
        ({"scope": "feed"}, {"mine": False, "seen": True}),
        ({"match": {"kind": "description", "value": "price"}}, {"mine": False, "seen": False}),
        ({"match": {"kind": "type", "value": "web"}}, {"mine": True, "seen": True}),
        ({"scope": "owned"}, {"mine": True, "seen": False}),
        ({"match": {"kind": "lead", "value": "seen"}}, {"mine": False, "seen": True}),
        ({"match": {"kind": "account", "value": "acme"}}, {"mine": True, "seen": True}),
        ({"paused": True}, {"mine": False, "seen": False}),
    ):
        ok(await world.client.patch(path, headers=world.rep("ana"), json=fields))
        assert await subscribed() == expected, fields
    assert await subscribed("bob") == {"seen": False}


async def test_a_team_mate_is_mailed_and_an_address_outside_has_to_be_confirmed_first(world: World) -> None:
    await world.people("ana", "bob", leads={"l1": "ana"})

    made = await subscribe(world, "ana", "type", "web", recipients=["bob@crm.example", "pat@partner.example"])

    assert made["recipients"] == ["bob@crm.example", "pat@partner.example"]
    assert [delivery["status"] for delivery in made["deliveries"]] == ["active", "pending"]


async def test_only_so_many_addresses_outside_may_be_waiting_for_an_answer(world: World) -> None:
    await world.people("ana", leads={"l1": "ana"})
    await subscribe(world, "ana", "type", "web", recipients=[f"p{n}@partner.example" for n in range(10)])
    await subscribe(world, "ana", "type", "email", recipients=["p3@partner.example"])
    body = {"match": {"kind": "type", "value": "web"}, "recipients": ["one-more@partner.example"]}

    refused = await world.client.post("/v1/subscriptions", headers=world.rep("ana"), json=body)

    assert problem(refused, 422, "invalid")["errors"][0]["pointer"] == "/recipients"


async def test_strangers_whom_one_user_named_count_for_nobody_else(world: World) -> None:
    await world.people("ana", "bob", leads={})
    await subscribe(world, "ana", "type", "web", recipients=[f"p{n}@partner.example" for n in range(10)])
    made = await subscribe(world, "bob", "type", "web", recipients=["one-more@partner.example"])
    assert made["deliveries"][0]["status"] == "pending"


async def test_an_administrator_decides_whether_and_where_mail_goes(world: World) -> None:
    await world.people("ana", leads={"l1": "ana"})
    made = await subscribe(world, "ana", "type", "web")

    async def set_to(**fields: Any) -> dict[str, Any]:
        return ok(await world.client.patch("/v1/settings", headers=world.machine, json=fields))

    assert (await set_to(mail_domains=["@Partner.Example"]))["mail_domains"] == ["partner.example"]
    assert (await listed(world, "ana"))[0]["deliveries"][0]["status"] == "not-allowed"
    body = {"match": {"kind": "type", "value": "web"}}
    problem(await world.client.post("/v1/subscriptions", headers=world.rep("ana"), json=body), 422, "invalid")
    await subscribe(world, "ana", "type", "web", recipients=["pat@sub.partner.example"])
    await set_to(mail_domains=[])
    assert (await listed(world, "ana"))[0]["deliveries"][0]["status"] == "active"

    await set_to(mail_enabled=False)
    refused = await world.client.post("/v1/subscriptions", headers=world.rep("ana"), json=body)
    problem(refused, 403, "mail-disabled")
    assert (await listed(world, "ana"))[0]["deliveries"][0]["status"] == "off"
    deleted = await world.client.delete(f"/v1/subscriptions/{made['id']}", headers=world.rep("ana"))
    assert deleted.status_code == 204


@pytest.mark.parametrize("stranger", ["evilcrm.example", "crm.example.evil", "example"])
async def test_a_domain_that_only_looks_like_an_allowed_one_is_not(world: World, stranger: str) -> None:
    await world.people("ana", leads={})
    ok(await world.client.patch("/v1/settings", headers=world.machine, json={"mail_domains": ["crm.example"]}))
    body = {"match": {"kind": "type", "value": "web"}, "recipients": [f"pat@{stranger}"]}
    answer = await world.client.post("/v1/subscriptions", headers=world.rep("ana"), json=body)
    assert problem(answer, 422, "invalid")["errors"][0]["pointer"] == "/recipients/0"


@pytest.mark.parametrize(
    "fields",
    [{"mail_domains": ["no domain"]}, {"mail_domains": [""]}, {"lead_url": "https://crm.example/leads"},
     {"panel_url": "javascript:alert()"}, {"panel_url": "crm.example"},
     {"lead_url": "javascript:alert({lead_id})"}, {"lead_url": "https://crm.example/{lead_id}/{name}"}],
)  # fmt: skip
async def test_settings_that_would_break_mails_are_refused(world: World, fields: dict[str, Any]) -> None:
    problem(await world.client.patch("/v1/settings", headers=world.machine, json=fields), 422, "invalid")


@pytest.mark.parametrize(
    ("name", "url"),
    [("lead_url", "https://crm.example/leads/{lead_id}"), ("panel_url", "https://crm.example/lead-feed")],
)
async def test_where_the_crm_shows_things_can_be_set_and_taken_away(world: World, name: str, url: str) -> None:
    async def set_to(value: str | None) -> Any:
        return ok(await world.client.patch("/v1/settings", headers=world.machine, json={name: value}))[name]

    assert await set_to(url) == url
    assert ok(await world.client.patch("/v1/settings", headers=world.machine, json={}))[name] == url
    assert await set_to(None) is None


async def test_null_takes_away_no_other_setting(world: World) -> None:
    names = ("rss_enabled", "tiers", "time_zone", "retention_days", "mail_enabled", "mail_domains")
    given = {"rss_enabled": True, "tiers": {"window_days": 3}, "time_zone": "Europe/Paris", "retention_days": 90}
    given |= {"mail_enabled": False, "mail_domains": ["crm.example"]}
    changed = ok(await world.client.patch("/v1/settings", headers=world.machine, json=given))
    assert ok(await world.client.patch("/v1/settings", headers=world.machine, json=dict.fromkeys(names))) == changed


async def test_a_recipient_follows_the_crm_to_a_new_address(world: World) -> None:
    await world.people("ana", leads={"l1": "ana"})
    await subscribe(world, "ana", "type", "web")

    await world.sync(users=[{"id": "ana", "email": "ana.ruiz@crm.example"}])
    assert (await listed(world, "ana"))[0]["recipients"] == ["ana.ruiz@crm.example"]

    await world.sync(users=[{"id": "ana", "email": "nothing like an address"}])
    (shown,) = await listed(world, "ana")
    assert shown["recipients"] == []
    assert shown["deliveries"][0]["status"] == "no-address"


async def test_whoever_has_no_address_is_told_to_name_one(world: World) -> None:
    await world.sync(users=[{"id": "ana", "name": "Ana"}])
    body = {"match": {"kind": "type", "value": "web"}}
    answer = await world.client.post("/v1/subscriptions", headers=world.rep("ana"), json=body)
    assert problem(answer, 422, "invalid")["errors"][0]["pointer"] == "/recipients"


async def test_mail_preferences_begin_with_what_the_crm_says_and_end_with_what_i_say(world: World) -> None:
    await world.sync(users=[{"id": "ana", "name": "Ana", "email": "ana@crm.example", "language": "fr-CA",
                             "time_zone": "America/Montreal"}])  # fmt: skip

    async def mine(**fields: Any) -> dict[str, Any]:
        return ok(await world.client.patch("/v1/mail-preferences", headers=world.rep("ana"), json=fields))

    first = ok(await world.client.get("/v1/mail-preferences", headers=world.rep("ana")))
    assert first == {
        "address": "ana@crm.example", "status": "active", "reason": None, "language": "fr",
        "time_zone": "America/Montreal", "daily_hour": 8, "quiet_from": None, "quiet_until": None, "daily_cap": 30,
        "unsubscribed": False,
    }  # fmt: skip
    changed = await mine(language="en", time_zone="Europe/Paris", daily_hour=0, quiet_from="20:00",
                         quiet_until="06:45", daily_cap=5)  # fmt: skip
    assert changed == first | {
        "language": "en", "time_zone": "Europe/Paris", "daily_hour": 0, "quiet_from": "20:00", "quiet_until": "06:45",
        "daily_cap": 5,
    }  # fmt: skip
    assert await mine() == changed == await mine(daily_hour=None, daily_cap=None, unsubscribed=None)
    back = await mine(language=None, time_zone=None, quiet_from=None, quiet_until=None)
    assert (back["language"], back["time_zone"], back["quiet_from"]) == ("fr", "America/Montreal", None)
    assert (await mine(unsubscribed=True))["status"] == "unsubscribed"
    assert (await mine(unsubscribed=False))["status"] == "active"


async def test_preferences_are_each_users_own(world: World) -> None:
    await world.people("ana", "bob", leads={})
    of_bob = ok(await world.client.get("/v1/mail-preferences", headers=world.rep("bob")))

    wishes = {"language": "fr", "daily_hour": 17, "quiet_from": "20:00", "quiet_until": "06:45", "daily_cap": 5}
    of_ana = ok(await world.client.patch("/v1/mail-preferences", headers=world.rep("ana"), json=wishes))

    assert of_ana == {**of_ana, **wishes}
    assert ok(await world.client.get("/v1/mail-preferences", headers=world.rep("bob"))) == of_bob


@pytest.mark.parametrize(
    "fields",
    [{"quiet_from": "20:00"}, {"quiet_from": "20:00", "quiet_until": None}, {"quiet_from": "8", "quiet_until": "9:00"},
     {"quiet_from": "20:10", "quiet_until": "07:00"}, {"quiet_from": "20:00\n", "quiet_until": "07:00"},
     {"quiet_from": "07:00", "quiet_until": "07:00"},
     {"daily_hour": 24}, {"daily_cap": 0}, {"daily_hour": True}, {"time_zone": "Mars/Olympus"}, {"language": "de"}],
)  # fmt: skip
async def test_preferences_that_make_no_sense_are_refused(world: World, fields: dict[str, Any]) -> None:
    await world.people("ana", leads={})
    answer = await world.client.patch("/v1/mail-preferences", headers=world.rep("ana"), json=fields)
    problem(answer, 422, "invalid")


async def test_erasing_a_lead_ends_the_subscriptions_to_it(world: World) -> None:
    await world.people("ana", leads={"l1": "ana", "l2": "ana"})
    await subscribe(world, "ana", "lead", "l1")
    kept = await subscribe(world, "ana", "lead", "l2")

    assert (await world.client.delete("/v1/leads/l1", headers=world.machine)).status_code == 204

    assert await listed(world, "ana") == [kept]


async def test_erasing_a_lead_ends_no_subscription_to_what_has_the_same_name(world: World) -> None:
    await world.people("ana", leads={"web": "ana"})
    await world.sync(accounts=[{"id": "web", "name": "Web Inc."}])
    await subscribe(world, "ana", "lead", "web")
    kept = [await subscribe(world, "ana", kind, "web") for kind in ("account", "type", "description")]

    assert (await world.client.delete("/v1/leads/web", headers=world.machine)).status_code == 204

    assert sorted(one["match"]["kind"] for one in await listed(world, "ana")) == ["account", "description", "type"]
    assert {one["id"] for one in await listed(world, "ana")} == {one["id"] for one in kept}


async def test_a_user_whose_id_looks_like_an_address_takes_nobodys_place(world: World) -> None:
    await world.people("ana", leads={"mia": "ana"})
    await world.sync(users=[{"id": "ann@corp.example", "name": "Ann", "email": "ann.smith@corp.example"}])

    made = await subscribe(world, "ana", "type", "web", recipients=["ann.smith@corp.example", "ann@corp.example"])

    assert [(one["address"], one["status"]) for one in made["deliveries"]] == [
        ("ann.smith@corp.example", "active"),
        ("ann@corp.example", "pending"),
    ]
