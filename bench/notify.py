"""The limit of the way from a commit to a client: bare asyncpg, and a NOTIFY that carries all that is to be said.

``python -m bench.notify PORT DSN FILE``: ``GET`` anything opens a stream, numbered as they come; ``POST`` anything with
``[number, text]`` stores the text and tells that stream. In one transaction, as one would write it: an INSERT of the
moment, ``pg_notify`` with the event's bytes, COMMIT. Another connection listens, and what it hears is written to the
socket. Nobody is asked who they are, and nothing is read. Commits are noted in FILE as ours are.
"""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import asyncpg
import uvloop
from uuid_utils.compat import uuid7

from bench.commits import Commits
from leadfeed_api.stream.capacity import make_room

TABLE = "CREATE TABLE IF NOT EXISTS bench_notify (moment_id uuid PRIMARY KEY, stream int, body text)"
INSERT = "INSERT INTO bench_notify VALUES ($1, $2, $3)"
NOTIFY = "SELECT pg_notify('bench_notify', $1)"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


class Server:
    """The streams and the two connections."""

    def __init__(self, writing: Any) -> None:
        self.streams: list[Any] = []
        self.writing = writing
        self.tasks: set[asyncio.Task[None]] = set()

    def heard(self, _connection: object, _pid: int, _channel: str, payload: str) -> None:
        number, _, event = payload.partition(" ")
        whole = event.encode()
        self.streams[int(number)].write(b"%x\r\n%b\r\n" % (len(whole), whole))

    def report(self, transport: Any, body: bytes) -> None:
        task = asyncio.get_running_loop().create_task(self._report(transport, body))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def _report(self, transport: Any, body: bytes) -> None:
        number, text = json.loads(body)
        async with self.writing.transaction():
            await self.writing.execute(INSERT, uuid7(), number, text)
            await self.writing.execute(NOTIFY, f"{number} id: 1\r\nevent: moment\r\ndata: {text}\r\n\r\n")
        transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 14\r\n\r\n" + b'{"accepted":1}')


class Caller(asyncio.Protocol):
    """One connection; a request comes whole, because the client writes it whole and it is short."""

    def __init__(self, server: Server) -> None:
        self.server = server

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport

    def data_received(self, data: bytes) -> None:
        if data.startswith(b"GET /healthz"):
            self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            self.transport.close()
        elif data.startswith(b"GET"):
            self.transport.write(HEAD)
            self.server.streams.append(self.transport)
        else:
            self.server.report(self.transport, data.partition(b"\r\n\r\n")[2])


async def _serve(port: int, dsn: str) -> None:
    writing, listening = await asyncpg.connect(dsn), await asyncpg.connect(dsn)
    await writing.execute(TABLE)
    server = Server(writing)
    await listening.add_listener("bench_notify", server.heard)
    answering = await asyncio.get_running_loop().create_server(lambda: Caller(server), "127.0.0.1", port)
    await answering.serve_forever()


if __name__ == "__main__":
    make_room()
    Commits(Path(sys.argv[3])).note_all()
    uvloop.run(_serve(int(sys.argv[1]), sys.argv[2]))
