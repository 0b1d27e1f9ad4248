"""Moments coming in: a verdict each, idempotent, cleaned, in any of the envelopes, and on disk when acknowledged."""

import asyncio
import json
from base64 import b64encode
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leadfeed_api.db.embedded import EmbeddedPostgres
from leadfeed_api.db.migrate import migrate
from leadfeed_api.db.session import Database
from leadfeed_api.errors import Problem
from leadfeed_api.ingestion.envelopes import _own, open_envelope
from leadfeed_api.ingestion.interpret import Candidate, PlainMoment, interpret, interpret_all, judge, read_plain
from leadfeed_api.ingestion.record import Verdict, record_moments
from leadfeed_api.ingestion.schemas import BatchResult
from leadfeed_api.settings import Settings
from leadfeed_api.wire import json_document
from server_owner import kill_server
from world import MONDAY, World, ok, problem, running_app

pytestmark = pytest.mark.anyio

EVENTS, EVENT_BATCH = "application/cloudevents+json", "application/cloudevents-batch+json"


@pytest.fixture
async def acme(world: World) -> World:
    """Ana owns one lead, l1."""
    await world.people("ana", leads={"l1": "ana"})
    return world


async def send(world: World, *moments: object) -> dict[str, Any]:
    """The verdicts on a batch."""
    return ok(await world.client.post("/v1/moments", headers=world.machine, json={"moments": moments}))


async def send_events(world: World, body: object, content_type: str = EVENTS) -> httpx2.Response:
    """The answer to CloudEvents in JSON."""
    return await post(world, json.dumps(body), content_type)


async def post(world: World, body: str, content_type: str = "application/json") -> httpx2.Response:
    """The answer to a body as it stands here, which may be one that no JSON library would write."""
    headers = {**world.machine, "Content-Type": content_type}
    return await world.client.post("/v1/moments", headers=headers, content=body.encode())


def event(lead_id: str = "l1", **attributes: Any) -> dict[str, Any]:
    """A CloudEvent that is a moment."""
    return {
        "specversion": "1.0",
        "id": "e-1",
        "source": "https://track.example/web",
        "type": "leadfeed.moment.web",
        "subject": lead_id,
        "time": "2026-11-23T09:12:00Z",
        "data": {"description": "Visited pricing"},
        **attributes,
    }


async def test_each_item_gets_its_own_verdict_in_order_and_spoils_no_other(acme: World) -> None:
    first = acme.moment("l1")
    answer = await send(
        acme,
        first,
        acme.moment("nobody"),
        {**acme.moment("l1"), "type": "sms"},
        first,
        "no object",
        {**acme.moment("l1"), "colour": "red"},
        {name: value for name, value in acme.moment("l1").items() if name != "description"},
        acme.moment("l1"),
    )

    assert (answer["accepted"], answer["duplicates"], answer["rejected"]) == (2, 1, 5)
    assert [result["index"] for result in answer["results"]] == list(range(8))
    assert [(one["status"], one.get("problem"), one.get("pointer")) for one in answer["results"]] == [
        ("accepted", None, None),
        ("rejected", "unknown-lead", "/moments/1/lead_id"),
        ("rejected", "invalid-type", "/moments/2/type"),
        ("duplicate", None, None),
        ("rejected", "invalid-moment", "/moments/4"),
        ("rejected", "unknown-field", "/moments/5/colour"),
        ("rejected", "invalid-description", "/moments/6/description"),
        ("accepted", None, None),
    ]
    ids = [one["id"] for one in answer["results"] if one["status"] != "rejected"]
    assert ids[0] == ids[1] != ids[2]
    assert [item["id"] for item in await acme.feed("ana")] == [ids[2], ids[0]]


async def test_the_answer_is_what_its_schema_would_write_byte_by_byte(acme: World) -> None:
    known = acme.moment("l1")
    await send(acme, known)
    moments = [known, acme.moment("l1"), acme.moment("nobody"), {}, 7, acme.moment("l1", type="fax")]

    mixed = await post(acme, json.dumps({"moments": moments}))
    accepted = await post(acme, json.dumps({"moments": [acme.moment("l1") for _ in range(3)]}))

    statuses = []
    for answer in (mixed, accepted):
        schema = BatchResult.model_validate_json(answer.content)
        statuses.append([result.status for result in schema.results])
        assert answer.content == schema.model_dump_json(exclude_none=True).encode()
        assert answer.headers["content-type"] == "application/json"
    assert statuses == [["duplicate", "accepted", *["rejected"] * 4], ["accepted"] * 3]


async def test_sending_again_changes_nothing_and_names_the_first_ones_ids(acme: World) -> None:
    batch = [acme.moment("l1") for _ in range(3)]
    ids = await acme.report(*batch)
    before = await acme.feed("ana")

    altered = [{**one, "description": "Something else", "type": "email"} for one in reversed(batch)]
    again = await send(acme, *altered, acme.moment("l1"))

    assert [one["status"] for one in again["results"]] == ["duplicate"] * 3 + ["accepted"]
    assert [one["id"] for one in again["results"][:3]] == ids[::-1]
    assert (await acme.feed("ana"))[1:] == before


async def test_identity_is_source_and_external_id_together(acme: World) -> None:
    moment = acme.moment("l1")
    answer = await send(
        acme, moment, {**moment, "source": "other"}, {**moment, "external_id": "other"}, {**moment, "lead_id": "nobody"}
    )
    assert [one["status"] for one in answer["results"]] == ["accepted", "accepted", "accepted", "duplicate"]


async def test_a_rejected_moment_may_be_sent_again_once_its_lead_is_known(acme: World) -> None:
    moment = acme.moment("late")
    assert (await send(acme, moment))["rejected"] == 1
    await acme.people("ana", leads={"late": "ana"})
    assert (await send(acme, moment))["accepted"] == 1


async def test_the_same_batches_from_several_connections_at_once_are_stored_once(
    acme: World, database_url: str
) -> None:
    """Each caller has a process's own pool; the keys overlap and come in different orders."""
    batch = [_candidate(f"m-{number}") for number in range(40)]

    async def send_from_elsewhere(order: int) -> list[tuple[str, Verdict]]:
        mine = batch[order:] + batch[:order] if order % 2 else batch[::-1]
        async with Database(database_url, pool_size=2) as elsewhere:
            verdicts = await record_moments(elsewhere, acme.org_id, mine)
        return [(one.external_id, verdict) for one, verdict in zip(mine, verdicts, strict=True)]

    told = await asyncio.gather(*(send_from_elsewhere(order) for order in range(6)))

    ids = {(external_id, verdict.id) for one in told for external_id, verdict in one}
    assert len(ids) == 40, "two callers were told different ids for one moment"
    accepted = [external_id for one in told for external_id, verdict in one if verdict.status == "accepted"]
    assert sorted(accepted) == sorted(one.external_id for one in batch)
    assert len(await acme.feed("ana")) == 40


def _candidate(external_id: str, lead_id: str = "l1") -> Candidate:
    return Candidate("tests", external_id, lead_id, "web", "Visited", None, None, MONDAY)


async def test_a_lead_that_is_erased_while_its_moments_come_in_leaves_none_behind(acme: World) -> None:
    await acme.people("ana", leads={"gone": "ana"})

    async def report() -> tuple[str, ...]:
        answer = await send(acme, acme.moment("gone"), acme.moment("l1"))
        return tuple(one["status"] for one in answer["results"])

    erasure = asyncio.create_task(acme.client.delete("/v1/leads/gone", headers=acme.machine))
    told = await asyncio.gather(*(report() for _ in range(12)))

    assert (await erasure).status_code == 204
    assert set(told) <= {("accepted", "accepted"), ("rejected", "accepted")}
    assert {item["lead"]["id"] for item in await acme.feed("ana")} == {"l1"}
    assert len(await acme.feed("ana")) == 12


async def test_a_missing_time_is_now(acme: World) -> None:
    for moment in (acme.moment("l1", occurred_at=None), acme.moment("l1")):
        if moment["occurred_at"] is not None:
            del moment["occurred_at"]
        before = datetime.now(UTC)
        await acme.report(moment)
        when = datetime.fromisoformat((await acme.page("ana"))["items"][0]["occurred_at"])
        assert before - timedelta(milliseconds=1) <= when <= datetime.now(UTC)


async def test_a_moment_may_be_an_hour_early_and_no_more(acme: World) -> None:
    now = datetime.now(UTC)
    answer = await send(
        acme,
        acme.moment("l1", occurred_at=(now + timedelta(minutes=59)).isoformat()),
        acme.moment("l1", occurred_at=(now + timedelta(minutes=61)).isoformat()),
        acme.moment("l1", occurred_at="9999-12-31T23:59:59.999999Z"),
        acme.moment("l1", occurred_at="1970-01-01T00:00:00Z"),
    )
    assert [one["status"] for one in answer["results"]] == ["accepted", "rejected", "rejected", "accepted"]
    assert answer["results"][1] == {
        "index": 1,
        "status": "rejected",
        "problem": "invalid-occurred-at",
        "pointer": "/moments/1/occurred_at",
        "detail": "more than one hour in the future",
    }


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ("Visited\x00 the\r\n\tpricing  page ", "Visited the pricing page"),
        ("Asked \ud83d for \udc00 it", "Asked for it"),
        ("Opened “Prices” \U0001f600 – 50 % off <b>&amp;", "Opened “Prices” \U0001f600 – 50 % off <b>&amp;"),
        ("x" * 1_000, "x" * 1_000),
    ],
)
async def test_text_is_cleaned_by_one_rule(acme: World, sent: str, shown: str) -> None:
    moment = {**acme.moment("l1"), "description": sent, "bot": sent[:500]}
    assert ok(await post(acme, json.dumps({"moments": [moment]})))["accepted"] == 1
    (item,) = await acme.feed("ana")
    assert item["description"] == shown
    assert item["bot"] == shown[:500]


NOT_VALID: list[tuple[str, object]] = [
    ("source", ""), ("source", "x" * 257), ("source", 7), ("source", None), ("external_id", ""),
    ("external_id", "a\x00b"), ("external_id", "a\nb"), ("external_id", "\ud800"), ("external_id", 2**63),
    ("lead_id", ""), ("lead_id", "x" * 129), ("lead_id", True), ("lead_id", ["l1"]), ("type", "Web"),
    ("type", None), ("description", ""), ("description", " \x00 "), ("description", "x" * 1_001),
    ("description", {"text": "x"}), ("occurred_at", 1_790_000_000), ("occurred_at", "yesterday"),
    ("occurred_at", "2026-11-24T10:30:00"),
    ("occurred_at", "1969-12-31T23:59:59Z"), ("occurred_at", True), ("url", "javascript:alert(1)"),
    ("url", "https://x.example/" + "x" * 2_000), ("url", 1), ("bot", 1), ("bot", True), ("bot", "x" * 501),
]  # fmt: skip


async def test_a_value_that_is_not_valid_is_rejected_by_name_and_place_and_never_repeated(acme: World) -> None:
    moments = [{**acme.moment("l1"), field: value} for field, value in NOT_VALID]
    answer = await post(acme, json.dumps({"moments": [*moments, acme.moment("l1")]}))

    *rejected, accepted = ok(answer)["results"]
    assert accepted["status"] == "accepted"
    for index, (one, (field, value)) in enumerate(zip(rejected, NOT_VALID, strict=True)):
        assert (one["status"], one["problem"], one["pointer"]) == (
            "rejected",
            f"invalid-{field.replace('_', '-')}",
            f"/moments/{index}/{field}",
        )
        assert one["detail"]
        assert not isinstance(value, str) or len(value) <= 3 or value not in answer.text


async def test_the_largest_batch_is_taken_whole_and_one_more_is_none(acme: World) -> None:
    batch = [acme.moment("l1") for _ in range(1_001)]
    assert (await send(acme, *batch[:1_000]))["accepted"] == 1_000
    assert len(await acme.feed("ana")) == 1_000
    answer = await acme.client.post("/v1/moments", headers=acme.machine, json={"moments": batch})
    assert problem(answer, 422, "invalid")["errors"][0]["pointer"] == "/moments"


@pytest.mark.parametrize(
    "body",
    [{}, {"moments": []}, {"moments": {}}, {"moments": None}, {"moments": "x"}, {"Moments": []}, [], "x", None, 5,
     {"moments": [], "x": 1}],
)  # fmt: skip
async def test_a_body_that_is_no_batch_is_refused_as_a_whole(acme: World, body: object) -> None:
    problem(await post(acme, json.dumps(body)), 422, "invalid")


# --- CloudEvents ---------------------------------------------------------------------------------------------------


async def test_a_structured_cloud_event_is_a_moment(acme: World) -> None:
    data = {"description": "Opened “Prices”", "url": "https://x.example/", "bot": "likely a scanner", "more": 1}
    sent = event(type="leadfeed.moment.email", data=data, datacontenttype="application/json", traceparent="00-1", n=5)
    answer = await send_events(acme, sent, f"{EVENTS}; charset=utf-8")

    (result,) = ok(answer)["results"]
    (item,) = await acme.feed("ana")
    assert (result["status"], item["id"]) == ("accepted", result["id"])
    shown = {name: item[name] for name in ("type", "description", "url", "bot", "source", "occurred_at")}
    assert shown == {
        "type": "email",
        "description": "Opened “Prices”",
        "url": "https://x.example/",
        "bot": "likely a scanner",
        "source": "https://track.example/web",
        "occurred_at": "2026-11-23T09:12:00Z",
    }


async def test_a_batch_of_cloud_events_gets_a_verdict_each(acme: World) -> None:
    sent = [
        event(),
        event("nobody", id="e-2"),
        event(id="e-3", type="com.example.other"),
        event(id="e-4", specversion="0.3"),
        event(id="e-5", data="text"),
        event(id="e-6", data={"description": ""}),
        event(id="e-7", time="yesterday"),
        event(id=""),
        event(id="e-9", subject=None),
        event(id="e-10", source=None),
        "no event",
        event(),
    ]
    answer = ok(await send_events(acme, sent, EVENT_BATCH))

    assert [(one["status"], one.get("problem"), one.get("pointer")) for one in answer["results"]] == [
        ("accepted", None, None),
        ("rejected", "unknown-lead", "/1/subject"),
        ("rejected", "invalid-type", "/2/type"),
        ("rejected", "invalid-specversion", "/3/specversion"),
        ("rejected", "invalid-description", "/4/data"),
        ("rejected", "invalid-description", "/5/data/description"),
        ("rejected", "invalid-occurred-at", "/6/time"),
        ("rejected", "invalid-external-id", "/7/id"),
        ("rejected", "invalid-lead-id", "/8/subject"),
        ("rejected", "invalid-source", "/9/source"),
        ("rejected", "invalid-moment", "/10"),
        ("duplicate", None, None),
    ]


def encoded(data: bytes) -> dict[str, Any]:
    """An event whose data came as base64."""
    return {name: value for name, value in event().items() if name != "data"} | {
        "data_base64": b64encode(data).decode()
    }


async def test_data_of_a_cloud_event_may_come_as_base64(acme: World) -> None:
    sent = encoded('{"description": "Opened “Prices”"}'.encode())
    for content, content_type in ((sent, EVENTS), ([sent], EVENT_BATCH)):
        (result,) = ok(await send_events(acme, content, content_type))["results"]
        assert result["status"] in {"accepted", "duplicate"}
    assert [item["description"] for item in await acme.feed("ana")] == ["Opened “Prices”"]


@pytest.mark.parametrize("data", [b"\xff", b"[]", b"{", b""])
async def test_base64_that_holds_no_json_object_is_no_description(acme: World, data: bytes) -> None:
    (other, undecodable) = ok(
        await send_events(acme, [encoded(data), {**encoded(data), "data_base64": "=é="}], EVENT_BATCH)
    )["results"]
    for result, place in ((other, "/0/data"), (undecodable, "/1/data")):
        assert (result["problem"], result["pointer"]) == ("invalid-description", place)


async def test_an_event_and_a_moment_of_one_identity_are_one(acme: World) -> None:
    (result,) = ok(await send_events(acme, event()))["results"]
    own = {**acme.moment("l1"), "source": "https://track.example/web", "external_id": "e-1"}
    assert (await send(acme, own))["results"] == [{"index": 0, "status": "duplicate", "id": result["id"]}]


def binary(**attributes: str) -> dict[str, str]:
    """The headers of a binary CloudEvent."""
    return {f"ce-{name}": value for name, value in event(**attributes).items() if isinstance(value, str)}


async def test_a_binary_cloud_event_has_its_attributes_in_headers_percent_encoded(acme: World) -> None:
    await acme.people("ana", leads={"é 1": "ana"})
    headers = binary(id="caf%C3%A9", subject="%C3%A9%201", extension="ignored")
    answer = await acme.client.post(
        "/v1/moments", headers={**acme.machine, **headers}, json={"description": "Visited pricing"}
    )
    assert ok(answer)["accepted"] == 1
    assert [item["lead"]["id"] for item in await acme.feed("ana")] == ["é 1"]
    again = ok(await send_events(acme, event("é 1", id="café")))
    assert again["duplicates"] == 1


@pytest.mark.parametrize(
    ("headers", "at_fault"),
    [
        ({"ce-id": "%00"}, "ce-id"),
        ({"ce-id": "%FF"}, "ce-id"),
        ({"ce-id": "%C0%A0"}, "ce-id"),
        ({"ce-id": "100%"}, "ce-id"),
        ({"ce-source": "%ED%A0%80"}, "ce-source"),
        ({"ce-specversion": "2.0"}, "ce-specversion"),
        ({"ce-time": "noon"}, "ce-time"),
        ({"ce-type": "leadfeed.moment.sms"}, "ce-type"),
        ({"ce-subject": ""}, "ce-subject"),
        ({"ce-subject": "nobody"}, "ce-subject"),
    ],
)
async def test_a_header_of_a_binary_cloud_event_that_is_not_valid_is_named(
    acme: World, headers: Mapping[str, str], at_fault: str
) -> None:
    answer = await acme.client.post(
        "/v1/moments", headers={**acme.machine, **binary(), **headers}, json={"description": "Visited"}
    )
    (result,) = ok(answer)["results"]
    assert (result["status"], result["header"], "pointer" in result) == ("rejected", at_fault, False)
    assert BatchResult.model_validate_json(answer.content).results[0].header == at_fault


@pytest.mark.parametrize(
    ("data", "pointer"),
    [
        ({"description": ""}, "/description"),
        ({}, "/description"),
        ({"description": "x", "url": "y"}, "/url"),
        ("x", ""),
    ],
)
async def test_data_of_a_binary_cloud_event_that_is_not_valid_is_pointed_at_in_the_body(
    acme: World, data: object, pointer: str
) -> None:
    answer = await acme.client.post("/v1/moments", headers={**acme.machine, **binary()}, json=data)
    (result,) = ok(answer)["results"]
    assert (result["status"], result["pointer"], "header" in result) == ("rejected", pointer, False)


@pytest.mark.parametrize(
    ("written", "meant"), [("a", "a"), ('"a b"', "a b"), (r'"a\"b\\"', 'a"b\\'), ('"a%20b"', "a b"), ('a"b', 'a"b')]
)
async def test_a_quoted_header_of_a_binary_cloud_event_is_unquoted(acme: World, written: str, meant: str) -> None:
    answer = await acme.client.post(
        "/v1/moments", headers={**acme.machine, **binary(id=written)}, json={"description": "Visited"}
    )
    assert ok(answer)["accepted"] == 1
    assert ok(await send_events(acme, event(id=meant)))["duplicates"] == 1


@pytest.mark.parametrize("name", ["id", "source", "subject"])
async def test_an_attribute_that_is_missing_or_null_is_required(acme: World, name: str) -> None:
    lacking = event()
    del lacking[name]
    answer = await acme.client.post(
        "/v1/moments", headers={**acme.machine, "Content-Type": EVENT_BATCH},
        content=json.dumps([lacking, {**event(), name: None}]),
    )  # fmt: skip
    told = [(one["pointer"], one["detail"]) for one in ok(answer)["results"]]
    assert told == [(f"/0/{name}", "is required"), (f"/1/{name}", "is required")]


@pytest.mark.parametrize(
    ("content_type", "body"),
    [(EVENTS, [event()]), (EVENTS, "x"), (EVENTS, None), (EVENT_BATCH, event()), (EVENT_BATCH, []), (EVENT_BATCH, 5)],
)
async def test_an_envelope_that_is_none_is_refused_as_a_whole(acme: World, content_type: str, body: object) -> None:
    problem(await send_events(acme, body, content_type), 422, "invalid")


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain", "application/cloudevents+xml", "application/cloudevents", "application/x-www-form-urlencoded",
        "application/json; charset=utf-16", f"{EVENTS}; charset=latin-1", "application/jsonp", "json", ";", "*/*",
    ],
)  # fmt: skip
async def test_another_content_type_is_415(acme: World, content_type: str) -> None:
    problem(await send_events(acme, event(), content_type), 415, "unsupported-media-type")


_USUAL = {"source": "s", "external_id": "1", "lead_id": "l1", "type": "web", "description": "Visited the café"}
_ODD: list[object] = [
    *["crm-7", " lead", "a  b", "end ", "\u00a0x", "e\u0301", "x\x00y", "", " ", "\ud800", "z" * 129, "z" * 257],
    "z" * 1_001,
    *["2026-11-23T09:12:00Z", "2026-11-23t09:12:00+02:00", "2026-11-23T09:12:00.123456789Z", "2026-11-23"],
    *["2036-01-01T00:00:00Z", "1969-12-31T23:59:59Z", "https://a.example/", "fax", "email", None, 7, True, 1.5, {}, []],
]  # fmt: skip


@settings(max_examples=20)
@given(st.dictionaries(st.sampled_from([*_USUAL, "occurred_at", "url", "bot"]), st.text(max_size=9), max_size=3))
def test_what_is_read_without_the_schema_is_what_the_schema_would_read(odd: dict[str, str]) -> None:
    items: list[object] = [
        {**_USUAL, field: value} for field in [*_USUAL, "occurred_at", "url", "bot", "more"] for value in _ODD
    ]
    items += [{**_USUAL, **odd}, 7, None, [], "text", {**_USUAL, "description": "one \u00a6 two"}]
    for item in items:
        assert interpret(item, MONDAY) == judge(item, MONDAY, at={}), item
    read = [interpret(item, MONDAY) for item in items]
    assert interpret_all(items, MONDAY) == read
    good = [item for item, one in zip(items, read, strict=True) if isinstance(one, Candidate)]
    assert interpret_all(good, MONDAY) == [interpret(item, MONDAY) for item in good]


def test_the_usual_moments_are_read_without_the_schema() -> None:
    later = datetime(2026, 11, 24, tzinfo=UTC)
    assert _read_plainly([_USUAL, {**_USUAL, "external_id": "2"}], MONDAY) is not None
    assert _read_plainly([{**_USUAL, "occurred_at": "2026-11-23T09:12:00Z"}], later) is not None
    assert _read_plainly([_USUAL, {**_USUAL, "description": "a  b"}], MONDAY) is None


def _read_plainly(items: list[Mapping[str, Any]], now: datetime) -> list[Candidate] | None:
    return read_plain([PlainMoment(**item) for item in items], now)


_FIELDS = st.sampled_from([*_USUAL, "occurred_at", "url", "more"])
_VALUES = st.sampled_from([
    "x", 'a ": b', "\\", "\u00e9", "\x00", "\x7f", "\u0085", "a  b", "", "2026-11-23T09:12:00Z", 7, None,
    {"source": "s"},
])  # fmt: skip
_PLAINLY: dict[str, object] = {**_USUAL, "description": "Visited pricing"}
_ITEMS = st.builds(
    lambda instead, besides: [*{**_PLAINLY, **instead}.items(), *besides],
    st.dictionaries(_FIELDS, _VALUES, max_size=1),
    st.lists(st.tuples(_FIELDS, _VALUES), max_size=1),
)


@settings(max_examples=300)
@given(
    st.lists(_ITEMS, min_size=1, max_size=2),
    st.sampled_from(["{%s}", "{%s}", "{%s}", "{%s,%s}", "\ufeff{%s}", "[%s]", "{%s} x"]),
)
def test_what_is_read_fast_is_what_the_strict_reader_reads(items: list[list[tuple[str, object]]], around: str) -> None:
    """Also where a key stands twice, in an item or beside them."""
    moments = ",".join("{" + ",".join(_pair(*one) for one in item) + "}" for item in items)
    body = around.replace("%s", f'"moments":[{moments}]').encode()

    def strictly() -> object:
        return _own(json_document(body), MONDAY)

    def as_served() -> object:
        return open_envelope({"content-type": "application/json"}, body, MONDAY)

    assert _outcome(as_served) == _outcome(strictly)


def _pair(name: str, value: object) -> str:
    return f"{json.dumps(name)}:{json.dumps(value, ensure_ascii=False)}"


def _outcome(read: Callable[[], object]) -> object:
    try:
        return read()
    except Problem as problem:
        return type(problem), str(problem)


# --- durability ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def durable_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a server that writes to disk keeps its data."""
    return tmp_path_factory.mktemp("durable")


async def test_what_was_acknowledged_survives_kill_9_of_the_database(durable_folder: Path) -> None:
    """Callers post one moment after the other; in the midst of it every process of the server is killed."""
    acknowledged: list[str] = []
    enough = asyncio.Event()
    with EmbeddedPostgres(durable_folder) as server:
        await asyncio.to_thread(migrate, server.dsn)
        async with running_app(Settings(database_url=server.dsn, pool_size=4)) as service:
            async with service.app.state.database.read() as connection:
                assert await connection.fetchval("SHOW fsync") == "on"
                assert await connection.fetchval("SHOW synchronous_commit") == "on"
            world = await service.new_world("durable")
            await world.people("ana", leads={"l1": "ana"})
            callers = [asyncio.create_task(_post_until_refused(world, acknowledged, enough)) for _ in range(6)]
            async with asyncio.timeout(20):
                await enough.wait()
            kill_server(durable_folder)
            refusals = await asyncio.gather(*callers)
    assert set(refusals) == {503}, "a caller was told something else than to try again"

    with EmbeddedPostgres(durable_folder) as server:
        async with running_app(Settings(database_url=server.dsn, pool_size=4)) as service:
            kept = {item["id"] for item in await World(service, "durable", world.key).feed("ana")}
    assert set(acknowledged) <= kept
    assert len(kept) <= len(acknowledged) + 6, "more was kept than was ever sent"


async def _post_until_refused(world: World, acknowledged: list[str], enough: asyncio.Event) -> int:
    while True:
        body = {"moments": [world.moment("l1")]}
        answer = await world.client.post("/v1/moments", headers=world.machine, json=body)
        if answer.status_code != 200:
            return answer.status_code
        acknowledged.append(answer.json()["results"][0]["id"])
        if len(acknowledged) == 60:
            enough.set()
