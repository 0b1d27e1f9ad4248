"""``GET /v1/feed``: one page, newest first."""

from collections.abc import Callable
from functools import lru_cache
from inspect import unwrap
from typing import Annotated, TypeVar
from urllib.parse import parse_qsl, urlencode

from fastapi import APIRouter, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import Field, ValidationError
from starlette.routing import Route

from leadfeed_api.errors import Invalid, InvalidCursor
from leadfeed_api.feed.cursor import Cursor, Place, Positions, read_place, write_place
from leadfeed_api.feed.encoding import page_json
from leadfeed_api.feed.narrowing import FeedFilters, cursor_binding
from leadfeed_api.feed.paging import Page, Pages
from leadfeed_api.feed.schemas import FeedPage
from leadfeed_api.fields import Count
from leadfeed_api.organizations.auth import Claimant, Configured, admit, claimant
from leadfeed_api.organizations.identity import Caller
from leadfeed_api.settings import Settings
from leadfeed_api.wire import StrictRoute, given_twice, refusals

router = APIRouter(prefix="/v1", tags=["Feed"], route_class=StrictRoute)
R = TypeVar("R")
REMEMBERED = 2_048  # query strings; the same ones come again and again
LONGEST_REMEMBERED = 1_024  # bytes; at any length, those of one caller could fill hundreds of megabytes with blanks


class FeedQuery(FeedFilters):
    """Which page of which part of my feed."""

    limit: Count = Field(50, ge=1, le=200, description="Items on the page.")
    cursor: Cursor | None = Field(None, description="`next_cursor` of the page before, with the same filters.")


@router.get(
    "/feed",
    summary="Read my feed, newest first",
    response_description="One page of my feed.",
    response_model=FeedPage,
    responses={
        200: {"headers": {"Link": {"description": '`rel="next"`: the next page.', "schema": {"type": "string"}}}},
        **refusals(InvalidCursor),
    },
)
async def read_feed(
    query: Annotated[FeedQuery, Query()],
    who: Claimant,
    configured: Configured,
    request: Request,
) -> Response:
    """One page of the interesting moments of the leads I own or watch, newest first by (`occurred_at`, `id`).

    Follow `next_cursor` (or the `Link` header) for older moments: pages neither skip nor repeat any while new ones
    arrive. Open `/v1/feed/stream` at `live_cursor` for what comes after the page.
    """
    return await _page(query, who, request.app.state.pages, configured, request)


@lru_cache(maxsize=REMEMBERED)
def read_query(query_string: bytes) -> FeedQuery:
    """The query as the framework reads it for the route above.

    Raises ``RequestValidationError``, and ``Invalid`` for what is given twice, of which the framework takes the last.
    """
    given: dict[str, str | list[str]] = {}
    for name, value in parse_qsl(query_string.decode("latin-1"), keep_blank_values=True):
        if name == "type":
            given["type"] = [*given.get("type", []), value]
        elif name in given and name in FeedQuery.model_fields:
            raise Invalid(errors=[given_twice(name)])
        else:
            given[name] = value
    try:
        return FeedQuery.model_validate(given)
    except ValidationError as error:
        faults = [{**one, "loc": ("query", *one["loc"])} for one in error.errors(include_url=False)]
        raise RequestValidationError(faults) from None


def _read(reader: Callable[..., R], query_string: bytes, *more: str) -> R:
    """What a reader that remembers makes of a query string; a long one is read each time and not kept."""
    return (reader if len(query_string) <= LONGEST_REMEMBERED else unwrap(reader))(query_string, *more)


async def serve_feed(request: Request) -> Response:
    """What is documented as :func:`read_feed`, without the framework's solving of dependencies: a third of its time."""
    request.scope["route"] = express  # for the metrics, as the framework does for its own
    state = request.app.state
    who = await claimant(request, state.database, state.tokens)
    return await _page(_read(read_query, request.scope["query_string"]), who, state.pages, state.settings, request)


express = Route("/v1/feed", serve_feed, include_in_schema=False)
express.methods = {"GET"}  # HEAD, which the route adds by itself, is too seldom asked for


async def _page(query: FeedQuery, who: Caller, pages: Pages, configured: Settings, request: Request) -> Response:
    key, filters, user_id = configured.signing_key, query.filters, who.user
    binding = cursor_binding(who, filters)
    place = None if query.cursor is None else read_place(key, binding, query.cursor)
    after = None if place is None else (place.occurred_at, place.moment_id)
    found = await pages.page(who.org_id, user_id, filters, after=after, limit=query.limit)
    admit(who, found.org, found.active)
    next_cursor = _next_cursor(key, binding, found, seen=found.position if place is None else place.seen)
    headers = {"Cache-Control": "private, no-store"}
    if next_cursor is not None:
        onward = _read(_next_url, request.scope["query_string"], configured.base_url)
        headers["Link"] = f'<{onward}{next_cursor}>; rel="next"'
    body = page_json(found.items, next_cursor, Positions(key, who.org_id, user_id).write(found.position))
    return Response(body, headers=headers, media_type="application/json")


def _next_cursor(key: bytes, binding: str, found: Page, *, seen: int) -> str | None:
    return None if found.end is None else write_place(key, binding, Place(*found.end, seen))


@lru_cache(maxsize=REMEMBERED)
def _next_url(query_string: bytes, base_url: str) -> str:
    """Where the next page is, up to its cursor."""
    given = parse_qsl(query_string.decode("latin-1"), keep_blank_values=True)
    return f"{base_url}/v1/feed?{urlencode([*(one for one in given if one[0] != 'cursor'), ('cursor', '')])}"
