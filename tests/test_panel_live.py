"""The panel stays live, or says that it is not; whatever happens on the way, it ends equal to a fresh page."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from playwright.async_api import BrowserContext, Route, expect

from browser import Panel, Proxy, site
from clients import figure
from leadfeed_api.settings import Settings
from losses import put_back
from world import Service, World, ok, served

pytest_plugins = ["windows"]
pytestmark = pytest.mark.anyio


@asynccontextmanager
async def behind_a_proxy(settings: Settings) -> AsyncIterator[tuple[World, Proxy]]:
    """A world whose panel reaches its service through a proxy."""
    async with served(settings) as service, Proxy(service.base_url) as proxy:
        yield await service.new_world(), proxy


def through(proxy: Proxy, world: World, user: str) -> str:
    return f"{proxy.origin}/panel#token={world.token(user)}"


async def equals_a_fresh_page(panel: Panel, world: World, user: str) -> None:
    await panel.waits_for(*[item["id"] for item in await world.feed(user)])


async def test_a_server_that_is_killed_and_restarted_is_caught_up_with(
    settings: Settings, context: BrowserContext
) -> None:
    async with Proxy("") as proxy:
        async with served(settings) as first:
            proxy.target = first.base_url
            world = await first.new_world()
            await world.people("ana", "bob", leads={f"l{n}": "ana" for n in range(6)})
            await world.report(world.moment("l0"), world.moment("l1"))
            panel = await (await Panel.open(context, through(proxy, world, "ana"))).live()
            proxy.cut("refusing")
            await expect(panel.status).to_have_text("Reconnecting…")
            await world.report(world.moment("l2"), world.moment("l3"))
            await world.client.put("/v1/leads/l1/owner", headers=world.machine, json={"owner_id": "bob"})
        async with served(settings) as second:
            proxy.target = second.base_url
            proxy.mode = "open"
            again = World(second, world.org, world.key, world.numbers)
            await panel.live()
            await again.report(again.moment("l4"))
            await equals_a_fresh_page(panel, again, "ana")
            assert await panel.page.evaluate("performance.getEntriesByType('navigation').length") == 1
            assert panel.complaints == []


async def test_a_proxy_that_answers_503_for_a_while_is_outlived(settings: Settings, context: BrowserContext) -> None:
    async with behind_a_proxy(settings) as (world, proxy):
        await world.people("ana", leads={f"l{n}": "ana" for n in range(4)})
        await world.report(world.moment("l0"))
        panel = await (await Panel.open(context, through(proxy, world, "ana"))).live()

        proxy.cut("unavailable")
        await expect(panel.status).to_have_attribute("data-state", "reconnecting")
        await world.report(world.moment("l1"), world.moment("l2"))
        refused = 0

        def note(response: object) -> None:
            nonlocal refused
            refused += response.status == 503  # type: ignore[attr-defined]

        panel.page.on("response", note)
        async with panel.page.expect_response(lambda response: response.status == 503):
            pass
        proxy.cut("open")

        await panel.live()
        await equals_a_fresh_page(panel, world, "ana")
        assert panel.complaints == []


async def test_a_network_that_is_off_is_said_with_the_time_and_made_up_for(
    settings: Settings, context: BrowserContext
) -> None:
    async with behind_a_proxy(settings) as (world, proxy):
        await world.people("ana", "bob", leads={f"l{n}": "ana" for n in range(4)})
        await world.report(world.moment("l0"), world.moment("l1"))
        panel = await (await Panel.open(context, through(proxy, world, "ana"))).live()

        await context.set_offline(True)
        proxy.cut()
        await expect(panel.status).to_contain_text("Offline since")
        await world.report(world.moment("l2"))
        await world.client.delete("/v1/leads/l0", headers=world.machine)
        await context.set_offline(False)

        await panel.live()
        await equals_a_fresh_page(panel, world, "ana")
        assert panel.complaints == []


async def test_what_the_stream_is_yet_to_tell_is_counted_once(settings: Settings, context: BrowserContext) -> None:
    """The service answers again before the stream does."""
    await context.clock.install()
    async with behind_a_proxy(settings) as (world, proxy):
        await world.people("ana", leads={"l0": "ana"})
        panel = await (await Panel.open(context, through(proxy, world, "ana"))).live()
        await world.report(world.moment("l0", description="heard"))
        await expect(panel.count).to_have_text("1 unread")
        await context.route("**/v1/feed/stream?*", lambda route: route.abort())
        proxy.cut()
        await expect(panel.status).not_to_contain_text("Live")
        await world.report(world.moment("l0", description="missed"))
        await context.clock.run_for(21_000)  # when the count is asked for again

        await context.unroute("**/v1/feed/stream?*")
        await panel.live()

        await panel.shows("missed", "heard")
        await expect(panel.count).to_have_text("2 unread")


HIDDEN = "Object.defineProperty(document, 'hidden', {get: () => globalThis.hidden ?? true});"
HOUR_MS = 3_600_000


@pytest.mark.parametrize("hidden", [False, True])
async def test_a_laptop_that_slept_looks_for_what_it_missed_at_once(
    settings: Settings, context: BrowserContext, hidden: bool
) -> None:
    """Asleep, its sockets die without a sign: nothing arrives and nothing fails."""
    async with behind_a_proxy(settings) as (world, proxy):
        await world.people("ana", leads={"l0": "ana", "l1": "ana"})
        await context.clock.install()
        if hidden:
            await context.add_init_script(HIDDEN)
        panel = await (await Panel.open(context, through(proxy, world, "ana"))).live()

        proxy.hush()
        await world.report(world.moment("l0"), world.moment("l1", type="email"))
        async with panel.page.expect_request(lambda request: "/v1/feed/stream" in request.url) as again:
            await context.clock.set_system_time(await panel.page.evaluate("Date.now()") + 8 * HOUR_MS)
            await context.clock.fast_forward(5_000)

        assert "last_event_id=" in (await again.value).url
        await equals_a_fresh_page(panel, world, "ana")
        await panel.live()
        assert panel.complaints == []


async def own_clock(context: BrowserContext) -> None:
    """Gives its pages a clock of their own, and counts the streams that they open as `opened`."""
    await context.add_init_script("globalThis.timeout = AbortSignal.timeout;")
    await context.clock.install()
    await context.add_init_script(
        # A leap would run out the patience with whatever is asked at that moment: that keeps to the true time.
        """AbortSignal.timeout = globalThis.timeout;
           globalThis.opened = 0;
           globalThis.EventSource = class extends EventSource {
             constructor(url) { super(url); opened += 1; }
           };"""
    )


async def test_a_page_in_the_background_that_is_woken_once_a_minute_keeps_its_stream(
    settings: Settings, context: BrowserContext
) -> None:
    async with behind_a_proxy(settings) as (world, proxy):
        await world.people("ana", leads={"l0": "ana"})
        await context.add_init_script(HIDDEN)
        await own_clock(context)
        panel = await (await Panel.open(context, through(proxy, world, "ana"))).live()

        # Its time stands still from here on: a beat of its own, while this goes on, would be one too many.
        await context.clock.pause_at(await panel.page.evaluate("Date.now()") / 1000 + 1)
        for hidden in (True, True, False):  # the last of these beats comes when the page is looked at again
            await panel.page.evaluate("hidden => { globalThis.hidden = hidden; }", hidden)
            await context.clock.fast_forward(60_000)
            assert await panel.page.evaluate("opened") == 1
        await context.clock.fast_forward(60_000)  # seen all the while, it must have slept
        await context.clock.resume()
        await panel.until("opened", 2)
        assert panel.complaints == []


async def test_a_question_whether_anyone_is_there_says_nothing_of_a_stream_opened_after_it(
    settings: Settings, context: BrowserContext
) -> None:
    async with behind_a_proxy(settings) as (world, proxy):
        await world.people("ana", leads={"l0": "ana"})
        await own_clock(context)
        panel = await (await Panel.open(context, through(proxy, world, "ana"))).live()
        asked: asyncio.Queue[Route] = asyncio.Queue()
        await context.route("**/v1/feed/unread", asked.put)
        await panel.page.evaluate(
            """() => {
                 globalThis.unanswered = 0;
                 const ask = fetch;
                 globalThis.fetch = (...what) => ask(...what).catch((error) => { unanswered += 1; throw error; });
               }"""
        )
        for _ in range(48):  # beat by beat, or it would seem to have slept
            await context.clock.run_for(3_000)
        question = await asked.get()

        await panel.page.evaluate("dispatchEvent(new Event('online'))")  # another network
        await panel.until("opened", 2)
        await panel.live()
        await question.abort("connectionreset")
        await panel.until("unanswered", 1)
        assert await panel.page.evaluate("opened") == 2


async def test_the_stream_token_is_renewed_when_it_ends(settings: Settings, context: BrowserContext) -> None:
    brief = settings.model_copy(update={"stream_token_ttl": 1})
    async with behind_a_proxy(brief) as (world, proxy):
        await world.people("ana", leads={"l0": "ana", "l1": "ana"})
        await world.report(world.moment("l0"))
        renewed = 0

        def count(request: object) -> None:
            nonlocal renewed
            renewed += "/v1/stream-tokens" in request.url  # type: ignore[attr-defined]

        context.on("request", count)
        panel = await (await Panel.open(context, through(proxy, world, "ana"))).live()
        while renewed < 3:
            async with panel.page.expect_request("**/v1/stream-tokens"):
                pass

        await panel.live()
        await world.report(world.moment("l1"))
        await equals_a_fresh_page(panel, world, "ana")
        assert panel.complaints == []


async def test_an_expired_user_token_is_replaced_by_asking_the_host(
    settings: Settings, context: BrowserContext
) -> None:
    async with site() as crm, served(settings.model_copy(update={"cors_origins": [crm.origin]})) as service:
        world = await service.new_world()
        await world.people("ana", leads={"l0": "ana"})
        await world.report(world.moment("l0", description="still here"))
        stale, fresh = world.token("ana", ttl=timedelta(minutes=-5)), world.token("ana")
        ask = f'<script>let asked = 0; globalThis.tokens = () => asked++ ? "{fresh}" : "{stale}";</script>'
        url = crm.embed(service.base_url, "", body=ask)
        crm.pages["/0"] = (crm.pages["/0"][0].replace('token=""', 'id="panel"'), {})
        panel = await Panel.open(context, url)
        await panel.page.evaluate("document.getElementById('panel').getToken = () => globalThis.tokens()")

        await panel.live()
        await panel.shows("still here")


async def test_a_session_that_ended_is_said_and_goes_on_with_the_next_token(
    settings: Settings, context: BrowserContext
) -> None:
    async with behind_a_proxy(settings) as (world, proxy):
        await world.people("ana", leads={"l0": "ana"})
        await world.report(world.moment("l0", description="still here"))
        stale = world.token("ana", ttl=timedelta(minutes=-5))
        panel = await Panel.open(context, f"{proxy.origin}/panel#token={stale}")
        await expect(panel.element).to_contain_text("You are not signed in")

        await panel.element.evaluate(
            "(element, token) => { element.token = token; }", world.token("ana", ttl=timedelta(hours=2))
        )

        await panel.shows("still here")
        await panel.live()


async def test_a_session_that_ends_while_one_reads_goes_on_where_it_was(
    settings: Settings, context: BrowserContext
) -> None:
    async with behind_a_proxy(settings) as (world, proxy):
        await world.people("ana", leads={f"l{n}": "ana" for n in range(120)})
        await world.report(*(world.moment(f"l{n}", description=f"of {n}") for n in range(120)))
        panel = await (await Panel.open(context, through(proxy, world, "ana"))).live()
        await panel.scrolls_to(120)
        await panel.rows.nth(100).focus()
        expired = {"type": "/problems/expired-token", "detail": "The credential has expired. Get a new one."}
        await context.route("**/v1/**", lambda route: route.fulfill(status=401, json=expired))

        await panel.page.keyboard.press("e")
        await expect(panel.toast).to_have_text("You are not signed in")
        await world.client.put("/v1/leads/l0/owner", headers=world.machine, json={"owner_id": None})
        await expect(panel.element.get_by_role("alert")).to_contain_text("You are not signed in")
        place = "document.querySelector('lead-feed').shadowRoot.querySelector('.scroller').scrollTop"
        before = await panel.page.evaluate(place)
        await context.unroute("**/v1/**")
        await panel.element.evaluate(
            "(element, token) => { element.token = token; }", world.token("ana", ttl=timedelta(hours=2))
        )

        await expect(panel.element.get_by_role("alert")).to_be_empty()
        await expect(panel.rows).to_have_count(119)  # what happened meanwhile has been looked up
        assert await panel.page.evaluate(place) == before
        await expect(panel.focused).to_contain_text("of 19")


async def test_a_position_that_cannot_be_served_is_made_up_for_by_the_page(
    settings: Settings, context: BrowserContext
) -> None:
    """So much changes at once that the stream says `reset`."""
    async with behind_a_proxy(settings) as (world, proxy):
        leads = {f"l{n}": "bob" for n in range(130)}
        await world.people("ana", "bob", leads={"mine": "ana", **leads})
        await world.report(world.moment("mine"), *(world.moment(lead) for lead in list(leads)[:20]))
        panel = await (await Panel.open(context, through(proxy, world, "ana"))).live()

        answer = await world.client.post("/v1/watchlist", headers=world.rep("ana"), json={"account_id": "acme"})

        assert ok(answer)["watched"] > 100
        await equals_a_fresh_page(panel, world, "ana")


async def test_a_service_out_of_reach_is_said_once_and_for_as_long_as_it_is(
    settings: Settings, context: BrowserContext
) -> None:
    async with behind_a_proxy(settings) as (world, proxy):
        await world.people("ana", leads={"l0": "ana"})
        await world.report(world.moment("l0", description="there again"))
        await context.route("**/v1/**", lambda route: route.abort())
        panel = await Panel.open(context, through(proxy, world, "ana"))
        await expect(panel.element).to_contain_text("The lead feed cannot be reached")
        await expect(panel.status).to_be_hidden()
        await expect(panel.count).to_have_text("")
        await panel.element.evaluate(
            """element => {
              globalThis.flickers = 0;
              const seen = () => { flickers += element.shadowRoot.querySelectorAll(".skeleton").length; };
              new MutationObserver(seen).observe(element.shadowRoot, {childList: true, subtree: true});
            }"""
        )

        async with panel.page.expect_request("**/v1/feed?*"):
            pass
        async with panel.page.expect_request("**/v1/feed?*"):
            pass
        await context.unroute("**/v1/**")

        await panel.shows("there again")
        await panel.live()
        await expect(panel.count).to_have_text("1 unread")
        await panel.row("there again").hover()
        await expect(panel.row("there again").get_by_role("button", name="Subscribe")).to_be_visible()
        assert await panel.page.evaluate("flickers") == 0
        assert panel.complaints == []


@pytest.mark.parametrize("body", ["", "<h1>The hotel's network</h1>", '{"items": [{"id": '])
async def test_an_answer_that_holds_no_page_is_followed_by_another_try(
    settings: Settings, context: BrowserContext, body: str
) -> None:
    async with behind_a_proxy(settings) as (world, proxy):
        await world.people("ana", leads={"l0": "ana"})
        await world.report(world.moment("l0", description="at last"))
        await context.route("**/v1/feed?*", lambda route: route.fulfill(status=200, body=body), times=1)

        panel = await Panel.open(context, through(proxy, world, "ana"))

        await expect(panel.element).to_contain_text("The lead feed cannot be reached")
        await panel.shows("at last")
        assert panel.complaints == []


async def test_a_host_that_cannot_get_a_token_now_is_asked_again(settings: Settings, context: BrowserContext) -> None:
    async with behind_a_proxy(settings) as (world, proxy):
        await world.people("ana", leads={"l0": "ana"})
        await world.report(world.moment("l0", description="at last"))
        panel = await Panel.open(context, f"{proxy.origin}/panel")
        await expect(panel.element).to_contain_text("You are not signed in")

        await panel.element.evaluate(
            """element => {
              element.getToken = async () => {
                if (!globalThis.token) throw new TypeError("Failed to fetch");
                return globalThis.token;
              };
            }"""
        )
        await expect(panel.element).to_contain_text("The lead feed cannot be reached")
        await panel.page.evaluate("token => { globalThis.token = token; }", world.token("ana"))

        await panel.shows("at last")
        assert panel.complaints == []


async def test_a_page_that_could_not_be_had_is_said_of_its_list_only_and_until_it_is_live_again(
    settings: Settings, context: BrowserContext
) -> None:
    """All moments are one row, folded: the page after the first is wanted at once."""
    older, end = "**/v1/feed?*cursor=*", "That is everything since"
    async with behind_a_proxy(settings) as (world, proxy):
        await world.people("ana", leads={"l0": "ana"})
        await world.report(*(world.moment("l0") for _ in range(60)))
        await context.route(older, lambda route: route.abort())
        panel = await (await Panel.open(context, through(proxy, world, "ana"))).live()
        below = panel.element.locator(".end")
        await expect(below).to_contain_text("The lead feed cannot be reached")
        await context.unroute(older)
        await panel.button("Web").click()
        await expect(below).to_contain_text(end)

        await context.route(older, lambda route: route.abort())
        await panel.button("All").click()
        await expect(below).to_contain_text("The lead feed cannot be reached")
        await context.unroute(older)
        proxy.cut()
        await expect(below).to_contain_text(end)
        assert panel.complaints == []


async def test_until_the_panel_knows_why_it_has_no_list_it_is_loading(
    settings: Settings, context: BrowserContext
) -> None:
    """It is painted exactly then: frames wait until the service was asked for a sign of life."""
    asked, answer = asyncio.Event(), asyncio.Event()

    async def look_for_life(route: Route) -> None:
        asked.set()
        await answer.wait()
        await route.abort()

    async with behind_a_proxy(settings) as (world, proxy):
        await world.people("ana", leads={})
        await context.add_init_script(
            """const frames = [], soon = globalThis.requestAnimationFrame;
            globalThis.requestAnimationFrame = (frame) => frames.push(frame);
            globalThis.paint = () => {
              globalThis.requestAnimationFrame = soon;
              frames.forEach((frame) => frame());
            };"""
        )
        await context.route("**/v1/**", lambda route: route.abort())
        await context.route("**/healthz", look_for_life)
        panel = await Panel.open(context, through(proxy, world, "ana"))
        await asked.wait()
        await panel.page.evaluate("paint()")
        await expect(panel.element.get_by_label("Loading")).to_be_visible()
        answer.set()
        await expect(panel.element).to_contain_text("The lead feed cannot be reached")
        assert panel.complaints == []


async def test_news_that_comes_while_a_page_is_being_read_is_not_lost(
    settings: Settings, context: BrowserContext
) -> None:
    """The answer is older than the news that overtakes it."""
    async with behind_a_proxy(settings) as (world, proxy):
        await world.people("ana", leads={"l0": "ana", "l1": "ana"})
        await world.report(world.moment("l0", description="before"))
        panel = await (await Panel.open(context, through(proxy, world, "ana"))).live()
        await expect(panel.count).to_have_text("1 unread")

        async def overtaken(route: Route) -> None:
            stale = await route.fetch()
            await world.report(world.moment("l1", description="overtook"))
            await panel.until("document.querySelector('lead-feed').unread", 2)
            await route.fulfill(response=stale)

        await panel.page.route("**/v1/feed?*", overtaken, times=1)
        await panel.button("Web").click()

        await panel.shows("overtook", "before")


async def streams(service: Service) -> float:
    """Streams open at the service now."""
    return await figure(service.client, "leadfeed_stream_connections")


async def test_eight_tabs_are_all_live_on_one_stream_which_outlives_the_tab_that_holds_it(
    settings: Settings, context: BrowserContext
) -> None:
    async with behind_a_proxy(settings) as (world, proxy):
        await world.people("ana", "bob", leads={f"l{n}": "ana" for n in range(5)})
        await world.report(world.moment("l0", description="before"))
        tabs = [await Panel.open(context, through(proxy, world, "ana")) for _ in range(8)]
        for tab in tabs:
            await tab.live()
        assert await streams(world.service) == 1

        await world.report(world.moment("l1", description="while eight"))
        for tab in tabs:
            await tab.shows("while eight", "before")

        await tabs.pop(0).page.close()
        await world.report(world.moment("l2", description="after one closed"))
        for tab in tabs:
            await tab.shows("after one closed", "while eight", "before")
            await tab.live()
        assert await streams(world.service) == 1

        await world.client.put("/v1/leads/l0/owner", headers=world.machine, json={"owner_id": "bob"})
        for tab in tabs:
            await tab.shows("after one closed", "while eight")
        assert [complaint for tab in tabs for complaint in tab.complaints] == []


DEAF = """
  const { set } = Object.getOwnPropertyDescriptor(BroadcastChannel.prototype, "onmessage");
  Object.defineProperty(BroadcastChannel.prototype, "onmessage", {
    set(hear) { set.call(this, (event) => globalThis.deaf || hear(event)); },
  });
"""


async def miss(tab: Panel, world: World, description: str, others: list[Panel]) -> None:
    """Has something happen that reaches every tab but this one, as if it had been frozen."""
    await tab.page.evaluate("globalThis.deaf = true")
    await world.report(world.moment("l0", description=description))
    for other in others:
        await expect(other.row(description)).to_be_visible()
    await tab.page.evaluate("globalThis.deaf = false")
    await expect(tab.rows).to_have_count(1)


SIGNS = ["the next event", "another leader", "pageshow", "resume", "visibilitychange", "online"]


@pytest.mark.parametrize("sign", SIGNS)
async def test_a_tab_that_missed_something_finds_it_at_the_next_sign(
    settings: Settings, context: BrowserContext, sign: str
) -> None:
    async with behind_a_proxy(settings) as (world, proxy):
        await context.add_init_script(DEAF)
        await world.people("ana", leads={"l0": "ana", "l1": "ana"})
        await world.report(world.moment("l0", description="before", type="milestone"))
        leader, heir, frozen = [
            await (await Panel.open(context, through(proxy, world, "ana"))).live() for _ in range(3)
        ]
        await miss(frozen, world, "missed", [leader, heir])

        if sign == "the next event":
            await world.report(world.moment("l1", description="next"))
            await frozen.shows("next", "missed", "before")
            return
        if sign == "another leader":
            await leader.page.close()
        else:
            await frozen.page.evaluate("(sign) => document.dispatchEvent(new Event(sign, { bubbles: true }))", sign)
        await frozen.shows("missed", "before")


async def test_a_tab_that_missed_something_after_the_log_went_back_finds_that_and_nothing_that_was_lost(
    settings: Settings, context: BrowserContext
) -> None:
    async with behind_a_proxy(settings) as (world, proxy):
        await context.add_init_script(DEAF)
        await world.people("ana", leads={"l0": "ana"})
        leader, follower = [await (await Panel.open(context, through(proxy, world, "ana"))).live() for _ in range(2)]
        await world.report(world.moment("l0", description="kept"))
        await world.report(world.moment("l0", description="lost"))
        await follower.shows("lost", "kept")
        await put_back(world, 1)
        for tab in (leader, follower):
            await tab.shows("kept")

        await miss(follower, world, "missed", [leader])
        await follower.page.evaluate("dispatchEvent(new Event('pageshow'))")

        await follower.shows("missed", "kept")


async def test_a_tab_that_follows_another_stays_live(settings: Settings, context: BrowserContext) -> None:
    async with behind_a_proxy(settings) as (world, proxy):
        await world.people("ana", leads={"l0": "ana"})
        await context.clock.install()
        await (await Panel.open(context, through(proxy, world, "ana"))).live()
        follower = await (await Panel.open(context, through(proxy, world, "ana"))).live()
        states = "document.querySelector('lead-feed').shadowRoot.querySelector('[data-state]').dataset.state"
        await context.clock.run_for(5_000)  # the leader has had time to answer
        assert await follower.page.evaluate(states) == "live"


ELECTED_LATE = """
  const asked = navigator.locks.request.bind(navigator.locks);
  const elected = new Promise((elect) => (globalThis.elect = elect));
  navigator.locks.request = (...how) => {
    setTimeout(() => (globalThis.asks = true)); // who leads, right after it stands for it
    return elected.then(() => asked(...how));
  };
"""


async def test_a_tab_that_asked_before_anybody_led_is_live_as_soon_as_somebody_does_and_stays_so(
    settings: Settings, context: BrowserContext
) -> None:
    async with behind_a_proxy(settings) as (world, proxy):
        await context.add_init_script(ELECTED_LATE)
        await world.people("ana", leads={"l0": "ana"})
        await context.clock.install()
        leader, follower = [await Panel.open(context, through(proxy, world, "ana")) for _ in range(2)]
        for tab in (leader, follower):
            await tab.until("globalThis.asks", True)
        await leader.page.evaluate("elect()")
        for tab in (leader, follower):
            await tab.live()
        await context.clock.run_for(5_000)  # the answer that never came is not waited for any more
        await expect(follower.status).to_have_attribute("data-state", "live")
        await context.clock.run_for(5_000)
        await expect(follower.status).to_have_attribute("data-state", "live")


async def test_what_is_read_in_one_tab_is_read_in_the_others(settings: Settings, context: BrowserContext) -> None:
    async with behind_a_proxy(settings) as (world, proxy):
        await world.people("ana", leads={"l0": "ana", "l1": "ana"})
        await world.report(world.moment("l0", description="read me"), world.moment("l1", description="not me"))
        one, other = [await (await Panel.open(context, through(proxy, world, "ana"))).live() for _ in range(2)]

        await one.do("read me", "Mark as read")

        await expect(other.row("read me")).to_have_class("read")
        await expect(other.count).to_have_text("1 unread")


async def test_what_is_read_in_one_tab_is_counted_in_another_that_shows_something_else(
    settings: Settings, context: BrowserContext
) -> None:
    async with behind_a_proxy(settings) as (world, proxy):
        await world.people("ana", leads={"l0": "ana", "l1": "ana"})
        await world.report(world.moment("l0", description="read me"), world.moment("l1", type="email"))
        await own_clock(context)
        one, other = [await (await Panel.open(context, through(proxy, world, "ana"))).live() for _ in range(2)]
        await other.button("E-mail").click()
        await expect(other.row("read me")).to_have_count(0)

        async def count_again() -> None:
            for _ in range(7):  # beat by beat, or it would seem to have slept
                await context.clock.run_for(3_000)

        await count_again()  # as it does after it went live
        async with one.page.expect_response("**/v1/feed/read"):
            await one.do("read me", "Mark as read")
        await count_again()

        await expect(other.count).to_have_text("1 unread")


async def test_two_reps_in_one_browser_do_not_share_a_stream(settings: Settings, context: BrowserContext) -> None:
    async with behind_a_proxy(settings) as (world, proxy):
        await world.people("ana", "bob", leads={"l0": "ana", "l1": "bob"})
        ana = await (await Panel.open(context, through(proxy, world, "ana"))).live()
        bob = await (await Panel.open(context, through(proxy, world, "bob"))).live()

        await world.report(world.moment("l0", description="for Ana"), world.moment("l1", description="for Bob"))

        await ana.shows("for Ana")
        await bob.shows("for Bob")
        assert await streams(world.service) == 2


async def test_two_reps_who_sign_in_late_in_one_browser_do_not_share_a_stream(
    settings: Settings, context: BrowserContext
) -> None:
    async with behind_a_proxy(settings) as (world, proxy):
        await world.people("ana", "bob", leads={"l0": "ana", "l1": "bob"})
        tabs = [await Panel.open(context, f"{proxy.origin}/panel") for _ in range(2)]
        for tab, user in zip(tabs, ("ana", "bob"), strict=True):
            await expect(tab.element).to_contain_text("You are not signed in")
            await tab.element.evaluate(
                "(element, token) => { element.getToken = async () => token; }", world.token(user)
            )
            await tab.live()
        assert await streams(world.service) == 2

        await world.report(world.moment("l0", description="for Ana"), world.moment("l1", description="for Bob"))

        ana, bob = tabs
        await ana.shows("for Ana")
        await bob.shows("for Bob")
        assert ana.complaints == bob.complaints == []


async def test_a_token_of_another_user_brings_that_users_feed_and_nothing_of_the_one_before(
    settings: Settings, context: BrowserContext
) -> None:
    async with behind_a_proxy(settings) as (world, proxy):
        await world.people("ana", "bob", leads={"l0": "ana", "l1": "bob"})
        await world.report(world.moment("l0", description="Ana's"), world.moment("l1", description="Bob's"))
        switching, staying = [await (await Panel.open(context, through(proxy, world, "ana"))).live() for _ in range(2)]
        await switching.element.evaluate(
            "(element, [first, next]) => { element.getToken = async (refused) => (refused ? next : first); }",
            [world.token("ana"), world.token("bob")],
        )
        await switching.shows("Ana's")

        expired = {"type": "/problems/expired-token", "detail": "The credential has expired. Get a new one."}
        await switching.page.route("**/v1/feed?*", lambda route: route.fulfill(status=401, json=expired), times=1)
        await switching.button("Web").click()
        await switching.shows("Bob's")
        await switching.live()
        await staying.live()
        await world.report(world.moment("l0", description="Ana's too"), world.moment("l1", description="Bob's too"))

        await switching.shows("Bob's too", "Bob's")
        await staying.shows("Ana's too", "Ana's")
        assert await streams(world.service) == 2
        assert switching.complaints == staying.complaints == []


async def test_a_get_token_that_is_set_again_is_not_called_while_the_token_is_good(
    settings: Settings, context: BrowserContext
) -> None:
    """Some frameworks set every property each time they render."""
    async with behind_a_proxy(settings) as (world, proxy):
        await world.people("ana", leads={"l0": "ana"})
        leading, following = [await (await Panel.open(context, through(proxy, world, "ana"))).live() for _ in range(2)]
        for tab in (leading, following):
            await tab.element.evaluate(
                """element => {
                  globalThis.calls = 0;
                  for (let n = 0; n < 5; n += 1) element.getToken = async () => { calls += 1; };
                }"""
            )
        await world.report(world.moment("l0", description="goes on"))
        for tab in (leading, following):
            await tab.shows("goes on")
            assert await tab.page.evaluate("calls") == 0
        locks = await leading.page.evaluate("navigator.locks.query()")
        streams = {which: [lock for lock in locks[which] if lock["mode"] == "exclusive"] for which in locks}
        assert {which: len(found) for which, found in streams.items()} == {"held": 1, "pending": 1}


async def test_a_tab_that_reads_a_long_list_again_hears_what_came_between_its_pages(
    settings: Settings, context: BrowserContext
) -> None:
    held, release = asyncio.Event(), asyncio.Event()

    async def hold(route: Route) -> None:
        held.set()
        await release.wait()
        await route.continue_()

    async with behind_a_proxy(settings) as (world, proxy):
        await world.people("ana", leads={"l0": "ana", "l1": "ana", "l2": "ana"})
        await world.report(*(world.moment("l0") for _ in range(250)), world.moment("l1", description="to be muted"))
        await (await Panel.open(context, through(proxy, world, "ana"))).live()
        follower = await (await Panel.open(context, through(proxy, world, "ana"))).live()
        await expect(follower.element.locator(".end")).to_contain_text("That is everything since")
        await follower.page.route("**/v1/feed?*cursor=*", hold)

        await follower.row("to be muted").focus()
        await follower.page.keyboard.press("m")
        await follower.sheet.get_by_role("button", name="Mute").click()
        await held.wait()
        proxy.hush()
        await world.report(world.moment("l2", description="came between"))
        release.set()
        await expect(follower.row("to be muted")).to_have_count(0)
        await expect(follower.element.locator(".notes")).to_contain_text("1 muted, hidden")
        proxy.cut()

        await expect(follower.pill).to_have_text("1 new")
        assert follower.complaints == []
