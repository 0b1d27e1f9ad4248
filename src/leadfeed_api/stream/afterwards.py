"""Streams go on after the application has returned, so that what it needed to answer is not kept for hours.

A request on its way through middleware, routing and dependencies leaves a dozen suspended calls and everything they
hold: half of what a stream would cost (27 KiB instead of 15). So a stream only *begins* inside; then everything
unwinds, the request is logged, and what stays is the server's own objects and the conversation. Still plain ASGI: the
response is completed by the ``send`` that the application was given.
"""

from typing import Any, Protocol

from starlette.types import ASGIApp, Receive, Scope, Send

_KEY = "leadfeed.afterwards"
_NEEDED = {"type", "method", "extensions"}  # by the server, and by the conversation


class Conversation(Protocol):
    """A response that has begun and will go on for long."""

    async def converse(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Goes on until the response is complete."""

    def abandon(self) -> None:
        """It will never go on."""


async def converse_afterwards(begun: Conversation, scope: Scope, receive: Receive, send: Send) -> None:
    """Has a conversation go on outside; here and now where :class:`Afterwards` is not around the application."""
    waiting: list[Conversation] | None = scope.get(_KEY)
    if waiting is None:
        await begun.converse(scope, receive, send)
    else:
        waiting.append(begun)


class Afterwards:
    """Pure ASGI middleware, the outermost."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes everything on; then goes on with what has only begun."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        waiting: list[Conversation] = []
        scope[_KEY] = waiting
        try:
            await self.app(scope, receive, send)
        except BaseException:
            for begun in waiting:
                begun.abandon()
            raise
        for begun in waiting:
            _forget(scope)
            await begun.converse(scope, receive, send)


def _forget(scope: Any) -> None:
    scope["headers"].clear()  # the server has the same list
    for name in scope.keys() - _NEEDED:
        del scope[name]
