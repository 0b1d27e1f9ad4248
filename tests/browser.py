"""A real browser on the panel: Debian's Chromium, driven in this loop, and the page as its reader sees it.

Owns how a browser is started, where things are on the screen, the pages of other sites that embed the panel, and the
proxy between browser and service that breaks on demand. Tests say what must be true.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Self
from urllib.parse import urlsplit

import uvicorn
from playwright.async_api import Browser, BrowserContext, Locator, Page, async_playwright, expect
from starlette.applications import Starlette
from starlette.responses import HTMLResponse
from starlette.routing import Route

from tools import needs
from world import World

# The address bar's own pages, which a new window of a whole Chromium loads though nobody sees them: most of a second of
# one core, beside the page that a test measures. The rest the driver switches off too: of two such switches, Chromium
# takes the last.
UNWANTED = [
    "WebUIOmniboxPopup", "WebUIOmniboxAimPopup", "WebUIOmniboxFullPopup", "AimEnabled", "LensOverlay", "MediaRouter",
    "AvoidCorsURLLoaderRestartOnRedirect", "AvoidUnnecessaryBeforeUnloadCheckSync", "HttpsFirstBalancedModeAutoEnable",
    "HttpsUpgrades", "NetworkTimeServiceQuerying", "OptimizationHints", "PaintHolding", "PreconnectToSearch",
    "ThirdPartyStoragePartitioning",
]  # fmt: skip
SWITCHES = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", f"--disable-features={','.join(UNWANTED)}",
]  # fmt: skip
# What Chromium itself writes to the console when a request fails or is refused: about the network, not the panel.
NETWORK_NOISE = ("Failed to load resource", "net::ERR_", "has been blocked by CORS policy")
PATIENCE_MS = 15_000
expect.set_options(timeout=PATIENCE_MS)
Desk = Callable[..., AbstractAsyncContextManager[BrowserContext]]  # opens a window; see windows.py


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
    def focused(self) -> Locator:
        """The row that has the focus."""
        return self.feed.locator("article:focus")

    @property
    def status(self) -> Locator:
        """Whether it is live, in words."""
        return self.element.locator("[data-state]")

    @property
    def pill(self) -> Locator:
        """What waits above."""
        return self.element.locator(".pill")

    @property
    def toast(self) -> Locator:
        """What was just done."""
        return self.element.locator(".toast")

    @property
    def sheet(self) -> Locator:
        """The sheet that is open."""
        return self.element.get_by_role("dialog")

    @property
    def count(self) -> Locator:
        """How much is unread, in words."""
        return self.element.locator(".count")

    def button(self, name: str) -> Locator:
        """A button of the panel by its name."""
        return self.element.get_by_role("button", name=name, exact=True)

    async def live(self) -> "Panel":
        """Waits until the stream is open."""
        await expect(self.status).to_have_attribute("data-state", "live")
        return self

    async def shows(self, *descriptions: str) -> None:
        """Waits until the rows are exactly these, newest first."""
        await expect(self.rows.locator(".what")).to_have_text(list(descriptions))

    async def scrolls_to(self, rows: int) -> None:
        """Scrolls to the end until there are so many rows. Not by the last row, which others may replace or follow."""
        scroll = """(scroller) => {
          scroller.scrollTop = scroller.scrollHeight;
          return scroller.querySelectorAll("article").length;
        }"""
        await self.until(f"({scroll})(document.querySelector('lead-feed').shadowRoot.querySelector('.scroller'))", rows)

    async def waits_for(self, *ids: str) -> None:
        """Waits until the rows are exactly these items."""
        shown = """[...document.querySelector("lead-feed").shadowRoot.querySelectorAll("article")]
          .map((row) => row.dataset.id)"""
        await self.until(shown, list(ids))

    async def until(self, expression: str, value: object = True) -> None:
        """Waits until a script has this value. Asked from outside: the page's policy forbids it to evaluate text."""
        deadline = asyncio.get_running_loop().time() + PATIENCE_MS / 1000
        while (found := await self.page.evaluate(expression)) != value:
            assert asyncio.get_running_loop().time() < deadline, f"{expression}: {found}"

    async def do(self, row: str, action: str) -> None:
        """Presses one of the buttons that a row has for the hand that is over it."""
        await self.row(row).hover()
        await self.row(row).get_by_role("button", name=action, exact=True).click()

    async def menu(self, entry: str) -> None:
        """Chooses from the panel's own menu."""
        await self.button("Menu").click()
        await self.element.get_by_role("menu").get_by_text(entry).click()


def panel_url(world: World, user: str, **more: str) -> str:
    """The page at /panel for a user, with the credential in the fragment."""
    extra = "".join(f"&{name}={value}" for name, value in more.items())
    return f"{world.service.base_url}/panel#token={world.token(user)}{extra}"


def where_it_is_noon(now: datetime) -> str:
    """The time zone of a rep whose day has the same date as in UTC, and does not end while a test looks at it."""
    return f"Etc/GMT{now.hour - 12:+d}"


@dataclass
class Site:
    """Somebody else's web site, which embeds the panel."""

    origin: str
    pages: dict[str, tuple[str, dict[str, str]]] = field(default_factory=dict)

    def embed(
        self,
        service: str,
        token: str,
        *,
        attributes: str = "",
        headers: Mapping[str, str] | None = None,
        body: str = "",
        module: str = "lead-feed.js",
    ) -> str:
        """Puts up a page with the panel of a service on it; returns its address."""
        path = f"/{len(self.pages)}"
        text = (
            f'<!doctype html><html lang="en"><title>A CRM</title>'
            f'<script type="module" src="{service}/panel/{module}"></script>'
            f'<h1>A record</h1>{body}<lead-feed src="{service}" token="{token}" {attributes}></lead-feed></html>'
        )
        self.pages[path] = (text, dict(headers or {}))
        return f"{self.origin}{path}"


@asynccontextmanager
async def site() -> AsyncIterator[Site]:
    """A web server of another origin, in this loop."""

    async def serve(request: Any) -> HTMLResponse:
        text, headers = there.pages.get(request.url.path, ("", {}))
        return HTMLResponse(text, status_code=200 if text else 404, headers=headers)

    app = Starlette(routes=[Route("/{path:path}", serve)])
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="critical", log_config=None))
    running = asyncio.create_task(server._serve())
    while not server.started:
        assert not running.done(), running
        await asyncio.sleep(0.005)
    there = Site(f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}")
    try:
        yield there
    finally:
        server.should_exit = True
        await running


class Proxy:
    """What stands between browser and service, and breaks on demand: the address stays, what is behind it changes."""

    def __init__(self, target: str) -> None:
        self.target = target
        self.mode: Literal["open", "refusing", "unavailable"] = "open"
        self.origin = ""
        self._links: set[asyncio.StreamWriter] = set()
        self._streams: set[asyncio.StreamWriter] = set()
        self._hushed: set[asyncio.StreamWriter] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.origin = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        self.cut()

    def cut(self, mode: Literal["open", "refusing", "unavailable"] | None = None) -> None:
        """Drops every connection, as a killed server would, and answers new ones so from now on."""
        self.mode = mode or self.mode
        for writer in list(self._links):
            writer.transport.abort()

    def hush(self) -> None:
        """The streams that are open pass nothing on from now on, and nobody is told: as after a sleep."""
        self._hushed |= self._streams

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._links.add(writer)
        with suppress(OSError):
            if self.mode == "open":
                await self._pass_on(reader, writer)
            elif self.mode == "unavailable":
                await reader.readuntil(b"\r\n\r\n")
                writer.write(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                await writer.drain()
        self._links.discard(writer)
        writer.close()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        parts = urlsplit(self.target)
        back, forth = await asyncio.open_connection(parts.hostname, parts.port)
        self._links.add(forth)
        try:
            await asyncio.wait(
                [asyncio.ensure_future(_copy(reader, forth)), asyncio.ensure_future(self._answer(back, writer))],
                return_when=asyncio.FIRST_COMPLETED,
            )
        finally:
            self._links.discard(forth)
            self._streams.discard(writer)
            forth.close()

    async def _answer(self, back: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await back.read(65_536):
                if b"text/event-stream" in data:
                    self._streams.add(writer)
                if writer not in self._hushed:
                    writer.write(data)
                    await writer.drain()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
