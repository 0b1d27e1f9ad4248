"""The long form of the oracle: at least 200 histories, on two processes that are restarted and killed."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from instances import Instance, instance
from leadfeed_api.settings import Settings
from live_oracle import INSTANCES, Fleet, histories, play
from world import Service

pytestmark = [pytest.mark.anyio, pytest.mark.soak]

RUNS = 200


@pytest.fixture
async def fleet(settings: Settings) -> AsyncIterator[Fleet]:
    """Two processes; after a restart or a kill, another takes the same port."""
    async with AsyncExitStack() as opened:
        stacks = [await opened.enter_async_context(AsyncExitStack()) for _ in range(INSTANCES)]
        running: list[Instance] = list(
            await asyncio.gather(*(stack.enter_async_context(instance(settings)) for stack in stacks))
        )
        addresses = [one.base_url for one in running]

        async def operate(deed: str, number: int) -> None:
            if deed == "kill":
                running[number].kill()
            else:
                running[number].terminate()
                assert await running[number].ended() == 0
            await stacks[number].aclose()
            port = int(addresses[number].rsplit(":", 1)[1])
            running[number] = await stacks[number].enter_async_context(instance(settings, port=port))

        yield Fleet(addresses, operate)


@settings(
    max_examples=RUNS,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(history=histories("restart", "kill"))
async def test_200_histories_with_restarts_and_kills_leave_every_client_with_its_feed(
    service: Service, fleet: Fleet, history: list[tuple[Any, ...]]
) -> None:
    assert await play(service, fleet, history) == []
