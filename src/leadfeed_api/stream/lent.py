"""Writing to a socket past everything that is built on it: the one trick of the live feed.

A delivery is so little work that what it touches decides what it costs: with 10,000 streams every object is out of the
processor's caches. uvloop's transport is a dozen of them, and a file's descriptor leads through the kernel's files; a
socket's own ``send`` goes past both (docs/decisions/0008, 0015).

What makes it right: a socket is written to only while its transport has nothing in its own buffer, and is given back,
at the latest, when the transport says that the connection is lost; only then does that close the socket.
"""

import os
import socket
from collections.abc import Sequence
from typing import Any


class Lent(socket.socket):
    """A transport's socket, to write to. It is not closed by whoever has it, nor when nobody has it any more."""

    __slots__ = ("_transport",)

    def __init__(self, transport: Any) -> None:
        own: socket.socket = transport.get_extra_info("socket")
        super().__init__(own.family, own.type, own.proto, own.fileno())
        self.setblocking(False)
        self._transport: Any = transport

    def __del__(self) -> None:
        """In place of the closing that a socket does."""
        self.detach()

    def write(self, chunk: bytes) -> None:
        """Sends a chunk of a response; what there is no room for goes to the transport."""
        try:
            sent = self.send(chunk)
        except OSError:  # full; or the client is gone, which the transport will find
            sent = 0
        if sent < len(chunk):
            self.leave(chunk[sent:])

    def leave(self, left: bytes) -> None:
        """Has the transport send what there was no room for."""
        if self._transport is not None:
            self._transport.write(left)

    def give_back(self) -> None:
        """The connection is lost: from now on nothing that is written goes anywhere."""
        self._transport = None
        self.detach()


def lent(transport: Any) -> Lent | None:
    """The transport's socket, where it may be written to."""
    if os.name != "posix" or transport.get_extra_info("sslcontext") is not None:
        return None
    return Lent(transport)


def write_each(sockets: Sequence[Lent], chunks: Sequence[bytes]) -> None:
    """As :meth:`Lent.write` for each socket and its chunk, by a loop of the interpreter's own."""
    taken: list[int] = []
    sends = map(Lent.send, sockets, chunks)
    while len(taken) < len(sockets):
        try:
            taken += sends
        except OSError:  # of the next one; those before are in ``taken``
            taken.append(0)
    if taken != list(map(len, chunks)):
        for to, chunk, sent in zip(sockets, chunks, taken, strict=True):
            if sent < len(chunk):
                to.leave(chunk[sent:])
