"""Takes docs/images/panel*.png: the panel as a rep meets it, from a demo started for the purpose.

    .venv/bin/python docs/panel_images.py

Needs Debian's Chromium. Run it after changing the panel, and look at what it took: each picture is an argument.
"""

import asyncio
import os
import re
import shutil
import socket
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from playwright.async_api import Browser, Page, async_playwright

ROOT = Path(__file__).resolve().parent.parent
IMAGES = ROOT / "docs" / "images"
SWITCHES = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
            "--disable-component-update", "--disable-sync"]  # fmt: skip
ARRIVALS = 3  # unread moments on top of what was read, as in the middle of a day


async def hover(page: Page) -> None:
    """A hand over the second row."""
    await page.locator("lead-feed article").nth(1).hover()


async def alone(page: Page) -> None:
    """Nothing but the panel, as wide as the window."""
    await page.evaluate("document.documentElement.toggleAttribute('data-bare', true)")


async def right_to_left(page: Page) -> None:
    """The whole page mirrored."""
    await page.evaluate("document.documentElement.dir = 'rtl'")
    await hover(page)


async def subscribing(page: Page) -> None:
    """The form behind the bell."""
    await page.locator("lead-feed article").nth(1).hover()
    await page.locator("lead-feed article").nth(1).locator("[data-do=subscribe]").click()
    await page.get_by_role("dialog").wait_for()


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture: its name, what is done before it is taken, and the window."""

    name: str
    prepare: Callable[[Page], Awaitable[None]] = hover
    scheme: Literal["light", "dark"] = "light"
    width: int = 1180
    fragment: str = ""


PICTURES = [
    Picture("panel"),
    Picture("panel-dark", scheme="dark"),
    Picture("panel-french", fragment="&lang=fr"),
    Picture("panel-rtl", right_to_left),
    Picture("panel-240", alone, width=240, fragment="&lang=fr"),
    Picture("panel-372-dark", alone, scheme="dark", width=372),
    Picture("panel-subscribe", subscribing, scheme="dark"),
]


@contextmanager
def somewhere() -> Iterator[tuple[int, str]]:
    """A free port, and a folder that the embedded server may enter, which is another user where this is root."""
    with socket.socket() as free, tempfile.TemporaryDirectory(prefix="leadfeed-pictures-") as folder:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        Path(folder).chmod(0o755)
        yield port, f"{folder}/data"


@asynccontextmanager
async def demo() -> AsyncIterator[str]:
    """The panel's URL of a demo that runs as long as the block."""
    with somewhere() as (port, folder):
        process = await asyncio.create_subprocess_exec(
            ROOT / ".venv/bin/leadfeed", "demo", "--port", str(port), stdout=asyncio.subprocess.PIPE,
            env={**os.environ, "LEADFEED_DATA_DIR": folder},
        )  # fmt: skip
        try:
            while process.stdout and (line := (await process.stdout.readline()).decode()):
                if found := re.search(r"http://\S+/panel#\S+", line):
                    yield found.group()
                    return
            raise SystemExit("the demo ended before it said where its panel is")
        finally:
            process.terminate()
            await process.wait()


async def make_it_a_working_day(browser: Browser, url: str) -> None:
    """Everything read but what arrived in the last seconds."""
    page = await (await browser.new_context(locale="en-GB")).new_page()
    await page.goto(url)
    await page.get_by_text("Live", exact=True).wait_for()
    await page.get_by_role("button", name="Menu").click()
    await page.get_by_text("Mark all as read").click()
    await page.get_by_text(f"{ARRIVALS} unread", exact=True).wait_for(timeout=120_000)
    await page.close()


async def take(browser: Browser, url: str, picture: Picture) -> None:
    """One picture."""
    context = await browser.new_context(
        viewport={"width": picture.width, "height": 800}, color_scheme=picture.scheme, device_scale_factor=1.5,
        locale="en-GB", reduced_motion="reduce",
    )  # fmt: skip
    page = await context.new_page()
    await page.goto(url + picture.fragment)
    await page.locator("lead-feed [data-state=live]").wait_for()
    await page.locator("lead-feed article").nth(5).wait_for()
    await picture.prepare(page)
    await page.screenshot(path=IMAGES / f"{picture.name}.png")
    await context.close()


async def main() -> None:
    """Takes them all."""
    executable = shutil.which("chromium")
    if executable is None:
        raise SystemExit("chromium is missing: apt-get install chromium")
    async with async_playwright() as driver, demo() as url:
        browser = await driver.chromium.launch(executable_path=executable, args=SWITCHES)
        await make_it_a_working_day(browser, url)
        for picture in PICTURES:
            await take(browser, url, picture)
        await browser.close()


if __name__ == "__main__":
    asyncio.run(main())
