"""The page has a spelling of its own for speed: byte by byte what its schema says."""

from datetime import UTC, datetime
from itertools import product
from typing import Annotated, Any

import pytest
from asyncpg.pgproto.pgproto import UUID
from fastapi import FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.testclient import TestClient

from leadfeed_api.feed.encoding import page_json, plain_item
from leadfeed_api.feed.queries import _item
from leadfeed_api.feed.routes import FeedQuery, read_query
from leadfeed_api.feed.schemas import FeedPage

ODD = ["plain", 'quotes " and \\', "é ü ß 漢 🎯", "\x7f \u2028 </script>", "", "\u200f right to left"]
TIMES = [
    datetime(2026, 11, 23, 9, 12, tzinfo=UTC),
    datetime(1970, 1, 1, 0, 0, 0, 1, tzinfo=UTC),
    datetime(9999, 12, 31, 23, 59, 59, 120_000, tzinfo=UTC),
]


def row(text: str, when: datetime, owned: bool, watched: bool, bare: bool) -> dict[str, Any]:
    """A row as the page's statement gives it."""
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


def test_a_page_is_byte_by_byte_what_its_schema_writes() -> None:
    flags = (False, True)
    rows = [row(*about) for about in product(ODD, TIMES, flags, flags, flags)]

    fast = page_json([plain_item(one, subscribed=one["listening"] is not None) for one in rows], None, "x-1")

    schemas = FeedPage.model_construct(items=[_item(one) for one in rows], next_cursor=None, live_cursor="x-1")
    assert fast.decode() == schemas.model_dump_json()
    assert FeedPage.model_validate_json(fast).model_dump_json() == fast.decode()


def test_a_page_of_nothing_is_one_too() -> None:
    assert page_json([], "c", "x-1") == b'{"items":[],"next_cursor":"c","live_cursor":"x-1"}'


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


@pytest.mark.parametrize("query", ["limit=x", "limit=0&type=web&type=fax", "unknown=1", "starred=", "cursor=a&cursor="])
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
