"""An answer's head leaves together with its first bytes, whatever the answer is like."""

import asyncio
from typing import Any
from unittest.mock import Mock

import pytest

from leadfeed_api.stream.conversation import Conversation
from leadfeed_api.stream.protocol import HandingOver, StreamProtocol
from stream_client import until
from world import Service, World

pytestmark = pytest.mark.anyio


async def exchanged(service: Service, request: str, monkeypatch: pytest.MonkeyPatch) -> tuple[list[bytes], bytes]:
    """What the server wrote, piece by piece, and what arrived until it hung up."""
    pieces: list[bytes] = []

    class Noting:
        """A transport that notes what is written to it."""

        def __init__(self, transport: Any) -> None:
            self.transport = transport

        def write(self, data: bytes) -> None:
            pieces.append(data)
            self.transport.write(data)

        def __getattr__(self, name: str) -> Any:
            return getattr(self.transport, name)

    made = HandingOver.connection_made
    monkeypatch.setattr(HandingOver, "connection_made", lambda self, transport: made(self, Noting(transport)))  # type: ignore[arg-type]
    reader, writer = await asyncio.open_connection("127.0.0.1", port_of(service))
    writer.write(request.encode())
    async with asyncio.timeout(10):
        received = await reader.read()
    writer.close()
    return pieces, received


def asked(method: str, path: str, *headers: str) -> str:
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: localhost", "Connection: close", *headers, "", ""])


def kept(request: str) -> str:
    return request.replace("Connection: close\r\n", "")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/healthz", 200),
        ("HEAD", "/panel", 200),
        ("HEAD", "/healthz", 200),
        ("HEAD", "/readyz", 200),
        ("GET", "/nowhere", 404),
        ("GET", "/metrics", 200),
    ],
)
async def test_an_answer_is_one_write_and_arrives_whole(
    server: Service, monkeypatch: pytest.MonkeyPatch, method: str, path: str, status: int
) -> None:
    pieces, received = await exchanged(server, asked(method, path), monkeypatch)

    assert len(pieces) == 1, pieces
    assert received == pieces[0]
    head, _, body = received.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status)
    length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
    assert len(body) == (0 if method == "HEAD" else length)


async def test_answers_to_requests_sent_at_once_come_in_their_order(
    server: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = kept(asked("GET", "/healthz")) + asked("GET", "/nowhere")
    pieces, received = await exchanged(server, both, monkeypatch)

    assert len(pieces) == 2
    assert received.index(b"HTTP/1.1 200") < received.index(b"HTTP/1.1 404")


async def test_a_stream_begins_with_its_first_bytes(server: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    world: World = await server.new_world()
    await world.people("ana", leads={})
    closing = asyncio.create_task(_leave_soon(server))
    pieces, received = await exchanged(server, stream_of(world), monkeypatch)
    await closing

    assert pieces[0].startswith(b"HTTP/1.1 200")
    assert b"\r\n\r\n" in pieces[0]
    assert not pieces[0].endswith(b"\r\n\r\n\r\n\r\n")
    assert len(pieces[0].partition(b"\r\n\r\n")[2]) > 0, "the head went alone"
    assert received.startswith(pieces[0])


async def test_a_stream_goes_on_though_the_client_asked_for_more_on_its_connection(
    server: Service, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing comes after it: its head says that the connection ends with it."""
    world: World = await server.new_world()
    await world.people("ana", leads={})
    closing = asyncio.create_task(_leave_soon(server))
    _, received = await exchanged(server, kept(stream_of(world)) + asked("GET", "/healthz"), monkeypatch)
    await closing

    assert received.count(b"HTTP/1.1 ") == 1
    assert received.endswith(b"\r\n0\r\n\r\n")
    assert caplog.messages == []


async def test_a_stream_for_http_1_0_is_not_in_chunks_and_ends_with_its_connection(
    server: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    world: World = await server.new_world()
    await world.people("ana", leads={})
    closing = asyncio.create_task(_leave_soon(server))
    _, received = await exchanged(server, stream_of(world).replace("HTTP/1.1", "HTTP/1.0"), monkeypatch)
    await closing

    head, _, body = received.partition(b"\r\n\r\n")
    assert b"transfer-encoding" not in head.lower()
    assert body.startswith(b": connected\r\n\r\nretry: ")
    farewell = body[body.index(b": goodbye") :]
    assert farewell.startswith(b": goodbye\r\nretry: ")
    assert farewell.endswith(b"\r\n")
    assert b"\r\n0\r\n" not in farewell


@pytest.mark.parametrize(("chunked", "written"), [(True, b"5\r\n: x\r\n\r\n"), (False, b": x\r\n")])
async def test_an_event_is_a_chunk_to_whoever_knows_chunks(chunked: bool, written: bytes) -> None:
    transport = Mock(get_write_buffer_size=lambda: 0, is_closing=lambda: False)
    stream = StreamProtocol(transport, set(), Mock(), chunked=False)
    stream._chunked = chunked  # a socket that could be lent is not at hand

    await stream.send(b": x\r\n")

    transport.write.assert_called_once_with(written)


async def test_a_client_that_leaves_while_its_stream_begins_is_no_error(
    server: Service, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    world: World = await server.new_world()
    await world.people("ana", leads={})
    hand_over = HandingOver.hand_over

    def left(connection: HandingOver, conversation: Conversation) -> None:
        connection.transport.close()  # as when the client has closed it
        hand_over(connection, conversation)

    monkeypatch.setattr(HandingOver, "hand_over", left)
    await exchanged(server, stream_of(world), monkeypatch)
    await until(lambda: not len(server.app.state.live.connections))

    assert caplog.messages == []


def port_of(service: Service) -> int:
    return int(service.base_url.rsplit(":", 1)[1])


def stream_of(world: World, user_id: str = "ana") -> str:
    return asked("GET", "/v1/feed/stream", f"Authorization: Bearer {world.token(user_id)}")


async def _leave_soon(server: Service) -> None:
    live = server.app.state.live
    async with asyncio.timeout(10):
        while not len(live.connections):  # noqa: ASYNC110  nobody is told
            await asyncio.sleep(0.005)
    await live.leave()
