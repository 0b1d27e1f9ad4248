"""The panel in a real browser: what a rep sees, and that it stays equal to a fresh page."""

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import BrowserContext, expect

from browser import Panel, chromium, panel_url
from world import Service, World

pytestmark = pytest.mark.anyio


@pytest.fixture
async def world(server: Service) -> World:
    return await server.new_world()


@pytest.fixture
async def context() -> AsyncIterator[BrowserContext]:
    async with chromium() as browser:
        context = await browser.new_context(viewport={"width": 1000, "height": 800}, locale="en-GB")
        context.set_default_timeout(10_000)
        yield context


async def test_the_panel_lists_the_feed_newest_first(world: World, context: BrowserContext) -> None:
    await world.people("ana", leads={"mia": "ana"})
    await world.report(
        world.moment("mia", description="Read the price list"), world.moment("mia", description="Asked for a demo")
    )

    panel = await Panel.open(context, panel_url(world, "ana"))

    await panel.shows("Asked for a demo", "Read the price list")
    assert panel.complaints == []


async def test_what_happens_elsewhere_appears_by_itself(world: World, context: BrowserContext) -> None:
    await world.people("ana", "bob", leads={"mia": "ana", "leo": "bob", "zoe": "bob"})
    await world.report(world.moment("mia", description="first"), world.moment("zoe", description="of Zoe"))
    panel = await (await Panel.open(context, panel_url(world, "ana"))).live()

    await world.report(world.moment("mia", description="second"))
    await panel.shows("second", "first")

    ok_ = await world.client.put("/v1/watchlist/zoe", headers=world.rep("ana"))
    assert ok_.status_code == 204
    await panel.shows("second", "of Zoe", "first")

    await world.sync(leads=[{"id": "mia", "name": "Mia Renamed", "owner_id": "ana"}])
    await expect(panel.row("first").locator(".name")).to_have_text("Mia Renamed")

    await world.client.put("/v1/leads/mia/owner", headers=world.machine, json={"owner_id": "bob"})
    await panel.shows("of Zoe")

    await world.client.delete("/v1/leads/zoe", headers=world.machine)
    await panel.shows()
    assert panel.complaints == []
