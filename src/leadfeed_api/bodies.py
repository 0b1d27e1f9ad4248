"""How much of a body is taken, how long it may take to arrive, and what becomes of one that nobody reads.

A connection that is closed on unread bytes is reset, and the answer that is on its way is lost with it: nginx, which
speaks HTTP/1.0 to a service unless told otherwise, made a 502 of a 401. So what was refused before its body was read
is read all the same, within bounds, where the connection ends with the answer.
"""

import asyncio
from contextlib import suppress

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from leadfeed_api.wire import announced_length, has_a_body

MAX_BODY_BYTES = 4 * 1024 * 1024
BODY_SECONDS = 30.0  # for a whole body to arrive: 4 MB at 1.1 Mbit/s
DROPPED_BYTES, DROPPING_SECONDS = 4 * MAX_BODY_BYTES, 5.0  # of a body that is refused, at most


class BoundedBodies:
    """Pure ASGI middleware: a body has at most ``MAX_BODY_BYTES`` and arrives within ``BODY_SECONDS``; else 413 or 408.

    Refused where the body is read, so that the refusal leaves as a problem like any other.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes everything on, with a watch on the body."""
        if scope["type"] == "http" and has_a_body(scope):
            body = _Body(scope, receive)
            await self.app(scope, body.receive, body.before(send))
        else:
            await self.app(scope, receive, send)


class _Body:
    """One request's, as it arrives."""

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self._scope, self._receive = scope, receive
        self._deadline = asyncio.get_running_loop().time() + BODY_SECONDS
        self._headers = Headers(scope=scope)
        self._announced = announced_length(self._headers) or 0
        self._size = 0
        self._ended = False  # or nobody waits for the rest

    async def receive(self) -> Message:
        if self._ended:
            return await self._receive()
        if self._announced > MAX_BODY_BYTES:
            raise HTTPException(413)
        try:
            async with asyncio.timeout_at(self._deadline):
                message = await self._next()
        except TimeoutError:
            self._ended = True
            raise HTTPException(408, headers={"Connection": "close"}) from None
        if self._size > MAX_BODY_BYTES:
            raise HTTPException(413)
        return message

    async def _next(self) -> Message:
        message = await self._receive()
        self._size += len(message.get("body", b""))
        self._ended = not message.get("more_body", False)
        return message

    def before(self, send: Send) -> Send:
        """``send``, before which the rest of a body that nobody reads is dropped where the connection ends with it."""

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start" and not self._ended and self._is_lost_with_the_rest():
                await self._drop_rest()
            await send(message)

        return sent

    def _is_lost_with_the_rest(self) -> bool:
        """Whether the connection ends with the answer, and the client sends its body without being asked to."""
        closes = self._headers.get("connection", "").lower() == "close" or self._scope["http_version"] == "1.0"
        return closes and (self._size > 0 or "expect" not in self._headers)

    async def _drop_rest(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(DROPPING_SECONDS):
                while not self._ended and self._size < DROPPED_BYTES:
                    await self._next()
