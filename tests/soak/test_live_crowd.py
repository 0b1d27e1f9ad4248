"""Many streams at once: those who never read harm nobody; a server that ends, or is replaced, loses nothing."""

import asyncio
import random
import re
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from math import inf

import httpx2
import pytest
from bench.crowd import private_bytes
from crowd import Crowd, Follower, crowd, percentile

from clients import plain_client
from instances import instance, instances, world_at
from leadfeed_api.cli.serve import GRACE_S
from leadfeed_api.db.session import Database
from leadfeed_api.settings import Settings
from leadfeed_api.stream.capacity import make_room
from leadfeed_api.stream.connection import BUFFER_BYTES
from leadfeed_api.stream.live import LEAVING_WAIT_MS
from leadfeed_api.stream.protocol import SOCKET_BUFFER_BYTES
from statements import BY_A_TEST
from stream_client import until
from world import World

pytest_plugins = ["figures"]
pytestmark = [pytest.mark.anyio, pytest.mark.soak]

READING, STALLED, EVENT_BYTES, EVERY_S = 800, 200, 700, 0.1  # with the item around it, an event is 1 kB
FOLLOWING = 500


async def metric(base_url: str, name: str) -> float:
    """One of an instance's figures."""
    async with plain_client(base_url=base_url, timeout=15) as client:
        found = re.search(rf"^{name} (\S+)$", (await client.get("/metrics")).text, re.MULTILINE)
    assert found is not None
    return float(found[1])


async def nobody_left(base_url: str, tasks: float) -> None:
    """Waits until an instance has no stream, and no more tasks than it had before the first."""
    while (  # noqa: ASYNC110  another process's
        await metric(base_url, "leadfeed_stream_connections") or await metric(base_url, "leadfeed_tasks") > tasks
    ):
        await asyncio.sleep(0.2)


async def say_for(seconds: float, together: Crowd) -> int:
    """An event every tenth of a second, each on its time; returns how many."""
    started, count = time.monotonic(), 0
    while time.monotonic() - started < seconds:
        await together.say(1, size=EVENT_BYTES)
        count += 1
        await asyncio.sleep(max(0.0, started + count * EVERY_S - time.monotonic()))
    return count


async def test_200_of_1000_who_never_read_are_cut_and_harm_nobody(
    settings: Settings, database: Database, note: Callable[[str], None]
) -> None:
    make_room()
    async with (
        instance(settings) as running,
        world_at(settings, running.base_url) as world,
        crowd(world, database, READING + STALLED) as together,
    ):
        address = running.base_url
        tasks = await metric(address, "leadfeed_tasks")
        await together.open(READING)
        said = await say_for(20, together)
        await until(lambda: all(len(one.positions) == said for one in together.readers))
        alone = [delay for one in together.readers for delay in one.delays]
        for one in together.readers:
            one.delays.clear()

        await together.open(STALLED, first=READING, stalled=STALLED)
        most, before = 0, private_bytes(running.process.pid)
        saying, cut_after = asyncio.create_task(say_for(60, together)), None
        began = time.monotonic()
        while not saying.done():
            most = max(most, private_bytes(running.process.pid))
            if cut_after is None and await metric(address, "leadfeed_stream_slow_disconnects_total") == STALLED:
                cut_after = time.monotonic() - began
            await asyncio.sleep(1)
        said += await saying
        await until(lambda: all(len(one.positions) == said for one in together.readers))
        beside = [delay for one in together.readers for delay in one.delays]
        for one in together.readers:
            assert one.positions == list(range(one.positions[0], one.positions[0] + said))

        together.leave()
        async with asyncio.timeout(15):
            await nobody_left(address, tasks)

    grown, p99, p99_alone = most - before, percentile(beside, 0.99), percentile(alone, 0.99)
    note(
        f"p99 {p99 * 1e3:.1f} ms beside those who never read, {p99_alone * 1e3:.1f} ms without; {STALLED} cut after "
        f"{cut_after or inf:.0f} s; memory grew by {grown / 2**20:.1f} MiB; {len(beside)} deliveries; no task is left"
    )
    assert cut_after is not None
    assert cut_after < 40
    assert grown <= STALLED * (BUFFER_BYTES + 2 * SOCKET_BUFFER_BYTES) + 16 * 2**20
    assert p99 < 2 * p99_alone


@asynccontextmanager
async def reporting(world: World, addresses: list[str]) -> AsyncIterator[list[str]]:
    """Somebody reports moments all the time, each until it is acknowledged; yields the ids."""
    acknowledged: list[str] = []

    async def report_on() -> None:
        async with plain_client(timeout=5) as client:
            while True:
                moment = world.moment("shared")
                while True:
                    with suppress(httpx2.HTTPError):
                        url = f"{random.choice(addresses)}/v1/moments"
                        answer = await client.post(url, headers=world.machine, json={"moments": [moment]})
                        if answer.status_code == 200:
                            acknowledged.append(answer.json()["results"][0]["id"])
                            break
                    await asyncio.sleep(0.05)
                await asyncio.sleep(0.05)

    task = asyncio.create_task(report_on())
    try:
        yield acknowledged
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def followed_through(
    settings: Settings, database: Database, addresses: list[str], happens: Callable[[], Awaitable[None]]
) -> list[Follower]:
    """Many follow at ``addresses``, which may change, while something happens to whoever is there.

    In the end everyone has had every moment, once, in order.
    """
    async with world_at(settings, addresses[0]) as world, crowd(world, database, FOLLOWING) as together:
        followers = together.followers(FOLLOWING, addresses)
        tasks = [asyncio.create_task(one.follow()) for one in followers]
        await until(lambda: all(one.returns for one in followers), within=60)
        async with reporting(world, addresses) as acknowledged:
            await until(lambda: len(acknowledged) > 20)
            await happens()
            enough = len(acknowledged) + 20
            await until(lambda: len(acknowledged) > enough, within=30)
        stored = await _stored(database, world)
        await until(lambda: all(len(one.positions) >= len(stored) for one in followers), within=60)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    assert set(acknowledged) <= set(stored)
    for one in followers:
        assert one.positions == list(range(one.positions[0], one.positions[0] + len(stored)))
    return followers


async def _stored(database: Database, world: World) -> list[str]:
    async with database.read() as connection:
        rows = await connection.fetch(f"{BY_A_TEST} SELECT moment_id FROM moment WHERE org_id = $1", world.org_id)
    return [str(row["moment_id"]) for row in rows]


async def test_when_an_instance_ends_its_500_streams_go_to_another_spread_out_and_lose_nothing(
    settings: Settings, database: Database, note: Callable[[str], None]
) -> None:
    async with instances(settings, 2) as (ending, staying):
        addresses, told_at, seconds = [ending.base_url], 0.0, inf

        async def end() -> None:
            nonlocal told_at, seconds
            told_at = time.monotonic()
            ending.terminate()
            addresses[:] = [staying.base_url]
            assert await ending.ended() == 0
            seconds = time.monotonic() - told_at

        followers = await followed_through(settings, database, addresses, end)

    shortest, longest = LEAVING_WAIT_MS
    ends = [end for one in followers for end in one.ends]
    waits = [wait or 0 for _, wait in ends]
    tenths = Counter((wait - shortest) * 10 // (longest - shortest + 1) for wait in waits)
    back = [one.returns[1] - told_at for one in followers]
    note(
        f"{len(ends)} streams ended and were told to come back after {min(waits)} to {max(waits)} ms, at most "
        f"{max(tenths.values())} of them in a tenth of that, and were back after {min(back):.1f} to {max(back):.1f} s;"
        f" exit code 0 after {seconds:.2f} s; {len(followers[0].positions)} moments: 0 lost, 0 repeated, in order"
    )
    assert seconds < GRACE_S
    assert len(ends) == FOLLOWING
    assert shortest <= min(waits) <= max(waits) <= longest
    assert len(tenths) == 10
    assert max(tenths.values()) < FOLLOWING / 5


async def test_a_rolling_restart_of_two_instances_under_load_loses_nothing(
    settings: Settings, database: Database, note: Callable[[str], None]
) -> None:
    async with AsyncExitStack() as opened:
        stacks = [await opened.enter_async_context(AsyncExitStack()) for _ in range(2)]
        running = [await stack.enter_async_context(instance(settings)) for stack in stacks]

        async def replace(number: int) -> None:
            running[number].terminate()
            assert await running[number].ended() == 0
            await stacks[number].aclose()
            port = int(running[number].base_url.rsplit(":", 1)[1])
            running[number] = await stacks[number].enter_async_context(instance(settings, port=port))

        async def roll_twice() -> None:
            for number in (0, 1, 0, 1):
                await replace(number)

        followers = await followed_through(settings, database, [one.base_url for one in running], roll_twice)

    returns = sum(len(one.returns) - 1 for one in followers)
    note(
        f"4 restarts, {returns} returns of {len(followers)} streams, {len(followers[0].positions)} moments to each: "
        "0 lost, 0 repeated, in order"
    )
    assert returns >= FOLLOWING
