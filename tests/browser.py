"""A real browser on the panel: Debian's Chromium, driven in this loop, and the page as its reader sees it.

Owns how a browser is started and where things are on the screen; tests say what must be true of them.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from playwright.async_api import Browser, BrowserContext, Locator, Page, async_playwright, expect

from tools import needs
from world import World

SWITCHES = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
# What Chromium itself writes to the console when a request fails: about the network, not about the panel.
NETWORK_NOISE = ("Failed to load resource", "net::ERR_")


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """Chromium, without a window."""
    executable = needs("chromium")
    async with async_playwright() as driver:
        browser = await driver.chromium.launch(executable_path=executable, args=SWITCHES)
        try:
            yield browser
        finally:
            await browser.close()


@dataclass
class Panel:
    """One page with one panel on it."""

    page: Page
    complaints: list[str] = field(default_factory=list)

    @classmethod
    async def open(cls, context: BrowserContext, url: str) -> "Panel":
        """Goes to a page that embeds the panel, and notes every complaint of the browser from the start."""
        page = await context.new_page()
        panel = cls(page)
        page.on("pageerror", lambda error: panel.complaints.append(str(error)))
        page.on("console", panel._note)
        await page.goto(url)
        return panel

    def _note(self, message: Any) -> None:
        if message.type in {"error", "warning"} and not any(noise in message.text for noise in NETWORK_NOISE):
            self.complaints.append(message.text)

    @property
    def element(self) -> Locator:
        """The custom element."""
        return self.page.locator("lead-feed")

    @property
    def feed(self) -> Locator:
        """The list, as assistive technology finds it."""
        return self.element.get_by_role("feed")

    @property
    def rows(self) -> Locator:
        """The moments on the screen, from the top."""
        return self.feed.get_by_role("article")

    def row(self, text: str) -> Locator:
        """The row that holds a text."""
        return self.rows.filter(has_text=text)

    @property
    def status(self) -> Locator:
        """Whether it is live, in words."""
        return self.element.locator("[data-state]")

    async def live(self) -> "Panel":
        """Waits until the stream is open."""
        await expect(self.status).to_have_attribute("data-state", "live")
        return self

    async def shows(self, *descriptions: str) -> None:
        """Waits until the rows are exactly these, newest first."""
        await expect(self.rows.locator(".what")).to_have_text(list(descriptions))

    async def shown_ids(self) -> list[str]:
        """The ids of the rows, from the top."""
        ids: list[str] = await self.rows.evaluate_all("rows => rows.map((row) => row.dataset.id)")
        return ids


def panel_url(world: World, user: str, **more: str) -> str:
    """The page at /panel for a user, with the credential in the fragment."""
    extra = "".join(f"&{name}={value}" for name, value in more.items())
    return f"{world.service.base_url}/panel#token={world.token(user)}{extra}"
