"""The panel under load, in a real browser: ten thousand rows, a thousand arrivals, and how soon the first row is seen.

Figures beside those of an empty page in the same browser at the same time, so that a busy machine is not mistaken for a
slow panel.
"""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from statistics import median

import pytest
from playwright.async_api import BrowserContext, Page, expect

from browser import Desk, Panel, panel_url
from world import Service, World

pytest_plugins = ["figures", "windows"]
pytestmark = [pytest.mark.anyio, pytest.mark.soak]
Note = Callable[[str], None]
LEADS, MOMENTS = 1_000, 10_000
FRAME_MS, FIRST_MS = 50, 100
ARRIVALS, PER_TURN, LONG_TURN, TURN_S, REST_S = 1_000, 10, 100, 0.1, 1.0
# Intentional: nothing is looked for by `expect` or a locator before the figures are in. Their search goes through every
# element of the page, inside the page: among a thousand rows that is a frame of 120 to 180 ms, and no script of ours.
SHADOW = "document.querySelector('lead-feed').shadowRoot"
# What a display would have shown: the time between two frames, and what the browser itself calls a long one (50 ms or
# more from its beginning to its paint), with what ran in it. A tab that is hidden has no frames: so `hidden` is noted.
RECORD = """() => {
  globalThis.frames = [];
  globalThis.long = [];
  globalThis.hidden = 0;
  const ran = (scripts) => scripts.map(({invoker, duration}) => `${invoker} ${Math.round(duration)}`).join(", ");
  const said = ({duration, scripts}) => `${Math.round(duration)} ms: ${ran(scripts) || "no script of the page"}`;
  const note = (list) => long.push(...list.getEntries().map(said));
  new PerformanceObserver(note).observe({type: "long-animation-frame"});
  let last = performance.now();
  const tick = (now) => {
    frames.push(now - last);
    last = now;
    hidden += document.hidden;
    requestAnimationFrame(tick);
  };
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
    # As its autovacuum, which is off here, would within the minute: without it the stream lags, and nothing arrives.
    async with server.app.state.database.write() as connection:
        await connection.execute("/* by a test */ ANALYZE")
    return world


@dataclass(frozen=True, slots=True)
class Frames:
    """What one page's frames took, in milliseconds; those the browser calls long; and whether it was ever hidden."""

    gaps: list[float]
    long: list[str]
    hidden: bool

    def __str__(self) -> str:
        over = sum(gap > FRAME_MS for gap in self.gaps)
        return (
            f"{len(self.gaps)} frames, median {self.typical:.0f} ms, longest {max(self.gaps):.0f} ms, "
            f"{over} over {FRAME_MS} ms; long by the browser's count {self.long}"
        )

    @property
    def typical(self) -> float:
        """The median."""
        return median(self.gaps)

    @classmethod
    async def of(cls, page: Page) -> "Frames":
        """The frames since it was asked last."""
        gaps, long, hidden = await page.evaluate("[frames.splice(0), long.splice(0), hidden]")
        return cls(gaps, long, hidden > 0)


async def test_ten_thousand_rows_scroll_smoothly(world: World, note: Note, desk: Desk) -> None:
    async with desk() as context:
        panel = await (await Panel.open(context, panel_url(world, "ana"))).live()
        await panel.page.evaluate(RECORD)
        await panel.page.evaluate(
            """async (wanted) => {
              const root = document.querySelector("lead-feed").shadowRoot;
              const scroller = root.querySelector(".scroller");
              while (root.querySelectorAll("article").length < wanted) {
                scroller.scrollTop = scroller.scrollHeight;
                await new Promise(requestAnimationFrame);
              }
            }""",
            MOMENTS,
        )
        note(f"while loading 10,000 rows: {await Frames.of(panel.page)}")
        await panel.page.evaluate(
            """async () => {
              const scroller = document.querySelector("lead-feed").shadowRoot.querySelector(".scroller");
              for (let turn = 0; turn < 300; turn += 1) {
                scroller.scrollTop -= 2500;
                await new Promise(requestAnimationFrame);
              }
            }"""
        )
        scrolled = await Frames.of(panel.page)
        note(f"while scrolling 10,000 rows: {scrolled}")
        assert scrolled.typical <= 34
        nodes = await panel.page.evaluate(f"{SHADOW}.querySelectorAll('*').length")
        note(f"elements for 10,000 rows: {nodes}")
        await panel.page.evaluate(f"{SHADOW}.querySelector('.scroller').scrollTop = 0")
        await asyncio.sleep(REST_S)
        await Frames.of(panel.page)
        for n in range(20):
            (newest,) = await world.report(world.moment(f"l{n}", occurred_at=datetime.now(UTC).isoformat()))
            await asyncio.sleep(TURN_S)
        await panel.until(f"{SHADOW}.querySelector('[data-id=\"{newest}\"]') !== null")
        note(f"while 20 arrive on top of 10,000 rows: {await Frames.of(panel.page)}")


async def test_a_thousand_arrivals_in_ten_seconds_hold_no_frame_up(world: World, note: Note, desk: Desk) -> None:
    # A window each: the second tab of a window hides the first.
    async with desk() as window, desk() as other:
        panel = await (await Panel.open(window, panel_url(world, "ana"))).live()
        empty = await other.new_page()
        await empty.goto("about:blank")
        await asyncio.sleep(REST_S)
        for page in (panel.page, empty):
            await page.evaluate(RECORD)
        loop = asyncio.get_running_loop()
        began = loop.time()
        for turn in range(ARRIVALS // PER_TURN):
            now = datetime.now(UTC)
            leads = range(PER_TURN * turn, PER_TURN * (turn + 1))
            *_, newest = await world.report(
                *(world.moment(f"l{n}", type="email", description=f"flood {n}.", occurred_at=now.isoformat())
                  for n in leads)
            )  # fmt: skip
            await asyncio.sleep(max(0.0, began + (turn + 1) * TURN_S - loop.time()))
        took = loop.time() - began
        await panel.until(f"{SHADOW}.querySelector('[data-id=\"{newest}\"]') !== null")
        await asyncio.sleep(REST_S)  # when all is quiet, the rows are numbered
        mine, others = await Frames.of(panel.page), await Frames.of(empty)
        note(f"{ARRIVALS} arrivals in {took:.1f} s: {mine}")
        note(f"an empty page meanwhile: {others}")
        await expect(panel.row("flood ")).to_have_count(ARRIVALS)
        assert not mine.hidden
        assert len(mine.gaps) > 45 * took, "frames were missing: nothing was measured"
        assert mine.long == []
        assert max(mine.gaps) <= max(FRAME_MS, *others.gaps)


async def test_what_waited_while_one_read_comes_without_a_long_frame(world: World, note: Note, desk: Desk) -> None:
    async with desk() as window:
        panel = await (await Panel.open(window, panel_url(world, "ana"))).live()
        await panel.page.evaluate(f"{SHADOW}.querySelector('.scroller').scrollTop = 400")
        await asyncio.sleep(REST_S)
        await panel.page.evaluate(RECORD)
        for turn in range(ARRIVALS // LONG_TURN):
            now = datetime.now(UTC)
            leads = range(LONG_TURN * turn, LONG_TURN * (turn + 1))
            await world.report(
                *(world.moment(f"l{n}", type="email", description=f"flood {n}.", occurred_at=now.isoformat())
                  for n in leads)
            )  # fmt: skip
        await panel.until(f"{SHADOW}.querySelector('.pill').textContent", f"{ARRIVALS:,} new")
        note(f"{ARRIVALS} arrivals behind the pill: {await Frames.of(panel.page)}")
        await panel.page.evaluate(f"{SHADOW}.querySelector('.pill').click()")
        await panel.until(f"{SHADOW}.querySelectorAll('.kind.email').length", ARRIVALS)
        await asyncio.sleep(REST_S)
        released = await Frames.of(panel.page)
        note(f"and let onto the screen: {released}")
        await expect(panel.row("flood ")).to_have_count(ARRIVALS)
        assert max(released.gaps) <= FRAME_MS


# From the frame that put the first of something into a document: when it was painted, and when the next one began.
PAINTED = """
  globalThis.painted = (root, selector) => new Promise((done) => {
    const seen = new MutationObserver(() => {
      if (!root.querySelector(selector)) return;
      seen.disconnect();
      const after = new MessageChannel(); // heard when the frame's layout and paint are done
      after.port1.onmessage = () => {
        const drawn = performance.now();
        requestAnimationFrame(() => done([drawn, performance.now()]));
      };
      after.port2.postMessage(null);
    });
    seen.observe(root, {childList: true, subtree: true});
  });
  globalThis.say = async (painting) => {
    const times = await painting;
    const page = performance.getEntriesByType("resource").find(({name}) => name.includes("/v1/feed?"));
    console.log("PAINTED " + JSON.stringify(times.map((time) => time - page.responseEnd)));
  };
"""
ROWS = """
  const attach = Element.prototype.attachShadow;
  Element.prototype.attachShadow = function (init) {
    const root = attach.call(this, init);
    say(painted(root, "article"));
    return root;
  };
"""
ONE_LINE = """
  addEventListener("load", async () => {
    say(painted(document, "p"));
    const [url, token] = decodeURIComponent(location.hash.slice(1)).split(" ");
    const page = await (await fetch(url, {headers: {Authorization: `Bearer ${token}`}})).json();
    requestAnimationFrame(() => {
      const line = document.createElement("p");
      line.textContent = page.items[0].description;
      document.body.replaceChildren(line);
    });
  });
"""


async def painted(window: BrowserContext, url: str) -> tuple[float, float]:
    """Opens an address; how long after its first page's last byte it was painted, and the next frame began, in ms.

    The page says so itself: nobody asks it meanwhile, which would cost it as much as what is measured.
    """
    page = await window.new_page()
    await asyncio.sleep(REST_S)
    async with page.expect_console_message(lambda message: message.text.startswith("PAINTED")) as said:
        await page.goto(url, wait_until="commit")
    drawn, following = json.loads((await said.value).text.removeprefix("PAINTED "))
    await page.close()
    return drawn, following


async def test_the_first_row_is_on_the_screen_soon_after_its_bytes(world: World, note: Note, desk: Desk) -> None:
    """From the last byte of the first page to its rows painted; beside an empty page that paints one line of it."""
    async with desk() as window, desk() as other:
        await window.add_init_script(PAINTED + ROWS)
        await other.add_init_script(PAINTED + ONE_LINE)
        base, token = world.service.base_url, world.token("ana")
        rows, line = [], []
        for _ in range(15):
            rows.append(await painted(window, panel_url(world, "ana")))
            line.append(await painted(other, f"{base}/healthz#{base}/v1/feed?limit=50%20{token}"))
        for times, what in ((rows, "the first rows"), (line, "one line on an empty page")):
            drawn, following = ([time[n] for time in times] for n in (0, 1))
            note(
                f"{what}: painted {median(drawn):.0f} ms after the bytes (worst {max(drawn):.0f}), "
                f"the next frame began at {median(following):.0f} ms (worst {max(following):.0f})"
            )
        note(f"ratio {median(drawn for drawn, _ in rows) / median(drawn for drawn, _ in line):.1f}")
        assert median(following for _, following in rows) <= FIRST_MS
