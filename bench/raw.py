"""The limit: event streams by bare uvloop. It parses nothing, knows nobody, and writes what it is told to everyone.

``python -m bench.raw PORT``: ``GET`` anything opens a stream, ``POST`` anything says its body to all of them.
"""

import asyncio
import sys
from typing import Any

import uvloop

from leadfeed_api.stream.capacity import make_room

_everyone: list[Any] = []


class Raw(asyncio.Protocol):
    """One connection."""

    __slots__ = ("transport",)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport

    def data_received(self, data: bytes) -> None:
        if data.startswith(b"GET /healthz"):
            self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        elif data.startswith(b"GET"):
            self.transport.write(
                b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
            )
            _everyone.append(self.transport)
        else:
            event = b"id: 1\r\nevent: moment\r\ndata: %b\r\n\r\n" % data.split(b"\r\n\r\n", 1)[1]
            chunk = b"%x\r\n%b\r\n" % (len(event), event)
            for transport in _everyone:
                transport.write(chunk)
            self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    def connection_lost(self, exc: Exception | None) -> None:
        if self.transport in _everyone:
            _everyone.remove(self.transport)  # slow, and not measured


async def _serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Raw, "127.0.0.1", port, backlog=4_096)
    await server.serve_forever()


if __name__ == "__main__":
    make_room()
    uvloop.run(_serve(int(sys.argv[1])))
