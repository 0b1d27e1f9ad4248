"""What a few must hear, and nobody else: said at a steady rate, however long it takes; when each has heard it."""

import asyncio
import time
from collections.abc import Sequence

import uvloop

from bench.callers import Caller, Saying, in_time
from bench.crowd import Crowd, Numbered, demand_all, opened, reopen
from leadfeed_api.stream.capacity import make_room

LONGEST_S = 60  # until all have heard, after the last was said
Hearers = Sequence[Sequence[int]]  # which streams must hear a number, once for each time that one is named


def steady(crowd: Crowd, sayings: Sequence[Saying], every: float, hearers: Hearers) -> list[float]:
    """Opens the streams, then begins a saying ``every`` so many seconds, whether or not those before it are answered.

    What saying ``n`` says, ``hearers[n]`` of the streams must hear, and nobody else: the marker, a space and ``n``.
    Returns the seconds from when a saying was due until each of them had heard it, in order. Raises when a stream did
    not open, or heard too little or too much.
    """
    make_room()
    return uvloop.run(_steady(crowd, sayings, every, hearers))


async def _steady(crowd: Crowd, sayings: Sequence[Saying], every: float, hearers: Hearers) -> list[float]:
    members = await opened(crowd, crowd.requests, Numbered)
    await reopen(crowd, members, Numbered)
    first = time.perf_counter() + every

    async def say(caller: Caller, number: int) -> None:
        await caller.say(sayings[number])

    await in_time(len(sayings), first, every, say)
    return await heard_by_all_of(members, hearers, first, every)


async def heard_by_all_of(members: Sequence[Numbered], hearers: Hearers, first: float, every: float) -> list[float]:
    """Waits until all have heard what they must; raises when one of them did not, or heard something else.

    Returns the seconds since number ``n`` was due, at ``first + n * every``. Ends the streams.
    """
    wanted: list[list[int]] = [[] for _ in members]
    for number, some in enumerate(hearers):
        for place in some:
            wanted[place].append(number)
    try:
        async with asyncio.timeout(LONGEST_S):
            while any(len(one.numbers) < len(own) for one, own in zip(members, wanted, strict=True)):
                demand_all(members)
                await asyncio.sleep(0.01)
    except TimeoutError:
        lost = sum(len(own) - len(one.numbers) for one, own in zip(members, wanted, strict=True))
        raise SystemExit(f"{lost:,} of {sum(map(len, wanted)):,} events did not arrive in {LONGEST_S} s") from None
    if any(sorted(number for number, _ in one.numbers) != own for one, own in zip(members, wanted, strict=True)):
        raise SystemExit("a stream heard what was not for it")
    for one in members:
        one.transport.abort()
    return sorted(at - first - number * every for one in members for number, at in one.numbers)
