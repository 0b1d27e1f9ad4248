"""The panel for everybody: the feed pattern, names and contrasts, zoom, calm, high contrast."""

from collections.abc import Awaitable, Callable

import pytest
from playwright.async_api import BrowserContext, expect

from browser import Desk, Panel, panel_url
from tools import needs
from world import Service, World, ok

pytest_plugins = ["windows"]
pytestmark = pytest.mark.anyio


@pytest.fixture
async def world(server: Service) -> World:
    """A feed with everything in it that a row can show."""
    world = await server.new_world()
    await world.people("ana", "bob", leads={"mia": "ana", "leo": "ana", "zoe": "bob"})
    await world.sync(
        leads=[{"id": "mia", "name": "Mia Wong", "title": "CTO", "account_id": "acme", "owner_id": "ana",
                "stars": 3, "flames": 2, "starred": True}]
    )  # fmt: skip
    await world.client.put("/v1/watchlist/zoe", headers=world.rep("ana"))
    ids = await world.report(
        *(world.moment("mia", description=f"page {n}") for n in range(4)),
        world.moment("leo", type="email", description="clicked", bot="likely a mail scanner"),
        world.moment("zoe", type="milestone", description="asked for a demo", url="https://acme.example/demo"),
        world.moment("leo", description="was read"),
    )
    await world.client.post("/v1/feed/read", headers=world.rep("ana"), json={"ids": ids[-1:]})
    ok(await world.client.patch("/v1/settings", headers=world.machine, json={"rss_enabled": True}))
    return world


async def as_it_opens(panel: Panel) -> None:
    await expect(panel.rows).to_have_count(4)


async def a_focused_row(panel: Panel) -> None:
    await panel.row("asked for a demo").focus()


async def an_unfolded_group(panel: Panel) -> None:
    await panel.row("page 3").locator(".fold").click()
    await expect(panel.row("page 0")).to_be_visible()


async def the_row_menu(panel: Panel) -> None:
    await panel.do("asked for a demo", "More")
    await expect(panel.element.get_by_role("menu")).to_be_visible()


def a_sheet(*keys: str) -> Callable[[Panel], Awaitable[None]]:
    async def opened(panel: Panel) -> None:
        row = panel.row("asked for a demo")
        await row.focus()
        await expect(row.get_by_role("button", name="Subscribe")).to_be_visible()
        for key in keys:
            await panel.page.keyboard.press(key)
        await expect(panel.sheet).to_be_visible()

    return opened


async def the_feed_link(panel: Panel) -> None:
    await panel.button("RSS feed").click()
    await expect(panel.sheet.get_by_label("RSS", exact=True)).to_be_visible()


async def a_mute(panel: Panel) -> None:
    await panel.row("clicked").focus()
    await panel.page.keyboard.press("m")
    await panel.sheet.get_by_role("button", name="Mute").click()
    await expect(panel.toast).to_be_visible()


async def a_filter_that_leaves_nothing(panel: Panel) -> None:
    await panel.button("Search and filter").click()
    await panel.element.get_by_role("searchbox").fill("nothing like this")
    await expect(panel.element).to_contain_text("Nothing matches")


async def beside_a_record_of_which_nothing_comes(panel: Panel) -> None:
    await panel.button("Clear filters").click()
    await panel.page.evaluate("document.querySelector('lead-feed').setAttribute('lead-id', 'nobody')")
    await expect(panel.element).to_contain_text("for leads you own or watch")


# One after the other on one page, Escape between them: what stays of one state is part of the next.
STATES = [as_it_opens, a_focused_row, an_unfolded_group, the_row_menu, a_sheet("?"), a_sheet("s"), the_feed_link,
          a_mute, a_filter_that_leaves_nothing, beside_a_record_of_which_nothing_comes]  # fmt: skip
AXE = """async (only) => {
  const found = await axe.run(document.querySelector("lead-feed"), {resultTypes: ["violations"], ...only});
  return found.violations.map(({id, nodes}) => `${id}: ${nodes.map((node) => node.html).join(" | ").slice(0, 400)}`);
}"""
ALL_RULES: dict[str, list[str]] = {}
COLOURS = {"runOnly": ["color-contrast", "link-in-text-block"]}  # all that another colour scheme changes


@pytest.mark.parametrize(("scheme", "rules"), [("light", ALL_RULES), ("dark", COLOURS)])
async def test_axe_finds_nothing_in_any_state(
    world: World, scheme: str, rules: dict[str, list[str]], desk: Desk
) -> None:
    axe = needs("axe-core").read_text("utf-8")
    async with desk(color_scheme=scheme, reduced_motion="reduce") as context:
        panel = await (await Panel.open(context, panel_url(world, "ana"))).live()
        await panel.page.evaluate(axe)
        for state in STATES:
            await state(panel)
            assert await panel.page.evaluate(AXE, rules) == [], state.__name__
            await panel.page.keyboard.press("Escape")
            await expect(panel.element.locator("dialog, [popover]")).to_have_count(0)


async def test_it_is_a_feed_of_named_described_and_counted_articles(world: World, context: BrowserContext) -> None:
    panel = await (await Panel.open(context, panel_url(world, "ana"))).live()
    await expect(panel.rows).to_have_count(4)
    await expect(panel.feed).to_have_attribute("aria-busy", "false")
    await expect(panel.feed).to_have_accessible_name("Interesting moments, newest first")
    for place in range(4):  # when the list has come to rest
        await expect(panel.rows.nth(place)).to_have_attribute("aria-posinset", str(place + 1))
    assert await panel.rows.evaluate_all("rows => rows.map((row) => row.getAttribute('aria-setsize'))") == ["-1"] * 4
    await expect(panel.row("asked for a demo")).to_have_accessible_description("asked for a demo you watch")
    await expect(panel.row("clicked")).to_have_accessible_description("clicked you own likely a mail scanner")
    described = "page 3 Best bet Relative score: 3 of 3 stars Urgency: 2 of 3 flames you own"
    await expect(panel.row("page 3")).to_have_accessible_description(described)
    await expect(panel.element.locator("section")).to_have_attribute("lang", "en")
    tab_stops = await panel.rows.evaluate_all("rows => rows.filter((row) => row.tabIndex === 0).length")
    assert tab_stops == 1, "one row is in the order of the Tab key, the others are reached by j and k"


async def test_what_arrives_is_announced_politely_and_not_one_by_one(world: World, context: BrowserContext) -> None:
    panel = await (await Panel.open(context, panel_url(world, "ana"))).live()
    await panel.page.evaluate(
        """() => {
          globalThis.said = [];
          const speaker = document.querySelector("lead-feed").shadowRoot.querySelector("[role=status]");
          new MutationObserver(() => said.push(speaker.textContent)).observe(speaker, {childList: true});
        }"""
    )
    await world.report(*(world.moment("leo", type="email", description=f"mail {n}") for n in range(30)))
    await panel.until("said.length > 0")
    assert await panel.page.evaluate("said") == ["36 unread"]

    await panel.button("Milestone").click()
    await panel.until("said.at(-1)", "1 moment")
    await panel.button("Search and filter").click()
    await panel.element.get_by_role("searchbox").fill("nothing like this")
    await panel.until("said.at(-1)", "Nothing matches these filters")


async def test_a_second_press_on_its_button_closes_a_menu(world: World, context: BrowserContext) -> None:
    panel = await (await Panel.open(context, panel_url(world, "ana"))).live()
    menu, button = panel.element.get_by_role("menu"), panel.button("Menu")
    for expanded in ("true", "false", "true"):
        await button.click()
        await expect(button).to_have_attribute("aria-expanded", expanded)
        await expect(menu).to_have_count(int(expanded == "true"))


async def test_at_200_percent_nothing_is_cut_off_sideways(world: World, desk: Desk) -> None:
    async with desk(viewport={"width": 500, "height": 400}, device_scale_factor=2) as context:
        panel = await (await Panel.open(context, panel_url(world, "ana"))).live()
        await expect(panel.rows).to_have_count(4)
        assert await panel.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        await a_sheet("s")(panel)
        box = await panel.sheet.bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 500
        assert box["y"] + box["height"] <= 400


async def test_reduced_motion_moves_nothing(world: World, desk: Desk) -> None:
    async with desk(reduced_motion="reduce") as context:
        await context.add_init_script(
            "globalThis.moved = 0; const real = Element.prototype.animate;"
            "Element.prototype.animate = function (...all) { moved += 1; return real.apply(this, all); };"
        )
        panel = await (await Panel.open(context, panel_url(world, "ana"))).live()
        await world.report(world.moment("zoe", description="slides in elsewhere"))
        await expect(panel.rows.first).to_contain_text("slides in elsewhere")
        running = "document.querySelector('lead-feed').shadowRoot.getAnimations().length"
        assert await panel.page.evaluate(f"moved + {running}") == 0


async def test_forced_colors_keep_what_only_colour_said(world: World, desk: Desk) -> None:
    async with desk(forced_colors="active") as context:
        panel = await (await Panel.open(context, panel_url(world, "ana"))).live()
        dot = panel.row("asked for a demo").locator(".dot")
        colours = await dot.evaluate("dot => [getComputedStyle(dot).backgroundColor, getComputedStyle(dot).display]")
        assert colours == ["rgb(0, 0, 0)", "block"]
        pressed = panel.button("All")
        assert await pressed.evaluate("chip => getComputedStyle(chip).outlineStyle") == "solid"
