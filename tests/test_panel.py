"""The panel in a real browser: what a rep sees, and that it is at once what a fresh page would show."""

import asyncio
import re
from datetime import UTC, datetime, timedelta
from unicodedata import normalize

import pytest
from playwright.async_api import BrowserContext, Route, expect

from browser import Desk, Panel, panel_url, where_it_is_noon
from world import MONDAY, Service, World, ok

pytest_plugins = ["windows"]
pytestmark = pytest.mark.anyio


@pytest.fixture
async def world(server: Service) -> World:
    return await server.new_world()


def hours_ago(hours: float) -> str:
    return (datetime.now(UTC) - timedelta(hours=hours)).isoformat()


async def test_the_panel_lists_the_feed_newest_first(world: World, context: BrowserContext) -> None:
    await world.people("ana", leads={"mia": "ana"})
    await world.report(
        world.moment("mia", description="Read the price list"), world.moment("mia", description="Asked for a demo")
    )

    panel = await Panel.open(context, panel_url(world, "ana"))

    await panel.shows("Asked for a demo", "Read the price list")
    assert panel.complaints == []


async def test_a_row_says_who_where_when_what_and_why(world: World, desk: Desk) -> None:
    await world.people("ana", leads={"mia": "ana"})
    await world.client.put("/v1/watchlist/mia", headers=world.rep("ana"))
    await world.sync(
        leads=[{"id": "mia", "name": "Mia Wong", "title": "CTO", "account_id": "acme", "owner_id": "ana",
                "stars": 3, "flames": 1, "starred": True}]
    )  # fmt: skip
    await world.report(
        world.moment(
            "mia", type="email", description="Clicked a link", bot="likely a mail scanner", occurred_at=hours_ago(2.5)
        )
    )
    now = datetime.now(UTC)
    async with desk(timezone_id=where_it_is_noon(now)) as context:
        panel = await Panel.open(context, panel_url(world, "ana"))
        row = panel.row("Clicked a link")

        await expect(row.locator(".name")).to_have_text("Mia Wong")
        await expect(row.locator(".account")).to_have_text("Acme")
        await expect(row.locator("time > [aria-hidden]")).to_have_text("2 h")
        await expect(row).to_contain_text("you own and watch")
        await expect(row).to_contain_text("likely a mail scanner")
        await expect(row.get_by_role("img", name="Relative score: 3 of 3 stars")).to_be_visible()
        await expect(row.get_by_role("img", name="Urgency: 1 of 3 flames")).to_be_visible()
        name = await row.evaluate(
            """row => row.getAttribute("aria-labelledby").split(" ")
                     .map((id) => row.getRootNode().getElementById(id).textContent).join(" ")"""
        )
        assert name.startswith("Mia Wong Acme E-mail, unread, Best bet")
        assert str(now.year) in (await row.locator("time").get_attribute("title") or "")
        assert str(now.year) in name, "the exact time is for screen readers too"


async def test_what_happens_elsewhere_appears_by_itself(world: World, context: BrowserContext) -> None:
    await world.people("ana", "bob", leads={"mia": "ana", "leo": "bob", "zoe": "bob"})
    await world.report(world.moment("mia", description="first"), world.moment("zoe", description="of Zoe"))
    panel = await (await Panel.open(context, panel_url(world, "ana"))).live()

    await world.report(world.moment("mia", description="second"))
    await panel.shows("second", "first")

    await world.client.put("/v1/watchlist/zoe", headers=world.rep("ana"))
    await panel.shows("second", "of Zoe", "first")

    await world.sync(leads=[{"id": "mia", "name": "Mia Renamed", "account_id": "acme", "owner_id": "ana"}])
    await expect(panel.row("first").locator(".name")).to_have_text("Mia Renamed")

    await world.client.put("/v1/leads/mia/owner", headers=world.machine, json={"owner_id": "bob"})
    await panel.shows("of Zoe")

    await world.client.delete("/v1/leads/zoe", headers=world.machine)
    await panel.shows()
    await expect(panel.element).to_contain_text("Nothing yet")
    assert panel.complaints == []


async def test_new_moments_wait_behind_a_pill_while_somebody_reads(world: World, context: BrowserContext) -> None:
    await world.people("ana", leads={f"lead-{n}": "ana" for n in range(40)})
    await world.report(*(world.moment(f"lead-{n}", description=f"old {n}") for n in range(40)))
    panel = await (await Panel.open(context, panel_url(world, "ana"))).live()
    await panel.row("old 10").scroll_into_view_if_needed()
    before = await panel.row("old 10").bounding_box()

    await world.report(world.moment("lead-1", description="new 1"), world.moment("lead-2", description="new 2"))

    await expect(panel.pill).to_have_text("2 new")
    assert await panel.row("old 10").bounding_box() == before
    await expect(panel.row("new 1")).to_have_count(0)
    await panel.pill.click()
    await expect(panel.rows.first).to_contain_text("new 2")
    await expect(panel.rows.nth(1)).to_contain_text("new 1")
    await expect(panel.pill).to_be_hidden()


async def test_the_pill_waits_for_whoever_comes_to_it_by_key(world: World, context: BrowserContext) -> None:
    await world.people("ana", leads={"mia": "ana", "leo": "ana"})
    await world.report(world.moment("leo", description="of leo"))
    panel = await (await Panel.open(context, panel_url(world, "ana"))).live()
    await panel.row("of leo").focus()
    await world.report(world.moment("mia", description="comes on top"))
    await expect(panel.pill).to_have_text("1 new")

    await panel.page.keyboard.press("Shift+Tab")
    for _ in range(3):  # a frame to see that nobody is on a row, one to draw, one to lose the focus
        await panel.page.evaluate("new Promise(requestAnimationFrame)")
    await expect(panel.pill).to_be_focused()
    await panel.page.keyboard.press("Enter")

    await expect(panel.focused).to_contain_text("comes on top")


async def test_rows_stay_where_they_are_under_a_hand_however_still(world: World, context: BrowserContext) -> None:
    await world.people("ana", leads={"mia": "ana", "leo": "ana"})
    await world.report(world.moment("leo", description="of leo"), world.moment("mia", description="of mia"))
    await context.clock.install()
    panel = await (await Panel.open(context, panel_url(world, "ana"))).live()
    await panel.row("of leo").hover()
    await context.clock.fast_forward(60_000)

    await world.report(world.moment("mia", description="comes on top"))
    await expect(panel.pill).to_have_text("1 new")
    await panel.shows("of mia", "of leo")
    await panel.button("Menu").hover()
    await panel.shows("comes on top", "of mia", "of leo")


async def test_where_nothing_hovers_every_row_has_its_buttons(world: World, desk: Desk) -> None:
    await world.people("ana", leads={"mia": "ana"})
    await world.report(world.moment("mia", type="email", description="was there"))
    async with desk(has_touch=True, is_mobile=True) as phone:
        panel = await (await Panel.open(phone, panel_url(world, "ana"))).live()
        await panel.shows("was there")
        await world.report(world.moment("mia", description="has just come"))
        for row in ("has just come", "was there"):
            await expect(panel.row(row).get_by_role("button", name="Watch")).to_be_visible()


async def test_a_live_update_never_takes_the_focus_away(world: World, context: BrowserContext) -> None:
    await world.people("ana", "bob", leads={"mia": "ana", "leo": "ana", "zoe": "ana"})
    await world.report(*(world.moment(lead, description=f"of {lead}") for lead in ("zoe", "leo", "mia")))
    panel = await (await Panel.open(context, panel_url(world, "ana"))).live()
    await panel.row("of leo").focus()

    await world.report(world.moment("mia", description="newer"))
    await expect(panel.pill).to_have_text("1 new")
    await expect(panel.focused).to_contain_text("of leo")

    await world.client.put("/v1/leads/leo/owner", headers=world.machine, json={"owner_id": "bob"})
    await expect(panel.row("of leo")).to_have_count(0)
    await expect(panel.focused).to_contain_text("of zoe")

    await world.client.put("/v1/leads/zoe/owner", headers=world.machine, json={"owner_id": "bob"})
    await expect(panel.focused).to_contain_text("of mia")


async def test_times_stay_right_though_the_laptops_clock_is_wrong_and_jumps(world: World, desk: Desk) -> None:
    await world.people("ana", leads={"mia": "ana"})
    await world.report(world.moment("mia", description="a while ago", occurred_at=hours_ago(0.5)))
    async with desk(timezone_id=where_it_is_noon(datetime.now(UTC))) as context:
        # A laptop that believes it is three hours later, and then, all at once, a day earlier.
        await context.add_init_script(
            """const real = Date.now;
               let wrong = 3 * 3600e3;
               Date.now = () => real() + wrong;
               globalThis.jump = (to) => { wrong = to; };"""
        )

        panel = await (await Panel.open(context, panel_url(world, "ana"))).live()

        await expect(panel.row("a while ago").locator("time > [aria-hidden]")).to_have_text("30 min")
        await panel.page.evaluate("jump(-24 * 3600e3)")
        await world.report(world.moment("mia", type="email", description="just now", occurred_at=hours_ago(0)))
        await expect(panel.row("just now").locator("time > [aria-hidden]")).to_have_text("now")
        await expect(panel.row("a while ago").locator("time > [aria-hidden]")).to_have_text("30 min")


@pytest.mark.parametrize(("locale", "written"), [("en-US", r"2:05\sPM"), ("en-GB", "14:05"), ("fr-CA", "14 h 05")])
async def test_the_time_of_day_is_written_as_the_readers_country_writes_it(
    world: World, desk: Desk, locale: str, written: str
) -> None:
    await world.people("ana", leads={"mia": "ana"})
    at = (datetime.now(UTC) - timedelta(days=2)).replace(hour=14, minute=5)
    await world.report(world.moment("mia", description="the day before yesterday", occurred_at=at.isoformat()))
    async with desk(locale=locale) as context:
        panel = await Panel.open(context, panel_url(world, "ana"))
        time = panel.row("the day before yesterday").locator("time > [aria-hidden]")
        await expect(time).to_have_text(re.compile(f"^{written}$"))


async def test_repeats_fold_and_unfold_in_place_and_keep_their_read_state(
    world: World, context: BrowserContext
) -> None:
    await world.people("ana", leads={"mia": "ana", "leo": "ana"})
    ids = await world.report(
        *(world.moment("mia", description=f"page {n}") for n in range(2)),
        world.moment("leo", description="in between"),
        *(world.moment("mia", description=f"page {n}") for n in range(2, 4)),
        world.moment("mia", type="email", description="another type"),
        world.moment("mia", description="hours before", occurred_at=(MONDAY - timedelta(hours=3)).isoformat()),
    )
    await world.client.post("/v1/feed/read", headers=world.rep("ana"), json={"ids": [ids[0]]})
    panel = await Panel.open(context, panel_url(world, "ana"))

    await panel.shows("another type", "page 3", "in between", "hours before")
    fold = panel.row("page 3").locator(".fold")
    await expect(fold).to_have_text("+3 more")
    await expect(fold).to_have_attribute("aria-label", "+3 more, 2 unread")
    await fold.click()
    await panel.shows("another type", "page 3", "page 2", "page 1", "page 0", "in between", "hours before")
    await expect(panel.row("page 0")).to_have_class("read member")
    await expect(panel.row("page 1")).to_have_class("unread member")
    await expect(panel.row("page 1")).to_have_accessible_name(re.compile(r"^Mia Acme Web, unread "))
    await panel.row("page 1").focus()
    await panel.page.keyboard.press("Tab")
    await expect(panel.row("page 1").locator(".tools button").first).to_be_focused()  # and on nothing that is not seen
    await panel.row("page 3").locator(".fold").click()
    await panel.shows("another type", "page 3", "in between", "hours before")


async def test_repeats_fold_within_an_hour_of_the_newest_however_close_they_follow_each_other(
    world: World, context: BrowserContext
) -> None:
    await world.people("ana", leads={"mia": "ana"})
    for minutes in (75, 45, 20, 0):
        at = (MONDAY - timedelta(minutes=minutes)).isoformat()
        await world.report(world.moment("mia", description=f"{minutes} minutes before", occurred_at=at))
    panel = await Panel.open(context, panel_url(world, "ana"))

    await panel.shows("0 minutes before", "75 minutes before")
    await expect(panel.row("0 minutes before").locator(".fold")).to_have_text("+2 more")


async def test_repeats_fold_within_the_readers_day_so_that_each_stands_under_its_own(world: World, desk: Desk) -> None:
    await world.people("ana", leads={"mia": "ana"})
    midnight = MONDAY.replace(hour=18, minute=30)  # in Kolkata
    for minutes in (-15, -10, -5, 5, 10, 15):
        at = (midnight - timedelta(days=3) + timedelta(minutes=minutes)).isoformat()
        await world.report(world.moment("mia", description=f"at {minutes}", occurred_at=at))
    async with desk(timezone_id="Asia/Kolkata") as context:
        panel = await Panel.open(context, panel_url(world, "ana"))
        await panel.shows("at 15", "at -5")
        for row in ("at 15", "at -5"):
            await panel.row(row).locator(".fold").click()
        await panel.shows("at 15", "at 10", "at 5", "at -5", "at -10", "at -15")
        below = panel.element.locator(".day").last.locator("~ .chunk article .what")
        await expect(below).to_have_text(["at -5", "at -10", "at -15"])


async def test_a_panel_that_is_shown_late_fills_itself(world: World, context: BrowserContext) -> None:
    """Its first page folds into one row, and where nothing is shown there is nothing to scroll."""
    await world.people("ana", leads={"mia": "ana"})
    await world.report(*(world.moment("mia", description=f"number {n}.") for n in range(120)))
    hide = (
        "document.addEventListener('DOMContentLoaded', () => { document.querySelector('lead-feed').hidden = true; });"
    )
    await context.add_init_script(hide)
    panel = await Panel.open(context, panel_url(world, "ana"))
    await expect(panel.element.locator("article")).to_have_count(1)
    await panel.live()
    await panel.until("document.querySelector('lead-feed').shadowRoot.adoptedStyleSheets.length", 2)  # all has come
    for _ in range(3):
        await panel.page.evaluate("new Promise(requestAnimationFrame)")  # and is drawn

    await panel.page.evaluate("document.querySelector('lead-feed').hidden = false")

    await expect(panel.element.locator(".end")).to_contain_text("That is everything since")


BUSY = """() => {
  const feed = document.querySelector("lead-feed").shadowRoot.querySelector("[role=feed]");
  globalThis.busy = [feed.ariaBusy]; // on a slow machine the first rows still come, and it stays so to the end
  new MutationObserver(() => busy.push(feed.ariaBusy)).observe(feed, {attributeFilter: ["aria-busy"]});
}"""


async def test_older_pages_come_while_one_scrolls_to_the_very_end(world: World, context: BrowserContext) -> None:
    await world.people("ana", leads={f"lead-{n}": "ana" for n in range(230)})
    await world.report(*(world.moment(f"lead-{n}", description=f"number {n}.") for n in range(230)))
    panel = await Panel.open(context, panel_url(world, "ana"))
    await expect(panel.row("number 229.")).to_be_visible()
    await panel.page.evaluate(BUSY)

    await panel.scrolls_to(230)
    assert await panel.page.evaluate("busy.includes('true')"), "a screen reader is told while rows come"
    assert await panel.page.evaluate("busy.at(-1)") == "false"

    await expect(panel.element.locator(".end")).to_contain_text("That is everything since")
    assert await panel.rows.locator(".what").all_text_contents() == [f"number {n}." for n in reversed(range(230))]


HOSTILE = [
    '<img src=x onerror="document.title=1"><script>document.title=2</script>',
    "</p></article><style>*{display:none}</style>",
    "\u202ereversed\u202c and \u2066isolated",
    "𝕱𝖔𝖚𝖗 bytes 👩🏽‍💻 e\u0301 \u200bzero",
    "javascript:document.title=3",
]


async def test_hostile_text_is_inert_and_readable(world: World, context: BrowserContext) -> None:
    await world.sync(
        users=[{"id": "ana", "name": "Ana"}],
        accounts=[{"id": "acme", "name": "<b>Acme</b>"}],
        leads=[
            {"id": f"l{n}", "name": f"<i>{text[:60]}", "account_id": "acme", "owner_id": "ana"}
            for n, text in enumerate(HOSTILE)
        ],
    )
    await world.report(*(world.moment(f"l{n}", description=text, bot=text[:100]) for n, text in enumerate(HOSTILE)))

    panel = await Panel.open(context, panel_url(world, "ana"))

    await panel.shows(*[normalize("NFC", text) for text in reversed(HOSTILE)])
    assert await panel.feed.locator("img, script, style, b, i").count() == 0
    assert await panel.page.title() not in {"1", "2", "3"}
    await expect(panel.row("reversed").locator(".what")).to_be_visible()
    assert panel.complaints == []


async def test_opening_a_person_tells_the_host_and_marks_the_moment_read(world: World, context: BrowserContext) -> None:
    await world.people("ana", leads={"mia": "ana"})
    await world.report(world.moment("mia", description="worth a call"))
    panel = await (await Panel.open(context, panel_url(world, "ana"))).live()
    await panel.page.evaluate(
        "globalThis.opened = []; addEventListener('leadfeed:open', ({detail}) => opened.push(detail.lead.id))"
    )

    async with panel.page.expect_response("**/v1/feed/read"):
        await panel.row("worth a call").locator(".name").click()

    await panel.until("opened.join()", "mia")
    await expect(panel.row("worth a call")).to_have_class("read")
    assert ok(await world.client.get("/v1/feed/unread", headers=world.rep("ana")))["unread"] == 0

    await world.sync(leads=[{"id": "mia", "name": "🦊 Mia", "owner_id": "ana"}])
    await panel.row("worth a call").get_by_role("button", name="🦊 Mia").click()
    await expect(panel.page.locator(".avatar")).to_have_text("🦊M")

    await panel.element.evaluate("element => element.setAttribute('lead-href', '#of-{id}')")
    await expect(panel.row("worth a call").locator("a.name")).to_be_visible()
    await panel.row("worth a call").focus()
    await panel.page.keyboard.press("Enter")
    await panel.until("location.hash", "#of-mia")
    assert await panel.page.evaluate("opened.join()") == "mia,mia,mia", "told once for each"


async def test_the_page_makes_a_moment_happen_only_with_a_key_for_it(world: World, context: BrowserContext) -> None:
    await world.people("ana", leads={"mia": "ana"})
    await world.report(world.moment("mia", description="the first"))
    without = await Panel.open(context, panel_url(world, "ana"))
    await without.shows("the first")
    await expect(without.page.get_by_role("button", name="Make a moment happen")).to_be_hidden()

    with_key = await (await Panel.open(context, panel_url(world, "ana", ingest=world.key, lead="mia"))).live()
    await with_key.page.get_by_role("button", name="Make a moment happen").click()

    await expect(with_key.rows).to_have_count(2)
    await expect(without.rows).to_have_count(2)


async def test_eight_rows_fit_on_a_laptop_without_scrolling(world: World, desk: Desk) -> None:
    await world.people("ana", leads={f"l{n}": "ana" for n in range(10)})
    await world.report(*(world.moment(f"l{n}", description="Visited the pricing page") for n in range(10)))
    async with desk(viewport={"width": 1280, "height": 800}) as context:
        panel = await (await Panel.open(context, panel_url(world, "ana"))).live()
        await expect(panel.rows).to_have_count(10)
        whole = await panel.element.evaluate(
            """element => {
              const {bottom} = element.shadowRoot.querySelector(".scroller").getBoundingClientRect();
              const rows = [...element.shadowRoot.querySelectorAll("article")];
              return rows.filter((row) => row.getBoundingClientRect().bottom <= bottom).length;
            }"""
        )
        assert whole >= 8


async def test_the_page_switches_between_light_and_dark_and_the_panel_follows(
    world: World, context: BrowserContext
) -> None:
    await world.people("ana", leads={})
    panel = await Panel.open(context, panel_url(world, "ana"))
    surface = panel.element.locator(".panel")
    await expect(surface).to_have_css("background-color", "rgb(255, 255, 255)")
    switch = panel.page.get_by_role("button", name="Dark")

    await switch.click()

    await expect(switch).to_have_attribute("aria-pressed", "true")
    await expect(surface).to_have_css("background-color", "rgb(20, 23, 29)")
    await switch.click()
    await expect(surface).to_have_css("background-color", "rgb(255, 255, 255)")


@pytest.mark.parametrize("path", ["/panel", "/panel/lead-feed.js", "/panel/lead-feed.actions.js", "/panel/page.css"])
async def test_files_are_revalidated_compressed_and_answer_head(world: World, path: str) -> None:
    plain = await world.client.get(path, headers={"Accept-Encoding": "identity"})
    small = await world.client.get(path)
    again = await world.client.get(path, headers={"If-None-Match": small.headers["etag"]})
    head = await world.client.head(path)

    assert (plain.status_code, small.status_code, again.status_code, head.status_code) == (200, 200, 304, 200)
    assert small.headers["content-encoding"] == "gzip"
    assert plain.text == small.text
    assert plain.headers["etag"] != small.headers["etag"]
    assert again.content == head.content == b""


@pytest.mark.parametrize(
    ("said", "compressed"),
    [
        ("gzip", True), ("br, GZIP ; q=0.5", True), ("gzip;q=1.0, identity", True), ("gzip;q=0.001", True),
        ("gzip;q=0", False), ("gzip; q=0.000, br", False), ("br", False), ("", False), ("xgzip", False),
    ],
)  # fmt: skip
async def test_a_file_is_compressed_for_whoever_takes_it_so(world: World, said: str, compressed: bool) -> None:
    answer = await world.client.get("/panel/lead-feed.js", headers={"Accept-Encoding": said})
    assert (answer.headers.get("content-encoding") == "gzip") == compressed


async def test_any_origin_may_load_the_module_and_only_named_ones_may_frame_the_page(world: World) -> None:
    module = await world.client.get("/panel/lead-feed.js", headers={"Origin": "https://crm.example"})
    page = await world.client.get("/panel")

    assert module.headers["access-control-allow-origin"] == "*"
    assert module.headers["content-type"].startswith("text/javascript")
    policy = page.headers["content-security-policy"]
    assert "frame-ancestors 'self'" in policy
    assert "unsafe" not in policy
    assert (await world.client.get("/panel/panel.html")).status_code == 404
    assert (await world.client.get("/panel/..%2froutes.py")).status_code == 404


async def test_milestones_are_shown_one_by_one_and_repeats_of_other_types_together(
    world: World, context: BrowserContext
) -> None:
    """Each says something else, and none of them may be missed."""
    await world.people("ana", leads={"mia": "ana"})
    for number in range(3):
        await world.report(
            world.moment("mia", description=f"saw page {number}", type="web"),
            world.moment("mia", description=f"asked for {number}", type="milestone"),
        )
    panel = await (await Panel.open(context, panel_url(world, "ana"))).live()
    for number in range(3):
        await expect(panel.row(f"asked for {number}")).to_be_visible()
    await expect(panel.rows).to_have_count(4)
    await expect(panel.row("saw page 2")).to_contain_text("+2")


@pytest.mark.parametrize("more", [{"bare": "1"}, {}], ids=["alone", "beside the demo's record"])
async def test_whoever_sees_their_own_feed_alone_is_never_shown_the_demos_crm(
    world: World, context: BrowserContext, more: dict[str, str]
) -> None:
    await world.people("ana", leads={"mia": "ana"})
    page = await context.new_page()
    held = asyncio.Event()

    async def hold(route: Route) -> None:
        await held.wait()
        await route.continue_()

    await context.route("**/panel/page.js", hold)
    await page.goto(panel_url(world, "ana", **more), wait_until="commit")
    record = page.get_by_text("Enterprise plan, 120 seats", exact=True)
    await expect(record).to_be_attached()
    await expect(record).to_be_hidden()
    held.set()
    if more:
        await expect(page.locator("lead-feed")).to_be_visible()
        await expect(record).to_be_hidden()
        assert await page.title() == "Lead feed"
    else:
        await expect(record).to_be_visible()
