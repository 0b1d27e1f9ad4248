"""One open stream: whose it is, how far it has come, and the little that waits to be sent.

The tail pushes, the conversation takes. When more waits than ``BUFFER_BYTES`` nothing more is kept: the stream is
*behind*, and the conversation reads the rest from the log. So a slow client costs a bounded buffer, and loses nothing.
Knows neither the database nor the server.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import inf

from leadfeed_api.feed.cursor import Positions
from leadfeed_api.organizations.identity import Caller
from leadfeed_api.stream.events import HEARTBEAT
from leadfeed_api.stream.lent import Lent

BUFFER_BYTES = 64 * 1024
WRITE_BYTES = 16 * 1024  # in one write, more or less: what a socket's buffer has room for
ID_LINE_BYTES = 13  # everyone's, without the number: so the size of a chunk is the same for everyone, too
NOWHERE = -1  # the position of a stream whose client named one that nobody can read, or stands at one that is no more


class SharedEvent:
    """A live event but for the ``id_line``: as all who are told share it, and as the chunk of a response."""

    __slots__ = ("after", "before", "rest")

    def __init__(self, position: int, body: bytes) -> None:
        self.rest = _without_id(position, body)
        self.before = b"%x\r\n" % (ID_LINE_BYTES + len(self.rest))
        self.after = self.rest + b"\r\n"


@dataclass(slots=True, eq=False)
class Stream:
    """One client's stream.

    ``position`` is as far as events were taken for sending. ``expires_at`` and ``ends_at`` are Unix times.
    ``rouse`` has the conversation go on, and ``cut`` closes without a word. ``direct`` is the socket to write to past
    the conversation, while that is idle and the client is reading; ``say`` puts in a word while it waits for the log.
    """

    org_id: int
    user_id: str
    positions: Positions
    id_line: bytes  # without the number
    key_hash: bytes | None
    expires_at: int | None
    position: int = 0
    direct: Lent | None = None
    behind: bool = True
    ends_at: float = inf
    ended: bool = False
    last_words: bytes = b""
    rouse: Callable[[], object] | None = None
    cut: Callable[[], object] | None = None
    say: Callable[[bytes], object] | None = None

    _waiting: list[tuple[int, bytes]] | None = field(default=None, init=False)
    _size: int = field(default=0, init=False)
    _beat: bool = field(default=False, init=False)

    @classmethod
    def of(cls, who: Caller, key: bytes) -> "Stream":
        """A stream for an authenticated caller who is, or speaks for, a user."""
        user_id = who.user
        positions = Positions(key, who.org_id, user_id)
        id_line = b"id: %b" % positions.write(0).encode().removesuffix(b"0")
        return cls(who.org_id, user_id, positions, id_line, who.key_hash, who.expires_at)

    def event(self, position: int, body: bytes) -> bytes:
        """A whole event: an id of this user's before a body that others may share."""
        return self.id_line + _without_id(position, body)

    def resume(self, start: str) -> None:
        """Begins at the position that an id names."""
        position = self.positions.read(start)
        self.position, self.behind = NOWHERE if position is None else position, True

    def keep(self, position: int, event: SharedEvent) -> bool:
        """Keeps a live event for the conversation to send; whether it did.

        Not one that was sent before; nor one for which there is no room, which makes the stream behind.
        """
        if position <= self.position or self.behind or self.ended:
            return False
        whole = self.id_line + event.rest
        if self._waiting is None:
            self._waiting = []
        elif self._size + len(whole) > BUFFER_BYTES:
            self.behind = True
            return False
        self._waiting.append((position, whole))
        self._size += len(whole)
        self._rouse()
        return True

    def push_all(self, events: Sequence[tuple[int, SharedEvent]]) -> int:
        """Sends live events, which are in order, by few writes, or keeps them; how many."""
        pushed, together = 0, b""
        for position, event in events:
            if self.direct is None:
                pushed += self.keep(position, event)
            elif position > self.position:
                self.position, pushed = position, pushed + 1
                together += self.id_line + event.rest
                if len(together) >= WRITE_BYTES:
                    self._write_chunk(together)
                    together = b""
        self._write_chunk(together)
        return pushed

    @property
    def has_work(self) -> bool:
        """Whether there is something to do: to send, to catch up with the log, or to end."""
        return self.behind or self.ended or self._beat or self._waiting is not None

    def collect(self) -> None:
        """From now on live events are kept again, to be taken once the log was read up to where it is after this."""
        self.behind = False

    def discard(self) -> None:
        """Drops what waits, because the reading before it was broken off; sending it would leave a gap."""
        self._waiting, self._size, self.behind = None, 0, True

    def begin_anew(self) -> None:
        """Has the client told to reload: what it heard last is not in the log any more."""
        self.position = NOWHERE
        self.discard()
        self._rouse()

    def take(self) -> bytes:
        """What waits to be sent, without what was sent already: the log and the tail overlap where they meet."""
        waiting, self._waiting, self._size = self._waiting or (), None, 0
        events = b"".join(event for position, event in waiting if position > self.position)
        if waiting:
            self.position = max(self.position, waiting[-1][0])
        return events + self.take_beat()

    def take_beat(self) -> bytes:
        """A sign of life, if one is due."""
        due, self._beat = self._beat, False
        return HEARTBEAT if due else b""

    def beat(self) -> None:
        """Has a sign of life sent."""
        if self.direct is not None:
            self._write_chunk(HEARTBEAT)
        elif self.say is not None:
            self.say(HEARTBEAT)
        else:
            self._beat = True
            self._rouse()

    def end(self, last_words: bytes) -> None:
        """Has the stream closed, in order: what waits, then ``last_words``."""
        if not self.ended:
            self.ended, self.last_words = True, last_words
            self._rouse()

    def hang_up(self) -> None:
        """Ends the stream without a word: the client is gone, or as good as gone."""
        self.end(b"")
        if self.cut is not None:
            self.cut()

    def _write_chunk(self, data: bytes) -> None:
        if data and self.direct is not None:
            self.direct.write(b"%x\r\n%b\r\n" % (len(data), data))

    def _rouse(self) -> None:
        self.direct = None  # first what waits
        if self.rouse is not None:
            self.rouse()


def _without_id(position: int, body: bytes) -> bytes:
    """An event but for the line with which its id begins: the same for everyone who is told."""
    return b"%d\r\n%b" % (position, body)
