"""The panel through everything that happens to a laptop and a service, for as long as it takes there.

The quick proofs, each by itself, are tests/test_panel_live.py; here it is one page, one after the other, in real time.
"""

import asyncio
from collections.abc import Callable

import pytest
from playwright.async_api import BrowserContext, expect

from browser import Panel, Proxy
from leadfeed_api.settings import Settings
from world import World, served

pytest_plugins = ["figures", "windows"]
pytestmark = [pytest.mark.anyio, pytest.mark.soak]
Note = Callable[[str], None]
UNAVAILABLE_S, OFF_S, STREAM_TOKEN_S = 5, 60, 10
JUMPING = """
  const real = Date.now;
  let ahead = 0;
  Date.now = () => real() + ahead;
  globalThis.jump = (hours) => { ahead = hours * 3600e3; };
"""


async def test_a_day_of_mishaps_ends_equal_to_a_fresh_page(
    settings: Settings, context: BrowserContext, note: Note
) -> None:
    brief = settings.model_copy(update={"stream_token_ttl": STREAM_TOKEN_S})
    await context.add_init_script(JUMPING)
    async with Proxy("") as proxy:
        async with served(brief) as first:
            proxy.target = first.base_url
            world = await first.new_world()
            await world.people("ana", "bob", leads={f"l{n}": "ana" for n in range(40)})
            await world.report(*(world.moment(f"l{n}") for n in range(10)))
            panel = await (await Panel.open(context, f"{proxy.origin}/panel#token={world.token('ana')}")).live()

            proxy.cut("unavailable")
            await many(world, UNAVAILABLE_S)
            proxy.cut("open")
            note(f"after 503 for {UNAVAILABLE_S} s: {await caught_up(panel, world)}")

            await context.set_offline(True)
            proxy.cut()
            await expect(panel.status).to_contain_text("Offline since")
            await many(world, OFF_S)
            await world.client.put("/v1/leads/l1/owner", headers=world.machine, json={"owner_id": "bob"})
            await context.set_offline(False)
            note(f"after {OFF_S} s without a network: {await caught_up(panel, world)}")

            for hours in (-24, 9, 0):
                await panel.page.evaluate("hours => jump(hours)", hours)
                await many(world, 6)
                note(f"after the clock was set to {hours} h: {await caught_up(panel, world)}")
            proxy.cut("refusing")
            await many(world, 3)
        async with served(brief) as second:
            proxy.target = second.base_url
            proxy.mode = "open"
            again = World(second, world.org, world.key, world.numbers)
            note(f"after a new server: {await caught_up(panel, again)}")
            assert await panel.page.evaluate("performance.getEntriesByType('navigation').length") == 1
            assert panel.complaints == []


async def many(world: World, seconds: int) -> None:
    """A moment every three seconds at least, of another person each."""
    for second in range(0, seconds, 3):
        await world.report(world.moment(f"l{second % 40}", type=("web", "email", "milestone")[second % 3]))
        await asyncio.sleep(min(3, seconds - second))


async def caught_up(panel: Panel, world: World) -> str:
    """Waits until the list, with what is folded, is what a fresh page shows; says after how long."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    await panel.live()
    live = loop.time() - began
    for fold in await panel.element.locator(".fold[aria-expanded=false]:visible").all():
        await fold.click()
    await panel.element.evaluate("element => { element.shadowRoot.activeElement?.blur(); }")
    feed = [item["id"] for item in await world.feed("ana")]
    shown = """[...document.querySelector("lead-feed").shadowRoot.querySelectorAll("article")]
      .map((row) => row.dataset.id).sort()"""
    await panel.until(shown, sorted(feed))
    assert len(set(feed)) == len(feed)
    return f"live after {live:.1f} s, equal after {loop.time() - began:.1f} s ({len(feed)} moments)"
