"""What goes wrong while a rep goes on: a file that did not come, a late answer, a page with rules of its own."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from playwright.async_api import BrowserContext, Route, expect

from browser import Panel, Site, panel_url, site
from leadfeed_api.settings import Settings
from world import Service, World, ok, served

pytest_plugins = ["windows"]
pytestmark = pytest.mark.anyio
BUSY: dict[str, Any] = {"status": 503, "json": {"type": "/problems/unavailable", "detail": "busy"}}
COPYING_FAILS = "void (navigator.clipboard.writeText = () => Promise.reject(new Error('forbidden')))"


@pytest.fixture
async def world(server: Service) -> World:
    made = await server.new_world()
    await made.people("ana", leads={"mia": "ana", "leo": "ana"})
    await made.report(*(made.moment(lead, description=f"of {lead}", type="milestone") for lead in ("mia", "leo")))
    return made


@pytest.fixture
async def panel(world: World, context: BrowserContext) -> Panel:
    await context.grant_permissions(["clipboard-read", "clipboard-write"])
    return await (await Panel.open(context, panel_url(world, "ana"))).live()


@asynccontextmanager
async def elsewhere(settings: Settings, moments: int) -> AsyncIterator[tuple[Site, World]]:
    """Somebody else's site, whose pages the service lets in; ana has as many leads as moments."""
    async with site() as crm, served(settings.model_copy(update={"cors_origins": [crm.origin]})) as service:
        world = await service.new_world()
        await world.people("ana", leads={f"l{n}": "ana" for n in range(moments)})
        await world.report(*(world.moment(f"l{n}", type="milestone") for n in range(moments)))
        yield crm, world


async def read_by_the_service(world: World) -> list[bool]:
    return [item["read"] for item in await world.feed("ana")]


async def test_actions_that_did_not_come_are_fetched_when_they_are_wanted_again(
    world: World, context: BrowserContext
) -> None:
    asked: asyncio.Queue[str] = asyncio.Queue()

    async def refuse(route: Route) -> None:
        asked.put_nowait(route.request.url)
        await route.fulfill(status=503, body="deploying")

    await context.route("**/lead-feed.actions.js*", refuse)
    panel = await (await Panel.open(context, panel_url(world, "ana"))).live()
    await asked.get()  # by itself, soon after the start
    await panel.button("Menu").click()
    await expect(panel.toast).to_have_text("The lead feed cannot be reached")
    await expect(panel.element.get_by_role("status")).to_have_text("The lead feed cannot be reached")
    await context.unroute("**/lead-feed.actions.js*")
    await panel.button("Menu").click()
    await expect(panel.element.get_by_role("menu")).to_be_visible()
    await expect(panel.toast).to_be_hidden()


async def test_what_is_asked_for_twice_before_the_actions_are_there_opens_once(
    world: World, context: BrowserContext
) -> None:
    may_come = asyncio.Event()

    async def late(route: Route) -> None:
        await may_come.wait()
        await route.continue_()

    await context.route("**/lead-feed.actions.js*", late)
    panel = await (await Panel.open(context, panel_url(world, "ana"))).live()
    await panel.rows.first.focus()
    for _ in range(2):
        await panel.page.keyboard.press("s")
    may_come.set()
    await expect(panel.sheet).to_have_count(1)
    await panel.page.keyboard.press("Escape")
    await expect(panel.sheet).to_have_count(0)


async def test_a_language_that_did_not_come_is_fetched_when_it_is_wanted_again(
    world: World, context: BrowserContext
) -> None:
    await context.route("**/lead-feed.fr.js*", lambda route: route.fulfill(status=503, body="deploying"))
    panel = await (await Panel.open(context, panel_url(world, "ana", lang="fr"))).live()
    await expect(panel.count).to_have_text("2 unread")
    await context.unroute("**/lead-feed.fr.js*")
    await panel.element.evaluate("panel => panel.refresh()")
    await expect(panel.count).to_have_text("2 non lus")


@pytest.mark.parametrize("display", ["block", "inline-block", "flex", "grid"])
async def test_it_stays_in_the_box_that_a_page_gives_it_whatever_its_display(
    settings: Settings, context: BrowserContext, display: str
) -> None:
    async with elsewhere(settings, 120) as (crm, world):
        style = f"<style>lead-feed {{ display: {display}; height: 400px; width: 380px }}</style>"
        url = crm.embed(world.service.base_url, world.token("ana"), body=style)
        panel = await (await Panel.open(context, url)).live()
        await expect(panel.rows).to_have_count(50)
        box = await panel.element.locator(".panel").bounding_box()
        assert box is not None
        assert box["height"] == 400
        await panel.scrolls_to(120)


async def test_a_proxy_whose_service_is_away_is_said_in_the_panels_language_and_that_it_is_tried_again(
    world: World, context: BrowserContext
) -> None:
    """What a proxy says of it is English at best, and over HTTP/2 nothing."""
    await context.route("**/v1/feed?*", lambda route: route.fulfill(status=502, body="<h1>Bad gateway</h1>"))
    panel = await Panel.open(context, panel_url(world, "ana", lang="fr"))
    alert = panel.element.get_by_role("alert")
    await expect(alert).to_contain_text("Service injoignable")
    await expect(alert).to_contain_text("Nouvelle tentative automatique")
    await context.unroute("**/v1/feed?*")
    await panel.live()

    await context.route("**/v1/feed-link", lambda route: route.fulfill(status=502, body="<h1>Bad gateway</h1>"))
    await panel.button("Flux RSS").click()
    await expect(panel.sheet.get_by_role("alert")).to_have_text("Service injoignable")


async def test_a_refusal_that_is_not_the_services_is_told_by_its_number(world: World, context: BrowserContext) -> None:
    await context.route("**/v1/feed?*", lambda route: route.fulfill(status=403, body="<h1>Forbidden</h1>"))
    panel = await Panel.open(context, panel_url(world, "ana"))
    await expect(panel.element.get_by_role("alert")).to_contain_text("status-403")


async def test_of_a_mark_and_its_undoing_the_last_one_said_is_the_last_one_heard(
    world: World, panel: Panel, context: BrowserContext
) -> None:
    going, may_go = asyncio.Event(), asyncio.Event()

    async def late(route: Route) -> None:
        going.set()
        await may_go.wait()
        await route.continue_()

    await context.route("**/v1/feed/read", late)
    await panel.rows.first.focus()
    await panel.page.keyboard.press("e")
    await going.wait()
    async with panel.page.expect_response("**/v1/feed/unread") as undone:
        await panel.page.keyboard.press("u")
        await expect(panel.rows.first).to_have_class("unread")
        may_go.set()
    assert (await undone.value).status == 200
    assert await read_by_the_service(world) == [False, False]
    await expect(panel.count).to_have_text("2 unread")


async def test_what_the_service_does_not_unmute_stays_muted_in_the_sheet_which_says_why(
    world: World, panel: Panel, context: BrowserContext
) -> None:
    muted = await world.client.put("/v1/mutes/leads/mia", headers=world.rep("ana"), json={"until": None})
    assert muted.is_success
    await panel.menu("Muted")
    line = panel.sheet.get_by_role("listitem").filter(has_text="Mia")

    async def refused(route: Route) -> None:
        await (route.fulfill(**BUSY) if route.request.method == "DELETE" else route.continue_())

    await context.route("**/v1/mutes/**", refused)
    await line.get_by_role("button", name="Unmute").click()
    await expect(panel.sheet.get_by_role("alert")).not_to_be_empty()
    await expect(line.get_by_role("button", name="Unmute")).to_be_visible()
    await context.unroute("**/v1/mutes/**")
    await line.get_by_role("button", name="Unmute").click()
    await expect(line.get_by_role("button", name="Mute", exact=True)).to_be_visible()
    await expect(panel.sheet.locator(".problem")).to_be_empty()


async def test_what_is_said_in_a_sheet_is_seen_and_heard_there(world: World, panel: Panel) -> None:
    ok(await world.client.patch("/v1/settings", headers=world.machine, json={"rss_enabled": True}))
    await panel.button("RSS feed").click()
    copy, said = panel.sheet.get_by_role("button", name="Copy").first, panel.sheet.get_by_role("status")
    await copy.click()
    await expect(said).to_have_text("Copied")
    await panel.page.evaluate(COPYING_FAILS)
    await copy.click()
    await expect(said).to_contain_text("Could not copy")


async def test_a_token_renewed_while_one_scrolls_goes_on_where_it_was(
    settings: Settings, context: BrowserContext
) -> None:
    async with elsewhere(settings, 120) as (crm, world):
        url = crm.embed(
            world.service.base_url, world.token("ana"), body="<style>lead-feed { height: 400px; width: 380px }</style>"
        )
        panel = await (await Panel.open(context, url)).live()
        await expect(panel.rows).to_have_count(50)
        fresh = world.token("ana", ttl=timedelta(hours=2))

        async def expired(route: Route) -> None:
            known = route.request.headers.get("authorization", fresh).endswith(fresh)
            problem = {"type": "/problems/expired-token", "detail": "The credential has expired. Get a new one."}
            headers = {"Access-Control-Allow-Origin": "*"}
            await (route.continue_() if known else route.fulfill(status=401, json=problem, headers=headers))

        await context.route("**/v1/**", expired)
        scroller = panel.element.locator(".scroller")
        await scroller.evaluate("element => { element.scrollTop = element.scrollHeight; }")
        await expect(panel.element.locator(".after")).to_contain_text("cannot be reached")
        await panel.element.evaluate("(panel, token) => panel.setAttribute('token', token)", fresh)
        await panel.scrolls_to(120)


async def test_whose_link_is_followed_is_marked_read_though_the_page_goes(
    settings: Settings, context: BrowserContext
) -> None:
    async with elsewhere(settings, 1) as (crm, world):
        kept = """() => {
          const fetched = fetch;
          window.fetch = (url, options) => {
            if (options?.body) sessionStorage.setItem("kept", options.keepalive);
            return fetched(url, options);
          };
        }"""
        await context.add_init_script(f"({kept})()")
        url = crm.embed(world.service.base_url, world.token("ana"), attributes='lead-href="/lead/{id}"')
        panel = await (await Panel.open(context, url)).live()
        await panel.until("document.querySelector('lead-feed').shadowRoot.adoptedStyleSheets.length", 2)  # with actions
        await panel.rows.get_by_role("link", name="L0").click()
        await panel.page.wait_for_url("**/lead/l0")
        # A browser lets go of what a page asked when it goes; only what is marked so outlives it.
        assert await panel.page.evaluate("sessionStorage.getItem('kept')") == "true"


async def test_of_two_panels_on_a_page_one_counts_in_its_title_and_gives_it_back(
    settings: Settings, context: BrowserContext
) -> None:
    async with elsewhere(settings, 2) as (crm, world):
        token = world.token("ana")
        second = f'<lead-feed src="{world.service.base_url}" token="{token}" title-count></lead-feed>'
        page = await context.new_page()
        await page.goto(crm.embed(world.service.base_url, token, attributes="title-count", body=second))
        await expect(page).to_have_title("(2) A CRM")
        await world.report(world.moment("l0"))
        await expect(page).to_have_title("(3) A CRM")
        await page.evaluate("document.querySelectorAll('lead-feed').forEach(one => one.removeAttribute('title-count'))")
        await world.report(world.moment("l0"))
        await expect(page).to_have_title("A CRM")


async def test_a_count_that_comes_when_its_panel_has_gone_leaves_the_title_to_the_next_one(
    settings: Settings, context: BrowserContext
) -> None:
    async with elsewhere(settings, 2) as (crm, world):
        url = crm.embed(world.service.base_url, world.token("ana"), attributes="title-count")
        panel = await (await Panel.open(context, url)).live()
        await expect(panel.page).to_have_title("(2) A CRM")
        asked: asyncio.Queue[Route] = asyncio.Queue()
        await context.route("**/v1/feed/unread", asked.put, times=1)
        await world.client.put("/v1/watchlist/l0", headers=world.rep("ana"))
        late = await asked.get()

        await panel.element.evaluate("panel => panel.refresh()")
        await late.continue_()
        await panel.live()
        await world.report(world.moment("l0"))

        await expect(panel.page).to_have_title("(3) A CRM")


async def test_a_list_whose_last_thing_is_gone_says_how_it_fills(world: World, panel: Panel) -> None:
    body = {"match": {"kind": "lead", "value": "mia"}}
    ok(await world.client.post("/v1/subscriptions", headers=world.rep("ana"), json=body), 201)
    await panel.menu("My subscriptions")
    await panel.sheet.get_by_role("button", name="Delete").click()
    await expect(panel.sheet).to_contain_text("You have no subscriptions.")


async def test_what_another_tab_mutes_goes_though_the_mutes_could_not_be_read_at_first(
    world: World, panel: Panel, context: BrowserContext
) -> None:
    other = await (await Panel.open(context, panel_url(world, "ana"))).live()
    tried = asyncio.Event()

    async def away(route: Route) -> None:
        await route.abort()
        tried.set()

    await other.page.route("**/v1/mutes", away)
    await panel.row("of mia").focus()
    await panel.page.keyboard.press("m")
    await panel.sheet.get_by_role("button", name="Mute").click()
    await tried.wait()
    await other.page.unroute("**/v1/mutes")

    await panel.shows("of leo")
    await other.shows("of leo")


async def test_it_is_live_where_the_browser_keeps_nothing_for_sites(world: World, context: BrowserContext) -> None:
    await context.add_init_script(
        """for (const asked of ["request", "query"]) {
          navigator.locks[asked] = () => Promise.reject(new DOMException("denied", "SecurityError"));
        }"""
    )
    panel = await (await Panel.open(context, panel_url(world, "ana"))).live()
    await world.report(world.moment("leo", description="heard"))
    await expect(panel.row("heard")).to_be_visible()
