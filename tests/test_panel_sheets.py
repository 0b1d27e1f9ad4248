"""What opens in the panel: subscribing, the feed's address, and the lists of one's own things."""

from typing import Any

import pytest
from playwright.async_api import BrowserContext, Route, expect

from browser import Panel, panel_url
from world import Service, World, ok

pytest_plugins = ["windows"]
pytestmark = pytest.mark.anyio


@pytest.fixture
async def world(server: Service) -> World:
    world = await server.new_world()
    await world.people("ana", "bob", leads={"mia": "ana", "zoe": "bob"})
    await world.client.put("/v1/watchlist/zoe", headers=world.rep("ana"))
    await world.report(world.moment("mia", description="of Mia"), world.moment("zoe", description="of Zoe"))
    return world


@pytest.fixture
async def panel(world: World, context: BrowserContext) -> Panel:
    await context.grant_permissions(["clipboard-read", "clipboard-write"])
    opened = await (await Panel.open(context, panel_url(world, "ana"))).live()
    await opened.shows("of Zoe", "of Mia")
    return opened


async def subscriptions(world: World) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = ok(await world.client.get("/v1/subscriptions", headers=world.rep("ana")))["items"]
    return items


async def test_subscribing_to_a_person_shows_on_every_moment_of_theirs(world: World, panel: Panel) -> None:
    await panel.do("of Mia", "Subscribe")
    await expect(panel.sheet.get_by_label("Everything about Mia")).to_be_checked()
    await panel.sheet.get_by_label("How often").select_option("daily")
    await panel.sheet.get_by_role("button", name="Subscribe").click()

    await expect(panel.row("of Mia")).to_contain_text("subscribed")
    await expect(panel.row("of Zoe")).not_to_contain_text("subscribed")
    (made,) = await subscriptions(world)
    assert (made["match"], made["frequency"]) == ({"kind": "lead", "value": "mia"}, "daily")
    assert made["recipients"] == ["ana@crm.example"]


@pytest.mark.parametrize(
    ("choice", "match", "scope"),
    [
        ("Everyone at Acme", {"kind": "account", "value": "acme"}, "owned"),
        ("Every moment of type Web", {"kind": "type", "value": "web"}, "owned"),
        ("Moments that mention these words:", {"kind": "description", "value": "pricing demo"}, "feed"),
    ],
)
async def test_subscribing_by_account_type_or_words(
    world: World, panel: Panel, choice: str, match: dict[str, str], scope: str
) -> None:
    await panel.do("of Mia", "Subscribe")
    await panel.sheet.get_by_label(choice).check()
    if match["kind"] == "description":
        await panel.sheet.get_by_label("Words", exact=True).fill("pricing demo")
        await panel.sheet.get_by_label("Also for leads I only watch").check()
    await panel.sheet.get_by_label("To").fill("bob@crm.example, ana@crm.example")
    await panel.sheet.get_by_role("button", name="Subscribe").click()
    await expect(panel.sheet).to_have_count(0)

    (made,) = await subscriptions(world)
    assert (made["match"], made["scope"]) == (match, scope)
    assert sorted(made["recipients"]) == ["ana@crm.example", "bob@crm.example"]


async def test_an_address_that_is_none_is_said_in_the_form_and_nothing_is_lost(world: World, panel: Panel) -> None:
    await panel.do("of Mia", "Subscribe")
    await panel.sheet.get_by_label("To").fill("not an address")
    await panel.sheet.get_by_role("button", name="Subscribe").click()

    await expect(panel.sheet.get_by_role("alert")).to_contain_text("“not” is no e-mail address")
    await expect(panel.sheet.get_by_label("To")).to_have_value("not an address")
    await expect(panel.sheet.get_by_role("button", name="Subscribe")).to_be_enabled()
    assert await subscriptions(world) == []


async def test_what_else_is_wrong_is_said_as_the_service_says_it(panel: Panel) -> None:
    await panel.do("of Mia", "Subscribe")
    await panel.sheet.get_by_label("To").fill(", ".join(f"rep{n}@crm.example" for n in range(11)))
    await panel.sheet.get_by_role("button", name="Subscribe").click()
    await expect(panel.sheet.get_by_role("alert")).to_contain_text("10")


async def test_words_that_are_none_are_asked_for_where_they_belong(world: World, panel: Panel) -> None:
    await panel.do("of Mia", "Subscribe")
    await panel.sheet.get_by_label("Moments that mention these words:").check()
    for given in ("", "!!!"):
        await panel.sheet.get_by_label("Words", exact=True).fill(given)
        await panel.sheet.get_by_role("button", name="Subscribe").click()
        await expect(panel.sheet.get_by_role("alert")).to_have_text("Write at least one word.")
        await expect(panel.sheet.get_by_label("Words", exact=True)).to_be_focused()
    assert await subscriptions(world) == []


async def test_an_id_without_letters_can_be_subscribed_to(world: World, panel: Panel) -> None:
    await world.sync(leads=[{"id": "—", "name": "Dash", "owner_id": "ana"}])
    await world.report(world.moment("—", description="of Dash"))
    await panel.do("of Dash", "Subscribe")
    await panel.sheet.get_by_role("button", name="Subscribe").click()
    await expect(panel.sheet).to_have_count(0)
    assert [one["match"] for one in await subscriptions(world)] == [{"kind": "lead", "value": "—"}]


async def test_whoever_has_to_agree_first_is_said_not_to_be_mailed_yet(panel: Panel) -> None:
    await panel.do("of Mia", "Subscribe")
    await panel.sheet.get_by_label("To").fill("guest@partner.example")
    await panel.sheet.get_by_role("button", name="Subscribe").click()
    await expect(panel.toast).to_contain_text("not confirmed yet by its owner")


async def test_what_the_service_says_of_mail_is_said_in_the_panels_language(world: World, panel: Panel) -> None:
    await panel.element.evaluate("element => { element.lang = 'fr'; }")
    await panel.do("of Mia", "S’abonner")
    await panel.sheet.locator("[name=to]").fill("not an address")
    await panel.sheet.get_by_role("button", name="S’abonner").click()
    await expect(panel.sheet.get_by_role("alert")).to_contain_text("n’est pas une adresse e-mail")
    await panel.sheet.locator("[name=to]").fill("guest@partner.example")
    await panel.sheet.get_by_role("button", name="S’abonner").click()
    await expect(panel.sheet).to_have_count(0)

    await panel.button("Menu").click()
    await panel.element.get_by_role("menu").get_by_text("Mes abonnements").click()
    line = panel.sheet.get_by_role("listitem")
    await expect(line).to_contain_text("guest@partner.example · pas encore confirmée")
    cut = "select => select.scrollWidth > select.clientWidth"
    assert not await line.get_by_role("combobox").evaluate(cut), "how often is written out"


async def test_my_subscriptions_are_paused_changed_and_ended_in_place(world: World, panel: Panel) -> None:
    body = {"match": {"kind": "lead", "value": "mia"}, "frequency": "instant"}
    ok(await world.client.post("/v1/subscriptions", headers=world.rep("ana"), json=body), 201)
    await panel.menu("My subscriptions")
    line = panel.sheet.get_by_role("listitem")
    await expect(line).to_contain_text("Everything about Mia")
    await expect(line).to_contain_text("ana@crm.example")

    await line.get_by_role("button", name="Pause").click()
    await expect(line.get_by_role("button", name="Resume")).to_be_visible()
    assert (await subscriptions(world))[0]["paused"] is True
    struck = "line => getComputedStyle(line.querySelector('strong')).textDecorationLine"
    assert await line.evaluate(struck) == "line-through"
    await panel.page.keyboard.press("Escape")
    await panel.menu("My subscriptions")
    await expect(line.get_by_role("button", name="Resume")).to_be_visible()
    assert await line.evaluate(struck) == "line-through", "as it was left"
    await line.get_by_role("button", name="Resume").click()
    await expect(line.get_by_role("button", name="Pause")).to_be_visible()
    assert await line.evaluate(struck) == "none"
    await line.get_by_label("How often").select_option("hourly")
    await expect(line.get_by_label("How often")).to_be_enabled()
    assert [(one["paused"], one["frequency"]) for one in await subscriptions(world)] == [(False, "hourly")]
    await line.get_by_role("button", name="Delete").click()
    await expect(line).to_have_count(0)
    assert await subscriptions(world) == []


async def test_a_subscription_that_is_paused_shows_on_no_moment_in_no_tab(
    world: World, panel: Panel, context: BrowserContext
) -> None:
    body = {"match": {"kind": "lead", "value": "mia"}}
    ok(await world.client.post("/v1/subscriptions", headers=world.rep("ana"), json=body), 201)
    tabs = [panel, await (await Panel.open(context, panel_url(world, "ana"))).live()]
    await panel.menu("My subscriptions")
    for button, shown in (("Pause", 0), ("Resume", 1), ("Delete", 0)):
        await panel.sheet.get_by_role("button", name=button).click()
        for tab in tabs:
            await expect(tab.row("of Mia").locator(".subscribed")).to_have_count(shown)


async def test_of_several_subscriptions_each_control_says_whose_it_is_and_the_focus_stays_among_them(
    world: World, panel: Panel
) -> None:
    for match in ({"kind": "lead", "value": "mia"}, {"kind": "type", "value": "web"}):
        ok(await world.client.post("/v1/subscriptions", headers=world.rep("ana"), json={"match": match}), 201)
    await panel.menu("My subscriptions")
    lines = panel.sheet.get_by_role("listitem")
    ends = lines.get_by_role("button", name="Delete")
    names = [await lines.nth(n).locator("strong").text_content() or "" for n in range(2)]
    assert sorted(names) == ["Every moment of type Web", "Everything about Mia"]
    for n, name in enumerate(names):
        await expect(ends.nth(n)).to_have_accessible_description(name)

    await ends.first.press("Enter")
    await expect(lines).to_have_count(1)
    await expect(ends.first).to_be_focused()
    await expect(ends.first).to_have_accessible_description(names[1])
    await expect(panel.sheet.get_by_role("status")).to_have_text("Subscription deleted")
    await ends.first.press("Enter")
    await expect(lines).to_have_count(0)
    await expect(panel.sheet.locator(".state")).to_be_focused()


async def test_where_there_is_little_room_a_menu_can_be_scrolled(panel: Panel) -> None:
    await panel.page.set_viewport_size({"width": 320, "height": 256})
    await panel.row("of Mia").focus()
    await panel.row("of Mia").get_by_role("button", name="More").click()
    menu = panel.element.get_by_role("menu")
    await menu.evaluate("menu => { menu.style.fontSize = '27px'; }")
    box = await menu.bounding_box()
    assert box is not None
    assert box["y"] >= 0
    assert await menu.evaluate("menu => menu.offsetHeight <= innerHeight && menu.scrollHeight > menu.clientHeight")
    assert await menu.evaluate("menu => getComputedStyle(menu).overflowY") == "auto"


async def test_without_mail_on_the_service_nothing_is_offered(world: World, context: BrowserContext) -> None:
    await context.route("**/v1/subscriptions", lambda route: route.fulfill(status=404))
    panel = await (await Panel.open(context, panel_url(world, "ana"))).live()
    await panel.row("of Mia").hover()
    await expect(panel.row("of Mia").get_by_role("button", name="Watch")).to_be_visible()
    await expect(panel.row("of Mia").get_by_role("button", name="Subscribe")).to_have_count(0)
    await panel.button("Menu").click()
    await expect(panel.element.get_by_role("menuitem", name="My watch list")).to_be_visible()
    await expect(panel.element.get_by_role("menuitem", name="My subscriptions")).to_have_count(0)


async def test_my_watch_list_is_mended_where_one_slipped(world: World, panel: Panel) -> None:
    await panel.menu("My watch list")
    line = panel.sheet.get_by_role("listitem")
    await expect(line).to_contain_text("Zoe")
    await line.get_by_role("button", name="Stop watching").click()
    await expect(line.get_by_role("button", name="Watch", exact=True)).to_be_visible()
    assert ok(await world.client.get("/v1/watchlist", headers=world.rep("ana")))["items"] == []
    await line.get_by_role("button", name="Watch", exact=True).click()
    await expect(line.get_by_role("button", name="Stop watching")).to_be_visible()
    await panel.page.keyboard.press("Escape")
    await panel.shows("of Zoe", "of Mia")


async def test_what_goes_wrong_in_a_long_list_is_said_where_one_sees_it(world: World, panel: Panel) -> None:
    await world.people("ana", "bob", leads={f"l{n}": "bob" for n in range(40)})
    body = {"lead_ids": [f"l{n}" for n in range(40)]}
    ok(await world.client.post("/v1/watchlist", headers=world.rep("ana"), json=body))
    await panel.page.route("**/v1/watchlist/*", lambda route: route.fulfill(status=503))
    await panel.menu("My watch list")
    await expect(panel.sheet.get_by_role("listitem")).to_have_count(41)

    await panel.sheet.get_by_role("button", name="Stop watching").first.click()

    await expect(panel.sheet.get_by_role("alert")).to_have_text("The lead feed cannot be reached")
    await expect(panel.sheet.get_by_role("alert")).to_be_in_viewport(ratio=1)


async def test_an_empty_list_says_how_it_fills(panel: Panel) -> None:
    await panel.menu("Muted")
    await expect(panel.sheet).to_contain_text("Nothing is muted.")


async def test_rss_switched_off_says_what_to_tell_the_administrator(panel: Panel) -> None:
    await panel.button("RSS feed").click()
    await expect(panel.sheet).to_contain_text("switched off in your organisation")
    await panel.sheet.get_by_role("button", name="Copy a message").click()
    await panel.until("navigator.clipboard.readText().then((text) => text.includes('rss_enabled'))")


async def test_the_feeds_address_is_copied_stripped_of_contacts_and_replaced(world: World, panel: Panel) -> None:
    ok(await world.client.patch("/v1/settings", headers=world.machine, json={"rss_enabled": True}))

    async def link() -> dict[str, Any]:
        return ok(await world.client.get("/v1/feed-link", headers=world.rep("ana")))

    await panel.button("RSS feed").click()
    field = panel.sheet.get_by_label("RSS", exact=True)
    before = await link()
    await expect(field).to_have_value(before["rss"])
    await panel.sheet.get_by_role("button", name="Copy").first.click()
    await panel.until("navigator.clipboard.readText()", before["rss"])

    await panel.sheet.get_by_label("Include contact details").uncheck()
    await expect(panel.sheet.get_by_label("Include contact details")).to_be_enabled()
    await expect(panel.sheet.get_by_label("Include contact details")).to_be_focused()
    assert (await link())["contact_details"] is False

    await panel.sheet.get_by_role("button", name="Replace the address").click()
    await expect(field).to_have_value(before["rss"])
    await panel.sheet.get_by_role("button", name="Replace it?").click()
    await expect(field).not_to_have_value(before["rss"])
    await expect(field).to_have_value((await link())["rss"])
    await expect(panel.sheet.get_by_role("button", name="Replace the address")).to_be_focused()


async def test_what_the_service_refuses_to_change_is_shown_as_it_still_is(
    world: World, panel: Panel, context: BrowserContext
) -> None:
    async def refused(route: Route) -> None:
        await (route.fulfill(status=503) if route.request.method == "PATCH" else route.continue_())

    ok(await world.client.patch("/v1/settings", headers=world.machine, json={"rss_enabled": True}))
    body = {"match": {"kind": "lead", "value": "mia"}, "frequency": "daily"}
    ok(await world.client.post("/v1/subscriptions", headers=world.rep("ana"), json=body), 201)
    await context.route("**/v1/**", refused)

    await panel.button("RSS feed").click()
    await panel.sheet.get_by_label("Include contact details").click()
    await expect(panel.sheet.get_by_role("alert")).not_to_be_empty()
    await expect(panel.sheet.get_by_label("Include contact details")).to_be_checked()
    await panel.page.keyboard.press("Escape")

    await panel.menu("My subscriptions")
    await panel.sheet.get_by_label("How often").select_option("hourly")
    await expect(panel.sheet.get_by_role("alert")).not_to_be_empty()
    await expect(panel.sheet.get_by_label("How often")).to_have_value("daily")


@pytest.mark.parametrize("direction", ["ltr", "rtl"])
async def test_a_sheet_lies_over_the_panel_in_either_direction(panel: Panel, direction: str) -> None:
    await panel.page.set_viewport_size({"width": 1_000, "height": 700})
    await panel.page.evaluate(
        """direction => {
          document.documentElement.dir = direction;
          const style = "position: fixed; inset: 20px 300px auto auto; width: 380px";
          document.querySelector("lead-feed").style.cssText = style;
        }""",
        direction,
    )
    await panel.do("of Mia", "Subscribe")

    beneath, above = await panel.element.bounding_box(), await panel.sheet.bounding_box()
    assert beneath is not None
    assert above is not None
    assert abs(above["x"] - beneath["x"]) <= 1
    assert abs(above["width"] - beneath["width"]) <= 2

    await panel.page.set_viewport_size({"width": 800, "height": 320})
    await panel.until(
        """(() => {
          const host = document.querySelector("lead-feed");
          const both = [host, host.shadowRoot.querySelector("dialog")];
          const [beneath, above] = both.map((each) => each.getBoundingClientRect());
          return Math.abs(above.left - beneath.left) <= 1 && above.bottom <= innerHeight;
        })()"""
    )


async def test_a_sheet_and_a_menu_lie_where_they_belong_on_a_page_with_zoom(panel: Panel) -> None:
    await panel.page.set_viewport_size({"width": 1_280, "height": 800})
    await panel.page.evaluate(
        """() => {
          document.body.style.zoom = 1.25;
          const style = "position: fixed; inset: 20px 20px auto auto; width: 380px";
          document.querySelector("lead-feed").style.cssText = style;
        }"""
    )
    await panel.do("of Mia", "Subscribe")
    beneath, above = await panel.element.bounding_box(), await panel.sheet.bounding_box()
    assert beneath is not None
    assert above is not None
    assert abs(above["x"] - beneath["x"]) <= 10
    assert above["x"] + above["width"] <= 1_280
    await panel.page.keyboard.press("Escape")

    await panel.button("Menu").click()
    menu = await panel.element.get_by_role("menu").bounding_box()
    assert menu is not None
    assert beneath["x"] - 10 <= menu["x"] <= menu["x"] + menu["width"] <= 1_280


async def test_a_sheet_gives_the_focus_back(panel: Panel) -> None:
    await panel.button("RSS feed").click()
    await expect(panel.sheet).to_be_visible()
    await panel.sheet.get_by_role("button", name="Close").click()
    await expect(panel.button("RSS feed")).to_be_focused()

    await panel.row("of Mia").focus()
    await panel.page.keyboard.press("s")
    await expect(panel.sheet).to_be_visible()
    await panel.page.mouse.click(5, 5)
    await expect(panel.sheet).to_have_count(0)
    await expect(panel.focused).to_contain_text("of Mia")


async def test_a_sheet_stays_open_when_text_is_selected_past_its_edge(panel: Panel) -> None:
    await panel.do("of Mia", "Subscribe")
    to, mouse = panel.sheet.get_by_label("To"), panel.page.mouse
    await to.fill("bob@crm.example")
    await to.hover()
    await mouse.down()
    await mouse.move(5, 5)
    await mouse.up()
    await expect(to).to_have_value("bob@crm.example")
    await expect(to).to_be_visible()
