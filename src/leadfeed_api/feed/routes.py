"""``GET /v1/feed``: one page, newest first."""

from typing import Annotated, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from leadfeed_api.feed import queries
from leadfeed_api.feed.cursor import Positions, page_cursor, read_page_cursor
from leadfeed_api.feed.queries import Filters
from leadfeed_api.feed.schemas import FeedItem, FeedPage, MomentType
from leadfeed_api.organizations.auth import Configured, Data, Reader
from leadfeed_api.organizations.identity import Caller
from leadfeed_api.wire import CrmId, Instant, Name

router = APIRouter(prefix="/v1", tags=["Feed"])


class FeedQuery(BaseModel):
    """Which page of which part of my feed."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    limit: int = Field(50, ge=1, le=200, description="Items on the page.")
    cursor: Annotated[str, Field(max_length=200)] | None = Field(
        None, description="`next_cursor` of the page before, with the same filters."
    )
    type: list[MomentType] = Field(default_factory=list, max_length=3, description="Only these kinds; repeatable.")
    scope: Literal["all", "owned", "watched"] = Field("all", description="Only leads I own, or only those I watch.")
    lead_id: CrmId | None = Field(None, description="Only this person.")
    account_id: CrmId | None = Field(None, description="Only this company's people.")
    starred: bool | None = Field(None, description="Only best bets, or only others.")
    since: Instant | None = Field(None, description="At or after this instant (RFC 3339).")
    until: Instant | None = Field(None, description="Before this instant (RFC 3339).")
    q: Name | None = Field(None, description="Text in the description or in the person's or company's name; any case.")

    def filters(self) -> Filters:
        """What narrows the page, without where it starts."""
        return Filters(
            types=tuple(sorted(set(self.type))),
            scope=self.scope,
            lead_id=self.lead_id,
            account_id=self.account_id,
            starred=self.starred,
            since=self.since,
            until=self.until,
            words=self.q,
        )


@router.get(
    "/feed",
    summary="Read my feed, newest first",
    responses={
        200: {"headers": {"Link": {"description": '`rel="next"`: the next page.', "schema": {"type": "string"}}}},
        400: {"description": "The cursor is not valid here (`invalid-cursor`)."},
    },
)
async def read_feed(
    query: Annotated[FeedQuery, Query()],
    who: Reader,
    data: Data,
    configured: Configured,
    request: Request,
    response: Response,
) -> FeedPage:
    """One page of the interesting moments of the leads I own or watch, newest first by (`occurred_at`, `id`).

    Follow `next_cursor` (or the `Link` header) for older ones: pages neither skip nor repeat while moments arrive.
    Open `/v1/feed/stream` at `live_cursor` for what comes after.
    """
    key, filters, user_id = configured.signing_key, query.filters(), who.user_id or ""
    binding = f"{who.org_id}\n{user_id}\n{filters}"
    after = None if query.cursor is None else read_page_cursor(key, binding, query.cursor)
    async with data.read() as connection:
        page = await queries.page(connection, who.org_id, user_id, filters, after=after, limit=query.limit)
    next_cursor = _next_cursor(key, binding, page)
    if next_cursor is not None:
        response.headers["Link"] = f'<{_next_url(request, configured.base_url, next_cursor)}>; rel="next"'
    response.headers["Cache-Control"] = "private, no-store"
    return FeedPage.model_construct(
        items=page.items, next_cursor=next_cursor, live_cursor=_positions(key, who).write(page.position)
    )


def _positions(key: bytes, who: Caller) -> Positions:
    return Positions(key, who.org_id, who.user_id or "")


def _next_cursor(key: bytes, binding: str, page: queries.Page) -> str | None:
    if not page.more:
        return None
    last: FeedItem = page.items[-1]
    return page_cursor(key, binding, last.occurred_at, last.id)


def _next_url(request: Request, base_url: str, cursor: str) -> str:
    kept = [(name, value) for name, value in request.query_params.multi_items() if name != "cursor"]
    return f"{base_url}/v1/feed?{urlencode([*kept, ('cursor', cursor)])}"
