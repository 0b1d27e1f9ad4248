"""The conversation on the wire, as a lean ASGI response: register, replay, then live.

sse-starlette's own response runs four tasks and holds a lock for each stream. This one keeps that library's encoding
(``events``) and its way of noticing that the process is to end (``leaving``), and runs one task: the request's own,
which sends. Where the server does not lend its protocol, another waits for the client to hang up. What comes by the
clock is done for all at once (``rounds``).
"""

import asyncio
import random
from contextlib import aclosing
from typing import TYPE_CHECKING

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from leadfeed_api.errors import Unavailable
from leadfeed_api.stream import events
from leadfeed_api.stream.afterwards import converse_afterwards
from leadfeed_api.stream.connection import Connection
from leadfeed_api.stream.protocol import lender

if TYPE_CHECKING:
    from leadfeed_api.stream.live import Live

HEADERS = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),  # nginx must not wait for more
)
DATABASE_PAUSE_S = (0.3, 0.9)


class Stalled(Exception):
    """The client has not read for too long."""


class EventStream(Response):
    """One user's stream from a position: an event's id as text, or None for now."""

    media_type = "text/event-stream"
    status_code = 200
    background = None

    def __init__(self, live: "Live", connection: Connection, position: str | None) -> None:
        self.live = live
        self.connection = connection
        self.history = live.history(connection)
        self.start = position
        self.raw_headers = list(HEADERS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Begins the response, or raises ``TooMany`` or ``Unavailable``; once begun, a stream only ever ends."""
        if scope["method"] == "HEAD":
            await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
            await send({"type": "http.response.body"})
            return
        self.live.admit(self.connection)
        try:
            opening = await self._prepare()
            await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
            await self._send(send, opening)
        except BaseException:
            self.abandon()
            raise
        await converse_afterwards(self, scope, receive, send)

    async def converse(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Everything after the first bytes, until the client or the server has had enough."""
        protocol = lender(scope)
        listening = asyncio.create_task(self._listen(receive)) if protocol is None else None
        if protocol is not None:
            protocol.lend(self)
        try:
            await self._follow(send)
            await self._send(send, self.connection.last_words)
            await send({"type": "http.response.body"})
        except Stalled:
            self.live.give_up(self.connection)
        finally:
            if listening is not None:
                listening.cancel()
            if protocol is not None:
                protocol.take_back()
            self.abandon()

    def client_left(self) -> None:
        """Nobody is there to send to."""
        self.connection.hang_up()
        self.abandon()

    def abandon(self) -> None:
        """Nobody follows any more."""
        self.live.connections.dismiss(self.connection)

    async def _prepare(self) -> bytes:
        """Has the log followed here; a stream from now learns where that is. Returns the first bytes."""
        stream = self.connection
        await self.live.tail.follow(stream.org_id)
        if self.start is not None:
            return events.opening(None)
        stream.collect()
        stream.position = await self.history.now()
        return events.opening(stream.positions.write(stream.position))

    async def _listen(self, receive: Receive) -> None:
        """Nothing is expected from the client but that it hangs up."""
        while (await receive())["type"] != "http.disconnect":
            pass
        self.client_left()

    async def _follow(self, send: Send) -> None:
        stream = self.connection
        if self.start is not None:
            await self._replay(send, stream.positions.read(self.start))
        while True:
            await self._send(send, stream.take())
            if stream.ended:
                return
            if stream.behind:
                await self._replay(send, stream.position)
            else:
                await stream.something()

    async def _replay(self, send: Send, after: int | None) -> None:
        """Sends what the log holds above ``after`` while live events are kept; waits for a database that is away."""
        stream = self.connection
        while not stream.ended:
            stream.collect()
            try:
                async with aclosing(self.history.since(after)) as pieces:
                    async for piece in pieces:
                        await self._send(send, piece.data)
                        after = stream.position = piece.position
                        self.live.count(piece)
                        if self._is_over():
                            break
                    else:
                        return
            except Unavailable:
                await asyncio.sleep(random.uniform(*DATABASE_PAUSE_S))  # noqa: S311
                await self._send(send, stream.take_beat())
        stream.discard()

    def _is_over(self) -> bool:
        return self.connection.ended

    async def _send(self, send: Send, data: bytes) -> None:
        if data:
            try:
                async with asyncio.timeout(self.live.send_timeout):
                    await send({"type": "http.response.body", "body": data, "more_body": True})
            except TimeoutError as unread:
                raise Stalled from unread
