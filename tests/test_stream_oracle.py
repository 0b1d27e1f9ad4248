"""Whoever follows the stream ends with the feed a fresh page shows, whatever happened in between.

Two instances in this process; the long form, on processes that are killed, is in tests/soak.
"""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings

from leadfeed_api.settings import Settings
from live_oracle import Fleet, histories, play
from world import Service, served

pytestmark = pytest.mark.anyio


@pytest.fixture
async def fleet(settings: Settings) -> AsyncIterator[Fleet]:
    """Two instances in this process; restarting one ends its streams as a deploy does."""
    async with AsyncExitStack() as opened:
        stacks = [await opened.enter_async_context(AsyncExitStack()) for _ in range(2)]
        addresses = [(await stack.enter_async_context(served(settings))).base_url for stack in stacks]

        async def operate(_: str, number: int) -> None:
            await stacks[number].aclose()
            addresses[number] = (await stacks[number].enter_async_context(served(settings))).base_url

        yield Fleet(addresses, operate)


@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@example(
    history=[
        ("watch", "ana", "l1"), ("post", [("l1", 1), ("l1", 2)]), ("cut", "ana"), ("unwatch", "ana", "l1"),
        ("post", [("l1", 3)]), ("watch", "ana", "l1"), ("restart", 0), ("resume", "ana", 1), ("rename", "l1"),
        ("assign", "l1", "bob"), ("erase", "l1"), ("sync", "l1", "eve"),
    ]
)  # fmt: skip
@given(history=histories("restart"))
async def test_a_client_that_follows_ends_with_the_feed_of_a_fresh_page(
    service: Service, fleet: Fleet, history: list[tuple[Any, ...]]
) -> None:
    assert await play(service, fleet, history) == []
