"""How far each credential reaches: the page on access, the OpenAPI document and the service say the same."""

import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx2
import jwt
import pytest

from addresses import Operation, operations
from leadfeed_api.errors import Problem
from leadfeed_api.organizations.claims import REQUIRED
from leadfeed_api.organizations.identity import SCOPES
from leadfeed_api.settings import DEVELOPMENT_SECRET
from world import World, ok, problem

pytestmark = pytest.mark.anyio

PAGE = (Path(__file__).resolve().parent.parent / "docs" / "access.md").read_text(encoding="utf-8")
OPEN = "nothing but its address"
# What is refused for a lack of credentials or of reach; other refusals are of those who were let in.
REFUSALS = {"not-authenticated", "invalid-token", "expired-token", "insufficient-scope", "user-needed", "unknown-user"}
CHALLENGE = 'Bearer realm="leadfeed", error="insufficient_scope", scope="{}"'


@pytest.fixture
async def acme(world: World) -> World:
    await world.people("ana", leads={"l1": "ana"})
    return world


def rows(heading: str) -> list[list[str]]:
    """The cells of the first table below a heading."""
    (section,) = re.findall(rf"^#+ {heading}\n(.*?)(?=^#|\Z)", PAGE, re.MULTILINE | re.DOTALL)
    return [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in re.findall(r"^\|.+\|$", section, re.MULTILINE)[2:]
    ]


def names(cell: str) -> list[str]:
    """What stands in backticks."""
    return re.findall(r"`([^`]+)`", cell)


# --- the page ------------------------------------------------------------------------------------------------------


def test_the_page_and_the_openapi_document_say_the_same_of_every_operation() -> None:
    on_the_page = {label: needed for needed, labels in rows("What each operation needs") for label in names(labels)}
    in_the_document = {}
    for operation in operations():
        said = re.findall(r"\n\nNeeds (.+)\.$", operation.document["description"])
        assert bool(said) == operation.needs_credential
        in_the_document[str(operation)] = said[0] if said else OPEN
    assert in_the_document == on_the_page


def test_the_page_names_every_scope_and_every_claim_and_the_refusals_with_their_status() -> None:
    assert {names(scope)[0] for scope, _ in rows("API keys")} == SCOPES
    assert {names(claim)[0] for claim, _ in rows("User tokens")} == {*REQUIRED, "role"}
    refusals = {(names(code)[0], int(status)) for status, code, _ in rows("What a refusal says")}
    assert {code for code, _ in refusals} >= REFUSALS
    assert refusals <= {(kind.code, kind.status) for kind in below(Problem)}


def below(kind: type[Problem]) -> set[type[Problem]]:
    return {kind}.union(*(below(one) for one in kind.__subclasses__()))


async def test_a_token_signed_as_the_page_shows_is_taken(acme: World, monkeypatch: pytest.MonkeyPatch) -> None:
    (example,) = re.findall(r"```python\n(.+?)```", PAGE, re.DOTALL)
    monkeypatch.setenv("LEADFEED_JWT_SECRET", DEVELOPMENT_SECRET)
    defined: dict[str, Any] = {}
    exec(example, defined)  # noqa: S102  it is ours
    token = defined["lead_feed_token"](acme.org, "ana")
    ok(await acme.client.get("/v1/feed", headers={"Authorization": f"Bearer {token}"}))
    assert set(jwt.decode(token, options={"verify_signature": False})) == {
        names(claim)[0] for claim, _ in rows("User tokens")
    }


def test_the_tour_of_the_readme_sets_the_secret_that_the_example_signs_with() -> None:
    readme = (Path(__file__).resolve().parent.parent / "README.md").read_text(encoding="utf-8")
    exports = "\n".join(re.findall(r"^export .+$", readme, re.MULTILINE))
    (wanted,) = re.findall(r'os\.environ\["(\w+)"\]', PAGE)
    told = subprocess.run(
        ["sh", "-c", f'{exports}\nprintf %s "${wanted}"'],
        capture_output=True,
        check=True,
        env={"PATH": os.environ["PATH"]},
    )
    assert len(told.stdout) >= 32


# --- the service ---------------------------------------------------------------------------------------------------


def verdict(operation: Operation, holder: str) -> str | None:
    """The refusal that a holder of a credential must meet by the document; None when it lets them in."""
    kind, _, of_a_user = holder.partition(" for ")
    needed = operation.credentials
    if not needed:
        return None
    if kind == "nobody":
        return "not-authenticated"
    if kind in {"rep", "administrator"}:
        return "insufficient-scope" if "admin" in needed["userToken"] and kind == "rep" else None
    if "Leadfeed-User" in operation.names("header") and not of_a_user:
        return "user-needed"
    return None if kind.removeprefix("key ") in {*needed["apiKey"], "admin"} else "insufficient-scope"


async def test_each_credential_reaches_what_the_document_says_and_nothing_else(acme: World) -> None:
    holders: dict[str, dict[str, str]] = {
        "nobody": {},
        "rep": acme.rep("ana"),
        "administrator": {"Authorization": f"Bearer {acme.token('ana', role='admin')}"},
    }
    for scope in sorted(SCOPES):
        holders[f"key {scope}"] = await acme.key_for(scope)
        holders[f"key {scope} for ana"] = {**holders[f"key {scope}"], "Leadfeed-User": "ana"}

    wrong = []
    for operation in operations():
        for holder, headers in holders.items():
            met = await refusal(acme, operation, headers)
            if met != verdict(operation, holder):
                wrong.append((str(operation), holder, met))
    assert not wrong


async def refusal(world: World, operation: Operation, headers: Mapping[str, str]) -> str | None:
    """The code of the refusal to somebody who asks without any sense; None when they were let in."""
    path = operation.address()
    body = None if operation.body_schema() is None else b"{}"
    sent = {**headers, **({"Content-Type": "application/json"} if body else {})}
    if path == "/v1/feed/stream" and (await world.client.head(path, headers=sent)).status_code == 200:
        return None  # a GET that is let in does not end
    answer = await world.client.request(operation.method, path, headers=sent, content=body)
    if answer.status_code not in {401, 403}:
        return None
    assert answer.status_code == 403 or answer.headers["www-authenticate"].startswith("Bearer ")
    code: str = answer.json()["type"].rpartition("/")[2]
    if code == "insufficient-scope":
        assert_names_what_is_missing(operation, answer)
    return code if code in REFUSALS else None


def assert_names_what_is_missing(operation: Operation, answer: httpx2.Response) -> None:
    """In the words of the document, and to machines as RFC 6750 has it."""
    (scope,) = operation.credentials["apiKey"]
    assert answer.headers["www-authenticate"] == CHALLENGE.format(scope)
    needed = operation.document["description"].rpartition("\n\nNeeds ")[2]
    assert f"`{scope}`" in needed
    assert problem(answer, 403, "insufficient-scope")["detail"].endswith(f"This address needs {needed}")
