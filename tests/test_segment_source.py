"""What Segment and its kin forward: which messages become moments, what they read like, and whose they are."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadfeed_api.ingestion.interpret import Candidate, Rejection
from leadfeed_api.ingestion.sources.segment import Forwarding, moment_from
from world import World, ok, problem

NOW = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
PARTS = ("type", "event", "name", "messageId", "userId", "timestamp", "properties", "context")


def message(call: str = "track", **parts: Any) -> dict[str, Any]:
    """What a customer data platform forwards."""
    return {
        "type": call,
        "messageId": "ajs-1029",
        "userId": "l1",
        "anonymousId": "f3a1",
        "timestamp": "2026-11-23T09:12:00.276Z",
        **parts,
    }


def moment(sent: object, **said: Any) -> Candidate:
    """The moment that a message is."""
    found = moment_from(sent, Forwarding(**said), NOW)
    assert isinstance(found, Candidate), found
    return found


def rejection(sent: object, **said: Any) -> tuple[str, str]:
    """Why a message is none, and where."""
    found = moment_from(sent, Forwarding(**said), NOW)
    assert isinstance(found, Rejection), found
    return found.problem, found.pointer


@pytest.fixture
async def acme(world: World) -> World:
    """Ana owns one lead, l1."""
    await world.people("ana", leads={"l1": "ana"})
    return world


async def send(world: World, body: object, query: str = "") -> dict[str, Any]:
    """The verdicts on what was forwarded."""
    return ok(await world.client.post(f"/v1/moments/segment{query}", headers=world.machine, json=body))


@pytest.mark.anyio
async def test_what_a_webhook_forwards_one_at_a_time_is_in_the_owners_feed(acme: World) -> None:
    page = {"title": "Pricing", "url": "https://acme.example/pricing?utm=1"}

    answer = await send(acme, message("page", properties=page))

    assert (answer["accepted"], answer["rejected"]) == (1, 0)
    (item,) = await acme.feed("ana")
    assert {name: item[name] for name in ("type", "description", "url", "source", "occurred_at", "bot")} == {
        "type": "web",
        "description": "Visited “Pricing”",
        "url": "https://acme.example/pricing?utm=1",
        "source": "segment",
        "occurred_at": "2026-11-23T09:12:00.276000Z",
        "bot": None,
    }


@pytest.mark.anyio
async def test_a_message_that_is_forwarded_again_is_the_same_moment(acme: World) -> None:
    first = await send(acme, message(event="Trial Started"))
    again = await send(acme, message(event="Trial Started"))

    assert again["duplicates"] == 1
    assert again["results"][0]["id"] == first["results"][0]["id"]


@pytest.mark.anyio
@pytest.mark.parametrize(("wrap", "above"), [(lambda m: m, ""), (lambda m: {"batch": m, "sentAt": "x"}, "/batch")])
async def test_messages_come_in_batches_and_each_has_its_own_result(acme: World, wrap: Any, above: str) -> None:
    batch = [
        message(event="Trial Started"),
        message("identify", messageId="2", traits={"plan": "pro"}),
        message(event="Trial Started", messageId="3", userId="nobody"),
        message(event="Trial Started", messageId="4", userId=None),
        "no message",
    ]

    answer = await send(acme, wrap(batch))

    assert [(one["status"], one.get("problem"), one.get("pointer")) for one in answer["results"]] == [
        ("accepted", None, None),
        ("rejected", "no-moment", f"{above}/1/type"),
        ("rejected", "unknown-lead", f"{above}/2/userId"),
        ("rejected", "invalid-lead-id", f"{above}/3/userId"),
        ("rejected", "invalid-moment", f"{above}/4"),
    ]


@pytest.mark.anyio
async def test_an_address_says_whose_messages_come_to_it_what_kind_they_are_and_where_the_leads_id_is(
    acme: World,
) -> None:
    sent = message(event="Webinar Attended", userId="app-77", context={"traits": {"crm/id": "l1"}})
    query = "?source=rudderstack&type=web&lead_id_at=/context/traits/crm~1id"

    await send(acme, sent, query)
    refused = await send(acme, {**sent, "context": {}}, query)

    (item,) = await acme.feed("ana")
    assert (item["source"], item["type"]) == ("rudderstack", "web")
    assert refused["results"][0]["pointer"] == "/context/traits/crm~1id"


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("query", "body", "where"),
    [
        ("?lead_id_at=userId", {}, {"parameter": "lead_id_at"}),
        ("?type=fax", {}, {"parameter": "type"}),
        ("?colour=red", {}, {"parameter": "colour"}),
        ("", [], {"pointer": ""}),
        ("", "a text", {"pointer": ""}),
        ("", {}, {"pointer": ""}),
        ("", {"moments": [{"type": "web"}]}, {"pointer": ""}),
        ("", {"batch": {}}, {"pointer": "/batch"}),
        ("", [{}] * 1_001, {"pointer": ""}),
    ],
)
async def test_what_is_neither_a_message_nor_a_batch_of_them_is_refused_with_its_place(
    acme: World, query: str, body: object, where: dict[str, str]
) -> None:
    answer = await acme.client.post(f"/v1/moments/segment{query}", headers=acme.machine, json=body)

    (error,) = problem(answer, 422, "invalid")["errors"]
    assert {name: error[name] for name in where} == where


@pytest.mark.anyio
async def test_only_who_may_report_moments_may_forward_them(acme: World) -> None:
    rep = await acme.client.post("/v1/moments/segment", headers=acme.rep("ana"), json=message())
    nobody = await acme.client.post("/v1/moments/segment", json=message())

    assert (rep.status_code, nobody.status_code) == (403, 401)


@pytest.mark.parametrize(
    ("sent", "kind", "description"),
    [
        (message("page", name="Pricing", properties={"title": "Acme | Pricing"}), "web", "Visited “Pricing”"),
        (message("page", properties={"url": "https://www.acme.example/a/?b=c"}), "web", "Visited “acme.example/a”"),
        (message("page"), "web", "Visited the website"),
        (message("screen", name="Billing"), "web", "Opened “Billing” in the app"),
        (message(event="Email Opened", properties={"email_subject": "Your trial"}), "email", "Opened “Your trial”"),
        (message(event="Email Link Clicked"), "email", "Clicked a link in an email"),
        (message(event="Trial Started"), "milestone", "Trial Started"),
        (message(event="Form Submitted", properties={"title": "Ask us"}), "milestone", "Form Submitted: Ask us"),
        (message(event="x", properties={"description": "Asked for a quote"}), "milestone", "Asked for a quote"),
        (message(event="20261123"), "milestone", "20261123"),
    ],
)
def test_a_message_says_what_happened_in_words_for_a_rep(sent: object, kind: str, description: str) -> None:
    found = moment(sent)

    assert (found.type, found.description) == (kind, description)


@pytest.mark.parametrize("event", ["Email Bounced", "Email Delivered", "Email Marked as Spam", "Unsubscribed"])
def test_what_became_of_a_mail_is_no_moment(event: str) -> None:
    assert rejection(message(event=event)) == ("no-moment", "/type")


@pytest.mark.parametrize("call", ["identify", "group", "alias", None, 7])
def test_what_nobody_did_is_no_moment(call: Any) -> None:
    assert rejection(message(call)) == ("no-moment", "/type")


def test_an_email_opened_by_a_machine_says_so() -> None:
    apple = {"userAgent": "Mozilla/5.0"}

    assert (moment(message(event="Email Opened", context=apple)).bot or "").startswith("likely automatic: Apple")
    assert moment(message(event="Email Link Clicked", context=apple)).bot is None
    assert moment(message("page", context={"userAgent": "Googlebot/2.1"})).bot == "likely a web crawler (Google)"


def test_a_property_is_no_verdict_of_marketo_s() -> None:
    assert moment(message(event="a", properties={"is_bot_activity": "true"})).bot is None


def test_a_link_is_the_one_that_was_clicked_or_else_the_page_and_one_that_is_none_is_left_out() -> None:
    context = {"page": {"url": "https://acme.example/here"}}
    clicked = {"link_url": "https://acme.example/there"}

    assert moment(message(event="a", properties=clicked, context=context)).url == "https://acme.example/there"
    assert (
        moment(message(event="a", properties={"link_url": "mailto:a"}, context=context)).url == context["page"]["url"]
    )
    assert moment(message(event="a", properties={"url": "https://a.example/" + "b" * 2_000})).url is None


def test_a_message_without_its_corrected_time_happened_when_its_device_said_and_one_without_any_now() -> None:
    said = "2026-11-23T09:00:00Z"

    assert moment(message(event="a", timestamp=None, originalTimestamp=said)).occurred_at == NOW - timedelta(hours=1)
    assert moment(message(event="a", timestamp=None)).occurred_at == NOW


def test_an_id_may_be_sent_as_a_number() -> None:
    assert moment(message(event="a", userId=1124755)).lead_id == "1124755"
    assert rejection(message(event="a", userId=True)) == ("invalid-lead-id", "/userId")


@pytest.mark.parametrize(
    ("parts", "found"),
    [
        ({"messageId": None}, ("invalid-external-id", "/messageId")),
        ({"event": None}, ("invalid-description", "/event")),
        ({"event": "\u200d"}, ("invalid-description", "/event")),
        ({"timestamp": "yesterday"}, ("invalid-occurred-at", "/timestamp")),
        ({"timestamp": "2026-11-23T11:30:00Z"}, ("invalid-occurred-at", "/timestamp")),
    ],
)
def test_a_message_without_what_a_moment_needs_is_rejected_with_its_place(
    parts: dict[str, Any], found: tuple[str, str]
) -> None:
    assert rejection(message(**{"event": "a", **parts})) == found


@given(st.dictionaries(st.sampled_from(PARTS), JSON) | JSON)
def test_whatever_is_sent_has_a_verdict(sent: Any) -> None:
    for call in ("page", "track"):
        moment_from(sent, Forwarding(), NOW)
        if isinstance(sent, dict):
            moment_from({**sent, "type": call}, Forwarding(), NOW)
