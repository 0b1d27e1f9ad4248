"""The list keeps its shape: days under their headings, and the browser's work small however much comes on top."""

import asyncio
import re
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from playwright.async_api import BrowserContext, Locator, Route, expect

from browser import Desk, Panel, panel_url, where_it_is_noon
from world import Service, World

pytest_plugins = ["windows"]
pytestmark = pytest.mark.anyio
DAY = timedelta(days=1)
SHAPE = """() => [...document.querySelector("lead-feed").shadowRoot.querySelectorAll(".day, .what")]
  .map((each) => each.textContent)"""


@pytest.fixture
async def world(server: Service) -> World:
    return await server.new_world()


async def test_when_a_day_ends_its_rows_stay_under_their_heading(world: World, desk: Desk) -> None:
    await world.people("ana", leads={"mia": "ana", "leo": "ana"})
    now = datetime.now(UTC)
    await world.report(
        world.moment("leo", description="the day before", occurred_at=(now - DAY).isoformat()),
        world.moment("mia", description="this morning", occurred_at=now.isoformat()),
    )

    async def a_day_later(route: Route) -> None:
        answer = await route.fetch()
        headers = {**answer.headers, "date": format_datetime(now + DAY, usegmt=True)}
        await route.fulfill(response=answer, headers=headers)

    async with desk(timezone_id=where_it_is_noon(now)) as context:
        panel = await (await Panel.open(context, panel_url(world, "ana"))).live()
        await panel.until(f"({SHAPE})()", ["Today", "this morning", "Yesterday", "the day before"])
        await context.route(re.compile(r"/v1/feed/read"), a_day_later)
        await panel.rows.first.focus()
        await panel.page.keyboard.press("e")

        before = (now - DAY).strftime("%A")
        await panel.until(f"({SHAPE})()", ["Yesterday", "this morning", before, "the day before"])
        await expect(panel.focused).to_contain_text("this morning")
        assert panel.complaints == []


async def test_what_comes_is_put_on_top_without_a_search_through_the_rows(
    world: World, context: BrowserContext
) -> None:
    """A search through all that is there, for each that comes, is what ten thousand rows would be slow by."""
    await world.people("ana", leads={"mia": "ana", "leo": "ana", "zoe": "ana"})
    await world.report(world.moment("mia", description="there before"))
    panel = await (await Panel.open(context, panel_url(world, "ana"))).live()
    await panel.shows("there before")
    await panel.page.evaluate(
        """() => {
          const rows = document.querySelector("lead-feed").shadowRoot.querySelector(".feed");
          globalThis.searched = [];
          for (const {prototype} of [Element, DocumentFragment]) {
            for (const name of ["querySelector", "querySelectorAll"]) {
              const search = prototype[name];
              prototype[name] = function (selector) {
                if (this.contains(rows)) searched.push(selector);
                return search.call(this, selector);
              };
            }
          }
        }"""
    )
    for lead in ("leo", "zoe"):
        await world.report(world.moment(lead, description=f"of {lead}"))
        await expect(panel.row(f"of {lead}")).to_be_visible()
    assert await panel.page.evaluate("searched") == []

    await panel.rows.first.focus()
    await panel.page.keyboard.press("j")
    assert await panel.page.evaluate("searched") == ["article"], "a key looks for the next row, and it was not noticed"


async def test_what_comes_on_top_opens_new_chunks(world: World, context: BrowserContext) -> None:
    """A browser skips what is off the screen by the chunk: one that grows with every arrival is never skipped."""
    await world.people("ana", leads={f"l{n}": "ana" for n in range(120)})
    now = datetime.now(UTC).isoformat()
    await world.report(world.moment("l0", occurred_at=now))
    panel = await (await Panel.open(context, panel_url(world, "ana"))).live()
    await expect(panel.rows).to_have_count(1)

    for start in range(1, 120, 20):
        leads = range(start, min(start + 20, 120))
        await world.report(*(world.moment(f"l{n}", occurred_at=now) for n in leads))
        await expect(panel.rows).to_have_count(leads[-1] + 1)

    sizes = await panel.element.evaluate(
        "element => [...element.shadowRoot.querySelectorAll('.chunk')].map((chunk) => chunk.childElementCount)"
    )
    assert sum(sizes) == 120
    assert max(sizes) <= 60
    await panel.waits_for(*[item["id"] for item in await world.feed("ana")])


async def test_the_list_is_asked_for_before_what_stands_beside_it(world: World, context: BrowserContext) -> None:
    await world.people("ana", leads={"mia": "ana"})
    await world.report(world.moment("mia"))
    asked: list[str] = []
    context.on("request", lambda request: asked.append(request.url.split("/v1/")[-1].split("?")[0]))

    panel = await (await Panel.open(context, panel_url(world, "ana"))).live()

    await expect(panel.count).to_have_text("1 unread")
    beside = {"mutes", "feed/unread", "subscriptions", "stream-tokens", "feed/stream"}
    assert next(path for path in asked if path == "feed" or path in beside) == "feed"
    assert beside <= set(asked)


async def test_what_a_page_writes_into_its_address_leaves_the_list_and_its_filters_alone(
    world: World, context: BrowserContext
) -> None:
    await world.people("ana", leads={f"l{n}": "ana" for n in range(120)})
    await world.report(*(world.moment(f"l{n}") for n in range(120)))
    panel = await (await Panel.open(context, panel_url(world, "ana"))).live()
    await panel.button("Web").click()
    await panel.until("location.hash.endsWith('&view=type%3Dweb')")
    await panel.scrolls_to(120)
    await panel.rows.nth(100).focus()
    scrolled = "document.querySelector('lead-feed').shadowRoot.querySelector('.scroller').scrollTop"
    before = await panel.page.evaluate(scrolled)
    asked: list[str] = []
    panel.page.on("request", lambda request: asked.append(request.url.split("/v1/")[1].split("?")[0]))

    for written in ("location.hash += '&tab=b'", "location.hash = 'tab=c'"):
        heard = "new Promise((done) => addEventListener('hashchange', () => done(), {once: true}))"
        await panel.page.evaluate(f"() => {{ const heard = {heard}; {written}; return heard; }}")
        assert await panel.page.evaluate(scrolled) == before
    assert await panel.page.evaluate("location.hash") == "#tab=c&view=type%3Dweb"
    async with panel.page.expect_request("**/v1/feed/read"):
        await panel.page.keyboard.press("e")
    assert "feed" not in asked


LONG = "Compared the plans for teams and for whole companies, then read how single sign-on is set up, " * 3


async def place(target: Locator) -> tuple[float, float, float]:
    """Left and top edge and height on the screen, in pixels."""
    box = await target.bounding_box()
    assert box is not None
    return box["x"], box["y"], box["height"]


async def test_nothing_moves_between_a_press_and_its_click(world: World, context: BrowserContext) -> None:
    await world.people("ana", leads=dict.fromkeys(("mia", "leo", "zoe"), "ana"))
    ids = await world.report(*(world.moment(lead, description=f"{lead}: {LONG}") for lead in ("zoe", "leo", "mia")))
    await world.client.post("/v1/feed/read", headers=world.rep("ana"), json={"ids": ids})
    panel = await (await Panel.open(context, panel_url(world, "ana"))).live()
    await panel.page.evaluate(
        "globalThis.opened = []; addEventListener('leadfeed:open', ({detail}) => opened.push(detail.lead.id))"
    )

    async def press(row: str, what: str) -> None:
        """A hand's press: some time passes before it lets go."""
        await panel.row(row).hover()
        target = panel.row(row).locator(what)
        left, top, _ = await place(target)
        await panel.page.mouse.move(left + 6, top + 6)
        await panel.page.mouse.down()
        await panel.page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
        assert (await place(target))[1] == top
        await panel.page.mouse.up()

    async def height(row: str) -> float:
        return (await place(panel.row(row)))[2]

    small = await height("mia:")
    await press("mia:", "[data-do=watch]")
    await expect(panel.row("mia:")).to_contain_text("you own and watch")

    await press("mia:", ".what")
    assert await height("mia:") > small, "a click on the text shows all of it"
    await press("leo:", ".name")
    await panel.until("opened.join()", "leo")
    await press("mia:", ".what")
    assert await height("mia:") == small

    await panel.page.keyboard.press("j")  # whoever moves by keys reads all of it as well
    await expect(panel.focused).to_contain_text("leo:")
    assert await height("leo:") > small
    await press("zoe:", ".name")
    await panel.until("opened.join()", "leo,zoe")


async def test_what_is_read_again_of_a_person_takes_nothing_from_a_list_that_grows_meanwhile(
    world: World, context: BrowserContext
) -> None:
    await world.people("ana", leads={"mia": "ana"})
    await world.report(*(world.moment("mia", type="milestone") for _ in range(300)))
    panel = await (await Panel.open(context, panel_url(world, "ana"))).live()
    asked: asyncio.Queue[Route] = asyncio.Queue()
    await context.route("**/v1/feed?*lead_id=mia*", asked.put, times=1)
    await world.client.put("/v1/watchlist/mia", headers=world.rep("ana"))
    late = await asked.get()
    await panel.scrolls_to(300)

    await late.continue_()

    await expect(panel.rows.first).to_contain_text("you own and watch")
    await expect(panel.rows).to_have_count(300)
