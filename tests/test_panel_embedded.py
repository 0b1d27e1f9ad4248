"""The panel as a guest on somebody else's page: other origins, strict policies, no traces, the host's wishes."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest
from playwright.async_api import BrowserContext, expect

from browser import Panel, Site, site
from clients import figure
from leadfeed_api.settings import Settings
from world import Service, World, served

pytest_plugins = ["windows"]
pytestmark = pytest.mark.anyio


@pytest.fixture
async def crm() -> AsyncIterator[Site]:
    async with site() as there:
        yield there


@asynccontextmanager
async def guest_of(crm: Site, settings: Settings) -> AsyncIterator[World]:
    """A world whose service lets the CRM's pages in."""
    async with served(settings.model_copy(update={"cors_origins": [crm.origin]})) as service:
        world = await service.new_world()
        await world.people("ana", leads={"mia": "ana", "leo": "ana"})
        await world.report(world.moment("mia", description="from afar"))
        yield world


def strict(service: Service) -> dict[str, str]:
    return {
        "Content-Security-Policy": f"default-src 'none'; script-src {service.base_url}; "
        f"connect-src {service.base_url}; require-trusted-types-for 'script'; trusted-types 'none'"
    }


async def test_it_lives_on_another_origin_under_a_policy_without_inline_anything(
    settings: Settings, crm: Site, context: BrowserContext
) -> None:
    async with guest_of(crm, settings) as world:
        url = crm.embed(world.service.base_url, world.token("ana"), headers=strict(world.service))
        panel = await (await Panel.open(context, url)).live()
        await panel.shows("from afar")
        await world.report(world.moment("leo", description="as it happens"))
        await panel.shows("as it happens", "from afar")

        # Everything that opens, too: sheets and menus have styles and icons of their own.
        await panel.row("from afar").focus()
        for key in ("m", "?"):
            await panel.page.keyboard.press(key)
            await expect(panel.sheet).to_be_visible()
            await panel.page.keyboard.press("Escape")
            await expect(panel.sheet).to_have_count(0)
        await panel.button("Menu").click()
        await expect(panel.element.get_by_role("menu")).to_be_visible()
        assert await panel.element.get_by_role("menu").evaluate("menu => getComputedStyle(menu).position") == "fixed"
        assert panel.complaints == []


async def test_an_origin_that_is_not_allowed_is_told_so_with_what_to_do(
    settings: Settings, crm: Site, context: BrowserContext
) -> None:
    async with served(settings) as service:
        world = await service.new_world()
        await world.people("ana", leads={})
        panel = await Panel.open(context, crm.embed(service.base_url, world.token("ana")))

        await expect(panel.element).to_contain_text("This page may not show the lead feed")
        await expect(panel.element).to_contain_text(f"LEADFEED_CORS_ORIGINS={crm.origin}")


async def test_a_user_whom_the_crm_has_not_sent_is_told_so(
    settings: Settings, crm: Site, context: BrowserContext
) -> None:
    async with guest_of(crm, settings) as world:
        panel = await Panel.open(context, crm.embed(world.service.base_url, world.token("stranger")))
        await expect(panel.element).to_contain_text("The lead feed does not know you yet")


async def test_a_module_loaded_under_an_address_of_the_hosts_making_is_the_same_panel(
    settings: Settings, crm: Site, context: BrowserContext
) -> None:
    async with guest_of(crm, settings) as world:
        url = crm.embed(world.service.base_url, world.token("ana"), module="lead-feed.js?v=2")
        panel = await (await Panel.open(context, url)).live()

        await panel.button("Menu").click()
        await expect(panel.element.get_by_role("menuitem").first).to_have_text("Mark all as read")
        await panel.page.keyboard.press("Escape")
        await panel.button("RSS feed").click()
        await expect(panel.sheet.locator(".letter")).to_contain_text("rss_enabled")
        assert panel.complaints == []


async def test_nothing_of_it_leaks_into_the_page(settings: Settings, crm: Site, context: BrowserContext) -> None:
    async with guest_of(crm, settings) as world:
        url = crm.embed(
            world.service.base_url, world.token("ana"),
            body="<script>globalThis.before = new Set([...Object.getOwnPropertyNames(globalThis), 'before']);</script>",
        )  # fmt: skip
        panel = await (await Panel.open(context, url)).live()
        await panel.shows("from afar")

        added = await panel.page.evaluate(
            "Object.getOwnPropertyNames(globalThis).filter((name) => !before.has(name) && !/^__playwright/.test(name))"
        )
        assert added == []
        assert await panel.page.locator("head style, head link, body > :not(h1, script, lead-feed)").count() == 0
        assert await panel.page.title() == "A CRM"
        assert await panel.page.evaluate("Object.keys(localStorage).length + Object.keys(sessionStorage).length") == 0


async def test_the_host_hears_what_is_opened_unread_and_live_and_may_keep_the_link_from_opening(
    settings: Settings, crm: Site, context: BrowserContext
) -> None:
    async with guest_of(crm, settings) as world:
        heard = """<script>globalThis.heard = [];
          for (const what of ["open", "unread", "live"]) addEventListener("leadfeed:" + what, (event) => {
            if (what === "open") event.preventDefault();
            heard.push([what, event.detail.lead?.id ?? event.detail.unread ?? event.detail.state]);
          });</script>"""
        url = crm.embed(world.service.base_url, world.token("ana"), attributes='lead-href="/leads/{id}"', body=heard)
        panel = await (await Panel.open(context, url)).live()
        await expect(panel.row("from afar").locator("a.name")).to_have_attribute("href", f"{crm.origin}/leads/mia")

        await panel.row("from afar").focus()
        await panel.page.keyboard.press("Enter")

        await panel.until("heard.some(([what, id]) => what === 'open' && id === 'mia')")
        await panel.until("heard.some(([what, unread]) => what === 'unread' && unread === 0)")
        assert ["live", "live"] in await panel.page.evaluate("heard")
        assert panel.page.url == url
        assert await panel.element.evaluate("element => [element.unread, element.live]") == [0, "live"]


async def test_the_hosts_shortcuts_do_not_hear_what_is_typed_into_the_panel(
    settings: Settings, crm: Site, context: BrowserContext
) -> None:
    async with guest_of(crm, settings) as world:
        listen = """<script>globalThis.heard = [];
          for (const type of ["keydown", "keypress", "keyup"]) {
            addEventListener(type, ({key}) => heard.push(`${type} ${key}`));
          }</script>"""
        await world.report(world.moment("leo", description="left out"))
        url = crm.embed(world.service.base_url, world.token("ana"), body=listen)
        panel = await (await Panel.open(context, url)).live()
        keys = panel.page.keyboard
        await panel.button("Search and filter").click()
        await keys.type("afar")
        await panel.shows("from afar")
        await panel.button("Menu").click()
        await expect(panel.element.get_by_role("menuitem").first).to_be_focused()
        await keys.press("ArrowDown")
        await keys.press("Escape")
        await expect(panel.button("Menu")).to_be_focused()
        await panel.rows.first.focus()
        await keys.press("/")
        await expect(panel.element.get_by_role("searchbox")).to_have_value("afar")
        assert await panel.page.evaluate("heard.splice(0)") == []

        await keys.press("Control+k")
        await panel.rows.first.focus()
        await keys.press("x")
        heard = await panel.page.evaluate("heard.filter((each) => !each.includes('Control'))")
        assert heard == ["keydown k", "keyup k", "keydown x", "keypress x", "keyup x"]


async def test_a_host_may_set_everything_before_the_module_is_there_or_soon_after(
    settings: Settings, crm: Site, context: BrowserContext
) -> None:
    async with guest_of(crm, settings) as world:
        service, token = world.service.base_url, world.token("ana")
        crm.pages["/early"] = (
            f"""<!doctype html><html lang="en"><script type="module" src="{service}/panel/lead-feed.js"></script>
            <lead-feed id="asked" src="{service}"></lead-feed><lead-feed id="given" src="{service}"></lead-feed>
            <script>globalThis.token = {token!r};
            document.getElementById("asked").getToken = async () => token;
            document.getElementById("given").token = token;</script>""",
            {},
        )
        panel = await Panel.open(context, f"{crm.origin}/early")
        for name in ("asked", "given"):
            await expect(panel.page.locator(f"#{name}")).to_contain_text("from afar")

        await panel.page.evaluate(
            """src => {
              const late = document.createElement("lead-feed");
              late.id = "late";
              late.setAttribute("src", src);
              document.body.append(late);
              late.lang = "fr";
              globalThis.alarms = [];
              new MutationObserver(() => alarms.push(late.shadowRoot.querySelector("[role=alert]")?.textContent))
                .observe(late.shadowRoot, {childList: true, subtree: true});
              setTimeout(() => { late.getToken = async () => token; }, 50);
            }""",
            service,
        )
        await expect(panel.page.locator("#late")).to_contain_text("from afar")
        await expect(panel.page.locator("#late")).to_contain_text("Fil des leads")
        assert await panel.page.evaluate("alarms.filter(Boolean)") == [], "who signs in at once was never signed out"
        assert panel.complaints == []


HOST_THAT_ANSWERS = """
  globalThis.heard = [];
  const after = async (steps, set) => { while (steps--) await null; set(); };
  const ways = {
    atOnce: (set) => set(), next: (set) => after(1, set), soon: (set) => after(8, set), later: (set) => setTimeout(set),
  };
  addEventListener("leadfeed:token", ({ target }) => {
    heard.push(target.id);
    ways[target.id](() => { target.token = fresh.pop() ?? ""; });
  });
"""


async def test_a_host_that_sets_a_new_token_whenever_it_is_asked_is_asked_once(
    settings: Settings, crm: Site, context: BrowserContext
) -> None:
    async with guest_of(crm, settings) as world:
        service, stale = world.service.base_url, world.token("ana", ttl=timedelta(minutes=-5))
        fresh = [world.token("ana", ttl=timedelta(minutes=minutes)) for minutes in range(10, 30)]
        ways = ["atOnce", "later", "next", "soon"]
        crm.pages["/asked"] = (
            f"""<!doctype html><html lang="en"><script type="module" src="{service}/panel/lead-feed.js"></script>
            <script>globalThis.fresh = {fresh!r}; {HOST_THAT_ANSWERS}</script>
            {"".join(f'<lead-feed id="{way}" src="{service}" token="{stale}"></lead-feed>' for way in ways)}""",
            {},
        )
        panel = await Panel.open(context, f"{crm.origin}/asked")
        for way in ways:
            await expect(panel.page.locator(f"#{way} [data-state=live]")).to_be_visible()

        # A host that knows when a token ends sets the next one before anybody refuses the old one.
        await panel.page.evaluate(
            "for (const panel of document.querySelectorAll('lead-feed')) panel.token = fresh.pop()"
        )
        await world.report(world.moment("leo", description="as it happens"))
        for way in ways:
            await expect(panel.page.locator(f"#{way}")).to_contain_text("as it happens")
            await panel.page.locator(f"#{way}").get_by_role("button", name="E-mail", exact=True).click()
            await expect(panel.page.locator(f"#{way} article")).to_have_count(0)
        assert sorted(await panel.page.evaluate("heard")) == ways
        assert panel.complaints == []


async def test_a_host_may_move_the_element_and_take_it_out(
    settings: Settings, crm: Site, context: BrowserContext
) -> None:
    async with guest_of(crm, settings) as world:
        url = crm.embed(world.service.base_url, world.token("ana"))
        panel = await (await Panel.open(context, url)).live()
        await panel.page.evaluate(
            "globalThis.row = document.querySelector('lead-feed').shadowRoot.querySelector('article');"
            "document.body.prepend(document.querySelector('lead-feed'))"
        )
        await panel.live()
        assert await panel.page.evaluate("row.isConnected"), "moved, not made anew"

        await panel.page.evaluate("globalThis.kept = document.querySelector('lead-feed'); kept.remove()")
        while await figure(world.client, "leadfeed_stream_connections"):
            pass
        await panel.page.evaluate("document.body.append(kept)")
        await panel.live()
        await panel.shows("from afar")
        assert panel.complaints == []


async def test_filters_are_remembered_where_the_host_says(
    settings: Settings, crm: Site, context: BrowserContext
) -> None:
    async with guest_of(crm, settings) as world:
        await world.report(world.moment("leo", type="email", description="a mail"))
        stored = crm.embed(world.service.base_url, world.token("ana"), attributes='storage-key="mine"')
        in_address = crm.embed(world.service.base_url, world.token("ana"), attributes='fragment="feed"')
        for url in (stored, f"{in_address}#other=kept"):
            panel = await (await Panel.open(context, url)).live()
            await panel.button("E-mail").click()
            await panel.shows("a mail")
            await panel.page.reload()
            await panel.shows("a mail")
            await expect(panel.button("E-mail")).to_have_attribute("aria-pressed", "true")
        assert "other=kept" in panel.page.url
        await panel.page.goto(f"{in_address}#feed=q%3Dafar")
        await panel.shows("from afar")
        await panel.page.goto(f"{in_address}#feed=")
        await panel.shows("a mail", "from afar")
        for theirs in ("#/leads/4?tab=notes", "#contacts", ""):
            await panel.page.goto(in_address + theirs)
            await panel.button("E-mail").click()
            await panel.until("location.hash", f"{theirs or '#'}{theirs and '&'}feed=type%3Demail")
            await panel.button("All").click()
            await panel.until("location.hash", theirs)


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ('lang="fr"', ["Fil des leads", "En direct", "votre lead", "Tout", "non lu"]),
        ('lang="fr-CA"', ["Fil des leads"]),
        ('lang="de"', ["Lead-Feed", "Live", "dein Lead"]),
        ('lang="tlh"', ["Lead feed", "you own"]),
    ],
)
async def test_it_speaks_the_hosts_language(
    settings: Settings, crm: Site, context: BrowserContext, attributes: str, expected: list[str]
) -> None:
    async with guest_of(crm, settings) as world:
        url = crm.embed(
            world.service.base_url, world.token("ana"), attributes=attributes, headers=strict(world.service)
        )
        panel = await (await Panel.open(context, url)).live()
        for words in expected:
            await expect(panel.element).to_contain_text(words)


async def test_it_understands_the_languages_that_pages_write(
    settings: Settings, crm: Site, context: BrowserContext
) -> None:
    async with guest_of(crm, settings) as world:
        panel = await Panel.open(context, crm.embed(world.service.base_url, world.token("ana"), attributes='lang="de"'))
        title = panel.element.locator("h2")
        for tag, expected in {
            "fr-": "Fil des leads",
            "en-": "Lead feed",
            "fr-x": "Fil des leads",
            "": "Lead feed",
            "fr_FR": "Fil des leads",
            "-": "Lead feed",
        }.items():
            await panel.element.evaluate("(element, tag) => { element.lang = tag; }", tag)
            await expect(title).to_have_text(expected)
        await panel.page.evaluate(
            """() => {
              const around = Object.assign(document.createElement("div"), {lang: "de"});
              const panel = document.querySelector("lead-feed");
              document.body.append(around);
              around.attachShadow({mode: "open"}).append(panel);
              panel.removeAttribute("lang");
            }"""
        )
        await expect(title).to_have_text("Lead-Feed")
        assert panel.complaints == []


async def test_the_host_restyles_it_by_properties_parts_and_its_colour_scheme(
    settings: Settings, crm: Site, context: BrowserContext
) -> None:
    async with guest_of(crm, settings) as world:
        looks = """<style>
          lead-feed { --leadfeed-accent: rgb(1, 2, 3); color-scheme: dark; }
          lead-feed::part(footer) { display: none; }
          lead-feed::part(description) { font-style: italic; }
          p, article, button { color: red !important; }
        </style>"""
        panel = await Panel.open(context, crm.embed(world.service.base_url, world.token("ana"), body=looks))
        what = panel.row("from afar").locator(".what")
        await expect(what).to_have_css("font-style", "italic")
        await expect(what).to_have_css("color", "rgb(238, 240, 244)")
        await expect(panel.button("All")).to_have_css("color", "rgb(1, 2, 3)")
        await expect(panel.element.locator(".panel")).to_have_css("background-color", "rgb(20, 23, 29)")
        await expect(panel.element.locator("footer")).to_be_hidden()


HOSTILE = """
  * { font: italic 18px/2 serif; letter-spacing: 3px; text-transform: uppercase; }
  body { text-indent: 40px; word-spacing: 9px; text-shadow: 2px 2px red; word-break: break-all; text-align: right;
         -webkit-text-stroke: 1px red; font-variant: small-caps; white-space: pre; }
"""
LOOKS = """element => [".panel", "h2", ".chip", ".name", ".what"].map((name) => {
  const {style, ...all} = getComputedStyle(element.shadowRoot.querySelector(name));
  const kinds = /^(font|text|word|line|letter|white|webkitText|height)/;
  return Object.entries(all).filter(([key]) => kinds.test(key)).join();
})"""


async def test_the_hosts_rules_for_its_own_text_do_not_reach_in(
    settings: Settings, crm: Site, context: BrowserContext
) -> None:
    async with guest_of(crm, settings) as world:
        panel = await Panel.open(context, crm.embed(world.service.base_url, world.token("ana")))
        await panel.shows("from afar")
        before = await panel.element.evaluate(LOOKS)
        await panel.page.add_style_tag(content=HOSTILE)
        assert await panel.element.evaluate(LOOKS) == before


NOTIFICATIONS = """
  globalThis.notes = [];
  globalThis.Notification = class {
    static permission = "granted";
    static requestPermission = async () => "granted";
    constructor(title, {body}) { notes.push([title, body]); }
  };
  Object.defineProperty(document, "hidden", {get: () => globalThis.away});
"""


async def can_notify(context: BrowserContext, url: str, tabs: int) -> list[Panel]:
    """Tabs that could notify; the first keeps the stream."""
    await context.add_init_script(NOTIFICATIONS)
    opened = [await (await Panel.open(context, url)).live() for _ in range(tabs)]
    for tab in opened:  # what notifies is fetched with the first thing that opens
        await tab.button("Menu").click()
        await expect(tab.element.get_by_role("menu")).to_be_visible()
        await tab.page.keyboard.press("Escape")
    return opened


async def look_at(tabs: list[Panel], *seen: int) -> None:
    """Brings these of the tabs, by number, into sight, and the others out of it."""
    for number, tab in enumerate(tabs):
        await tab.page.evaluate(
            "away => { globalThis.away = away; document.dispatchEvent(new Event('visibilitychange')); }",
            number not in seen,
        )
        await tab.page.mouse.move(5, 5)
    shared = "navigator.locks.query().then(({held}) => held.filter(({mode}) => mode === 'shared').length)"
    await tabs[0].until(shared, len(seen))


async def test_desktop_notifications_are_for_who_wants_them_and_sees_no_tab_and_come_once_for_all_tabs(
    settings: Settings, crm: Site, context: BrowserContext
) -> None:
    async with guest_of(crm, settings) as world:
        tabs = await can_notify(context, crm.embed(world.service.base_url, world.token("ana")), 2)

        async def noted(description: str, *seen: int) -> list[list[str]]:
            await look_at(tabs, *seen)
            now = datetime.now(UTC).isoformat()
            await world.report(world.moment("leo", type="email", description=description, occurred_at=now))
            notes = []
            for tab in tabs:
                await expect(tab.row(description)).to_have_count(1)
                # Answered after what the tab itself asked when the moment came.
                notes += await tab.page.evaluate("navigator.locks.query().then(() => notes.splice(0))")
            return notes

        assert await noted("not asked for.") == []
        await tabs[0].menu("Desktop notifications")
        assert await noted("rings once.") == [["Leo · Acme", "rings once."]]
        assert await noted("is seen anyway.", 0, 1) == []
        assert await noted("is seen in the other tab.", 1) == []
        await tabs[1].menu("Desktop notifications")
        assert await noted("no longer wanted.") == []

        await tabs[0].menu("Desktop notifications")
        for tab in tabs:
            await tab.page.evaluate("() => { notes.push = () => { throw new TypeError('Illegal constructor'); }; }")
        assert await noted("is shown on a phone too, which throws.") == []


async def test_desktop_notifications_are_chosen_for_the_visit_where_the_browser_keeps_nothing(
    settings: Settings, crm: Site, context: BrowserContext
) -> None:
    async with guest_of(crm, settings) as world:
        await context.add_init_script(
            "Object.defineProperty(globalThis, 'localStorage', {get() { throw new DOMException('denied'); }});"
        )
        (tab,) = await can_notify(context, crm.embed(world.service.base_url, world.token("ana")), 1)
        await tab.menu("Desktop notifications")
        await tab.button("Menu").click()
        await expect(tab.element.get_by_role("menuitemcheckbox")).to_be_checked()


async def test_a_flood_and_what_is_old_make_one_desktop_notification_after_the_first_few(
    settings: Settings, crm: Site, context: BrowserContext
) -> None:
    async with guest_of(crm, settings) as world:
        tabs = await can_notify(context, crm.embed(world.service.base_url, world.token("ana")), 1)
        await tabs[0].menu("Desktop notifications")
        await look_at(tabs)

        now = datetime.now(UTC).isoformat()
        flood = [world.moment("leo", description=f"of {n}", occurred_at=now) for n in range(30)]
        await world.report(world.moment("mia", description="of last week"), *flood)

        await tabs[0].until("notes.length", 3)
        summary = ["Lead feed", "32 unread"]
        assert await tabs[0].page.evaluate("notes") == [["Leo · Acme", "of 0"], ["Leo · Acme", "of 1"], summary]


async def test_the_title_counts_if_the_host_wants_it(settings: Settings, crm: Site, context: BrowserContext) -> None:
    async with guest_of(crm, settings) as world:
        url = crm.embed(world.service.base_url, world.token("ana"), attributes="title-count")
        panel = await (await Panel.open(context, url)).live()
        await expect(panel.page).to_have_title("(1) A CRM")
        await panel.page.evaluate("document.title = 'Another page'")
        await world.report(world.moment("leo", description="and then"))
        await expect(panel.page).to_have_title("(2) Another page")
        for description in ("from afar", "and then"):
            await panel.do(description, "Mark as read")
        await expect(panel.page).to_have_title("Another page")


async def test_a_page_without_a_title_has_the_count_alone(
    settings: Settings, crm: Site, context: BrowserContext
) -> None:
    async with guest_of(crm, settings) as world:
        untitled = "<script>document.title = ''</script>"
        url = crm.embed(world.service.base_url, world.token("ana"), attributes="title-count", body=untitled)
        panel = await (await Panel.open(context, url)).live()
        await expect(panel.page).to_have_title("(1)")
        await world.report(world.moment("leo", description="and then"))
        await expect(panel.page).to_have_title("(2)")


@pytest.mark.parametrize("width", [240, 290, 400, 700])
async def test_it_fits_its_place_in_either_direction(
    settings: Settings, crm: Site, context: BrowserContext, width: int
) -> None:
    async with guest_of(crm, settings) as world:
        await world.sync(accounts=[{"id": "acme", "name": "Donaudampfschifffahrtselektrizitätenhauptbetriebswerk" * 2}])
        await world.report(world.moment("leo", description="W" * 300))
        await world.sync(leads=[{"id": "mia", "name": "Maximiliana " * 9, "account_id": "acme", "owner_id": "ana"}])
        url = crm.embed(world.service.base_url, world.token("ana"), attributes='lang="fr"')
        panel = await (await Panel.open(context, url)).live()
        for direction in ("ltr", "rtl"):
            await panel.page.evaluate(
                """([width, direction]) => {
                  document.documentElement.dir = direction;
                  document.querySelector("lead-feed").style.cssText = `width: ${width}px; height: 500px`;
                }""",
                [width, direction],
            )
            wide = await panel.element.evaluate(
                """element => [...element.shadowRoot.querySelectorAll(".panel, header, .scroller, article, footer")]
                     .filter((part) => part.scrollWidth > part.clientWidth + 1)
                     .map((part) => part.outerHTML.slice(0, 80))"""
            )
            assert wide == []
            company = await panel.row("from afar").locator(".account").bounding_box()
            assert company is not None
            assert company["width"] > 40, "a long name leaves room for the company"
            assert await panel.button("Priorités").is_visible()
            await expect(panel.element.locator(".count")).not_to_be_empty()
            gap, cut = await panel.element.evaluate(
                """(element, direction) => {
                  const box = (name) => element.shadowRoot.querySelector(name).getBoundingClientRect();
                  const [footer, count, hints] = ["footer", ".count", ".hints"].map(box);
                  const shown = [...element.shadowRoot.querySelectorAll(".hints span")]
                    .map((hint) => hint.getBoundingClientRect()).filter(({top, width}) => width && top < hints.bottom);
                  return [
                    direction === "ltr" ? footer.right - count.right : count.left - footer.left,
                    shown.filter(({left, right}) => left < hints.left || right > hints.right).length,
                  ];
                }""",
                direction,
            )
            assert (gap < 20, cut) == (True, 0), "the count belongs at the end, and a hint is shown whole or not at all"
