"""A client that does what docs/streaming.md says and nothing more, and so must end with exactly the feed a page shows.

It reads a page, opens the stream there, applies what comes, is cut, and resumes by id on whatever instance there is.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any

import httpx2

from clients import plain_client
from stream_client import Event, following, until
from world import World

RECONNECT_S = 0.05


class Mirror:
    """One user's feed, kept up to date by the stream alone."""

    def __init__(self, world: World, user: str) -> None:
        self.world = world
        self.user = user
        self.items: dict[str, dict[str, Any]] = {}
        self.received: list[Event] = []
        self.last_id: str | None = None
        self.stale = True
        self._following: asyncio.Task[None] | None = None

    def open(self, address: Callable[[], str]) -> None:
        """Follows, from where it was, the instance at ``address()``, which is asked again for every connection."""
        if self._following is None:
            self._following = asyncio.create_task(self._follow(address))

    async def cut(self) -> None:
        """The network goes away, at whatever point that is."""
        if self._following is not None:
            self._following.cancel()
            await asyncio.gather(self._following, return_exceptions=True)
            self._following = None

    @property
    def failure(self) -> BaseException | None:
        """What ended its following, which only :meth:`cut` may."""
        following = self._following
        return following.exception() if following is not None and following.done() else None

    async def reload(self) -> None:
        """Reads the whole page again, as after ``changed`` and ``reset``."""
        async with plain_client(base_url=self.address(), timeout=10) as client:
            items, cursor = [], None
            while True:
                query = {"limit": "200", **({"cursor": cursor} if cursor else {})}
                answer = await client.get("/v1/feed", headers=self.world.rep(self.user), params=query)
                answer.raise_for_status()
                page = answer.json()
                if cursor is None and self.last_id is None:
                    self.last_id = page["live_cursor"]
                items += page["items"]
                cursor = page["next_cursor"]
                if cursor is None:
                    break
        self.items = {item["id"]: item for item in items}
        self.stale = False

    def address(self) -> str:
        """Where it is connected now."""
        return self.world.service.base_url

    async def _follow(self, address: Callable[[], str]) -> None:
        self.address = address  # type: ignore[method-assign]
        while True:
            # A cut in the middle, an instance that is going away, one that is not there yet: all the same to a client.
            with suppress(httpx2.HTTPError, EOFError, AssertionError), _gone_while_connecting():
                if self.stale:
                    await self.reload()
                async with following(self.world, self.user, at=self.last_id, base_url=address()) as stream:
                    while True:
                        await self._apply(await stream.next(within=None))  # nothing may happen for long
            await asyncio.sleep(RECONNECT_S)

    async def _apply(self, event: Event) -> None:
        self.last_id = event.id
        self.received.append(event)
        if event.name == "moment":
            self.items[event.data["id"]] = event.data
        elif event.name == "lead":
            self._repaint(event.data)
        else:
            self.stale = True
            await self.reload()

    def _repaint(self, lead: dict[str, Any]) -> None:
        card = {name: value for name, value in lead.items() if name != "account"}
        for item in self.items.values():
            if item["lead"]["id"] == lead["id"]:
                item["lead"], item["account"] = card, lead["account"]

    def faults(self, ever_in_feed: set[str]) -> list[str]:
        """What the stream did that it must not: an id out of order or twice, or a moment that was never in the feed."""
        positions = [event.position for event in self.received]
        found = [f"{self.user}: positions {positions}"] if positions != sorted(set(positions)) else []
        moments = {event.data["id"] for event in self.received if event.name == "moment"}
        return found + [f"{self.user} saw {moment}, never theirs" for moment in moments - ever_in_feed]


@contextmanager
def _gone_while_connecting() -> Iterator[None]:
    """The client's library asks a new connection for its peer; one whose peer went at once has no socket any more."""
    try:
        yield
    except AttributeError as error:
        if error.name != "getpeername":
            raise
        raise EOFError from error


async def settled(mirrors: list[Mirror], sentinels: dict[str, str]) -> None:
    """Waits until every mirror shows the last moment that was reported for it.

    It came by the stream, or by a page: of a client that was cut before its first page, which it reads only now.
    """

    def done() -> bool:
        for mirror in mirrors:
            assert mirror.failure is None, f"{mirror.user} stopped following: {mirror.failure!r}"
        return all(not mirror.stale and sentinels[mirror.user] in mirror.items for mirror in mirrors)

    await until(done, within=30)


@asynccontextmanager
async def mirrored(world: World, *users: str) -> AsyncIterator[dict[str, Mirror]]:
    """A mirror for each user, not yet open; cut when the block ends."""
    mirrors = {user: Mirror(world, user) for user in users}
    try:
        yield mirrors
    finally:
        for mirror in mirrors.values():
            await mirror.cut()
