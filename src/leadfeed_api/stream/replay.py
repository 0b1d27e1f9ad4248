"""What one user missed, read from the log piece by piece, so that a long absence costs no more memory than a short one.

A piece is as much as a stream may keep (``BUFFER_BYTES``): it waits here for as long as its client takes to read it.

Owns the answer to a position that cannot be served: a ``reset``, with a position to go on from; never a part of the
history. Holds a database connection for the reading of a piece, not for its sending.
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from typing import NamedTuple

from leadfeed_api.db.session import Connection, Database
from leadfeed_api.feed import queries
from leadfeed_api.stream import events, news
from leadfeed_api.stream.connection import BUFFER_BYTES, NOWHERE, Stream
from leadfeed_api.stream.schemas import ResetReason

EVENTS_PER_PIECE = 100


class Piece(NamedTuple):
    """Some events as bytes, perhaps none, and the position they bring the client to."""

    data: bytes
    events: int
    position: int
    reset: ResetReason | None = None


class History:
    """One user's part of an organisation's log. ``reading`` bounds how many histories are read at once."""

    def __init__(self, database: Database, reading: asyncio.Semaphore, stream: Stream) -> None:
        self._database = database
        self._reading = reading
        self._stream = stream
        self._at_once = EVENTS_PER_PIECE
        self._org_id, self._user_id = stream.org_id, stream.user_id

    async def since(self, after: int) -> AsyncGenerator[Piece, None]:
        """Everything above ``after``, up to where the log is when this is called; ``NOWHERE`` is one nobody can read.

        The first piece is empty when the position can be served. Raises ``Unavailable``; what was yielded before stays
        true.
        """
        async with self._reading, self._database.read() as connection:
            up_to, horizon = await queries.reach(connection, self._org_id)
        reason = _refusal(after, up_to, horizon)
        if reason is None:
            yield Piece(b"", 0, after)
        while reason is None and after < up_to:
            piece = await self._piece(after, up_to)
            if piece is None:
                reason = "old-position"
            else:
                yield piece
                after = piece.position
        if reason is not None:
            yield Piece(self._stream.event(up_to, events.reset(reason)), 1, up_to, reason)

    async def _piece(self, after: int, up_to: int) -> Piece | None:
        """The next events; None when the log was trimmed meanwhile, so that some may be missing."""
        async with self._reading, self._database.read() as connection:
            end = await self._end(connection, after, up_to)
            found = await news.for_users(connection, self._org_id, [self._user_id], after, end)
            _, horizon = await queries.reach(connection, self._org_id)
        if after < horizon:
            return None
        return self._fitting(found, end)

    def _fitting(self, found: Sequence[news.News], end: int) -> Piece:
        """As many of the events as a piece has room for, one at least; the others are read again."""
        kept: list[bytes] = []
        room, up_to = BUFFER_BYTES, end
        for one in found:
            event = self._stream.event(one.position, one.body)
            room -= len(event)
            if kept and room < 0:
                self._at_once = len(kept)
                return Piece(b"".join(kept), len(kept), up_to)
            kept.append(event)
            up_to = one.position
        self._at_once = min(2 * self._at_once, EVENTS_PER_PIECE)
        return Piece(b"".join(kept), len(kept), end)

    async def _end(self, connection: Connection, after: int, up_to: int) -> int:
        """A user has at most one event at a position: only a longer stretch can hold more events than a piece."""
        if up_to - after <= self._at_once:
            return up_to
        end = await queries.end_of_piece(connection, self._org_id, self._user_id, after, self._at_once)
        return up_to if end is None else min(end, up_to)


def _refusal(after: int, up_to: int, horizon: int) -> ResetReason | None:
    if after == NOWHERE:
        return "unknown-position"
    if after > up_to:
        return "future-position"
    return "old-position" if after < horizon else None
