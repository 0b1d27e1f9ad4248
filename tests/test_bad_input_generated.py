"""Requests made from the OpenAPI document, as it says and against what it says: never our failure, never an echo."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

import httpx2
import jsonschema_rs
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode

from addresses import Operation, openapi, operations, resolved
from leadfeed_api.faults import is_harmless
from leadfeed_api.problems import catalogue
from world import World, problem

pytestmark = pytest.mark.anyio

# Requests per operation: the same ones each run, so that a failure is of the change that was made; or others each time.
AMOUNTS = [pytest.param(5, True, id="few"), pytest.param(100, False, id="many", marks=pytest.mark.soak)]
ENDLESS = {"/v1/feed/stream"}  # answers until the caller leaves; what it refuses is in test_bad_input
INVALID = {"/problems/invalid", "/problems/invalid-body", "/problems/unsupported-media-type"}
Case: TypeAlias = schemathesis.Case[Any]
OUR_WORDS = json.dumps(
    [openapi(), *(kind.__doc__ for kinds in catalogue().values() for kind in kinds)], ensure_ascii=False
)
SCHEMA = schemathesis.openapi.from_dict(openapi())


@pytest.fixture
async def acme(world: World) -> World:
    await world.people("ana", leads={"l1": "ana"})
    await world.report(world.moment("l1"))
    return world


def generated(operation: Operation, examples: int, *, alike: bool) -> list[Case]:
    """Requests as the document has them, and requests that break it somewhere."""
    described = SCHEMA[operation.path][operation.method]
    made: list[Case] = []

    @settings(
        max_examples=examples, derandomize=alike, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
    )
    @given(
        described.as_strategy(generation_mode=GenerationMode.POSITIVE)
        | described.as_strategy(generation_mode=GenerationMode.NEGATIVE)
    )
    def collect(case: Case) -> None:
        made.append(case)

    collect()
    return made


@pytest.mark.parametrize(("examples", "alike"), AMOUNTS)
@pytest.mark.parametrize("tag", sorted({tag for one in operations() for tag in one.document["tags"]}))
async def test_any_request_gets_an_answer_that_the_document_lists(
    acme: World, tag: str, examples: int, alike: bool, subtests: pytest.Subtests
) -> None:
    for operation in operations():
        if operation.document["tags"][0] == tag and operation.path not in ENDLESS:
            with subtests.test(str(operation)):
                cases = generated(operation, examples, alike=alike)
                assert cases
                for case in cases:
                    await try_out(acme, operation, case)


async def test_every_example_of_a_body_is_valid(acme: World, subtests: pytest.Subtests) -> None:
    """Whatever it is about may be missing, and whoever it names unknown."""
    for operation in operations():
        for media_type, media in operation.document.get("requestBody", {}).get("content", {}).items():
            with subtests.test(str(operation), media_type=media_type):
                headers = {**acme.machine, "Leadfeed-User": "ana", "Content-Type": media_type}
                for shown in examples_in(media):
                    answer = await acme.client.request(
                        operation.method, operation.address(), headers=headers, content=json.dumps(shown)
                    )
                    results = answer.json().get("results", ()) if answer.content else ()
                    assert answer.is_success or answer.json()["type"] not in INVALID, answer.text
                    assert {one.get("problem") for one in results} <= {None, "unknown-lead", "unknown-user"}


def examples_in(media: Mapping[str, Any]) -> list[Any]:
    """The examples of a body, wherever they stand; each has one."""
    found = [one["value"] for one in media.get("examples", {}).values()] or resolved(media["schema"])["examples"]
    assert found
    return list(found)


async def try_out(world: World, operation: Operation, case: Case) -> None:
    """Sends a request and looks at what comes back."""
    sent = requests.Request(**case.as_transport_kwargs(base_url="http://testserver")).prepare()
    headers = {name: value if isinstance(value, str) else value.decode() for name, value in sent.headers.items()}
    body = sent.body.encode() if isinstance(sent.body, str) else sent.body
    assert body is None or isinstance(body, bytes)

    headers |= {**world.machine, "Leadfeed-User": "ana"}
    answer = await world.client.request(operation.method, str(sent.url), headers=headers, content=body)

    assert answer.status_code < 500, f"{sent.method} {sent.url} {sent.body!r}: {answer.text}"
    if answer.status_code >= 400:
        assert_no_echo(problem(answer, answer.status_code, answer.json()["type"].rpartition("/")[2]), case)
    assert_documented(operation, answer, str(sent.url))


def assert_documented(operation: Operation, answer: httpx2.Response, url: str) -> None:
    """The status is one of the operation's, and a JSON body is what the document says of it."""
    documented = operation.document["responses"]
    if str(answer.status_code) not in documented:
        assert has_dot_segment(url), f"{answer.status_code} is not among {list(documented)}: {answer.text}"
    elif (media_type := answer.headers.get("content-type", "")).endswith("json"):
        schema = documented[str(answer.status_code)]["content"][media_type]["schema"]
        jsonschema_rs.validate({**schema, "components": openapi()["components"]}, answer.json())


def has_dot_segment(url: str) -> bool:
    """Whether a client takes this for another address: ``.`` and ``..`` are resolved before anything is sent."""
    return any(
        part.lower().replace("%2e", ".") in {".", "..", ""} for part in url.split("?", maxsplit=1)[0].split("/")[3:]
    )


def assert_no_echo(document: dict[str, Any], case: Case) -> None:
    """No text of the request, unless it is among our own words or a harmless name, is in what is said of it."""
    said = json.dumps({**document, "instance": ""}, ensure_ascii=False)
    for text in texts([case.body, dict(case.query or {}), dict(case.path_parameters or {})]):
        assert len(text) < 6 or text in OUR_WORDS or text not in said, f"{text!r} is repeated in {said}"


def texts(value: object) -> Iterator[str]:
    """Every text in a value, and every key that would not be named if it were unknown."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from texts([*(name for name in value if not is_harmless(name)), *value.values()])
    elif isinstance(value, list):
        for inner in value:
            yield from texts(inner)
