"""Streams and the sockets below them: what is written past the transport, and servers that lend nothing."""

import asyncio
import os
import socket
import struct
from collections.abc import Callable
from typing import Any

import pytest
import uvloop
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from leadfeed_api.settings import Settings
from stream_client import following, until
from world import served

LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


class Watched(asyncio.Protocol):
    """Looks, when it is told that its connection is lost, whether the descriptor is still the same socket."""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.descriptor: int = transport.get_extra_info("socket").fileno()
        self.inode = os.fstat(self.descriptor).st_ino
        self.open_when_lost: bool | None = None

    def is_open(self) -> bool:
        """Whether the descriptor is still this connection's socket."""
        try:
            return os.fstat(self.descriptor).st_ino == self.inode
        except OSError:
            return False

    def connection_lost(self, exc: Exception | None) -> None:
        self.open_when_lost = self.is_open()


def _reset(client: socket.socket, _: Watched) -> None:
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


def _reset_and_written_to(client: socket.socket, server: Watched) -> None:
    _reset(client, server)
    for _ in range(3):
        server.transport.write(b"x" * 100_000)


ENDS: dict[str, Callable[[socket.socket, Watched], object]] = {
    "the client closes": lambda client, _: client.close(),
    "the client resets": _reset,
    "the client is gone when it is written to": _reset_and_written_to,
    "the server closes": lambda _, server: server.transport.close(),
    "the server aborts": lambda _, server: server.transport.abort(),
}


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("end", ENDS)
def test_a_socket_is_open_until_its_protocol_was_told_that_it_is_lost(loop: str, end: str) -> None:
    """Else what is written to a descriptor might reach whoever has its number next."""

    async def one_connection() -> Watched:
        accepted: list[Watched] = []

        def accept() -> Watched:
            accepted.append(Watched())
            return accepted[-1]

        server = await asyncio.get_running_loop().create_server(accept, "127.0.0.1", 0)
        with socket.create_connection(server.sockets[0].getsockname()) as client:
            await until(lambda: accepted and hasattr(accepted[0], "open_when_lost"))
            ENDS[end](client, accepted[0])
            await until(lambda: accepted[0].open_when_lost is not None)
            await until(lambda: not accepted[0].is_open())
        server.close()
        await server.wait_closed()
        return accepted[0]

    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        assert runner.run(one_connection()).open_when_lost is True


@pytest.mark.anyio
async def test_on_a_server_that_keeps_its_connections_a_stream_is_the_same(settings: Settings) -> None:
    """Any ASGI server: the stream stays a response, which ends well, and is cut when its client does not read."""
    changed = settings.model_copy(update={"stream_send_timeout": 0.5})
    async with served(changed, http=HttpToolsProtocol) as service:
        world = await service.new_world()
        await world.people("ana", "bob", leads={"l1": "ana", "l2": "bob"})
        live = service.app.state.live

        async with following(world, "ana") as stream:
            await stream.ready()
            told = [await world.report(world.moment("l1")) for _ in range(3)]
            assert [[one.data["id"]] for one in await stream.take(3)] == told
            seen = stream.last_id
        await until(lambda: len(live.connections) == 0)
        missed = await world.report(world.moment("l1"), world.moment("l1"))

        async with following(world, "ana", at=seen) as again, following(world, "bob") as unread:
            assert [one.data["id"] for one in await again.take(2)] == missed
            await unread.ready()
            async with asyncio.timeout(20):
                while len(live.connections) == 2:
                    await world.report(*(world.moment("l2", description="x" * 900) for _ in range(100)))
            await live.leave()
            assert await again.rest() == []
        assert len(live.connections) == 0
