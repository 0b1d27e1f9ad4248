"""What everybody must hear: said one at a time, then by several callers at once; what that cost the server."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

import uvloop

from bench.callers import Caller, Saying
from bench.crowd import Crowd, Member, demand_all, opened, private_bytes, processor_seconds, reopen
from leadfeed_api.stream.capacity import make_room

CALLERS = 10  # who say something at once
EARLY = 200  # streams opened before memory is looked at: what the first ones cost is the program's, not theirs
LONGEST_S = 60  # until all have heard


@dataclass(frozen=True)
class Cost:
    """What was measured of one server in one turn."""

    bytes_each: float  # of the private memory of the server's processes, a connection
    opened_per_second: float
    seconds_each: float  # of the server's processor, a delivery, one saying at a time
    seconds_each_at_once: float  # the same while ``CALLERS`` speak at once
    delays: Sequence[float]  # seconds from saying to hearing, in order, one saying at a time


def cost(crowd: Crowd, sayings: Sequence[Saying]) -> Cost:
    """Opens the streams, then sends the first half of the sayings one by one.

    All must hear one before the next. The other half is said by several callers at once, none of whom waits for that.
    What is said holds the marker once. Raises when a stream did not open, or heard too little or too much.
    """
    make_room()
    return uvloop.run(_cost(crowd, sayings))


async def _cost(crowd: Crowd, sayings: Sequence[Saying]) -> Cost:
    early = min(EARLY, len(crowd.requests) // 2)
    members = await opened(crowd, crowd.requests[:early], Member)
    before, started = private_bytes(*crowd.pids), time.perf_counter()
    members += await opened(crowd, crowd.requests[early:], Member)
    late = len(crowd.requests) - early
    opened_per_second = late / (time.perf_counter() - started)
    await reopen(crowd, members, Member)
    bytes_each = (private_bytes(*crowd.pids) - before) / late

    alone, together = sayings[: len(sayings) // 2], sayings[len(sayings) // 2 :]
    busy = processor_seconds(*crowd.pids)
    delays = await _one_by_one(members, alone)
    seconds = processor_seconds(*crowd.pids) - busy
    busy = processor_seconds(*crowd.pids)
    await asyncio.gather(*(_say_all(together[first::CALLERS]) for first in range(CALLERS)))
    await _heard(members, len(sayings))
    seconds_at_once = processor_seconds(*crowd.pids) - busy
    if any(one.heard != len(sayings) for one in members):
        raise SystemExit("a stream heard something twice")
    for one in members:
        one.transport.abort()
    each, each_at_once = seconds / len(alone) / len(members), seconds_at_once / len(together) / len(members)
    return Cost(bytes_each, opened_per_second, each, each_at_once, sorted(delays))


async def _one_by_one(members: Sequence[Member], sayings: Sequence[Saying]) -> list[float]:
    caller, delays = Caller(), []
    for number, saying in enumerate(sayings, 1):
        said_at = time.perf_counter()
        await caller.say(saying)
        await _heard(members, number)
        delays += [one.heard_at - said_at for one in members]
    caller.close()
    return delays


async def _heard(members: Sequence[Member], number: int) -> None:
    async with asyncio.timeout(LONGEST_S):
        while any(one.heard < number for one in members):
            demand_all(members)
            await asyncio.sleep(0.002)  # an Event each would cost more


async def _say_all(sayings: Sequence[Saying]) -> None:
    caller = Caller()
    for saying in sayings:
        await caller.say(saying)
    caller.close()
