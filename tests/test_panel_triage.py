"""Triage in the panel: filters, read and unread, mutes, and everything by keyboard."""

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from playwright.async_api import BrowserContext, Route, expect

from browser import Desk, Panel, panel_url, where_it_is_noon
from world import Service, World, ok

pytest_plugins = ["windows"]
pytestmark = pytest.mark.anyio


@pytest.fixture
async def world(server: Service) -> World:
    """A rep with two own leads and a watched one; a moment of each, and one more."""
    world = await server.new_world()
    await world.people("ana", "bob", leads={"mia": "ana", "leo": "ana", "zoe": "bob"})
    await world.client.put("/v1/watchlist/zoe", headers=world.rep("ana"))
    await world.report(
        world.moment("mia", description="saw prices"),
        world.moment("leo", type="email", description="clicked a mail"),
        world.moment("zoe", type="milestone", description="asked for a demo"),
        world.moment("mia", type="milestone", description="came to the webinar"),
    )
    return world


@pytest.fixture
async def panel(world: World, context: BrowserContext) -> Panel:
    opened = await (await Panel.open(context, panel_url(world, "ana"))).live()
    await opened.shows("came to the webinar", "asked for a demo", "clicked a mail", "saw prices")
    return opened


async def read_of(world: World) -> set[str]:
    return {item["description"] for item in await world.feed("ana", muted="show") if item["read"]}


async def settled(world: World, *descriptions: str) -> None:
    """Waits until the service has exactly these marked read."""
    while await read_of(world) != set(descriptions):
        pass


async def test_chips_narrow_the_list_and_mark_nothing(world: World, panel: Panel) -> None:
    await panel.button("Milestone").click()
    await panel.shows("came to the webinar", "asked for a demo")
    await panel.button("E-mail").click()
    await panel.shows("came to the webinar", "asked for a demo", "clicked a mail")
    await panel.button("All").click()
    await panel.shows("came to the webinar", "asked for a demo", "clicked a mail", "saw prices")
    await panel.button("Best bets").click()
    await expect(panel.element).to_contain_text("Nothing matches these filters")
    await panel.button("Clear filters").click()
    await panel.shows("came to the webinar", "asked for a demo", "clicked a mail", "saw prices")

    assert await read_of(world) == set()
    await expect(panel.count).to_have_text("4 unread")


async def test_search_scope_and_period_narrow_the_list(world: World, panel: Panel) -> None:
    await panel.button("Search and filter").click()
    await panel.element.get_by_role("searchbox").fill("DEMO")
    await panel.shows("asked for a demo")
    await panel.element.get_by_role("searchbox").fill("")
    await panel.element.get_by_label("Whose leads").select_option("watched")
    await panel.shows("asked for a demo")
    await panel.element.get_by_label("Whose leads").select_option("owned")
    await panel.shows("came to the webinar", "clicked a mail", "saw prices")
    await panel.element.get_by_label("Period").select_option("today")
    await panel.shows()


async def test_today_begins_with_the_readers_day(world: World, desk: Desk) -> None:
    async with desk(timezone_id="Asia/Kolkata") as context:
        panel = await (await Panel.open(context, panel_url(world, "ana"))).live()
        await panel.button("Search and filter").click()
        async with panel.page.expect_request(lambda request: "since=" in request.url) as asked:
            await panel.element.get_by_label("Period").select_option("today")
        (since,) = parse_qs(urlsplit((await asked.value).url).query)["since"]
    assert since.endswith("T18:30:00.000Z")


async def test_what_one_types_is_searched_for_though_one_chooses_something_else_before_it_is(panel: Panel) -> None:
    await panel.button("Search and filter").click()
    await panel.element.evaluate(
        """({shadowRoot: root}) => {
          const search = root.querySelector("input[type=search]");
          search.focus();
          search.value = "prices";
          search.dispatchEvent(new InputEvent("input"));
          [...root.querySelectorAll("button")].find(({textContent}) => textContent === "Web").focus();
          root.activeElement.click();
        }"""
    )
    await panel.shows("saw prices")
    await expect(panel.element.get_by_role("searchbox")).to_have_value("prices")
    await expect(panel.button("Web")).to_have_attribute("aria-pressed", "true")


async def test_a_filtered_list_stays_live_and_lets_in_only_what_it_shows(world: World, panel: Panel) -> None:
    await panel.button("E-mail").click()
    await panel.shows("clicked a mail")

    await world.report(
        world.moment("leo", description="not a mail"), world.moment("mia", type="email", description="a mail")
    )
    await panel.shows("a mail", "clicked a mail")

    await panel.element.get_by_role("button", name="Search and filter").click()
    await panel.element.get_by_role("searchbox").fill("clicked")
    await panel.shows("clicked a mail")
    await world.report(
        world.moment("leo", type="email", description="clicked again"), world.moment("leo", type="email")
    )
    await panel.shows("clicked again", "clicked a mail")


NARROWED: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "scope=owned": ({"lead_id": "leo"}, {"lead_id": "zoe"}),
    "scope=watched": ({"lead_id": "zoe"}, {"lead_id": "leo"}),
    "starred=1": ({"lead_id": "star"}, {"lead_id": "leo"}),
    "lead=leo": ({"lead_id": "leo"}, {"lead_id": "mia"}),
    "account=acme": ({"lead_id": "leo"}, {"lead_id": "star"}),
    "period=7": ({"days": 6}, {"days": 8}),
}


@pytest.mark.parametrize("view", NARROWED)
async def test_what_arrives_is_let_in_as_the_service_would(world: World, context: BrowserContext, view: str) -> None:
    await world.sync(leads=[{"id": "star", "name": "Star", "owner_id": "ana", "starred": True}])
    panel = await (await Panel.open(context, panel_url(world, "ana", view=quote(view, safe="")))).live()

    def moment(description: str, lead_id: str = "leo", days: int = 0) -> dict[str, Any]:
        at = (datetime.now(UTC) - timedelta(days=days)).isoformat()
        return world.moment(lead_id, description=description, occurred_at=at)

    let_in, kept_out = NARROWED[view]
    await world.report(moment("kept out", **kept_out), moment("let in", **let_in))

    await expect(panel.row("let in")).to_be_visible()
    await expect(panel.row("kept out")).to_have_count(0)


async def test_the_list_narrows_to_one_person_or_company_from_a_row(panel: Panel) -> None:
    await panel.do("saw prices", "More")
    await panel.element.get_by_role("menuitem", name="Only Mia").click()
    await panel.shows("came to the webinar", "saw prices")
    await panel.element.get_by_role("button", name="Mia", exact=True).first.click()
    await panel.shows("came to the webinar", "asked for a demo", "clicked a mail", "saw prices")


async def test_reading_and_unreading_is_at_once_and_undone_by_one_key(world: World, panel: Panel) -> None:
    await panel.do("clicked a mail", "Mark as read")
    await expect(panel.row("clicked a mail")).to_have_class("read")
    await expect(panel.count).to_have_text("3 unread")
    await settled(world, "clicked a mail")

    await expect(panel.toast).to_contain_text("Marked as read")
    await panel.toast.get_by_role("button").click()
    await expect(panel.row("clicked a mail")).to_have_class("unread")
    await settled(world)


async def test_undo_goes_back_one_deed_after_the_other_and_no_further(world: World, panel: Panel) -> None:
    await panel.row("clicked a mail").focus()
    keys = panel.page.keyboard
    await keys.press("e")
    await settled(world, "clicked a mail")
    await keys.press("j")
    await keys.press("e")
    await settled(world, "clicked a mail", "saw prices")
    await keys.press("u")
    await settled(world, "clicked a mail")
    await keys.press("u")
    await settled(world)
    await keys.press("u")
    await expect(panel.toast).to_contain_text("Nothing to undo")
    await settled(world)


async def test_escape_empties_the_search_and_then_leaves_it(panel: Panel) -> None:
    await panel.row("clicked a mail").focus()
    await panel.page.keyboard.press("/")
    search = panel.element.get_by_role("searchbox")
    await search.fill("prices")
    await panel.shows("saw prices")
    await panel.page.keyboard.press("Escape")
    await panel.shows("came to the webinar", "asked for a demo", "clicked a mail", "saw prices")
    await expect(search).to_be_focused()
    await panel.page.keyboard.press("Escape")
    await expect(search).not_to_be_focused()
    await panel.page.keyboard.press("j")  # the list's keys are at work again
    await expect(panel.rows.nth(1)).to_be_focused()


async def test_marking_up_to_here_marks_what_is_above_and_not_what_waits(world: World, panel: Panel) -> None:
    await panel.row("clicked a mail").focus()
    await world.report(world.moment("leo", description="waits above"))
    await expect(panel.pill).to_have_text("1 new")

    await panel.page.keyboard.press("Shift+E")

    await settled(world, "came to the webinar", "asked for a demo", "clicked a mail")
    await expect(panel.count).to_have_text("2 unread")
    await panel.page.keyboard.press("u")
    await settled(world)


async def test_a_mark_is_undone_though_the_list_does_not_show_it_any_more(world: World, panel: Panel) -> None:
    await panel.row("clicked a mail").focus()
    await panel.page.keyboard.press("Shift+E")
    await settled(world, "came to the webinar", "asked for a demo", "clicked a mail")
    await panel.button("E-mail").click()
    await panel.shows("clicked a mail")

    await panel.toast.get_by_role("button").click()

    await expect(panel.count).to_have_text("4 unread")
    assert await read_of(world) == set()


async def test_a_row_stays_in_its_place_while_its_menu_is_open_and_so_does_what_is_marked_from_it(
    world: World, panel: Panel
) -> None:
    await panel.do("clicked a mail", "More")
    up_to_here = panel.element.get_by_role("menuitem", name="Mark as read up to here")
    await up_to_here.hover()
    await world.report(world.moment("leo", description="came after the menu"))
    await expect(panel.pill).to_have_text("1 new")

    await up_to_here.click()

    await settled(world, "came to the webinar", "asked for a demo", "clicked a mail")


async def test_what_comes_while_a_sheet_is_open_is_shown_when_it_is_closed(world: World, panel: Panel) -> None:
    before = ["came to the webinar", "asked for a demo", "clicked a mail", "saw prices"]
    await panel.button("RSS feed").click()
    await expect(panel.sheet).to_be_visible()
    await world.report(world.moment("leo", description="came meanwhile"))
    await expect(panel.pill).to_have_text("1 new")
    await panel.shows(*before)

    await panel.page.keyboard.press("Escape")

    await panel.shows("came meanwhile", *before)


@pytest.mark.parametrize("key", ["m", "."])
async def test_what_is_open_for_a_row_that_goes_gives_the_focus_to_its_neighbour(
    world: World, panel: Panel, key: str
) -> None:
    await panel.row("asked for a demo").focus()
    await panel.page.keyboard.press(key)
    opened = panel.element.get_by_role("dialog").or_(panel.element.get_by_role("menu"))
    await expect(opened).to_be_visible()
    await world.client.delete("/v1/leads/zoe", headers=world.machine)
    await panel.shows("came to the webinar", "clicked a mail", "saw prices")

    await panel.page.keyboard.press("Escape")

    await expect(panel.focused).to_contain_text("clicked a mail")
    await panel.page.keyboard.press("j")
    await expect(panel.focused).to_contain_text("saw prices")


async def test_nothing_is_marked_down_to_a_row_that_has_gone(world: World, panel: Panel) -> None:
    await world.report(*(world.moment("leo", description=f"page {n}") for n in range(3)))
    await panel.shows("page 2", "came to the webinar", "asked for a demo", "clicked a mail", "saw prices")
    await panel.row("asked for a demo").focus()
    await panel.page.keyboard.press(".")
    await world.client.delete("/v1/leads/zoe", headers=world.machine)
    await panel.shows("page 2", "came to the webinar", "clicked a mail", "saw prices")

    await panel.element.get_by_role("menuitem", name="Mark as read up to here").press("Enter")
    await panel.page.keyboard.press("e")

    await settled(world, "clicked a mail")


async def test_marking_up_to_here_goes_by_the_rows_on_the_screen_where_repeats_are_unfolded(
    world: World, context: BrowserContext
) -> None:
    def moment(lead: str, minutes: int, description: str) -> dict[str, Any]:
        ago = datetime.now(UTC) - timedelta(minutes=minutes)
        return world.moment(lead, description=description, occurred_at=ago.isoformat())

    await world.people("cleo", leads={"kim": "cleo", "lou": "cleo", "max": "cleo"})
    of_kim = [moment("kim", minutes, f"page {minutes}") for minutes in (1, 10, 20)]
    await world.report(*of_kim, moment("lou", 5, "between"), moment("max", 30, "the oldest"))
    panel = await (await Panel.open(context, panel_url(world, "cleo"))).live()
    unread = panel.element.locator("article.unread .what")
    await panel.row("page 1").focus()
    await panel.page.keyboard.press("o")
    await panel.shows("page 1", "page 10", "page 20", "between", "the oldest")

    await panel.row("page 20").focus()
    await panel.page.keyboard.press("Shift+E")
    await expect(unread).to_have_text(["between", "the oldest"])
    await panel.page.keyboard.press("u")
    await expect(unread).to_have_count(5)

    await panel.row("between").focus()
    await panel.page.keyboard.press("Shift+E")
    await expect(unread).to_have_text(["the oldest"])


async def test_a_repeat_folds_its_group_by_key_and_leaves_the_focus_to_the_newest(world: World, panel: Panel) -> None:
    await world.report(*(world.moment("leo", description=f"page {n}") for n in range(4)))
    await panel.row("page 3").focus()
    await panel.page.keyboard.press("o")
    await expect(panel.rows).to_have_count(8)
    await panel.row("page 1").focus()

    await panel.page.keyboard.press("o")

    await expect(panel.rows).to_have_count(5)
    await expect(panel.focused).to_contain_text("page 3")


async def test_a_drawer_that_was_closed_stays_closed_whatever_arrives(world: World, panel: Panel) -> None:
    drawer = panel.element.locator(".drawer")
    await panel.button("Search and filter").click()
    await panel.element.locator("[name=period]").select_option("30")
    await panel.button("Search and filter").click()
    await expect(drawer).to_be_hidden()

    await world.report(world.moment("leo", description="news", occurred_at=datetime.now(UTC).isoformat()))
    await expect(panel.row("news")).to_be_visible()

    await expect(drawer).to_be_hidden()


async def test_marking_all_reaches_what_is_not_loaded(world: World, panel: Panel) -> None:
    await world.report(*(world.moment("leo", description=f"more {n}") for n in range(80)))
    await panel.page.reload()
    await expect(panel.count).to_have_text("84 unread")

    await panel.menu("Mark all as read")

    await expect(panel.count).to_have_text("0 unread")
    assert ok(await world.client.get("/v1/feed/unread", headers=world.rep("ana")))["unread"] == 0
    await panel.toast.get_by_role("button").press("Enter")
    await expect(panel.count).to_have_text("84 unread")
    await expect(panel.toast).to_have_text("Undone")
    await expect(panel.row("more 79")).to_be_focused()  # and not on a button that went

    await panel.menu("Mark all as read")
    await expect(panel.toast).to_contain_text("84 marked as read")
    await panel.menu("Mark all as read")
    await expect(panel.toast).to_have_text("0 unread")


async def test_marking_more_than_can_be_undone_shows_on_the_screen_too_and_leaves_nothing_to_undo(
    world: World, panel: Panel
) -> None:
    await world.report(*(world.moment("leo", type="milestone", description=f"more {n}.") for n in range(1_000)))
    await panel.page.reload()
    await panel.row("more 999.").focus()
    await panel.page.keyboard.press("e")
    await expect(panel.row("more 999.")).to_have_class("read")

    await panel.menu("Mark all as read")

    await expect(panel.row("more 998.")).to_have_class("read")
    await expect(panel.count).to_have_text("0 unread")
    await panel.row("more 999.").focus()
    await panel.page.keyboard.press("u")
    await expect(panel.toast).to_have_text("Nothing to undo")
    await expect(panel.row("more 999.")).to_have_class("read")


async def test_a_refused_mark_is_taken_back_and_said(world: World, panel: Panel) -> None:
    await panel.page.route("**/v1/feed/read*", lambda route: route.fulfill(status=503))
    await panel.do("saw prices", "Mark as read")
    await expect(panel.toast).to_have_text("The lead feed cannot be reached")
    await expect(panel.row("saw prices")).to_have_class("unread")
    await expect(panel.count).to_have_text("4 unread")
    await panel.page.keyboard.press("u")
    await expect(panel.toast).to_contain_text("Nothing to undo")


async def test_watching_is_a_toggle_that_the_reason_follows(world: World, panel: Panel) -> None:
    await panel.do("clicked a mail", "Watch")
    await expect(panel.row("clicked a mail")).to_contain_text("you own and watch")
    await panel.row("asked for a demo").hover()
    await panel.row("asked for a demo").get_by_role("button", name="Stop watching").click()
    await panel.shows("came to the webinar", "clicked a mail", "saw prices")

    await panel.toast.get_by_role("button").click()
    await panel.shows("came to the webinar", "asked for a demo", "clicked a mail", "saw prices")


async def test_a_muted_person_is_hidden_live_counted_and_shown_on_demand(world: World, panel: Panel) -> None:
    await panel.row("saw prices").focus()
    await panel.page.keyboard.press("m")
    await panel.sheet.get_by_role("button", name="Mute").click()
    await panel.shows("asked for a demo", "clicked a mail")
    await expect(panel.element.locator(".notes")).to_contain_text("2 muted, hidden")

    await world.report(world.moment("mia", description="muted news"), world.moment("leo", description="other news"))
    await expect(panel.pill).to_have_text("1 new")
    await panel.page.keyboard.press("n")
    await panel.shows("other news", "asked for a demo", "clicked a mail")
    await expect(panel.focused).to_contain_text("other news")
    await expect(panel.element.locator(".notes")).to_contain_text("3 muted, hidden")

    await panel.button("Show").click()
    await panel.shows(
        "other news", "muted news", "came to the webinar", "asked for a demo", "clicked a mail", "saw prices"
    )
    await panel.button("Hide").click()
    await panel.menu("Muted")
    await panel.sheet.get_by_role("button", name="Unmute").click()
    await panel.shows(
        "other news", "muted news", "came to the webinar", "asked for a demo", "clicked a mail", "saw prices"
    )


async def test_a_person_is_muted_until_the_date_one_picks(world: World, desk: Desk) -> None:
    now = datetime.now(UTC)
    tomorrow = now.date() + timedelta(days=1)
    async with desk(timezone_id=where_it_is_noon(now)) as context:
        panel = await (await Panel.open(context, panel_url(world, "ana"))).live()
        await panel.row("saw prices").focus()
        await panel.page.keyboard.press("m")
        long = panel.sheet.get_by_label("For how long")
        picked = panel.sheet.get_by_label("Until a date", exact=True)
        await expect(picked).to_be_hidden()
        await long.select_option("Until a date")
        await expect(picked).to_have_attribute("min", str(tomorrow))

        await panel.sheet.get_by_role("button", name="Mute").click()
        await expect(picked).to_be_focused()  # nothing is muted until there is a date
        await picked.fill(str(tomorrow))
        await panel.sheet.get_by_role("button", name="Mute").click()

        await panel.shows("asked for a demo", "clicked a mail")
        midnight = await panel.page.evaluate("day => new Date(`${day}T00:00`).toISOString()", str(tomorrow))
    (mute,) = ok(await world.client.get("/v1/mutes", headers=world.rep("ana")))["leads"]
    assert datetime.fromisoformat(mute["until"]) == datetime.fromisoformat(midnight)


async def test_a_mute_ends_by_itself_on_the_screen_too(world: World, context: BrowserContext) -> None:
    mute, rep = "/v1/mutes/leads/mia", world.rep("ana")
    until = datetime.now(UTC) + timedelta(hours=1)
    await world.client.put(mute, headers=rep, json={"until": until.isoformat()})
    await context.clock.install()
    panel = await (await Panel.open(context, panel_url(world, "ana"))).live()
    await panel.shows("asked for a demo", "clicked a mail")

    await world.client.delete(mute, headers=rep)  # for the service, too, its time is over
    await context.clock.fast_forward("01:00:02")

    await panel.shows("came to the webinar", "asked for a demo", "clicked a mail", "saw prices")


async def test_a_muted_type_is_undone_from_the_toast(panel: Panel) -> None:
    await panel.do("asked for a demo", "More")
    await panel.element.get_by_role("menuitem", name="Mute Milestone").click()
    await panel.sheet.get_by_role("button", name="Mute").click()
    await panel.shows("clicked a mail", "saw prices")
    await panel.toast.get_by_role("button").click()
    await panel.shows("came to the webinar", "asked for a demo", "clicked a mail", "saw prices")


async def test_the_keyboard_does_it_all(world: World, panel: Panel) -> None:
    keys = panel.page.keyboard
    await panel.rows.first.focus()
    await keys.press("j")
    await expect(panel.focused).to_contain_text("asked for a demo")
    await keys.press("PageDown")
    await expect(panel.focused).to_contain_text("clicked a mail")
    await keys.press("k")
    await expect(panel.focused).to_contain_text("asked for a demo")
    await keys.press("E")  # Caps Lock is on: the capital comes without the Shift key
    await settled(world, "asked for a demo")
    await keys.press("u")
    await settled(world)

    await keys.press("w")
    await panel.shows("came to the webinar", "clicked a mail", "saw prices")
    await expect(panel.focused).to_have_count(1)
    await keys.press("u")
    await panel.shows("came to the webinar", "asked for a demo", "clicked a mail", "saw prices")

    await keys.press("?")
    await expect(panel.sheet).to_contain_text("Keyboard shortcuts")
    await keys.press("Escape")
    await expect(panel.focused).to_have_count(1)
    await keys.press(".")
    await expect(panel.element.get_by_role("menuitem").first).to_be_focused()
    await keys.press("ArrowDown")
    await expect(panel.element.get_by_role("menuitem").nth(1)).to_be_focused()
    await keys.press("Escape")
    await expect(panel.element.get_by_role("menu")).to_have_count(0)
    await keys.press("/")
    await expect(panel.element.get_by_role("searchbox")).to_be_focused()
    await keys.type("just")
    await expect(panel.element).to_contain_text("Nothing matches these filters")
    assert await read_of(world) == set()


async def test_the_focus_goes_on_from_a_button_that_is_gone_once_pressed(panel: Panel) -> None:
    await panel.do("saw prices", "More")
    await panel.element.get_by_role("menuitem", name="Only Mia").click()
    await panel.shows("came to the webinar", "saw prices")
    await panel.element.locator(".only").press("Enter")
    await expect(panel.button("All")).to_be_focused()
    await panel.shows("came to the webinar", "asked for a demo", "clicked a mail", "saw prices")

    await panel.row("saw prices").focus()
    await panel.page.keyboard.press("m")
    await panel.sheet.get_by_role("button", name="Mute").click()
    await panel.button("Show").press("Enter")
    await expect(panel.button("Hide")).to_be_focused()
    await panel.page.keyboard.press("Enter")
    await expect(panel.button("Show")).to_be_focused()

    await panel.button("Best bets").press("Enter")
    await panel.button("Clear filters").press("Enter")
    await expect(panel.focused).to_contain_text("asked for a demo")


async def test_the_focus_waits_for_rows_that_take_their_time(panel: Panel) -> None:
    async def late(route: Route) -> None:
        await expect(panel.element.get_by_label("Loading")).to_be_visible()
        await route.continue_()

    await panel.page.route("**/v1/feed?*", late)
    await panel.row("saw prices").focus()
    await panel.page.keyboard.press(".")
    await panel.element.get_by_role("menuitem", name="Only Mia").press("Enter")

    await expect(panel.focused).to_contain_text("came to the webinar")
    await panel.page.keyboard.press("j")
    await expect(panel.focused).to_contain_text("saw prices")

    await panel.button("E-mail").press("Enter")
    await panel.button("Clear filters").press("Enter")
    await expect(panel.focused).to_contain_text("came to the webinar")


async def test_keys_with_ctrl_leave_the_feed_in_either_direction(panel: Panel) -> None:
    await panel.rows.nth(1).focus()
    await panel.page.keyboard.press("Control+Home")
    await expect(panel.button("Search and filter")).to_be_focused()
    await panel.rows.nth(1).focus()
    await panel.page.keyboard.press("Control+End")
    await expect(panel.element.locator("footer button").first).to_be_focused()


@pytest.mark.parametrize("modifier", ["Meta", "Alt", "Control"])
async def test_letters_with_another_key_are_the_browsers(panel: Panel, modifier: str) -> None:
    row = panel.row("clicked a mail")
    await row.focus()
    default = await panel.element.evaluate(
        """({shadowRoot: root}, modifier) => root.activeElement.dispatchEvent(
             new KeyboardEvent("keydown",
               {key: "e", code: "KeyE", [`${modifier}Key`]: true, bubbles: true, composed: true, cancelable: true}))""",
        {"Meta": "meta", "Alt": "alt", "Control": "ctrl"}[modifier],
    )
    assert default, "the browser was kept from it"
    await expect(row).to_have_class("unread")
