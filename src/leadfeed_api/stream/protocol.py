"""uvicorn's HTTP protocol, lending itself to streams: for the two things that ASGI has no word for.

*Ending a client that does not read.* ``send`` waits for it, and a server that closes politely waits too, for a buffer
that never empties. A stream may shrink its socket's buffer, and close at once.

*Writing to an idle client without waking its task.* That is half of what a delivery costs.

``leadfeed serve`` runs uvicorn with this protocol. On another server streams do without both.
"""

import socket

from starlette.types import Scope
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from leadfeed_api.stream.connection import Connection

EXTENSION = "leadfeed.protocol"
SOCKET_BUFFER_BYTES = 32 * 1024  # left to itself the kernel's grows to megabytes for a client that never reads


class LendingProtocol(HttpToolsProtocol):
    """For ``uvicorn.Config(http=LendingProtocol)``."""

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        self.scope["extensions"] = {EXTENSION: self}  # type: ignore[dict-item] # ours, not ASGI's

    def write_now(self, data: bytes) -> bool:
        """Writes a piece of the chunked body that is being sent; False, with nothing written, if it had to wait."""
        if self.flow.write_paused or not self.cycle.chunked_encoding or self.cycle.disconnected:
            return False
        self.transport.write(b"%x\r\n%b\r\n" % (len(data), data))
        return True

    def shrink(self) -> None:
        """Little is buffered for a client that does not read."""
        if not self.transport.is_closing():
            self.transport.set_write_buffer_limits(high=SOCKET_BUFFER_BYTES)
            lent: socket.socket = self.transport.get_extra_info("socket")
            lent.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SOCKET_BUFFER_BYTES)


def borrow(connection: Connection, scope: Scope) -> None:
    """Gives the stream ``cut`` and ``write_now``, where the server lends its protocol."""
    protocol: LendingProtocol | None = (scope.get("extensions") or {}).get(EXTENSION)
    if protocol is not None:
        protocol.shrink()
        connection.cut, connection.write_now = protocol.transport.abort, protocol.write_now
