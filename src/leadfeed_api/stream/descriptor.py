"""Writing to a socket past everything that is built on it: the one trick of the live feed.

A delivery is so little work that what it touches decides what it costs: with 10,000 streams every object is out of the
processor's caches. uvloop's transport is a dozen of them; a descriptor is a number. Measured over the same sockets: 8.9
to 9.5 µs a delivery by the transport, 6.8 to 6.9 by the descriptor, of which the kernel takes 6 (docs/decisions/0008).

What makes it right: a descriptor is written to only while its transport has nothing in its own buffer, and is let go
of, at the latest, when the transport says that the connection is lost; only then does it close the socket.
"""

import os
from typing import Any


def descriptor(transport: Any) -> int | None:
    """The transport's, where it may be written to."""
    if os.name != "posix" or transport.get_extra_info("sslcontext") is not None:
        return None
    number: int = transport.get_extra_info("socket").fileno()
    return number


def write(number: int, chunk: bytes) -> bytes:
    """Sends a chunk of a response; returns what there was no room for."""
    try:
        sent = os.write(number, chunk)
    except OSError:  # full; or the client is gone, which the transport will find
        sent = 0
    return chunk[sent:]
