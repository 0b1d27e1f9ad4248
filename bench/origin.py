"""What Pushpin asks whether to hold a stream: yes, on the channel that the path names.

``python -m bench.origin PORT``.
"""

import asyncio
import sys
from typing import Any

import uvloop

HELLO = b": hello\n\n"


class Origin(asyncio.Protocol):
    """One connection of the proxy's, used again and again."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport
        self._asked = b""

    def data_received(self, data: bytes) -> None:
        self._asked += data
        while b"\r\n\r\n" in self._asked:
            asked, _, self._asked = self._asked.partition(b"\r\n\r\n")
            self._answer(asked.split(b" ", 2)[1])

    def _answer(self, path: bytes) -> None:
        grip = b"Grip-Hold: stream\r\nGrip-Channel: %b\r\n" % path.rsplit(b"/", 1)[1] if b"/listen/" in path else b""
        head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n%bContent-Length: %d\r\n\r\n"
        self.transport.write(head % (grip, len(HELLO)) + HELLO)


async def _serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Origin, "127.0.0.1", port, backlog=4_096)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_serve(int(sys.argv[1])))
