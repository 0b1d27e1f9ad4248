"""The panel under load, in a real browser: ten thousand rows, a thousand arrivals, and how soon the first row is seen.

Figures beside those of an empty page in the same browser at the same time, so that a busy machine is not mistaken for a
slow panel.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from statistics import median

import pytest
from playwright.async_api import Page, expect

from browser import Desk, Panel, panel_url
from world import Service, World

pytest_plugins = ["figures", "windows"]
pytestmark = [pytest.mark.anyio, pytest.mark.soak]
Note = Callable[[str], None]
LEADS, MOMENTS = 1_000, 10_000
RECORD = """() => {
  globalThis.frames = [];
  globalThis.tasks = [];
  const note = (list) => tasks.push(...list.getEntries().map((task) => task.duration));
  new PerformanceObserver(note).observe({entryTypes: ["longtask"]});
  let last = performance.now();
  const tick = (now) => { frames.push(now - last); last = now; requestAnimationFrame(tick); };
  requestAnimationFrame(tick);
}"""


@pytest.fixture
async def world(server: Service) -> World:
    """Ten thousand moments of a thousand leads, no two of one lead within the hour."""
    world = await server.new_world()
    await world.people("ana", leads={})
    for start in range(0, LEADS, 500):
        await world.sync(
            leads=[{"id": f"l{n}", "name": f"Person {n}", "owner_id": "ana"} for n in range(start, start + 500)]
        )
    oldest = datetime.now(UTC) - timedelta(hours=2 * MOMENTS // LEADS + 2)
    for turn in range(MOMENTS // LEADS):
        at = oldest + timedelta(hours=2 * turn)
        await world.report(
            *(world.moment(f"l{n}", description=f"did {turn}", occurred_at=(at + timedelta(seconds=n)).isoformat())
              for n in range(LEADS))
        )  # fmt: skip
    return world


@dataclass(frozen=True, slots=True)
class Frames:
    """What one page's frames took, in milliseconds, and how many tasks took 50 ms or more."""

    typical: float
    longest: float
    long_tasks: int

    def __str__(self) -> str:
        return f"median {self.typical:.0f} ms, longest {self.longest:.0f} ms, long tasks {self.long_tasks}"

    @classmethod
    async def of(cls, page: Page) -> "Frames":
        """The frames since it was asked last."""
        gaps, tasks = await page.evaluate("[frames.splice(0), tasks.splice(0)]")
        return cls(median(gaps), max(gaps), len(tasks))


async def test_ten_thousand_rows_scroll_smoothly(world: World, note: Note, desk: Desk) -> None:
    async with desk() as context:
        panel = await (await Panel.open(context, panel_url(world, "ana"))).live()
        await panel.page.evaluate(RECORD)
        await panel.element.evaluate(
            """async (element, wanted) => {
              const scroller = element.shadowRoot.querySelector(".scroller");
              while (element.shadowRoot.querySelectorAll("article").length < wanted) {
                scroller.scrollTop = scroller.scrollHeight;
                await new Promise(requestAnimationFrame);
              }
            }""",
            MOMENTS,
        )
        note(f"while loading 10,000 rows: {await Frames.of(panel.page)}")
        await panel.element.evaluate(
            """async (element) => {
              const scroller = element.shadowRoot.querySelector(".scroller");
              for (let turn = 0; turn < 300; turn += 1) {
                scroller.scrollTop -= 2500;
                await new Promise(requestAnimationFrame);
              }
            }"""
        )
        scrolled = await Frames.of(panel.page)
        note(f"while scrolling 10,000 rows: {scrolled}")
        assert scrolled.typical <= 34
        nodes = await panel.element.evaluate("element => element.shadowRoot.querySelectorAll('*').length")
        note(f"elements for 10,000 rows: {nodes}")
        await panel.element.evaluate("element => { element.shadowRoot.querySelector('.scroller').scrollTop = 0; }")
        await Frames.of(panel.page)
        for _ in range(20):
            await world.report(world.moment("l1", occurred_at=datetime.now(UTC).isoformat()))
        await expect(panel.rows.first).to_contain_text("Visited")
        note(f"while 20 arrive on top of 10,000 rows: {await Frames.of(panel.page)}")


async def test_a_thousand_arrivals_in_ten_seconds_hold_no_frame_up(world: World, note: Note, desk: Desk) -> None:
    async with desk() as context:
        panel = await (await Panel.open(context, panel_url(world, "ana"))).live()
        empty = await context.new_page()
        await empty.goto("about:blank")
        for page in (panel.page, empty):
            await page.evaluate(RECORD)
        for turn in range(100):
            soon = asyncio.get_running_loop().time() + 0.1
            now = datetime.now(UTC)
            await world.report(
                *(world.moment(f"l{n}", type="email", description=f"flood {n}.", occurred_at=now.isoformat())
                  for n in range(10 * turn, 10 * turn + 10))
            )  # fmt: skip
            await asyncio.sleep(max(0.0, soon - asyncio.get_running_loop().time()))
        await expect(panel.row("flood 999.")).to_have_count(1)
        mine, other = await Frames.of(panel.page), await Frames.of(empty)
        note(f"1,000 arrivals in 10 s: {mine}")
        note(f"an empty page meanwhile: {other}")
        assert mine.long_tasks == 0 or other.long_tasks > 0, "a task of 50 ms or more"


# When the first row has been on the screen for a frame: painted, whatever the browser calls it.
PAINTED = """
  const wait = () => requestAnimationFrame(() => {
    if (!document.querySelector("lead-feed")?.shadowRoot?.querySelector("article")) wait();
    else requestAnimationFrame(() => { globalThis.painted = performance.now(); });
  });
  wait();
"""
ARRIVED = "performance.getEntriesByType('resource').find(({name}) => name.includes('/v1/feed?')).responseEnd"
ONE_LINE = """async ([url, token]) => {
  const page = await (await fetch(url, {headers: {Authorization: `Bearer ${token}`}})).json();
  document.body.textContent = page.items[0].description;
  await new Promise(requestAnimationFrame);
  return new Promise((done) => requestAnimationFrame(() => done(performance.now())));
}"""


async def test_the_first_row_is_on_the_screen_soon_after_its_bytes(world: World, note: Note, desk: Desk) -> None:
    """From the last byte of the first page to its rows painted; beside an empty page that paints one line of it."""
    async with desk() as context:
        await context.add_init_script(PAINTED)
        rows, line = [], []
        for _ in range(9):
            panel = await Panel.open(context, panel_url(world, "ana"))
            await panel.until("globalThis.painted > 0")
            rows.append(await panel.page.evaluate(f"painted - {ARRIVED}"))
            await panel.page.close()
            empty = await context.new_page()
            await empty.goto(f"{world.service.base_url}/healthz")
            url = f"{world.service.base_url}/v1/feed?limit=50"
            shown = await empty.evaluate(ONE_LINE, [url, world.token("ana")])
            line.append(shown - await empty.evaluate(ARRIVED))
            await empty.close()
        note(f"50 rows painted {median(rows):.0f} ms after their bytes (worst {max(rows):.0f})")
        note(f"one line on an empty page: {median(line):.0f} ms; ratio {median(rows) / median(line):.1f}")
        assert median(rows) <= 100
