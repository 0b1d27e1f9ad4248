"""Handing what was read of a log to the streams of those who are told.

What is the same for everyone is not looked at again for each: with 10,000 streams a delivery is as fast as the little
that it touches is at hand (docs/decisions/0008, 0015).
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import compress
from typing import Any, TypeVar

from leadfeed_api.stream import news
from leadfeed_api.stream.connection import SharedEvent, Stream
from leadfeed_api.stream.connections import Audience
from leadfeed_api.stream.lent import Lent, write_each

DETOUR = 4  # streams passed over for each that is told, at most
VOLLEY = 250  # chunks put together before they are sent, of half a KB each: they are in the caches until then

Told = TypeVar("Told", SharedEvent, Sequence[tuple[int, SharedEvent]])


def deliver(audience: Audience, found: Sequence[news.News]) -> int:
    """Sends what was found, which is in order of positions, to those of the audience who are told; how many events."""
    if not found:
        return 0
    first = found[0].position
    if first == found[-1].position:  # one event for each, so nothing to send together
        return _one_to_each(audience, first, news.by_user_once(found))
    return _several_to_each(audience, news.by_user(found))


def _one_to_each(audience: Audience, position: int, told: Mapping[str, SharedEvent]) -> int:
    """As ``Stream.push_all`` of a single event, for each; how many.

    Intentional: first some chunks are put together, then they are sent. What the kernel touches to send one drives out
    of the processor's caches what is needed for the next, and the other way.
    """
    delivered = 0
    sockets: list[Lent] = []
    chunks: list[bytes] = []
    for stream, event in _told(audience, told):
        if position <= stream.position:
            continue
        if (to := stream.direct) is None:
            delivered += stream.keep(position, event)
            continue
        stream.position = position
        sockets.append(to)
        chunks.append(event.before + stream.id_line + event.after)
        delivered += 1
        if len(chunks) == VOLLEY:
            write_each(sockets, chunks)
            sockets, chunks = [], []
    write_each(sockets, chunks)
    return delivered


def _several_to_each(audience: Audience, told: Mapping[str, Sequence[tuple[int, SharedEvent]]]) -> int:
    return sum([stream.push_all(events) for stream, events in _told(audience, told)])


def _told(audience: Audience, told: Mapping[str, Told]) -> Iterable[tuple[Stream, Told]]:
    """The streams of all who are told, each with what: in the order of their opening, if that is no long detour.

    Intentional: it is the order in which streams lie in memory, ours and the kernel's. With 10,000 of them whatever is
    touched has to be fetched first, and neighbours come along. What each is told is looked up for all of them before
    anything is sent: who is told is in the caches until then (docs/decisions/0015).
    """
    if len(audience.streams) > DETOUR * len(told):
        return [(stream, what) for user_id, what in told.items() for stream in audience.of(user_id)]
    found: list[Any] = list(map(told.get, audience.owners))  # None for those who are not told
    return compress(zip(audience.streams, found, strict=True), found)
