"""uvicorn's HTTP protocol, lending each request its transport.

ASGI has no way to close a connection whose client does not read: ``send`` waits, and a server that closes politely
waits too, for a buffer that never empties. ``leadfeed serve`` runs uvicorn with this protocol, so that a stream can
shrink its socket's buffer and end a stalled client at once. Everything else is uvicorn's.
"""

import asyncio

from starlette.types import Scope
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

EXTENSION = "leadfeed.transport"


class LendingProtocol(HttpToolsProtocol):
    """For ``uvicorn.Config(http=LendingProtocol)``."""

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        self.scope["extensions"] = {EXTENSION: self.transport}  # type: ignore[dict-item] # ours, not ASGI's


def transport_of(scope: Scope) -> asyncio.WriteTransport | None:
    """The transport under a request, where the server lends it."""
    lent: asyncio.WriteTransport | None = (scope.get("extensions") or {}).get(EXTENSION)
    return lent
