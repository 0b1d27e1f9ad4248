"""Browser windows for tests, as fixtures: one Chromium a file of tests, a window of its own a test.

A window shares nothing with another: no storage, no cache, no permission, no connection. What they share is the
process, whose start costs more than most of these tests.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from playwright.async_api import Browser, BrowserContext

from browser import PATIENCE_MS, Desk, chromium


# Intentional: not one a worker. A fixture keeps the loop it began on, and what one test leaves unfinished on a loop
# that all share is raised in another: only tests of one file share theirs.
@pytest.fixture(scope="module")
async def browser() -> AsyncIterator[Browser]:
    """This file's Chromium."""
    async with chromium() as opened:
        yield opened


@pytest.fixture
def desk(browser: Browser) -> Desk:
    """Opens a browser window of one rep, with English settings and in UTC unless told otherwise."""

    @asynccontextmanager
    async def opened(**options: Any) -> AsyncIterator[BrowserContext]:
        wanted = {"viewport": {"width": 1000, "height": 800}, "locale": "en-GB", "timezone_id": "UTC", **options}
        context = await browser.new_context(**wanted)
        context.set_default_timeout(PATIENCE_MS)
        try:
            yield context
        finally:
            await context.close()

    return opened


@pytest.fixture
async def context(desk: Desk) -> AsyncIterator[BrowserContext]:
    """One such window."""
    async with desk() as opened:
        yield opened
