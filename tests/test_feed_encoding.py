"""The page has a spelling of its own for speed: byte by byte what its schema says."""

from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from itertools import product
from typing import Annotated, Any
from uuid import UUID

import orjson
import pytest
from fastapi import FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.testclient import TestClient
from pydantic import TypeAdapter, ValidationError

from leadfeed_api.db.session import Database
from leadfeed_api.feed.encoding import ITEM, Items, page_json
from leadfeed_api.feed.queries import _item
from leadfeed_api.feed.routes import FeedQuery, read_query
from leadfeed_api.feed.schemas import FeedPage
from leadfeed_api.feed.words import is_subscribed
from leadfeed_api.fields import CrmId, Description, Link, Name, OptionalLine, SourceId

ODD = ["plain", 'quotes " and \\', "é ü ß 漢 🎯", "\x01\t\n\x1f \u2028 </script>", "", "\u200f right to left", ",{id:"]
TIMES = [
    datetime(2026, 11, 23, 9, 12, tzinfo=UTC),
    datetime(1970, 1, 1, 0, 0, 0, 1, tzinfo=UTC),
    datetime(9999, 12, 31, 23, 59, 59, 120_000, tzinfo=UTC),
]
COLUMNS = """number bigint, moment_id uuid, type text, description text, occurred_at timestamptz, url text, source text,
  lead_id text, lead_name text, title text, starred boolean, stars smallint, flames smallint, account_id text,
  account_name text, owned boolean, watched boolean, listening text, read boolean, bot text"""
WRITE = f"SELECT string_agg({ITEM}, ',' ORDER BY p.number) FROM jsonb_to_recordset($1) AS p ({COLUMNS})"


def row(text: str, when: datetime, owned: bool, watched: bool, bare: bool) -> dict[str, Any]:
    """A row as the page's statement has it, before it is written."""
    return {
        "moment_id": UUID("019ab1de-8c3e-7d4b-9f0a-2b6f2f1f8a01"),
        "type": "web",
        "description": text,
        "occurred_at": when,
        "url": None if bare else "https://example.com/?q=é",
        "source": text,
        "lead_id": text,
        "lead_name": text,
        "title": None if bare else text,
        "starred": owned,
        "stars": 3,
        "flames": 0,
        "account_id": None if bare else text,
        "account_name": None if bare else text,
        "owned": owned,
        "watched": watched,
        "listening": None if bare else "",
        "read": watched,
        "bot": None if bare else text,
    }


async def written(database: Database, rows: Sequence[dict[str, Any]]) -> Items:
    """The rows as PostgreSQL writes them."""
    plain = [
        {**one, "number": number, "moment_id": str(one["moment_id"]), "occurred_at": one["occurred_at"].isoformat()}
        for number, one in enumerate(rows)
    ]
    async with database.read() as connection:
        return Items(await connection.fetchval(WRITE, plain) or "")


@pytest.mark.anyio
async def test_a_page_is_byte_by_byte_what_its_schema_writes(database: Database) -> None:
    flags = (False, True)
    rows = [row(*about) for about in product(ODD, TIMES, flags, flags, flags)]

    fast = page_json((await written(database, rows)).json(), None, "x-1")

    schemas = FeedPage.model_construct(items=[_item(one) for one in rows], next_cursor=None, live_cursor="x-1")
    assert fast.decode() == schemas.model_dump_json()
    assert FeedPage.model_validate_json(fast).model_dump_json() == fast.decode()


@pytest.mark.anyio
async def test_a_page_ends_where_its_last_item_is_and_leaves_out_what_is_beyond(database: Database) -> None:
    rows = [row(text, when, True, True, False) for text in ODD for when in TIMES]
    page = await written(database, rows)

    for number in range(len(rows) - 1, 0, -1):
        page = page.without_last()
        items = orjson.loads(b"[%b]" % page.json())
        assert [item["description"] for item in items] == [one["description"] for one in rows[:number]]
        assert page.last() == (rows[number - 1]["occurred_at"], rows[number - 1]["moment_id"])
    assert page.without_last().json() == b""


@pytest.mark.anyio
async def test_what_depends_on_words_is_decided_afterwards_and_nothing_else_is(database: Database) -> None:
    listening = [None, "", "pricing", "new\n", "one\nplain"]
    rows = [{**row("a plain text", TIMES[0], True, False, False), "listening": words} for words in listening]
    page = await written(database, rows)
    items = [_item(one) for one in rows]

    assert [item.subscribed for item in items] == [False, True, False, True, True]
    decided = page_json(page.decided(is_subscribed), "c", "x-1")
    assert decided.decode() == FeedPage(items=items, next_cursor="c", live_cursor="x-1").model_dump_json()


def test_a_page_of_nothing_is_one_too() -> None:
    assert page_json(b"", "c", "x-1") == b'{"items":[],"next_cursor":"c","live_cursor":"x-1"}'


@pytest.mark.parametrize("kind", [CrmId, SourceId, Description, Name, OptionalLine, Link])
def test_no_door_lets_in_the_mark_that_stands_for_a_quotation_mark(kind: Any) -> None:
    let_in = []
    with suppress(ValidationError):
        let_in = [TypeAdapter(kind).validate_python("https://example.com/a\x7fb")]
    assert not any("\x7f" in text for text in let_in)


@pytest.mark.parametrize(
    "query",
    [
        "",
        "limit=5",
        "type=web&type=email&starred=true",
        "since=2026-11-23T09:12:00Z&q=caf%C3%A9+x",
        "lead_id=a%2Fb&q=%F0%9F%8E%AF",
    ],
)
def test_a_query_is_read_as_the_framework_reads_it(query: str) -> None:
    app = FastAPI()

    @app.get("/")
    def read(query: Annotated[FeedQuery, Query()]) -> dict[str, str]:
        return {"read": repr(query)}

    with TestClient(app) as client:
        assert client.get(f"/?{query}").json()["read"] == repr(read_query(query.encode()))


@pytest.mark.parametrize("query", ["limit=x", "limit=0&type=web&type=fax", "unknown=1", "starred="])
def test_a_query_is_refused_as_the_framework_refuses_it(query: str) -> None:
    app = FastAPI()

    @app.get("/")
    def read(query: Annotated[FeedQuery, Query()]) -> None:
        pass

    seen: list[list[tuple[object, object]]] = []

    async def note(_: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        seen.append([(one["type"], one["loc"]) for one in error.errors()])
        return Response(status_code=422)

    app.add_exception_handler(RequestValidationError, note)
    with TestClient(app) as client:
        answered = client.get(f"/?{query}").status_code
    refused: list[list[tuple[object, object]]] = []
    try:
        read_query(query.encode())
    except RequestValidationError as error:
        refused.append([(one["type"], one["loc"]) for one in error.errors()])
    assert (refused, answered) == (seen, 422 if seen else 200)
