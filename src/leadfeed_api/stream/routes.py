"""``POST /v1/stream-tokens`` and ``GET /v1/feed/stream``: the way into the live feed."""

from typing import Annotated

from fastapi import APIRouter, Header, Query, Request, Response
from starlette.routing import Route

from leadfeed_api.organizations.auth import Reader, Signer, StreamClaimant, stream_claimant
from leadfeed_api.organizations.identity import Caller
from leadfeed_api.stream.live import Live
from leadfeed_api.stream.response import EventStream, open_stream, promise_stream
from leadfeed_api.stream.schemas import StreamToken
from leadfeed_api.wire import QueryNames, StrictRoute

router = APIRouter(prefix="/v1", tags=["Feed"], route_class=StrictRoute)

EXAMPLE = """\
: connected

id: q3Zx0a1b-1042
event: moment
data: {"id":"019ab1…","type":"web","description":"Visited the pricing page 3 times","lead":{"id":"00Q8d000004"}}

"""

NAMES = QueryNames(known=("last_event_id", "token"), single=("last_event_id", "token"))

LastEventId = Annotated[
    str | None, Header(description="The id of the last event received; EventSource sends it when it reconnects.")
]
Position = Annotated[
    str | None,
    Query(
        alias="last_event_id",
        description="The same for a first request, which cannot set headers: a page's `live_cursor`, or an event's id.",
    ),
]


@router.post(
    "/stream-tokens",
    summary="Get a token for my stream",
    response_description="The token, and when it expires.",
    status_code=201,
)
async def create_stream_token(who: Reader, signer: Signer, response: Response) -> StreamToken:
    """A credential for `GET /v1/feed/stream?token=…`, because EventSource cannot set headers.

    It opens my stream and nothing else, as often as needed until `expires_at`, or until the API key that asked for it
    is revoked.
    """
    response.headers["Cache-Control"] = "no-store"
    token, expires_at = signer.for_stream(who.org, who.user, who.key_hash)
    return StreamToken(token=token, expires_at=expires_at)


@router.get(
    "/feed/stream",
    summary="Follow my feed live",
    response_class=EventStream,
    status_code=200,
    responses={
        200: {
            "description": "Server-sent events: `moment`, `lead`, `changed`, `reset`, `expired`.",
            "content": {"text/event-stream": {"schema": {"type": "string"}, "example": EXAMPLE}},
        },
        429: {"description": "As many streams are open as may be, of this user or on this process (`too-many`)."},
    },
)
async def stream_feed(
    who: StreamClaimant, request: Request, last_event_id: LastEventId = None, position: Position = None
) -> Response:
    """Everything that happens in my feed after a position, as it happens: each event once, by its id, in order.

    The position is the header `Last-Event-ID`, else the parameter `last_event_id`, else now. One that cannot be served
    is answered by a `reset` event, with an id to continue from. Muted moments come, too: `GET /v1/mutes` lists what I
    muted. docs/streaming.md has all a client needs to know.
    """
    return await _stream(request, who, last_event_id, position)


async def serve_stream(request: Request) -> Response:
    """What is documented as :func:`stream_feed`, without the framework's solving of dependencies."""
    request.scope["route"] = express  # for the metrics, as the framework does for its own
    state, query = request.app.state, request.query_params
    who = await stream_claimant(request, state.database, state.tokens, query.get("token"))
    NAMES.demand(query)
    return await _stream(request, who, request.headers.get("last-event-id"), query.get("last_event_id"))


express = Route("/v1/feed/stream", serve_stream, include_in_schema=False)


async def _stream(request: Request, who: Caller, *positions: str | None) -> Response:
    live: Live = request.app.state.live
    if request.method == "HEAD":
        return await promise_stream(live, who)
    said = (position.strip() for position in positions if position)  # an empty one says no more than none
    return await open_stream(live, who, next(filter(None, said), None))
