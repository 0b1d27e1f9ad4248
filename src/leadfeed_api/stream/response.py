"""How a stream begins: registered, then looked up, then a response whose first bytes say where it starts.

sse-starlette's own response runs four tasks and holds a lock for each stream. This one keeps that library's encoding
(``events``) and its way of noticing that the process is to end (``leaving``). After the first bytes the connection is
handed over (``protocol``) and the request is over; on a server that keeps its connections to itself, the request waits
until the client hangs up. What comes by the clock is done for all at once (``rounds``).
"""

import asyncio
from typing import TYPE_CHECKING

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from leadfeed_api.errors import InvalidToken
from leadfeed_api.organizations.auth import admit
from leadfeed_api.organizations.identity import Caller
from leadfeed_api.stream import events
from leadfeed_api.stream.arrivals import Arrival
from leadfeed_api.stream.connection import Stream
from leadfeed_api.stream.conversation import Conversation
from leadfeed_api.stream.lent import Lent
from leadfeed_api.stream.protocol import handing_over

if TYPE_CHECKING:
    from leadfeed_api.stream.live import Live

HEADERS = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),  # nginx must not wait for more
)
LAST_HERE = (b"connection", b"close")  # what was handed over does not come back


class EventStream(Response):
    """One user's stream, which has begun: :func:`open_stream`."""

    media_type = "text/event-stream"
    status_code = 200
    background = None

    def __init__(self, live: "Live", stream: Stream, opening: bytes) -> None:
        self.live = live
        self.stream = stream
        self.opening = opening
        self.raw_headers = list(HEADERS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Sends the first bytes; whatever comes afterwards, the stream only ever ends."""
        server = handing_over(scope)
        headers = HEADERS if server is None else (*HEADERS, LAST_HERE)
        if server is not None:
            server.open_end()
        try:
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": self.opening, "more_body": True})
        except BaseException:
            self.live.dismiss(self.stream)
            raise
        conversation = Conversation(self.live, self.stream)
        if server is None:
            await _Kept(send).converse(conversation, receive)
        else:
            server.hand_over(conversation)


async def open_stream(live: "Live", who: Caller, start: str | None) -> EventStream:
    """A stream from a position: an event's id as text, or None for now.

    Raises ``TooMany`` or ``Unavailable``, or what is wrong with a user whom nobody has looked up yet. Once this
    returned, the response has to be sent, or the stream would stay registered.
    """
    stream = live.connect(who)
    if start is not None:
        stream.resume(start)
    try:
        live.admit(stream)
        await live.tail.follow(stream.org_id)
        stream.collect()
        here = await _admitted(live, who)
    except BaseException:
        live.dismiss(stream)
        raise
    if start is None:
        stream.position = here.position
        return EventStream(live, stream, events.opening(stream.positions.write(here.position)))
    if stream.position != here.position:
        stream.discard()  # the log is read first
    return EventStream(live, stream, events.opening(None))


async def promise_stream(live: "Live", who: Caller) -> Response:
    """What opening a stream would be answered with, and no stream."""
    live.connections.demand_room(who.org_id, who.user)
    await _admitted(live, who)
    answer = Response()
    answer.raw_headers = list(HEADERS)
    return answer


async def _admitted(live: "Live", who: Caller) -> Arrival:
    here = await live.arrivals.find(who.org_id, (who.user, who.key_hash))
    if not here.trusted:
        raise InvalidToken
    admit(who, here.org, here.active)
    return here


class _Kept:
    """The wire of a stream that stays a response, as ASGI has it."""

    direct: Lent | None = None
    unsent = 0  # as far as anybody here knows

    def __init__(self, send: Send) -> None:
        self._send = send
        self._listening: asyncio.Task[None] | None = None
        self._saying: asyncio.Task[None] | None = None

    async def converse(self, conversation: Conversation, receive: Receive) -> None:
        """Until the response is complete, or the client has left, or was cut."""
        self._listening = asyncio.create_task(_left(receive))
        conversation.begin(self)
        try:
            await asyncio.wait([self._listening])
        finally:
            self._listening.cancel()
            conversation.client_left()

    async def send(self, data: bytes) -> None:
        if self._saying is not None:
            await self._saying
            self._saying = None
        await self._write(data)

    def say(self, data: bytes) -> None:
        if self._saying is None or self._saying.done():  # else the client is not reading
            self._saying = asyncio.create_task(self._write(data))

    async def _write(self, data: bytes) -> None:
        await self._send({"type": "http.response.body", "body": data, "more_body": True})

    async def finish(self) -> None:
        await self._send({"type": "http.response.body"})

    def cut(self) -> None:
        if self._listening is not None:
            self._listening.cancel()


async def _left(receive: Receive) -> None:
    """Nothing is expected from the client but that it hangs up; a complete response comes to the same."""
    while (await receive())["type"] != "http.disconnect":
        pass
