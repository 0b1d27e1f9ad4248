"""Whatever a caller sends is answered as a problem of theirs: 4xx, one shape, no echo, and never our failure."""

import asyncio
import gzip
import json
import threading
from collections.abc import AsyncIterator, Mapping
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from addresses import Operation, operations, resolved
from leadfeed_api import bodies, wire
from leadfeed_api.app import create_app
from leadfeed_api.ingestion import routes as ingestion_routes
from leadfeed_api.ingestion.envelopes import open_envelope
from leadfeed_api.ingestion.interpret import MomentIn
from leadfeed_api.settings import Settings
from statements import Statements
from world import Service, World, listening, ok, problem

pytestmark = pytest.mark.anyio

MARK = "zq offending value zq"  # no message of ours contains it, and no harmless name looks like it
JSON = "application/json"
WITH_BODY = [operation for operation in operations() if operation.body_schema() is not None]
WITH_NAMES = [operation for operation in operations() if operation.names("path")]
WITH_QUERY = [operation for operation in operations() if operation.names("query")]
PATHS = sorted({operation.path for operation in operations()})
# Envelopes and batches judge an item at a time; the rest are read whole.
BY_ITEM = {"/v1/moments", "/v1/moments/segment", "/v1/sync"}
WHOLE = [operation for operation in WITH_BODY if operation.path not in BY_ITEM]


@pytest.fixture
async def acme(world: World) -> World:
    await world.people("ana", leads={"l1": "ana"})
    return world


def everything(world: World) -> dict[str, str]:
    """Headers that reach every address: an administrator's key on behalf of a user."""
    return {**world.machine, "Leadfeed-User": "ana"}


async def send(world: World, operation: Operation, content: bytes, content_type: str = JSON) -> httpx2.Response:
    headers = {**everything(world), "Content-Type": content_type}
    return await world.client.request(operation.method, operation.address(), headers=headers, content=content)


def empty_body(operation: Operation) -> bytes | None:
    """An object without fields, for an operation that takes a body."""
    return None if operation.body_schema() is None else b"{}"


def refused(answer: httpx2.Response) -> dict[str, Any]:
    """The problem document of a refusal, which must be well formed and repeat nothing."""
    assert 400 <= answer.status_code < 500, f"{answer.status_code}: {answer.text}"
    assert answer.headers["content-type"] == "application/problem+json"
    document: dict[str, Any] = answer.json()
    assert answer.content.isascii()
    assert set(document) <= {"type", "title", "status", "detail", "instance", "request_id", "errors"}
    assert document["status"] == answer.status_code
    assert all(document[name] for name in ("type", "title", "detail"))
    assert document["request_id"] == answer.headers["x-request-id"]
    assert answer.headers["cache-control"] == "no-store"
    assert MARK not in answer.text
    assert not [one for one in document.get("errors", ()) if " should " in one["detail"]], "not in our words"
    return document


# --- bodies --------------------------------------------------------------------------------------------------------

MOMENT = {
    "source": "web",
    "external_id": "1",
    "lead_id": "l1",
    "type": "web",
    "description": "Visited the pricing page",
}
UNREADABLE = {
    "cut": b'{"x": "zq offending value zq"',
    "text": b"zq offending value zq",
    "two documents": b"{} {}",
    "duplicate keys": b'{"zq offending value zq": 1, "zq offending value zq": 2}',
    "NaN": b'{"x": NaN}',
    "Infinity": b'{"x": -Infinity}',
    "deep": b'{"x": ' + b"[" * 50_000 + b"]" * 50_000 + b"}",
    "UTF-16": '{"x": "zq offending value zq"}'.encode("utf-16"),
    "byte-order mark": b"\xef\xbb\xbf{}",
    "no UTF-8": b'{"x": "\xff"}',
    "encoded surrogate": b'{"x": "\xed\xa0\x80"}',
    "NUL": b'{"x": "a\x00b"}',
    "only NUL": b"\x00",
    "blank": b"   ",
}
BEYOND = "a number that is JSON, and beyond all that a machine counts with"
OF_ANOTHER_SHAPE: list[object] = [[], MARK, 5, None, True, [{}], {MARK: 1}, {"\ud800": "\ud800"}, {"a\x00": {}}]
OF_A_WRONG_KIND: list[object] = [
    BEYOND, MARK, "\ud800", "a\x00b", 2**63, -(2**70), 1.5, {MARK: 1}, [MARK], [[]], [None], [True], "",
]  # fmt: skip
NO_JSON = [
    "text/plain", "application/xml", "application/x-www-form-urlencoded", "multipart/form-data", "application/jsonp",
    "application/json; charset=utf-16", MARK, 'application/json; x="' + ";" * 30_000,
]  # fmt: skip
ODD_PARAMETERS = ["; x*=1; x*0=2", "; x*" + "9" * 200 + "=1", '; x=";', ";;;=;=", '; charset="UTF-8"', "; charset=utf8"]
ODD_NAMES = [
    "%00", "a%00b", "%ff", "%ED%A0%80", "%0d%0aX-Injected:1", "x" * 129, "x" * 5_000, "%E2%80%AE", "-1", "*",
]  # fmt: skip
ODD_VALUES = [
    "", "\x00", "a\x00b", MARK, "x" * 5_000, "-1", "1e999", "NaN", "9" * 30, "true", "\u202e", "1790000000",
    "9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00Z",
]  # fmt: skip


async def test_a_body_that_is_no_strict_json_is_400(acme: World, subtests: pytest.Subtests) -> None:
    for operation in WITH_BODY:
        with subtests.test(str(operation)):
            for name, body in UNREADABLE.items():
                document = refused(await send(acme, operation, body))
                assert (document["status"], document["type"]) == (400, "/problems/invalid-body"), name


async def test_a_body_of_another_shape_is_422_with_the_place(acme: World, subtests: pytest.Subtests) -> None:
    for operation in WITH_BODY:
        with subtests.test(str(operation)):
            for body in OF_ANOTHER_SHAPE:
                if body == [{}] and operation.path == "/v1/moments/segment":
                    continue  # a batch, as far as its shape goes
                document = refused(await send(acme, operation, json.dumps(body).encode()))
                assert (document["status"], document["type"]) == (422, "/problems/invalid")
                assert all("pointer" in one and one["detail"] for one in document["errors"])
                assert document["errors"]


async def test_an_empty_body_where_one_is_needed_is_refused(acme: World, subtests: pytest.Subtests) -> None:
    for operation in WHOLE:
        with subtests.test(str(operation)):
            if operation.document["requestBody"].get("required"):
                refused(await send(acme, operation, b""))


async def test_every_field_refuses_every_wrong_kind_of_value(acme: World, subtests: pytest.Subtests) -> None:
    for operation in WHOLE:
        with subtests.test(str(operation)):
            schema = operation.body_schema() or {}
            for name in schema["properties"]:
                for value in OF_A_WRONG_KIND:
                    body = json.dumps({name: value}).replace(f'"{BEYOND}"', "1e400").encode()
                    answer = await send(acme, operation, body)
                    if answer.is_success:
                        assert value is not BEYOND, f"{operation} took 1e400 as {name}"
                        assert _takes(schema["properties"][name], value), f"{operation} took {value!r} as {name}"
                    else:
                        refused(answer)


@pytest.mark.parametrize("number", ["1e400", "-1e400", "9" * 5_000])
async def test_a_number_out_of_range_spoils_its_own_item_alone(acme: World, number: str) -> None:
    batches = {
        "/v1/moments": {"moments": [acme.moment("l1", url=BEYOND), acme.moment("l1")]},
        "/v1/sync": {"leads": [{"id": "l1", "score": BEYOND}, {"id": "l1", "score": 7}]},
    }
    for path, batch in batches.items():
        body = json.dumps(batch).replace(f'"{BEYOND}"', number)
        answer = ok(await acme.client.post(path, headers={**acme.machine, "Content-Type": JSON}, content=body))
        assert [result["status"] for result in answer["results"]] == ["rejected", "accepted"], path


def _takes(schema: Any, value: object) -> bool:
    """Whether the document says, roughly, that such a value may be taken: a text where a text stands, and so on."""
    kinds = {one.get("type") for one in [schema, *schema.get("anyOf", ())]}
    return {str: "string", float: "number", list: "array", dict: "object"}.get(type(value)) in kinds


async def test_another_content_type_is_415(acme: World, subtests: pytest.Subtests) -> None:
    for operation in WITH_BODY:
        with subtests.test(str(operation)):
            for content_type in NO_JSON:
                answer = await send(acme, operation, b"{}", content_type)
                document = refused(answer)
                assert (document["status"], content_type) == (415, content_type)
                assert "in UTF-8" in document["detail"], "that, too, may be what is wrong"
                assert set(answer.headers["accept"].split(", ")) == set(operation.document["requestBody"]["content"])


async def test_what_else_a_content_type_says_than_its_charset_does_not_matter(
    acme: World, subtests: pytest.Subtests
) -> None:
    for operation in WITH_BODY:
        with subtests.test(str(operation)):
            for parameters in ODD_PARAMETERS:
                document = refused(await send(acme, operation, b"{", JSON + parameters))
                assert (document["status"], parameters) == (400, parameters)


async def test_a_compressed_body_is_415_and_says_what_is_taken(acme: World, subtests: pytest.Subtests) -> None:
    for operation in WITH_BODY:
        with subtests.test(str(operation)):
            for coding, body in (("gzip", gzip.compress(b"{}")), ("gzip", b"{}"), ("br, gzip", b"{}")):
                headers = {**everything(acme), "Content-Type": JSON, "Content-Encoding": coding}
                answer = await acme.client.request(operation.method, operation.address(), headers=headers, content=body)
                assert (refused(answer)["status"], answer.headers["accept-encoding"]) == (415, "identity")
    headers = {**acme.machine, "Content-Encoding": "identity"}
    assert ok(await acme.client.post("/v1/moments", headers=headers, json={"moments": [acme.moment("l1")]}))["accepted"]


async def test_a_body_without_a_content_type_is_415(acme: World, subtests: pytest.Subtests) -> None:
    for operation in WITH_BODY:
        with subtests.test(str(operation)):
            answer = await acme.client.request(
                operation.method, operation.address(), headers=everything(acme), content=b"{}"
            )
            assert "content-type" not in answer.request.headers
            assert refused(answer)["status"] == 415


# --- addresses -----------------------------------------------------------------------------------------------------


async def test_another_method_is_405_and_says_which_there_are(acme: World, subtests: pytest.Subtests) -> None:
    for path in PATHS:
        with subtests.test(str(path)):
            here = [operation for operation in operations() if operation.path == path]
            offered = {operation.method for operation in here}
            for method in {"GET", "POST", "PUT", "PATCH", "DELETE"} - offered | {"TRACE", "PROPFIND"}:
                answer = await acme.client.request(method, here[0].address(), headers=everything(acme))
                assert refused(answer)["type"] == "/problems/method-not-allowed"
                heads = {"HEAD"} if "GET" in offered else set()
                assert set(answer.headers["allow"].split(", ")) == offered | heads
            answer = await acme.client.head(here[0].address(), headers=everything(acme))
            assert answer.content == b""
            assert (answer.status_code == 405) == ("GET" not in offered)
            if answer.status_code == 405:
                assert set(answer.headers["allow"].split(", ")) == offered
                assert answer.headers["content-type"] == "application/problem+json"


async def test_head_is_answered_as_get_is_without_the_body(acme: World, subtests: pytest.Subtests) -> None:
    """RFC 9110, section 9.1: whoever has GET has HEAD."""
    gets = [operation.address() for operation in operations() if operation.method == "GET"]
    others = ["/docs", "/openapi.json", "/docs/files/favicon.png", "/panel", "/panel/lead-feed.js"]
    for path in {*gets, *others, "/problems/invalid", "/problems/nothing", "/nowhere"} - {"/v1/feed/stream"}:
        with subtests.test(path):
            got = await acme.client.get(path, headers=everything(acme))
            answer = await acme.client.head(path, headers=everything(acme))
            assert (answer.status_code, answer.content) == (got.status_code, b"")
            unlike = {"date", "x-request-id"} | ({"content-length"} if path == "/metrics" else set())
            assert {name: answer.headers[name] for name in {*answer.headers} - unlike} == {
                name: got.headers[name] for name in {*got.headers} - unlike
            }


@pytest.mark.parametrize(
    "path",
    ["/", "/v1", "/v2/feed", "/v1/feeds", "/v1/feed/", "/v1//feed", "/v1/watchlist/", "/V1/feed",
     "/v1/feed/x", "/v1/leads//owner", "/problems/nothing",
     "/feeds/x/rss", "/%00", "/%ff", "/v1/watchlist/..%2f..%2fetc/x", "/é",
     "/v1/watchlist/" + "%2f" * 20_000],
)  # fmt: skip
async def test_an_address_that_is_none_is_404(acme: World, path: str) -> None:
    assert refused(await acme.client.get(path, headers=everything(acme)))["status"] == 404


async def test_a_name_in_a_path_may_be_anything_and_harms_nothing(acme: World, subtests: pytest.Subtests) -> None:
    for operation in WITH_NAMES:
        with subtests.test(str(operation)):
            headers = {**everything(acme), "Content-Type": JSON}
            for text in ODD_NAMES:
                path = operation.path.format(**dict.fromkeys(operation.names("path"), text))
                answer = await acme.client.request(
                    operation.method, path, headers=headers, content=empty_body(operation)
                )
                assert answer.status_code < 500, f"{path}: {answer.text}"
                assert "x-injected" not in answer.headers
                if answer.status_code >= 400:
                    refused(answer)


async def test_a_parameter_may_be_anything_and_harms_nothing(acme: World, subtests: pytest.Subtests) -> None:
    for operation in WITH_QUERY:
        with subtests.test(str(operation)):
            headers = {**everything(acme), "Content-Type": JSON}
            queries = [{name: value} for name in operation.names("query") for value in ODD_VALUES]
            queries += [{MARK: "1"}, {"": ""}, {"a\x00": "b"}]
            for query in queries:
                if operation.path == "/v1/feed/stream" and "token" not in query:
                    continue  # a position that is not valid is answered in the stream, by a reset
                answer = await acme.client.request(
                    operation.method, operation.address(), headers=headers, params=query, content=empty_body(operation)
                )
                assert answer.status_code < 500, f"{query}: {answer.text}"
                if answer.status_code >= 400:
                    refused(answer)


@pytest.mark.parametrize("cursor", ["", "A", "A" * 201, "A" * 1_001, "A" * 20_000])
async def test_a_cursor_that_nobody_was_given_is_invalid_however_long_it_is(acme: World, cursor: str) -> None:
    for path in ("/v1/feed", "/v1/best-bets"):
        answer = await acme.client.get(path, headers=everything(acme), params={"cursor": cursor})
        assert refused(answer)["type"] == "/problems/invalid-cursor", path
    answer = await acme.client.post("/v1/feed/read", headers=everything(acme), json={"up_to": cursor})
    assert refused(answer)["type"] == "/problems/invalid-cursor"


async def test_a_stranger_hears_of_their_credential_alone_and_nobody_reads_what_they_send(
    acme: World, subtests: pytest.Subtests
) -> None:
    read: list[bytes] = []

    async def sent(body: bytes) -> AsyncIterator[bytes]:
        read.append(body)
        yield body

    for operation in WITH_BODY:
        with subtests.test(str(operation)):
            refused_ones = ((JSON, b"{"), ("text/plain", b"x"), (JSON, b" " * (bodies.MAX_BODY_BYTES + 1)))
            for content_type, body in refused_ones if operation.path != "/v1/moments" else ():
                answer = await acme.client.request(
                    operation.method, operation.address(), headers={"Content-Type": content_type},
                    params={"zq": "1"}, content=sent(body),
                )  # fmt: skip
                assert refused(answer)["type"] == "/problems/not-authenticated", content_type
    assert not read


async def test_an_id_that_is_none_is_refused_without_a_letter_of_it(acme: World) -> None:
    answer = await acme.client.post("/v1/feed/read", headers=everything(acme), json={"ids": ["zqx"]})
    assert refused(answer)["errors"][0]["detail"] == "expected a UUID"


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("GET", "/v1/subscriptions/{}", "unknown-subscription"),
        ("PATCH", "/v1/subscriptions/{}", "unknown-subscription"),
        ("DELETE", "/v1/subscriptions/{}", "unknown-subscription"),
        ("DELETE", "/v1/api-keys/{}", "unknown-api-key"),
        ("POST", "/v1/outbox/{}/retry", "unknown-mail"),
    ],
)
async def test_an_id_in_a_path_that_is_none_is_as_unknown_as_any_other(
    acme: World, method: str, path: str, code: str
) -> None:
    for text in ("nope", str(uuid4())):
        body = {"paused": True} if method == "PATCH" else None
        answer = await acme.client.request(method, path.format(text), headers=everything(acme), json=body)
        assert refused(answer)["type"] == f"/problems/{code}", text
        assert answer.status_code == 404
        stranger = await acme.client.request(method, path.format(text), json=body)
        assert refused(stranger)["type"] == "/problems/not-authenticated"


async def test_a_key_is_looked_up_once_though_it_is_asked_for_before_the_body(
    acme: World, statements: Statements
) -> None:
    before = len(statements.of_tables())
    await acme.client.post("/v1/watchlist", headers=everything(acme), json={"lead_ids": ["l1"]})
    assert ["api_key" in text for text in statements.of_tables()[before:]].count(True) == 1


async def test_a_parameter_that_no_operation_declares_is_refused_and_named_where_that_is_harmless(
    acme: World, subtests: pytest.Subtests
) -> None:
    for operation in operations():
        if not operation.needs_credential:
            continue
        with subtests.test(str(operation)):
            headers = {**everything(acme), "Content-Type": JSON}
            for name, place in ((MARK, {}), ("strred", {"parameter": "strred"})):
                answer = await acme.client.request(
                    operation.method, operation.address(), headers=headers, params={name: MARK},
                    content=empty_body(operation),
                )  # fmt: skip
                (fault,) = [one for one in refused(answer)["errors"] if "unknown query parameter" in one["detail"]]
                assert {key: value for key, value in fault.items() if key != "detail"} == place


async def test_a_parameter_that_is_given_twice_is_refused_unless_it_may_be(
    acme: World, subtests: pytest.Subtests
) -> None:
    """Whoever names two leads would else be shown one, and not be told which."""
    several = 0
    for operation in WITH_QUERY:
        for schema in operation.document["parameters"]:
            if schema["in"] != "query" or schema["name"] == "token":  # whose credential comes first
                continue
            with subtests.test(f"{operation}?{schema['name']}"):
                value = _fitting(resolved(schema["schema"]))
                answer = await acme.client.request(
                    operation.method, operation.address(), headers={**everything(acme), "Content-Type": JSON},
                    params=[(schema["name"], value), (schema["name"], value)], content=empty_body(operation),
                )  # fmt: skip
                twice = {"parameter": schema["name"], "detail": "may be given only once"}
                faults = answer.json().get("errors", []) if answer.is_error else []
                if schema["schema"].get("type") == "array":
                    several += 1
                    assert twice not in faults
                else:
                    assert twice in refused(answer)["errors"]
    assert several > 0


def _fitting(schema: Mapping[str, Any]) -> str:
    """A value that the parameter takes."""
    schema = next((resolved(one) for one in schema.get("anyOf", ())), schema)
    schema = resolved(schema["items"]) if "items" in schema else schema
    fits = {"boolean": "true", "integer": "1"}.get(schema.get("type", ""), "/x")
    if schema.get("format") == "date-time":
        return "2026-11-23T09:12:00Z"
    return str(schema["enum"][0]) if "enum" in schema else fits


@pytest.mark.parametrize(
    ("path", "body", "place"),
    [
        ("/v1/subscriptions", {"freqency": MARK}, "/freqency"),
        ("/v1/subscriptions", {"match": {"knd": MARK}}, "/match/knd"),
        ("/v1/sync", {"contacts": [MARK]}, "/contacts"),
        ("/v1/sync", {"leads": [{"id": "l1", "fax_number": MARK}]}, "/leads/0/fax_number"),
        ("/v1/moments", {"moments": [{}], "batch": MARK}, "/batch"),
        ("/v1/moments", {"moments": [{**MOMENT, "freqency": MARK}]}, "/moments/0/freqency"),
        ("/v1/moments", {"moments": [{**MOMENT, "x" * 64: MARK}]}, "/moments/0/" + "x" * 64),
        ("/v1/moments", {"moments": [{**MOMENT, "x" * 65: MARK}]}, "/moments/0"),
        ("/v1/moments", {"moments": [{**MOMENT, "fréquence": MARK}]}, "/moments/0"),
        ("/v1/moments", {"moments": [{**MOMENT, "a/b": MARK}]}, "/moments/0"),
        ("/v1/moments", {"moments": [{**MOMENT, "": MARK}]}, "/moments/0"),
    ],
)
async def test_an_unknown_field_is_pointed_at_where_its_name_is_harmless(
    acme: World, path: str, body: dict[str, Any], place: str
) -> None:
    answer = await acme.client.post(path, headers=everything(acme), json=body)
    document = answer.json()
    (fault,) = [one for one in document.get("errors") or document["results"] if "unknown field" in one["detail"]]
    assert fault["pointer"] == place
    assert MARK not in answer.text


async def test_what_there_is_in_place_of_an_unknown_name_is_said(acme: World) -> None:
    moments = await acme.client.post("/v1/moments", headers=acme.machine, json={"moments": [{**MOMENT, "when": 1}]})
    accounts = await acme.client.post("/v1/sync", headers=acme.machine, json={"accounts": [{"id": "a", "site": 1}]})
    listed = await acme.client.get("/v1/watchlist", headers=acme.rep("ana"), params={"page": 2})
    (moment,), (account,), (parameter,) = ok(moments)["results"], ok(accounts)["results"], refused(listed)["errors"]
    assert moment["detail"] == f"unknown field: there are {', '.join(MomentIn.model_fields)}"
    assert account["detail"] == "unknown field: there are id, name, url, address"
    assert parameter["detail"] == "unknown query parameter: there are limit, after"


async def test_a_header_may_be_anything_and_harms_nothing(acme: World) -> None:
    await acme.report(acme.moment("l1"))
    for name in ("Leadfeed-User", "Last-Event-ID", "X-Request-ID", "Host", "Authorization", "If-None-Match", "Accept",
                 "Origin", "Forwarded", "X-Forwarded-Host", "Range", "Cookie", "Expect"):  # fmt: skip
        for value in (b"", b"\x00", b"\xff\xfe", "é".encode(), b"x" * 9_000, b"[::1", b"//", b"Bearer", b"Bearer \x00"):
            headers = [(key.encode(), text.encode()) for key, text in everything(acme).items() if key != name]
            answer = await acme.client.get("/v1/feed", headers=[*headers, (name.encode(), value)])
            assert answer.status_code < 500, f"{name}: {value!r}: {answer.text}"
            if answer.status_code >= 400:
                refused(answer)


async def test_the_place_in_a_problem_is_a_uri(acme: World) -> None:
    answer = await acme.client.put("/v1/watchlist/a%20b%00%22%C3%A9?x=1", headers=everything(acme))
    assert refused(answer)["instance"] == "/v1/watchlist/a%20b%00%22%C3%A9"


# --- sizes, on the wire --------------------------------------------------------------------------------------------


@pytest.fixture
async def wired(server: Service) -> World:
    """An organisation behind a real server."""
    world = await server.new_world()
    await world.people("ana", leads={"l1": "ana"})
    return world


@pytest.mark.parametrize("path", ["/v1/moments", "/v1/sync", "/v1/watchlist"])
async def test_a_body_beyond_the_limit_is_413_whether_announced_or_not(wired: World, path: str) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(5):
            yield b" " * 1_000_000

    headers = {**everything(wired), "Content-Type": JSON}
    for body in (b" " * (bodies.MAX_BODY_BYTES + 1), chunks()):
        answer = await wired.client.post(path, headers=headers, content=body)
        assert refused(answer)["type"] == "/problems/body-too-large"


async def test_a_body_at_the_limit_is_read(wired: World) -> None:
    body = json.dumps({"moments": [wired.moment("l1")]}).encode()
    filled = body + b" " * (bodies.MAX_BODY_BYTES - len(body))
    headers = {**wired.machine, "Content-Type": JSON}
    assert ok(await wired.client.post("/v1/moments", headers=headers, content=filled))["accepted"] == 1


async def exchange(wired: World, *parts: bytes) -> bytes:
    """What the server says, byte by byte, to these; the connection stays open until it closes it."""
    url = httpx2.URL(wired.service.base_url)
    reader, writer = await asyncio.open_connection(url.host, url.port)
    try:
        for part in parts:
            writer.write(part)
            await writer.drain()
        async with asyncio.timeout(10):
            said = await reader.readuntil(b"\r\n\r\n")
            length = int(said.lower().partition(b"content-length:")[2].split(b"\r\n")[0] or 0)
            return said + await reader.readexactly(length)
    finally:
        writer.close()


def request_head(wired: World, *lines: str, line: str = "POST /v1/moments HTTP/1.1") -> bytes:
    fixed = ["Host: leads.example", f"Authorization: Bearer {wired.key}", "Content-Type: application/json"]
    return "\r\n".join([line, *fixed, *lines, "", ""]).encode("latin-1")


async def test_a_stranger_hears_of_their_key_at_once_whatever_they_send_and_even_if_they_do_not(wired: World) -> None:
    key = wired.key
    wired.key = "lfk_" + "0" * 43
    for length, *parts in ((100,), (100, b'{"mom'), (300_000,), (1, b"{"), (2, b"{}")):
        said = await exchange(wired, request_head(wired, f"Content-Length: {length}"), *parts)
        assert said.startswith(b"HTTP/1.1 401 "), (length, parts, said)
    wired.key = key
    await wired.report(wired.moment("l1"))


async def test_nobody_reads_a_strangers_long_body(acme: World, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []

    def noted(headers: Any, body: bytes, now: Any) -> Any:
        read.append(len(body))
        return open_envelope(headers, body, now)

    monkeypatch.setattr(ingestion_routes, "open_envelope", noted)
    body = json.dumps({"moments": [acme.moment("l1")]}).encode() + b" " * wire.SHORT
    for authorization, status in ((f"Bearer lfk_{'0' * 43}", 401), (acme.machine["Authorization"], 200)):
        headers = {"Authorization": authorization, "Content-Type": JSON}
        assert (await acme.client.post("/v1/moments", headers=headers, content=body)).status_code == status
    assert read == [len(body)], "once, for whoever has a key"


async def test_of_a_flood_of_unknown_fields_one_is_enough(acme: World, subtests: pytest.Subtests) -> None:
    """An error for each would take seconds, in which nobody is answered and no stream gets anything."""
    flood = {f"{MARK}-{number}": 0 for number in range(1_000)}
    for operation in WHOLE:
        with subtests.test(str(operation)):
            faults = refused(await send(acme, operation, json.dumps(flood).encode()))["errors"]
            assert faults.count({"pointer": "", "detail": "unknown field"}) == 1
    for path in ("/v1/feed", "/v1/best-bets", "/v1/watchlist"):
        answer = await acme.client.get(path, headers=everything(acme), params=flood)
        assert len(refused(answer)["errors"]) == 1, path
    for path, body in (("/v1/sync", {"leads": [{"id": "l9", **flood}]}), ("/v1/moments", {"moments": [flood]})):
        answer = await acme.client.post(path, headers=everything(acme), json=body)
        assert MARK not in answer.text
        assert [one["status"] for one in ok(answer)["results"]] == ["rejected"], path


@pytest.mark.parametrize("path", ["/v1/moments", "/v1/sync", "/v1/feed/read"])
async def test_a_long_body_keeps_nobody_waiting_while_it_is_read(
    acme: World, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    answered, reading = threading.Event(), threading.Event()
    loads = json.loads

    def patiently(*text: Any, **how: Any) -> Any:
        reading.set()
        assert answered.wait(10), "nobody else was answered meanwhile"
        return loads(*text, **how)

    monkeypatch.setattr("leadfeed_api.wire.json.loads", patiently)
    async with asyncio.TaskGroup() as tasks:
        headers = {**everything(acme), "Content-Type": JSON}
        long = tasks.create_task(acme.client.post(path, headers=headers, content=b'{"x": 1}' + b" " * wire.SHORT))
        assert await asyncio.to_thread(reading.wait, 10)
        assert (await acme.client.get("/healthz")).status_code == 200
        answered.set()
    assert refused(long.result())["type"] == "/problems/invalid"


async def test_a_body_that_is_announced_too_large_is_not_asked_for(wired: World) -> None:
    said = await exchange(wired, request_head(wired, f"Content-Length: {10**12}", "Expect: 100-continue"))
    assert said.startswith(b"HTTP/1.1 413 ")
    assert b"application/problem+json" in said


@pytest.mark.parametrize("ending", ["HTTP/1.0", "HTTP/1.1\r\nConnection: close"])
@pytest.mark.parametrize(("token", "size", "status"), [("no token", 3_000_000, 401), ("", 6_000_000, 413)])
async def test_who_is_refused_before_the_body_was_read_is_told_so_though_the_connection_ends(
    wired: World, ending: str, token: str, size: int, status: int
) -> None:
    head = f"POST /v1/moments {ending}\r\nHost: x\r\nContent-Type: {JSON}\r\nContent-Length: {size}\r\n"
    credential = f"Bearer {token}" if token else wired.machine["Authorization"]
    for _ in range(5):  # nearly every one was lost
        said = await exchange(wired, f"{head}Authorization: {credential}\r\n\r\n".encode(), b" " * size)
        assert said.split()[1] == b"%d" % status


async def test_a_body_that_does_not_arrive_is_408_and_the_connection_ends(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bodies, "BODY_SECONDS", 0.2)
    async with listening(create_app(settings)) as service:
        world = await service.new_world()
        for headers, part in (("Content-Length: 100", b'{"mom'), ("Transfer-Encoding: chunked", b'5\r\n{"mom\r\n')):
            said = await exchange(world, request_head(world, headers), part)
            assert said.startswith(b"HTTP/1.1 408 ")
            assert b"/problems/body-too-slow" in said
            assert b"connection: close" in said.lower()


async def test_a_caller_who_leaves_in_the_middle_of_a_body_harms_nobody(wired: World) -> None:
    url = httpx2.URL(wired.service.base_url)
    for _ in range(5):
        _, writer = await asyncio.open_connection(url.host, url.port)
        writer.write(request_head(wired, "Content-Length: 100") + b'{"mom')
        await writer.drain()
        writer.transport.abort()
    await wired.report(wired.moment("l1"))


@pytest.mark.parametrize(
    "head",
    [
        b"GET /v1/feed?q=\xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /v1/watchlist/\xc3\xa9 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /v1/feed HTTP/1.1\r\nHost: x\r\nLeadfeed-User: a\x00b\r\n\r\n",
        b"GET /v1/feed HTTP/1.1\r\nHost: [::1\r\n\r\n",
        b"GET http://[::1/ HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET  HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"POST /v1/moments HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
        b"POST /v1/moments HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ],
)
async def test_what_is_hardly_http_is_refused_by_whoever_reads_it_first(wired: World, head: bytes) -> None:
    said = await exchange(wired, head)
    assert said.startswith(b"HTTP/1.1 4"), said
    about, _, body = said.partition(b"\r\n\r\n")
    document = json.loads(body)
    assert b"\r\ncontent-type: application/problem+json" in about.lower()
    assert f"\r\nx-request-id: {document['request_id']}".encode() in about
    assert (document["status"], set(document) >= {"type", "title", "detail", "instance"}) == (int(said[9:12]), True)
    await wired.report(wired.moment("l1"))


BODILESS = (
    ("POST", "/v1/stream-tokens", 201), ("PUT", "/v1/watchlist/l1", 204), ("POST", "/v1/feed-link/rotate", 200),
)  # fmt: skip


@pytest.mark.parametrize(("method", "path", "status"), BODILESS, ids=[path for _, path, _ in BODILESS])
async def test_an_address_that_takes_no_fields_refuses_them(world: World, method: str, path: str, status: int) -> None:
    """Whoever sends one believes that it is heeded."""
    await world.people("ana", leads={"l1": "ana"})
    ok(await world.client.patch("/v1/settings", headers=world.machine, json={"rss_enabled": True}))
    rep = {**world.rep("ana"), "Content-Type": "application/json"}
    for body in (b'{"ttl": 5}', b"garbage{", b"[]", b"\xff"):
        document = problem(await world.client.request(method, path, headers=rep, content=body), 422, "invalid")
        assert document["errors"] == [{"pointer": "", "detail": "this address takes no fields"}]
    stranger = await world.client.request(
        method, path, headers={"Content-Type": "application/json"}, content=b"garbage{"
    )
    problem(stranger, 401, "not-authenticated")
    for body in (b"", b"{}", b" {} "):
        answer = await world.client.request(method, path, headers=rep, content=body)
        assert answer.status_code == status, (body, answer.text)


async def test_what_is_answered_to_one_is_kept_by_nobody_else(world: World) -> None:
    await world.people("ana", leads={"l1": "ana"})
    for path, headers in (
        ("/v1/watchlist", world.rep("ana")), ("/v1/subscriptions", world.rep("ana")), ("/v1/mutes", world.rep("ana")),
        ("/v1/settings", world.machine), ("/v1/api-keys", world.machine), ("/v1/outbox", world.machine),
        ("/v1/feed", world.rep("ana")), ("/v1/best-bets", world.rep("ana")), ("/v1/mail-preferences", world.rep("ana")),
    ):  # fmt: skip
        answer = await world.client.get(path, headers=headers)
        assert (answer.status_code, answer.headers["cache-control"]) == (200, "private, no-store"), path


async def test_what_a_probe_is_told_is_kept_by_nobody(world: World) -> None:
    """A cache on the way would say that a process lives which has died."""
    for path in ("/healthz", "/readyz", "/metrics"):
        answer = await world.client.get(path)
        assert (answer.status_code, answer.headers.get("cache-control")) == (200, "no-store"), path


@pytest.mark.parametrize("path", ["/v1/feed", "/v1/best-bets", "/v1/watchlist"])
async def test_a_number_in_a_query_is_digits_and_no_more(world: World, path: str) -> None:
    await world.people("ana", leads={"l1": "ana"})
    for said in ("1_0", "+1", " 1", "1.0", "١", "", "0x1", "1e1"):
        answer = await world.client.get(path, headers=world.rep("ana"), params={"limit": said})
        (fault,) = problem(answer, 422, "invalid")["errors"]
        assert fault == {"parameter": "limit", "detail": "expected a whole number"}, said
    ok(await world.client.get(path, headers=world.rep("ana"), params={"limit": "10"}))


async def test_yes_or_no_in_a_query_is_said_as_clients_say_it_and_nothing_else_is(world: World) -> None:
    await world.people("ana", leads={"l1": "ana"})
    for path, name in (("/v1/feed", "starred"), ("/v1/best-bets", "starred"), ("/v1/best-bets", "hidden")):
        for said in ("2", "maybe", "\u0661", "tru", ""):
            answer = await world.client.get(path, headers=world.rep("ana"), params={name: said})
            (fault,) = problem(answer, 422, "invalid")["errors"]
            assert fault == {"parameter": name, "detail": "expected true or false"}, (path, said)
        for said in ("true", "false", "True", "False", "1", "0"):
            ok(await world.client.get(path, headers=world.rep("ana"), params={name: said}))
