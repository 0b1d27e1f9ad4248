"""Streams of real processes: several workers on one address, and going away well."""

import asyncio
import re
from contextlib import AsyncExitStack

import pytest

from clients import plain_client
from instances import instance, instances, world_at
from leadfeed_api.settings import Settings
from leadfeed_api.stream.live import LEAVING_WAIT_MS
from stream_client import following
from world import World

pytestmark = pytest.mark.anyio


async def read_to_the_end(world: World, opened: asyncio.Semaphore) -> bytes:
    """Everything one stream says until the server closes it."""
    body = b""
    async with (
        plain_client(base_url=world.service.base_url, timeout=30) as client,
        client.stream("GET", "/v1/feed/stream", headers=world.rep("ana")) as response,
    ):
        async for chunk in response.aiter_raw():
            if not body:
                opened.release()
            body += chunk
    return body


async def test_an_instance_that_is_told_to_end_says_goodbye_and_exits_well(settings: Settings) -> None:
    async with (
        instance(settings.model_copy(update={"streams_per_user": 100})) as running,
        world_at(settings, running.base_url) as world,
    ):
        await world.people("ana", leads={"l1": "ana"})
        opened = asyncio.Semaphore(0)
        reading = [asyncio.create_task(read_to_the_end(world, opened)) for _ in range(40)]
        for _ in reading:
            await opened.acquire()

        running.terminate()
        bodies = await asyncio.gather(*reading)
        code = await running.ended()

    waits = [int(re.findall(rb"retry: (\d+)", body)[-1]) for body in bodies]
    assert code == 0
    assert all(LEAVING_WAIT_MS[0] <= wait <= LEAVING_WAIT_MS[1] for wait in waits)
    assert max(waits) - min(waits) > (LEAVING_WAIT_MS[1] - LEAVING_WAIT_MS[0]) / 2  # spread, not together


async def test_several_workers_serve_one_address_and_every_stream_gets_everything(settings: Settings) -> None:
    async with (
        instance(settings, "--workers", "2") as running,
        world_at(settings, running.base_url) as world,
        AsyncExitStack() as opened,
    ):
        await world.people("ana", leads={"l1": "ana"})
        streams = [await opened.enter_async_context(following(world, "ana")) for _ in range(8)]
        for stream in streams:
            await stream.ready()
        ids = [(await world.report(world.moment("l1")))[0] for _ in range(10)]
        for stream in streams:
            assert [one.data["id"] for one in await stream.take(10)] == ids
        running.terminate()
        assert await running.ended() == 0


async def test_when_one_instance_is_killed_the_other_delivers_what_it_had_committed(settings: Settings) -> None:
    async with instances(settings, 2) as (doomed, other), world_at(settings, doomed.base_url) as world:
        await world.people("ana", leads={"l1": "ana"})
        async with following(world, "ana", base_url=other.base_url) as stream:
            await stream.ready()
            acknowledged: list[str] = []

            async def report() -> None:
                while True:
                    acknowledged.extend(await world.report(world.moment("l1")))

            reporting = asyncio.create_task(report())
            first = [await stream.next() for _ in range(20)]
            doomed.kill()
            await asyncio.gather(reporting, return_exceptions=True)
            received = [one.data["id"] for one in first]
            while not set(acknowledged) <= set(received):
                received.append((await stream.next()).data["id"])

    assert received[: len(acknowledged)] == acknowledged
    assert len(received) == len(set(received))
