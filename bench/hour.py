"""Much at once, each kind of it at its own pace, from one process: the load of ``bench.mixed``.

Every answer is checked, and every stream: it must hear what is for it, once, and nothing else.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import uvloop

from bench.callers import Caller, in_time
from bench.crowd import Crowd, Numbered, opened
from bench.load import Request
from bench.steady import Hearers, heard_by_all_of
from leadfeed_api.stream.capacity import make_room

BREATH_S = 0.5  # between the last stream's opening and the first request


@dataclass(frozen=True)
class Kind:
    """Requests of one kind, each due ``every`` so many seconds after the one before it, on time or not."""

    port: int
    requests: Sequence[Request]
    every: float


def asked(kinds: Mapping[str, Kind]) -> dict[str, list[float]]:
    """Seconds from when each request was due until it was answered, by kind, in order."""
    return uvloop.run(_asked(kinds, time.perf_counter()))


def hour(crowd: Crowd, kinds: Mapping[str, Kind], reports: str, hearers: Hearers) -> dict[str, list[float]]:
    """As :func:`asked` while the streams of the crowd are open; and ``heard``, since a report was due.

    Request ``n`` of the kind ``reports`` says the marker, a space and ``n``, to ``hearers[n]``.
    """
    make_room()
    return uvloop.run(_hour(crowd, kinds, reports, hearers))


async def _hour(crowd: Crowd, kinds: Mapping[str, Kind], reports: str, hearers: Hearers) -> dict[str, list[float]]:
    started = time.perf_counter()
    members = await opened(crowd, crowd.requests, Numbered)
    opening = time.perf_counter() - started
    first = time.perf_counter() + BREATH_S
    took = await _asked(kinds, first)
    heard = await heard_by_all_of(members, hearers, first, kinds[reports].every)
    return {**took, "heard": heard, "opening": [opening]}


async def _asked(kinds: Mapping[str, Kind], first: float) -> dict[str, list[float]]:
    async def all_of(kind: Kind) -> list[float]:
        async def ask(caller: Caller, number: int) -> None:
            await caller.ask(kind.port, kind.requests[number])

        return await in_time(len(kind.requests), first, kind.every, ask)

    return dict(zip(kinds, await asyncio.gather(*map(all_of, kinds.values())), strict=True))
