"""``/docs``: the API's documentation, readable where nothing but this service is reachable."""

import pytest
from playwright.async_api import BrowserContext, Request, expect

from leadfeed_api.settings import Settings
from world import served

pytest_plugins = ["windows"]
pytestmark = pytest.mark.anyio


async def test_the_documentation_opens_without_asking_any_other_host(
    settings: Settings, context: BrowserContext
) -> None:
    async with served(settings) as service:
        page = await context.new_page()
        elsewhere: list[str] = []

        def note(request: Request) -> None:
            if not request.url.startswith((service.base_url, "data:")):
                elsewhere.append(request.url)

        page.on("request", note)
        await page.goto(f"{service.base_url}/docs")

        await expect(page.locator(".opblock", has_text="/v1/feed/stream").first).to_be_visible()
        assert elsewhere == []
