"""The documents, held to the code: what they promise exists, and what exists is in them."""

import ast
import json
import re
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from typer.main import get_command

from addresses import openapi
from leadfeed_api import errors
from leadfeed_api.app import create_app
from leadfeed_api.cli import app as commands
from leadfeed_api.db.revision import NEWEST
from leadfeed_api.errors import Problem
from leadfeed_api.feed.routes import FeedQuery
from leadfeed_api.feed.schemas import FeedItem
from leadfeed_api.ingestion.interpret import MomentIn
from leadfeed_api.ingestion.record import UNKNOWN_LEAD
from leadfeed_api.ingestion.sources.segment import Forwarding
from leadfeed_api.people.records import MODELS
from leadfeed_api.problems import catalogue
from leadfeed_api.settings import Settings

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")])
OPENAPI = openapi()
OPERATIONS = {
    f"{method.upper()} {path}": operation
    for path, methods in OPENAPI["paths"].items()
    for method, operation in methods.items()
}


def text(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def test_the_readme_lists_every_setting_with_its_meaning_and_no_other() -> None:
    rows = re.findall(r"^\| `LEADFEED_([A-Z_]+)` \| .+? \| (.+) \|$", text(ROOT / "README.md"), re.MULTILINE)
    assert dict(rows) == {name.upper(): field.description for name, field in Settings.model_fields.items()}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_between_documents_leads_somewhere(page: Path) -> None:
    prose = re.sub(r"^```.*?^```", "", text(page), flags=re.MULTILINE | re.DOTALL)  # code may look like a link
    targets = re.findall(r"\]\((?!https?://|#|mailto:)([^)#]+)", prose)
    missing = [target for target in targets if not (page.parent / target).exists()]
    assert not missing


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_module_that_a_document_names_exists(page: Path) -> None:
    named = set(re.findall(r"`((?:[a-z_]+/)+[a-z_]+\.py)`", text(page)))
    missing = [name for name in named if not any((ROOT / base / name).exists() for base in ("src/leadfeed_api", "."))]
    assert not missing


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_that_a_document_shows_exists(page: Path) -> None:
    group: Any = get_command(commands)
    shown = re.findall(r"(?:`|^|\$\()leadfeed ((?:[a-z]+ ?){1,2})", text(page), re.MULTILINE)
    for words in shown:
        command: Any = group
        for word in words.split():
            if not hasattr(command, "commands"):
                break  # an argument
            assert word in command.commands, f"leadfeed {words}"
            command = command.commands[word]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_address_that_a_document_names_is_served(page: Path) -> None:
    patterns = [re.sub(r"\{[^}]+\}", "[^/]+", path) for path in OPENAPI["paths"]]
    for method, path in re.findall(r"`(GET|POST|PUT|PATCH|DELETE) (/v1/[^`\s?]*)", text(page)):
        wanted = re.sub(r"\{[^}]+\}", "x", path)
        found = [p for p, raw in zip(patterns, OPENAPI["paths"], strict=True)
                 if re.fullmatch(p, wanted) and method.lower() in OPENAPI["paths"][raw]]  # fmt: skip
        assert found, f"{method} {path}"


def test_the_committed_openapi_document_is_the_codes() -> None:
    """When it is not: ``make openapi``."""
    assert json.loads(json.dumps(create_app(Settings()).openapi())) == OPENAPI


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_operation_says_what_it_does_and_what_it_answers(name: str) -> None:
    operation = OPERATIONS[name]
    assert operation["summary"]
    assert not operation["summary"].endswith(".")
    assert len(operation["description"]) > 20
    assert operation["tags"]
    statuses = set(operation["responses"])
    assert any(status.startswith("2") for status in statuses)
    assert "Successful Response" not in {answer["description"] for answer in operation["responses"].values()}
    assert all(parameter.get("description") for parameter in operation.get("parameters", ()))
    if operation.get("security"):
        assert {"401", "403"} <= statuses
    if "requestBody" in operation:
        assert {"400", "413", "415", "422"} <= statuses
    if "{" in name:
        assert statuses & {"404", "422"}


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_json_body_of_an_operation_has_an_example(name: str) -> None:
    operation = OPERATIONS[name]
    bodies = [("request", operation.get("requestBody", {}))]
    bodies += [(status, answer) for status, answer in operation["responses"].items() if status.startswith("2")]
    for where, body in bodies:
        for media_type, media in body.get("content", {}).items():
            if media_type == "application/json":
                assert _has_example(media), f"{name} {where}"


def test_the_example_of_readiness_names_the_schema_of_this_version() -> None:
    assert [one["schema_version"] for one in OPENAPI["components"]["schemas"]["Readiness"]["examples"]] == [NEWEST]


def test_the_document_takes_the_lead_url_that_it_shows() -> None:
    field = OPENAPI["components"]["schemas"]["OrganizationSettingsPatch"]["properties"]["lead_url"]
    (kind,) = [one for one in field["anyOf"] if one["type"] == "string"]
    assert "{lead_id}" in field["description"]
    assert kind["examples"]
    for shown in kind["examples"]:
        jsonschema_rs.validator_for(kind, validate_formats=True).validate(shown)


def _has_example(media: dict[str, Any]) -> bool:
    if media.keys() & {"example", "examples"}:
        return True
    schema = media["schema"]
    name = schema.get("$ref", "").rpartition("/")[2]
    return bool(OPENAPI["components"]["schemas"].get(name, schema).get("examples"))


def test_the_tree_of_what_can_go_wrong_is_drawn_as_it_is() -> None:
    drawing = re.search(r"Problem\n(.+?)\n\n", errors.__doc__ or "", re.DOTALL)
    assert drawing is not None
    assert sorted(re.findall(r"[A-Z]\w+", drawing[1])) == sorted(kind.__name__ for kind in _below(Problem))
    statuses = {kind.__name__: str(kind.status) for kind in Problem.__subclasses__()}
    assert dict(re.findall(r"── (\w+) (\d+)", drawing[1])) == statuses


def _below(kind: type[Problem]) -> list[type[Problem]]:
    return [one for child in kind.__subclasses__() for one in (child, *_below(child))]


def test_every_problem_has_a_title_a_detail_and_a_code_of_its_own() -> None:
    for code, kinds in catalogue().items():
        assert re.fullmatch(r"[a-z-]+", code)
        for kind in kinds:
            assert 10 < len(kind.title()) < 100, code
            assert kind().detail.endswith("."), code
    shared = {code for code, kinds in catalogue().items() if len(kinds) > 1}
    assert shared == {"unavailable", "unknown-user"}  # each is one thing, met in two ways


def first_column(page: str, heading: str) -> list[str]:
    """The names in the first column of the tables below a heading."""
    section = text(ROOT / "docs" / page).partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return re.findall(r"^\| `([a-z_-]+)` \|", section, re.MULTILINE)


def test_the_page_on_reading_lists_every_parameter_and_every_field_and_no_other() -> None:
    assert first_column("reading.md", "Narrowing it") == list(FeedQuery.model_fields)
    assert first_column("reading.md", "An item") == list(FeedItem.model_fields)


def test_the_page_on_syncing_lists_every_field_and_every_code_and_no_other() -> None:
    assert first_column("syncing.md", "The fields") == [name for one in MODELS.values() for name in one.model_fields]
    codes = {
        word
        for module in ("records", "sync")
        for word in re.findall(r'"((?:unknown|invalid)-[a-z-]+)"', text(ROOT / f"src/leadfeed_api/people/{module}.py"))
    }
    assert {*first_column("syncing.md", "What is rejected"), "invalid-name"} == codes


def test_the_page_on_reporting_lists_every_field_and_every_code_and_no_other() -> None:
    fields, codes = (first_column("reporting.md", heading) for heading in ("The fields", "What is rejected"))
    rejections = {
        ast.literal_eval(node.args[0])
        for path in (ROOT / "src/leadfeed_api/ingestion").rglob("*.py")
        for node in ast.walk(ast.parse(text(path)))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Rejection"
        if isinstance(node.args[0], ast.Constant)
    }
    of_fields = {f"invalid-{name.replace('_', '-')}" for name in MomentIn.model_fields}
    assert fields == list(MomentIn.model_fields)
    assert first_column("reporting.md", "Segment and its kin") == list(Forwarding.model_fields)
    assert set(codes) == rejections | of_fields | {UNKNOWN_LEAD.problem}


def test_the_page_for_operators_explains_every_line_of_the_log_and_no_other() -> None:
    calls = [
        node
        for path in (ROOT / "src").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and node.func.attr in {"info", "warning", "error", "exception"}  # of whatever logger: one may be bound
    ]
    written = {ast.literal_eval(call.args[0]) for call in calls} | {"request"}
    page = (ROOT / "docs/operating.md").read_text().partition("| event | level | says |")[2].partition("\n## ")[0]
    explained = [event for row in page.splitlines() for event in re.findall(r"`([^`]+)`", row.partition(" | ")[0])]
    assert set(explained) == written
