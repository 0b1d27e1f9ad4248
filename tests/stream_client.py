"""A client of the stream, as a careful integrator would write one: it follows, it is cut, it resumes by id.

On real connections, by httpx2's own server-sent events. Nothing here knows the service's code.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx2

from clients import plain_client
from world import World

PATIENCE_S = 10.0  # for what must come; a test that waits this long has failed


@dataclass(frozen=True)
class Event:
    """One event as a client sees it; ``data`` is decoded."""

    name: str
    id: str
    data: dict[str, Any]

    @property
    def position(self) -> int:
        """The position its id names."""
        return int(self.id.rsplit("-", 1)[1])


class Stream:
    """An open stream: ``await stream.next()`` is the next event."""

    def __init__(self, source: httpx2.EventSource, last_id: str | None) -> None:
        self.response = source.response
        self.last_id = last_id
        self._events = aiter(source)

    async def next(self, within: float | None = PATIENCE_S) -> Event:
        """The next event. Blocks without data (an id, a waiting time) are no events; they may move ``last_id``."""
        async with asyncio.timeout(within):
            async for block in self._events:
                self.last_id = block.id or self.last_id
                if block.data:
                    return Event(block.event, block.id, json.loads(block.data))
        raise EOFError

    async def ready(self) -> str:
        """The id that a stream without a position begins with."""
        async with asyncio.timeout(PATIENCE_S):
            block = await anext(self._events)
        assert (block.data, self.last_id) == ("", None)
        assert block.id
        self.last_id = block.id
        return block.id

    async def take(self, count: int) -> list[Event]:
        """The next ``count`` events."""
        return [await self.next() for _ in range(count)]

    async def rest(self) -> list[Event]:
        """Every event until the server ends the stream."""
        events = []
        while True:
            try:
                events.append(await self.next())
            except EOFError:
                return events


@asynccontextmanager
async def following(
    world: World,
    user_id: str,
    at: str | None = None,
    *,
    base_url: str | None = None,
    headers: Mapping[str, str] | None = None,
    params: Mapping[str, str] | None = None,
) -> AsyncIterator[Stream]:
    """Follows a user's stream from a position, as the user unless ``headers`` say otherwise."""
    credentials = dict(world.rep(user_id) if headers is None else headers)
    if at is not None:
        credentials["Last-Event-ID"] = at
    url = f"{base_url or world.service.base_url}/v1/feed/stream"
    async with (
        plain_client(timeout=httpx2.Timeout(PATIENCE_S, read=None)) as client,
        client.sse(url, headers=credentials, params=params) as source,
    ):
        assert source.response.status_code == 200, await source.response.aread()
        yield Stream(source, at)


async def until(condition: Any, within: float = PATIENCE_S) -> None:
    """Waits until ``condition()`` holds."""
    async with asyncio.timeout(within):
        while not condition():  # noqa: ASYNC110  a condition of any kind
            await asyncio.sleep(0.01)
