"""The browser's own EventSource on somebody else's page: no library, no panel, only an address with a token."""

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import BrowserContext, Page

from browser import Proxy, Site, site
from clients import figure
from leadfeed_api.settings import Settings
from leadfeed_api.stream import events
from world import Service, ok, served

pytest_plugins = ["windows"]
pytestmark = pytest.mark.anyio

FOLLOWS = """<!doctype html><html lang="en"><title>A CRM</title><script>
  const seen = [];
  let opened = 0;
  const source = new EventSource("{url}");
  source.onopen = () => { opened += 1; };
  for (const name of ["moment", "lead", "changed", "reset", "expired", "message"])
    source.addEventListener(name, (event) => seen.push([name, event.lastEventId, JSON.parse(event.data)]));
</script></html>"""
ASKS_WITH_A_HEADER = (
    "(url) => fetch(url, {headers: {Authorization: 'Bearer nonsense'}}).then((answer) => answer.status)"
)


@pytest.fixture
async def crm() -> AsyncIterator[Site]:
    async with site() as there:
        yield there


async def preflights(service: Service) -> float:
    """How many preflights were answered; the metrics count every request, also those that CORS answers by itself."""
    return await figure(service.client, "leadfeed_request_seconds_count", method="OPTIONS")


async def seen(page: Page, count: int) -> list[tuple[str, str, str | None]]:
    """Waits for so many events; all there are: their names, their ids and what they are about."""
    await page.wait_for_function(f"seen.length >= {count}")
    return [(name, last_id, data.get("description")) for name, last_id, data in await page.evaluate("seen")]


async def test_a_bare_event_source_of_another_origin_follows_through_a_cut_without_a_preflight(
    settings: Settings, crm: Site, context: BrowserContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "RECONNECT_MS", (50, 100))
    async with (
        served(settings.model_copy(update={"cors_origins": [crm.origin]})) as service,
        Proxy(service.base_url) as proxy,
    ):
        world = await service.new_world()
        await world.people("ana", leads={"mia": "ana"})
        issued = await service.client.post("/v1/stream-tokens", headers=world.rep("ana"))
        url = f"{proxy.origin}/v1/feed/stream?token={ok(issued, 201)['token']}"
        asked_before = await preflights(service)
        crm.pages["/"] = (FOLLOWS.replace("{url}", url), {})

        page = await context.new_page()
        await page.goto(f"{crm.origin}/")
        await page.wait_for_function("opened === 1")
        await world.report(world.moment("mia", description="before"))
        before = await seen(page, 1)

        proxy.cut("refusing")
        await page.wait_for_function("source.readyState === EventSource.CONNECTING")
        await world.report(world.moment("mia", description="meanwhile"))
        proxy.cut("open")
        await page.wait_for_function("opened === 2")
        await world.report(world.moment("mia", description="after"))
        whole = await seen(page, 3)

        assert [(name, told) for name, _, told in whole] == [
            ("moment", "before"),
            ("moment", "meanwhile"),
            ("moment", "after"),
        ]
        assert whole[:1] == before
        positions = [int(last_id.rsplit("-", 1)[1]) for _, last_id, _ in whole]
        assert positions == sorted(set(positions))

        assert await preflights(service) == asked_before
        # So that this counts at all: a request with a header of its own needs one.
        assert await page.evaluate(ASKS_WITH_A_HEADER, f"{service.base_url}/v1/feed") == 401
        assert await preflights(service) == asked_before + 1
