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

    __slots__ = ()

    def __del__(self) -> None:
        """In place of the closing that a socket does."""
        self.detach()

    def write(self, chunk: bytes) -> bytes:
        """Sends a chunk of a response; returns what there was no room for."""
        try:
            sent = self.send(chunk)
        except OSError:  # full; or the client is gone, which the transport will find
            sent = 0
        return chunk[sent:]

    def give_back(self) -> None:
        """From now on all of what is written is left over."""
        self.detach()


def lent(transport: Any) -> Lent | None:
    """The transport's socket, where it may be written to."""
    if os.name != "posix" or transport.get_extra_info("sslcontext") is not None:
        return None
    of: socket.socket = transport.get_extra_info("socket")
    borrowed = Lent(of.family, of.type, of.proto, of.fileno())
    borrowed.setblocking(False)
    return borrowed


def send_each(sockets: Sequence[Lent], chunks: Sequence[bytes]) -> list[int]:
    """Sends each socket its chunk, as :meth:`Lent.write`; returns how many bytes each took."""
    taken: list[int] = []
    sends = map(Lent.send, sockets, chunks)
    while len(taken) < len(sockets):
        try:
            taken += sends
        except OSError:  # of the next one; those before are in ``taken``
            taken.append(0)
    return taken
