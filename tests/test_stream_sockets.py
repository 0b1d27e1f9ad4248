"""Streams and the sockets below them: what is written past the transport, and servers that lend nothing."""

import asyncio
import gc
import os
import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
import uvloop
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from leadfeed_api.settings import Settings
from leadfeed_api.stream.lent import Lent, lent, write_each
from stream_client import following, until
from world import served

ROOM_IN_EVENTS = 400  # of 1 KB, which is more than a socket and its peer keep for a client that does not read
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


@pytest.fixture
def pairs() -> Iterator[list[tuple[socket.socket, socket.socket]]]:
    """Connected sockets: the server's end, which waits for nobody, and the client's."""
    with ExitStack() as opened:
        made = [socket.socketpair() for _ in range(4)]
        for ours, theirs in made:
            opened.enter_context(ours).setblocking(False)
            opened.enter_context(theirs).settimeout(5)
        yield made


class Transport:
    """As much of one as a socket is lent by."""

    def __init__(self, own: socket.socket) -> None:
        self._extra = {"socket": own}
        self.left = b""

    def get_extra_info(self, name: str) -> socket.socket | None:
        return self._extra.get(name)

    def write(self, left: bytes) -> None:
        self.left += left


def _lent(transport: Transport) -> Lent:
    borrowed = lent(transport)
    assert borrowed is not None
    return borrowed


def test_a_lent_socket_stays_open_when_nobody_has_it_any_more(
    pairs: list[tuple[socket.socket, socket.socket]],
) -> None:
    ours, theirs = pairs[0]
    borrowed = _lent(Transport(ours))
    borrowed.write(b"one")
    del borrowed
    gc.collect()
    ours.send(b", two")
    assert theirs.recv(100) == b"one, two"


def test_what_is_written_to_a_socket_that_was_given_back_goes_nowhere(
    pairs: list[tuple[socket.socket, socket.socket]],
) -> None:
    """Its number may be another connection's by now."""
    ours, theirs = pairs[0]
    transport = Transport(ours)
    borrowed = _lent(transport)
    borrowed.give_back()
    borrowed.write(b"late")
    write_each([borrowed], [b"late"])
    assert transport.left == b""
    ours.close()
    assert theirs.recv(100) == b""


def test_each_gets_its_own_whoever_is_full_or_gone(pairs: list[tuple[socket.socket, socket.socket]]) -> None:
    full, gone = 1, 2
    transports = [Transport(ours) for ours, _ in pairs]
    sockets = [_lent(transport) for transport in transports]
    while not transports[full].left:
        sockets[full].write(b"s" * 1_000)
    transports[full].left = b""
    pairs[gone][1].close()

    chunks = [b"a" * 7, b"b" * 1_000, b"c" * 9, b"d" * 11]
    write_each(sockets, chunks)

    assert [transport.left for transport in transports] == [b"", chunks[full], chunks[gone], b""]
    assert [pairs[one][1].recv(100) for one in (0, 3)] == [chunks[0], chunks[3]]


@pytest.mark.anyio
async def test_a_reader_who_does_not_read_is_passed_over_and_told_the_rest_in_order(settings: Settings) -> None:
    """One at a time, so that each is written to whoever has room, and comes to whoever has none in another way."""
    patient = settings.model_copy(update={"stream_send_timeout": 120.0})  # on a slow machine all this takes long
    async with served(patient) as service:
        world = await service.new_world()
        await world.people("ana", "bob", leads={"l1": "ana"})
        await world.client.put("/v1/watchlist/l1", headers=world.rep("bob"))
        async with following(world, "bob") as slow, following(world, "ana") as quick:
            await slow.ready()
            await quick.ready()
            told = []
            for _ in range(ROOM_IN_EVENTS):
                told.append(await world.report(world.moment("l1", description="x" * 900)))
                assert [one.data["id"] for one in await quick.take(1)] == told[-1]
            assert [[one.data["id"]] for one in await slow.take(ROOM_IN_EVENTS)] == told


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
