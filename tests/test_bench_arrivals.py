"""How the bench times a moment on its way: nothing is counted that did not arrive, and no wait is without an end."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from bench import arrivals
from bench.arrivals import Said, Times, timed
from bench.commits import Commits
from bench.load import get, post

pytestmark = pytest.mark.anyio

MOMENTS = arrivals.FIRST + 3
STREAM = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


class Peer:
    """A server that stores nothing: it says what it was told to whoever follows, if ``say`` does not say otherwise."""

    def __init__(self, commits: Commits) -> None:
        self.commits, self.count = commits, 0
        self.say: Callable[[str], str | None] = lambda text: text
        self.commits_each = 1
        self.followers: list[asyncio.StreamWriter] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            await self._serve(reader, writer)
        writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await reader.readuntil(b"\r\n\r\n"):
            if head.startswith(b"GET"):
                writer.write(STREAM)
                self.followers.append(writer)
                continue
            length = int(head.split(b"Content-Length: ")[1].split(b"\r\n")[0])
            said = self.say(json.loads(await reader.readexactly(length)))
            for _ in range(self.commits_each):
                self.count += 1
                self.commits.note(self.count)
            event = b"event: moment\r\ndata: %b\r\n\r\n" % json.dumps({"description": said}).encode()
            for follower in self.followers if said is not None else ():
                follower.write(b"%x\r\n%b\r\n" % (len(event), event))
            writer.write(b'HTTP/1.1 200 OK\r\n\r\n{"accepted":1}')


@asynccontextmanager
async def measured_by(path: Path) -> AsyncIterator[tuple[Peer, Callable[[], Awaitable[Times]]]]:
    """A peer, and a measurement of it to be begun."""
    peer = Peer(Commits(Commits.begin(path / "commits")))
    said = [Said(post("/say", "", json.dumps(str(n)).encode()), 0, str(n)) for n in range(MOMENTS)]
    server = await asyncio.start_server(peer.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]

    def begin() -> Awaitable[Times]:  # no task of its own: a wrong answer raises SystemExit, which would end the loop
        return timed(Commits(path / "commits"), (port, port), [get("/stream").head], said)

    async with server:
        yield peer, begin


async def test_each_moment_after_the_first_is_timed_from_its_commit_its_report_and_its_answer(tmp_path: Path) -> None:
    async with measured_by(tmp_path) as (_, begin):
        began = time.monotonic()
        times = await begin()

    assert len(times.from_commit) == len(times.from_post) == len(times.from_answer) == MOMENTS - arrivals.FIRST
    assert all(0 < of_commit < of_post for of_commit, of_post in zip(times.from_commit, times.from_post, strict=True))
    assert sum(times.from_post) < time.monotonic() - began


async def test_a_moment_that_never_arrives_ends_the_measurement(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arrivals, "ARRIVING_S", 0.2)
    async with measured_by(tmp_path) as (peer, begin):
        peer.say = lambda text: None if text == "7" else text
        with pytest.raises(SystemExit, match="no event"):
            await begin()


async def test_an_event_that_says_something_else_is_not_counted(tmp_path: Path) -> None:
    async with measured_by(tmp_path) as (peer, begin):
        peer.say = lambda text: "8" if text == "7" else text
        with pytest.raises(SystemExit, match="a wrong event"):
            await begin()


async def test_a_moment_with_another_commit_beside_it_is_not_timed_from_either(tmp_path: Path) -> None:
    async with measured_by(tmp_path) as (peer, begin):
        peer.commits_each = 2
        with pytest.raises(SystemExit, match="another commit"):
            await begin()
