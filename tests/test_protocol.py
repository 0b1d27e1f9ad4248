"""An answer's head leaves together with its first bytes, whatever the answer is like."""

import asyncio
from typing import Any

import pytest

from leadfeed_api.stream.protocol import HandingOver
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
    port = int(service.base_url.rsplit(":", 1)[1])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request.encode())
    async with asyncio.timeout(10):
        received = await reader.read()
    writer.close()
    return pieces, received


def asked(method: str, path: str, *headers: str) -> str:
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: localhost", "Connection: close", *headers, "", ""])


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/healthz", 200), ("HEAD", "/panel", 200), ("GET", "/nowhere", 404), ("GET", "/metrics", 200)],
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
    both = asked("GET", "/healthz").replace("Connection: close\r\n", "") + asked("GET", "/nowhere")
    pieces, received = await exchanged(server, both, monkeypatch)

    assert len(pieces) == 2
    assert received.index(b"HTTP/1.1 200") < received.index(b"HTTP/1.1 404")


async def test_a_stream_begins_with_its_first_bytes(server: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    world: World = await server.new_world()
    await world.people("ana", leads={})
    closing = asyncio.create_task(_leave_soon(server))
    request = asked("GET", "/v1/feed/stream", f"Authorization: Bearer {world.token('ana')}")
    pieces, received = await exchanged(server, request, monkeypatch)
    await closing

    assert pieces[0].startswith(b"HTTP/1.1 200")
    assert b"\r\n\r\n" in pieces[0]
    assert not pieces[0].endswith(b"\r\n\r\n\r\n\r\n")
    assert len(pieces[0].partition(b"\r\n\r\n")[2]) > 0, "the head went alone"
    assert received.startswith(pieces[0])


async def _leave_soon(server: Service) -> None:
    live = server.app.state.live
    async with asyncio.timeout(10):
        while not len(live.connections):  # noqa: ASYNC110  nobody is told
            await asyncio.sleep(0.005)
    await live.leave()
