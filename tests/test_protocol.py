"""An answer's head leaves together with its first bytes, whatever the answer is like."""

import asyncio
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from leadfeed_api.ingestion.interpret import Candidate
from leadfeed_api.ingestion.record import record_moments
from leadfeed_api.stream.conversation import Conversation
from leadfeed_api.stream.protocol import PIPELINED, HandingOver
from stream_client import until
from world import Service, World

pytestmark = pytest.mark.anyio


async def exchanged(
    service: Service, request: str, monkeypatch: pytest.MonkeyPatch, written: list[bytes] | None = None
) -> tuple[list[bytes], bytes]:
    """What the server wrote, piece by piece (into ``written``), and what arrived until it hung up."""
    pieces = [] if written is None else written

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
    try:
        async with asyncio.timeout(10):
            return pieces, await reader.read()
    finally:
        writer.close()


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
        ("HEAD", "/docs", 200),
        ("HEAD", "/v1/feed", 401),
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
    await world.people("ana", leads={"l1": "ana"})
    written: list[bytes] = []

    async def tell_and_leave() -> None:
        await until(lambda: written)  # it begins with what is recorded from now on
        now = datetime.now(UTC)
        await record_moments(
            server.app.state.database, world.org_id, [Candidate("s", "1", "l1", "web", "told", None, None, now)]
        )
        await until(lambda: any(b"told" in piece for piece in written))
        await server.app.state.live.leave()

    telling = asyncio.create_task(tell_and_leave())
    _, received = await exchanged(server, stream_of(world).replace("HTTP/1.1", "HTTP/1.0"), monkeypatch, written)
    await telling

    head, _, body = received.partition(b"\r\n\r\n")
    assert b"transfer-encoding" not in head.lower()
    assert body.startswith(b": connected\r\n\r\nretry: ")
    event, _, farewell = body.partition(b"event: moment\r\n")[2].partition(b"\r\n\r\n")
    assert event.startswith((b"id: ", b"data: "))
    assert farewell.startswith(b": goodbye\r\nretry: ")
    assert farewell.endswith(b"\r\n")
    assert b"\r\n0\r\n" not in farewell


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


async def test_a_client_that_has_left_before_its_stream_begins_is_forgotten(
    server: Service, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    world: World = await server.new_world()
    await world.people("ana", leads={})
    live, looked_up, lost = server.app.state.live, asyncio.Event(), asyncio.Event()
    find, connection_lost = live.arrivals.find, HandingOver.connection_lost

    async def find_once_it_has_left(*asked: Any) -> Any:
        looked_up.set()
        await lost.wait()
        return await find(*asked)

    def noted(connection: HandingOver, error: Exception | None) -> None:
        connection_lost(connection, error)
        lost.set()

    monkeypatch.setattr(live.arrivals, "find", find_once_it_has_left)
    monkeypatch.setattr(HandingOver, "connection_lost", noted)
    _, writer = await asyncio.open_connection("127.0.0.1", port_of(server))
    writer.write(stream_of(world).encode())
    await looked_up.wait()
    assert len(live.connections) == 1
    writer.close()
    await until(lambda: not len(live.connections))

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


async def test_a_request_that_begins_without_end_is_cut_before_it_fills_the_memory(
    server: Service, caplog: pytest.LogCaptureFixture
) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", port_of(server))
    writer.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Endless: ")
    with pytest.raises(ConnectionError):
        await _pour(writer, 8 * 1024 * 1024)
    assert "A request has no end." in caplog.text


async def test_a_body_whose_end_has_no_end_is_cut_before_it_fills_the_memory(
    server: Service, caplog: pytest.LogCaptureFixture
) -> None:
    """What may follow the last chunk are lines like those of a head."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port_of(server))
    head = kept(asked("POST", "/v1/moments", "Content-Type: application/json", "Transfer-Encoding: chunked"))
    writer.write(head.encode() + b"0\r\n")
    assert (await reader.readline()).startswith(b"HTTP/1.1 401 ")
    with pytest.raises(ConnectionError):
        await _pour(writer, 8 * 1024 * 1024, b"x-more: " + b"x" * 1_000 + b"\r\n")
    assert "A request has no end." in caplog.text


async def test_what_follows_a_body_is_no_part_of_the_requests_head(server: Service) -> None:
    world = await server.new_world()
    await world.people("ana", leads={"l1": "ana"})
    body = json.dumps({"moments": [world.moment("l1")]})
    head = asked("POST", "/v1/moments", "Content-Type: application/json", "Transfer-Encoding: chunked")
    said = f"{head}{len(body):x}\r\n{body}\r\n0\r\nAuthorization: Bearer {world.key}\r\n\r\n"
    reader, writer = await asyncio.open_connection("127.0.0.1", port_of(server))
    writer.write(said.encode())
    assert (await reader.readline()).startswith(b"HTTP/1.1 401 ")
    writer.close()


async def test_of_very_many_requests_at_once_some_are_answered_and_the_rest_may_be_repeated(
    server: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise five megabytes of them would be 200 of memory."""
    waiting: list[int] = []
    complete = HandingOver.on_response_complete

    def counted(connection: HandingOver) -> None:
        waiting.append(len(connection.pipeline))
        complete(connection)

    monkeypatch.setattr(HandingOver, "on_response_complete", counted)
    reader, writer = await asyncio.open_connection("127.0.0.1", port_of(server))
    writer.write(kept(asked("GET", "/healthz")).encode() * 5_000)
    async with asyncio.timeout(20):
        received = await reader.read()
    writer.close()

    assert received.count(b"HTTP/1.1 200 ") == 1 + PIPELINED
    assert received.count(b"connection: close") == 1
    assert received.rindex(b"connection: close") > received.rindex(b"HTTP/1.1 200 ")
    assert max(waiting) == PIPELINED


async def test_requests_that_wait_are_all_answered_however_they_are_cut(server: Service) -> None:
    requests = kept(asked("GET", "/healthz")).encode() * 40
    reader, writer = await asyncio.open_connection("127.0.0.1", port_of(server))
    for begin in range(0, len(requests), 97):
        writer.write(requests[begin : begin + 97])
        await writer.drain()
    for _ in range(40):
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
        assert await reader.readexactly(len(b'{"status":"ok"}')) == b'{"status":"ok"}'
    writer.close()


async def test_whoever_leaves_amid_many_requests_is_no_error(
    server: Service, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    gone: list[HandingOver] = []
    lost = HandingOver.connection_lost

    def noted(connection: HandingOver, exc: Exception | None) -> None:
        lost(connection, exc)
        gone.append(connection)

    monkeypatch.setattr(HandingOver, "connection_lost", noted)
    _, writer = await asyncio.open_connection("127.0.0.1", port_of(server))
    writer.write(kept(asked("GET", "/readyz")).encode() * 40)
    await writer.drain()
    writer.transport.abort()
    await until(lambda: gone)
    await until(lambda: not server.app.state.database.checked_out)
    await asyncio.sleep(0)  # what was answered is being written

    assert not gone[0].pipeline
    assert caplog.messages == []


async def _pour(writer: asyncio.StreamWriter, size: int, piece: bytes = b"x" * 16_384) -> None:
    for _ in range(size // len(piece)):
        writer.write(piece)
        await writer.drain()


async def test_a_head_in_pieces_and_a_large_body_are_taken(server: Service) -> None:
    world = await server.new_world()
    await world.people("ana", leads={"l1": "ana"})
    body = json.dumps({"moments": [world.moment("l1", description="x" * 1_000) for _ in range(300)]}).encode()
    head = f"POST /v1/moments HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {world.key}\r\n"
    head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    reader, writer = await asyncio.open_connection("127.0.0.1", port_of(server))
    for piece in (head[:20], head[20:60]):
        writer.write(piece.encode())
        await asyncio.sleep(0)
    writer.write(head[60:].encode() + body)
    answer = await reader.read()
    writer.close()
    assert answer.startswith(b"HTTP/1.1 200"), answer[:300]
    assert b'"accepted":300' in answer
