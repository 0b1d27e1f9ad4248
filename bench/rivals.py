"""What another server of event streams looks like to the bench: where one listens, where one speaks, whose time counts.

Knows none of the servers.
"""

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

from bench.crowd import Crowd

Said = tuple[str, bytes]  # to whom (a channel), and what


@dataclass(frozen=True)
class Held:
    """A running server: streams of any channel are opened at ``port``, things are said at ``voice``."""

    pids: Sequence[int]  # whose processor time and memory are the server's
    port: int
    voice: int
    listen: Callable[[str], bytes]
    say: Callable[[Sequence[Said]], list[bytes]]
    opened_by: bytes = b" 200"  # a stream that has heard this misses nothing
    drops: bool = False  # whether it refuses a few streams, or ends them at once

    def crowd(self, marker: bytes, channels: Iterable[str]) -> Crowd:
        """Streams of these channels, a stream each, that listen for the marker."""
        return Crowd(self.pids, self.port, marker, [self.listen(one) for one in channels], self.opened_by, self.drops)


@dataclass(frozen=True)
class Rival:
    """A server that may be installed here."""

    name: str
    run: Callable[[], AbstractContextManager[Held]]
    missing: str = ""  # what to install, where it is not
    most: int = 1_000_000  # streams it is asked to hold
    knows_channels: bool = True  # or says everything to everyone


def listening(path: str, token: str) -> bytes:
    """The request that opens a stream."""
    lines = [f"GET {path} HTTP/1.1", "Host: localhost", "Accept: text/event-stream", f"Authorization: Bearer {token}"]
    return "\r\n".join([*lines, "", ""]).encode()


def a_stranger(channel: str) -> bytes:
    """A request as long as ours that a server without users is asked."""
    return listening(f"/listen/{channel}", "x" * 250)


def saying(path: str, body: bytes, kind: str = "text/plain") -> bytes:
    """A request that says something."""
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def one_by_one(said: Sequence[Said]) -> list[bytes]:
    """A request for each."""
    return [saying(f"/say/{channel}", body) for channel, body in said]


def as_event(body: bytes) -> bytes:
    """What a client reads."""
    return b"id: 1\nevent: moment\ndata: " + body + b"\n\n"
