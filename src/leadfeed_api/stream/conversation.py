"""What is said on a stream after the first bytes: replay, then live, and at the end a farewell.

Owns when a task is needed: while the log is read, or a client is waited for. A stream on which nothing is to be done
has none. Knows neither the server nor the database's tables.
"""

import asyncio
import random
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TYPE_CHECKING, Protocol

from leadfeed_api.errors import Unavailable
from leadfeed_api.stream.connection import WRITE_BYTES, Stream
from leadfeed_api.stream.lent import Lent
from leadfeed_api.stream.replay import Piece
from leadfeed_api.telemetry import log

if TYPE_CHECKING:
    from leadfeed_api.stream.live import Live

DATABASE_PAUSE_S = (0.3, 0.9)


class Stalled(Exception):
    """The client has not read for too long."""


class Wire(Protocol):
    """The way to a client. ``direct`` is the socket that may be written to while nothing is ``unsent``."""

    direct: Lent | None

    @property
    def unsent(self) -> int:
        """How many bytes wait until the client has read what was sent before."""

    async def send(self, data: bytes) -> None:
        """Sends, once the client has read most of what was sent before."""

    def say(self, data: bytes) -> None:
        """Sends a few bytes without waiting; what is sent next comes after them."""

    async def finish(self) -> None:
        """Nothing more comes."""

    def cut(self) -> None:
        """Ends without a word."""


class Conversation:
    """One stream's, from :meth:`begin` to its end or :meth:`client_left`."""

    __slots__ = ("_live", "_stream", "_task", "_wire")

    def __init__(self, live: "Live", stream: Stream) -> None:
        self._live, self._stream = live, stream
        self._task: asyncio.Task[None] | None = None
        self._wire: Wire | None = None

    def begin(self, wire: Wire) -> None:
        """The first bytes were sent; everything else goes by ``wire``."""
        self._wire = wire
        self._stream.rouse, self._stream.cut = self._rouse, wire.cut
        if self._stream.has_work:
            self._rouse()
        else:
            self.release()

    def hold(self) -> None:
        """The client is not reading: nothing is sent but by a task that waits for it."""
        self._stream.direct = None

    def release(self) -> None:
        """It is reading. While no task has something to send, the tail may send by itself."""
        if self._task is None and self._wire is not None and not (self._wire.unsent or self._stream.ended):
            self._stream.direct = self._wire.direct

    def client_left(self) -> None:
        """Nobody is there to speak to."""
        stream = self._stream
        self._wire = stream.direct = stream.rouse = stream.cut = stream.say = None
        self._live.dismiss(stream)

    def _rouse(self) -> None:
        if self._task is None:
            self._task = asyncio.create_task(self._work())

    async def _work(self) -> None:
        stream = self._stream
        try:
            while stream.has_work and not stream.ended:
                await self._send(stream.take())
                if stream.behind and not stream.ended:
                    await self._replay()
            if stream.ended:
                await self._say_goodbye()
        except Stalled:
            self._live.give_up(stream)
        except Exception:  # Intentional: whatever it was, the client comes back by its last id
            log.exception("stream-failed")
            stream.hang_up()
        finally:
            self._task = None
            if stream.ended:
                self._live.dismiss(stream)
            else:
                self.release()

    async def _say_goodbye(self) -> None:
        await self._send(self._stream.take())
        await self._send(self._stream.last_words)
        if self._wire is not None:
            await self._wire.finish()

    async def _replay(self) -> None:
        """Sends what the log holds above the stream's position while live events are kept.

        Waits for a database that is away.
        """
        stream = self._stream
        while not stream.ended:
            stream.collect()
            position = stream.position
            try:
                async with aclosing(self._history(position)) as pieces:
                    async for piece in pieces:
                        await self._send(piece.data)
                        self._live.count(piece)
                        if stream.position != position:  # it has to begin anew
                            break
                        stream.position = position = piece.position
                        if self._is_over():
                            break
                    else:
                        return
            except Unavailable:
                await asyncio.sleep(random.uniform(*DATABASE_PAUSE_S))  # noqa: S311
                await self._send(stream.take_beat())
        stream.discard()

    async def _history(self, after: int) -> AsyncGenerator[Piece, None]:
        """What the log holds above a position. While it is waited for, which may be long, signs of life are sent."""
        stream = self._stream
        stream.say = self._say
        try:
            async with aclosing(self._live.history(stream).since(after)) as pieces:
                async for piece in pieces:
                    stream.say = None
                    yield piece
                    stream.say = self._say
        finally:
            stream.say = None

    def _say(self, data: bytes) -> None:
        if self._wire is not None:
            self._wire.say(data)

    def _is_over(self) -> bool:
        """A question, since it may have ended while something was awaited, which the type checker does not expect."""
        return self._stream.ended

    async def _send(self, data: bytes) -> None:
        """Sends in slices, so that little waits below this. A client may read as slowly as it likes, but not stop."""
        for begin in range(0, len(data), WRITE_BYTES):
            await self._send_slice(data[begin : begin + WRITE_BYTES])

    async def _send_slice(self, data: bytes) -> None:
        while (wire := self._wire) is not None:
            unsent = wire.unsent
            try:
                async with asyncio.timeout(self._live.send_timeout):
                    await wire.send(data)
                break
            except TimeoutError as unread:
                if wire is self._wire and wire.unsent >= unsent:
                    raise Stalled from unread
