"""The panel through everything that happens to a laptop and a service, for as long as it takes there.

The quick proofs, each by itself, are tests/test_panel_live.py; here it is one page, one after the other, in real time:
its tokens end while it happens, and the page is never loaded again.
"""

import asyncio
from collections.abc import Callable, Iterator
from datetime import timedelta
from itertools import count

import pytest
from playwright.async_api import BrowserContext, expect

from browser import Panel, Proxy
from leadfeed_api.settings import Settings
from world import World, served

pytest_plugins = ["figures", "windows"]
pytestmark = [pytest.mark.anyio, pytest.mark.soak]
Note = Callable[[str], None]
UNAVAILABLE_S, OFF_S, DOWN_S = 5, 60, 5
STREAM_TOKEN_S, USER_TOKEN = 10, timedelta(seconds=20)
LEADS = 120
JUMPING = """
  const real = Date.now;
  let ahead = 0;
  Date.now = () => real() + ahead;
  globalThis.jump = (hours) => { ahead = hours * 3600e3; };
"""


class Mishaps:
    """One rep's page, and what is reported while something is wrong."""

    def __init__(self, panel: Panel, world: World, note: Note) -> None:
        self.panel = panel
        self.world = world
        self._note = note
        self._persons: Iterator[int] = count(10)  # another one each time: nothing folds

    async def moments(self, seconds: int) -> None:
        """A moment at least every three seconds."""
        for second in range(0, seconds, 3):
            await self.world.report(self.world.moment(f"l{next(self._persons)}"))
            await asyncio.sleep(min(3, seconds - second))

    async def made_up_for(self, what: str) -> None:
        """Waits until it is live, and the list is what a fresh page shows: each once, in order."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        await self.panel.live()
        live = loop.time() - began
        feed = [item["id"] for item in await self.world.feed("ana")]
        assert len(set(feed)) == len(feed)
        await self.panel.waits_for(*feed)
        self._note(
            f"after {what}: live after {live:.1f} s, equal to a fresh page after {loop.time() - began:.1f} s "
            f"({len(feed)} moments)"
        )


async def test_a_day_of_mishaps_ends_equal_to_a_fresh_page(
    settings: Settings, context: BrowserContext, note: Note
) -> None:
    brief = settings.model_copy(update={"stream_token_ttl": STREAM_TOKEN_S})
    await context.add_init_script(JUMPING)
    asked = {"user": 0, "stream": 0}

    def count_tokens(request: object) -> None:
        asked["stream"] += "/v1/stream-tokens" in request.url  # type: ignore[attr-defined]

    context.on("request", count_tokens)
    async with Proxy("") as proxy:
        async with served(brief) as first:
            proxy.target = first.base_url
            world = await first.new_world()
            await world.people("ana", "bob", leads={f"l{n}": "ana" for n in range(LEADS)})
            await world.report(*(world.moment(f"l{n}") for n in range(10)))

            def token() -> str:
                asked["user"] += 1
                return world.token("ana", ttl=USER_TOKEN)

            await context.expose_function("freshToken", token)
            panel = await Panel.open(context, f"{proxy.origin}/panel#token={token()}")
            await panel.element.evaluate("element => { element.getToken = () => freshToken(); }")
            await panel.live()
            rep = Mishaps(panel, world, note)

            proxy.cut("unavailable")
            await rep.moments(UNAVAILABLE_S)
            proxy.cut("open")
            await rep.made_up_for(f"503 for {UNAVAILABLE_S} s")

            await context.set_offline(True)
            proxy.cut()
            await expect(panel.status).to_contain_text("Offline since")
            await rep.moments(OFF_S)
            await world.client.put("/v1/leads/l1/owner", headers=world.machine, json={"owner_id": "bob"})
            await context.set_offline(False)
            await rep.made_up_for(f"{OFF_S} s without a network")

            for hours in (-24, 9, 0):
                await panel.page.evaluate("hours => jump(hours)", hours)
                await rep.moments(6)
                await rep.made_up_for(f"its clock was set {hours:+} h")

            await rep.moments(int(USER_TOKEN.total_seconds()) + STREAM_TOKEN_S)
            await rep.made_up_for("its tokens ended")

            proxy.cut("refusing")
            await rep.moments(DOWN_S)
        async with served(brief) as second:
            proxy.target = second.base_url
            proxy.mode = "open"
            rep.world = World(second, world.org, world.key, world.numbers)
            await rep.moments(1)
            await rep.made_up_for(f"{DOWN_S} s without a server, and a new one")
            await expect(panel.rows.first).to_be_visible()
            assert await panel.page.evaluate("performance.getEntriesByType('navigation').length") == 1
            assert await panel.page.evaluate("performance.getEntriesByType('navigation')[0].type") == "navigate"
            assert panel.complaints == []
            note(f"tokens asked for: {asked}")
            assert asked["user"] >= 3  # the first, after the minute without a network, while its tokens ended
            assert asked["stream"] > 7  # one at the start, one after each mishap above; the rest ended by themselves
