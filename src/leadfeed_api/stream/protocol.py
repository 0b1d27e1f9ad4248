"""uvicorn's HTTP protocol, lending itself to streams: for the three things that ASGI has no word for, or a dear one.

*Ending a client that does not read.* ``send`` waits for it, and a server that closes politely waits too, for a buffer
that never empties. A stream may shrink its socket's buffer, and close at once.

*Writing to an idle client without waking its task.* That is half of what a delivery costs.

*Being told that the client left*, without a task that waits for it: a tenth of what a stream costs.

``leadfeed serve`` runs uvicorn with this protocol. On another server streams do without.
"""

import socket
from collections.abc import Callable
from typing import Protocol

from starlette.types import Scope
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from leadfeed_api.stream.connection import Connection

EXTENSION = "leadfeed.protocol"
SOCKET_BUFFER_BYTES = 32 * 1024  # left to itself the kernel's grows to megabytes for a client that never reads


class Borrower(Protocol):
    """A conversation that a protocol is lent to."""

    connection: Connection

    def client_left(self) -> None:
        """Its client is gone."""


class LendingProtocol(HttpToolsProtocol):
    """For ``uvicorn.Config(http=LendingProtocol)``."""

    borrower: Borrower | None = None

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        self.scope["extensions"] = {EXTENSION: self}  # type: ignore[dict-item] # ours, not ASGI's

    def pause_writing(self) -> None:
        """The client reads more slowly than it is written to."""
        super().pause_writing()
        if self.borrower is not None:
            self.borrower.connection.hold(held=True)

    def resume_writing(self) -> None:
        """It has caught up."""
        super().resume_writing()
        if self.borrower is not None:
            self.borrower.connection.hold(held=False)

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone."""
        super().connection_lost(exc)
        if self.borrower is not None:
            self.borrower.client_left()

    def lend(self, borrower: Borrower) -> None:
        """Until :meth:`take_back`; little is buffered from now on for a client that does not read."""
        self.borrower, connection = borrower, borrower.connection
        if self.transport.is_closing():
            borrower.client_left()
            return
        self.transport.set_write_buffer_limits(high=SOCKET_BUFFER_BYTES)
        lent: socket.socket = self.transport.get_extra_info("socket")
        lent.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SOCKET_BUFFER_BYTES)
        connection.cut = self.transport.abort
        if self.cycle.chunked_encoding:  # a client of HTTP/1.0 is written to by the response alone
            connection.write_now = _writer_of_chunks(self.transport.write)

    def take_back(self) -> None:
        """The conversation is over."""
        self.borrower = None


def _writer_of_chunks(write: Callable[[bytes], None]) -> Callable[[bytes, bytes], None]:
    """Intentional: a function that holds the transport's, not a method, which would look up three objects each time."""

    def write_now(head: bytes, rest: bytes) -> None:
        write(b"%x\r\n%b%b\r\n" % (len(head) + len(rest), head, rest))

    return write_now


def lender(scope: Scope) -> LendingProtocol | None:
    """The protocol that a request came by, where the server lends it."""
    found: LendingProtocol | None = (scope.get("extensions") or {}).get(EXTENSION)
    return found
