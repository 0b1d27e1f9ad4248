"""``/docs``: the API's documentation, readable where nothing but this service is reachable."""

import pytest
from playwright.async_api import BrowserContext, Request, Route, expect

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


async def test_the_documentation_opens_and_names_the_service_where_a_proxy_has_it_below_a_path(
    settings: Settings, context: BrowserContext
) -> None:
    public_url = "https://crm.example/leadfeed"

    async with served(settings.model_copy(update={"public_url": public_url})) as service:

        async def below_the_path(route: Route) -> None:
            url = route.request.url
            if url.startswith(public_url):
                await route.fulfill(response=await route.fetch(url=url.replace(public_url, service.base_url)))
            else:
                await route.fulfill(status=404)

        await context.route("**/*", below_the_path)
        page = await context.new_page()
        await page.goto(f"{public_url}/docs")

        await expect(page.locator(".opblock", has_text="/v1/feed/stream").first).to_be_visible()
        await expect(page.locator(".servers option:checked")).to_have_text(public_url)
