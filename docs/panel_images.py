"""Takes ``docs/images/panel.png`` from a running demo: ``docs/panel_images.py URL``, with the URL that the demo prints.

Needs Chromium (its path in CHROMIUM, by default /usr/bin/chromium). One of the light page, one of the dark.
"""

import asyncio
import os
import sys
from pathlib import Path

from playwright.async_api import Browser, async_playwright

IMAGES = Path(__file__).parent / "images"
ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
             "--disable-component-update", "--disable-sync")  # fmt: skip


async def take(browser: Browser, url: str, scheme: str, path: Path) -> None:
    """One picture of the page, once the panel shows a row."""
    context = await browser.new_context(viewport={"width": 1180, "height": 860}, color_scheme=scheme)  # type: ignore[arg-type]
    page = await context.new_page()
    await page.goto(url)
    await page.locator("lead-feed article").nth(5).wait_for()
    await page.get_by_text("Live", exact=True).wait_for()
    await page.screenshot(path=path)
    await context.close()


async def main(url: str) -> None:
    """Both pictures."""
    async with async_playwright() as playwright:
        chromium = os.environ.get("CHROMIUM", "/usr/bin/chromium")
        browser = await playwright.chromium.launch(executable_path=chromium, args=list(ARGUMENTS))
        await take(browser, url, "light", IMAGES / "panel.png")
        await take(browser, url, "dark", IMAGES / "panel-dark.png")
        await browser.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
