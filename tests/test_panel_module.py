"""The module that a page loads: put together right, small, complete in every language, and framed by whom it may be."""

import gzip
import re
from pathlib import Path

import pytest
from playwright.async_api import BrowserContext, expect

from browser import Panel, Site, panel_url, site
from leadfeed_api.panel import routes
from leadfeed_api.panel.assembly import assemble, assemble_on, in_order
from leadfeed_api.settings import Settings
from world import Service, World, served

pytest_plugins = ["windows"]
pytestmark = pytest.mark.anyio
PARTS = {path.name: path.read_text("utf-8") for path in (routes.STATIC / "lead-feed").glob("*.js")}
CORE = in_order(PARTS, "element.js")
LANGUAGES = sorted(path.name.split(".")[1] for path in routes.STATIC.glob("lead-feed.*.js"))


@pytest.fixture
async def world(server: Service) -> World:
    return await server.new_world()


def test_parts_come_after_what_they_need_once_and_without_imports_comments_or_needless_line_ends() -> None:
    parts = {
        "a.js": 'import { b, b2 } from "./b.js";\nimport { c } from "./c.js";\n/** Of a. */\nexport function a() {}\n',
        "b.js": '// Of b.\nimport { c } from "./c.js";\nexport const b = "; // text", b2 = 2; // b\'s\n',
        "c.js": "export class c {\n  // inner\n  x = 1;\n}\n",
    }
    assert in_order(parts, "a.js") == ["c.js", "b.js", "a.js"]
    assert assemble(parts, "a.js") == ('class c {x = 1;}const b = "; // text", b2 = 2;\nexport function a() {}')


def test_what_stands_on_another_module_takes_what_it_needs_of_it_and_imports_nothing() -> None:
    parts = {
        "a.js": 'import { b } from "./b.js";\nimport { c } from "./c.js";\nconst a = b(c);\nexport { a, b };\n',
        "b.js": 'import { c2 } from "./c.js";\nexport const b = c2;\n',
        "c.js": "export const c = 1, c2 = 2;\n",
    }
    assert assemble_on(parts, "a.js", ["c.js"]) == (
        "export default ({ c, c2 }) => {const b = c2;const a = b(c);return { a, b };};\n"
    )


def test_the_panel_lends_its_actions_exactly_what_they_stand_on() -> None:
    taken = re.match(r"export default \((.*?)\) =>", routes.assets()["lead-feed.actions.js"].plain.decode())
    lent = re.search(r"const LENT = (.*?);", PARTS["panel.js"])
    assert taken
    assert lent
    assert taken[1] == lent[1]


def test_the_panel_asks_for_the_actions_it_was_put_together_with_not_for_those_a_browser_kept() -> None:
    assets = routes.assets()
    named = re.search(r"`lead-feed\.actions\.js\?(\w{8})#", assets["lead-feed.js"].plain.decode())
    assert named
    assert assets["lead-feed.actions.js"].tag.startswith(named[1])


def test_style_sheets_lose_spaces_that_mean_nothing_and_keep_those_that_do() -> None:
    sheet = (
        "const A_CSS = `\n.a .b:hover, p ::before { inset: 0 calc(1px + 2px); color: red; }\n`;\nconst b = { c: 1 };\n"
    )
    assert assemble({"a.js": sheet}, "a.js") == (
        "const A_CSS = `\n.a .b:hover,p ::before{inset:0 calc(1px + 2px);color:red;}`;const b = { c: 1 };"
    )


def test_parts_that_need_each_other_are_refused() -> None:
    parts = {"a.js": 'import { b } from "./b.js";\n', "b.js": 'import { a } from "./a.js";\n'}
    with pytest.raises(ValueError, match=r"a\.js -> b\.js -> a\.js"):
        in_order(parts, "a.js")


def test_the_module_is_small() -> None:
    assert len(gzip.compress(routes.assets()["lead-feed.js"].plain, 9)) <= 25_000


def test_the_panel_never_parses_text_as_markup_or_script() -> None:
    """What Trusted Types and a strict policy would stop in a browser that knows them, no browser is ever asked."""
    sinks = re.compile(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|\.style\s*=|cssText"
    )
    found = {name: sinks.findall(text) for name, text in PARTS.items() if sinks.search(text)}
    assert found == {}


def test_no_part_is_left_out_or_longer_than_one_can_read() -> None:
    assert set(in_order(PARTS, "actions.js")) | set(CORE) == set(PARTS)
    assert {name: lines for name, text in PARTS.items() if (lines := len(text.splitlines())) > 350} == {}


async def test_every_language_has_every_word_with_the_same_blanks(world: World, context: BrowserContext) -> None:
    page = await context.new_page()
    await page.goto(f"{world.service.base_url}/panel")
    dictionaries = await page.evaluate(
        """async (languages) => {
          const {LeadFeed} = await import("/panel/lead-feed.js");
          const {default: actionsOn} = await import("/panel/lead-feed.actions.js");
          actionsOn({addIcons() {}, addWords: (more) => Object.assign(LeadFeed.words.en, more), styled() {}});
          const others = await Promise.all(languages.map((one) => import(`/panel/lead-feed.${one}.js`)));
          return {en: LeadFeed.words.en, ...Object.fromEntries(languages.map((one, n) => [one, others[n].default]))};
        }""",
        LANGUAGES,
    )

    def blanks(entry: str | dict[str, str]) -> set[str]:
        return set(re.findall(r"\{[a-z]+\}", entry if isinstance(entry, str) else entry["other"]))

    english = dictionaries.pop("en")
    assert sorted(dictionaries) == LANGUAGES == ["de", "fr"]
    for language, words in dictionaries.items():
        assert set(words) == set(english), language
        assert {key for key in english if blanks(words[key]) != blanks(english[key])} == set(), language

    french = [
        text
        for entry in dictionaries["fr"].values()
        for text in (entry.values() if isinstance(entry, dict) else [entry])
    ]
    assert [text for text in french if re.search(r" [:;!?»]|« ", text)] == [], "a line could break there"

    asked = {key for text in PARTS.values() for key in re.findall(r"words\(\"([a-z.A-Z-]+)\"", text)}
    assert asked - set(english) == set()


async def test_the_parts_work_without_being_put_together(world: World, context: BrowserContext) -> None:
    """They are modules of their own: what is served is for fewer requests, not for the browser's sake."""
    await world.people("ana", leads={"mia": "ana"})
    await world.report(world.moment("mia", description="from parts"))
    folder: Path = routes.STATIC / "lead-feed"
    served_as = {
        "lead-feed.js": (folder / "element.js").read_text("utf-8"),
        "lead-feed.actions.js": 'import * as actions from "./actions.js";\nexport default () => actions;\n',
    }

    async def part(route: object) -> None:
        name = route.request.url.rsplit("/", 1)[1]  # type: ignore[attr-defined]
        body = served_as.get(name) or (folder / name).read_text("utf-8")
        await route.fulfill(body=body, content_type="text/javascript")  # type: ignore[attr-defined]

    await context.route(re.compile(r"/panel/(?!page)[\w.-]+\.js$"), part)
    panel = await (await Panel.open(context, panel_url(world, "ana"))).live()
    await panel.shows("from parts")
    await panel.do("from parts", "Mark as read")
    await expect(panel.row("from parts")).to_have_class("read")
    assert panel.complaints == []


async def framed(crm: Site, service: Service, token: str) -> str:
    listen = """<script>globalThis.heard = [];
      addEventListener("message", ({data, source, origin}) => {
        heard.push([data.type, data.lead?.id ?? null, origin]);
        if (data.type === "leadfeed:token") source.postMessage({type: data.type, token: globalThis.next}, origin);
      });</script>"""
    frame = f'<iframe src="{service.base_url}/panel#bare=1&token={token}" width="400" height="600"></iframe>'
    crm.pages["/framed"] = (f"<!doctype html><title>A CRM</title>{listen}{frame}", {})
    return f"{crm.origin}/framed"


async def test_a_page_that_may_frame_the_panel_hears_it_and_renews_its_token(
    settings: Settings, context: BrowserContext
) -> None:
    async with site() as crm, served(settings.model_copy(update={"frame_ancestors": [crm.origin]})) as service:
        world = await service.new_world()
        await world.people("ana", leads={"mia": "ana"})
        await world.report(world.moment("mia", description="in a frame"))
        page = await context.new_page()
        await page.add_init_script(f"globalThis.next = {world.token('ana')!r}")
        await page.goto(await framed(crm, service, "stale"))
        frame = page.frame_locator("iframe")

        await expect(frame.get_by_text("in a frame")).to_be_visible()
        await expect(frame.get_by_role("heading", name="Initech")).to_be_hidden()
        await frame.get_by_role("button", name="Mia", exact=True).click()
        await page.wait_for_function("heard.some(([type]) => type === 'leadfeed:open')")
        heard = await page.evaluate("heard")
        assert heard[0] == ["leadfeed:token", None, service.base_url]
        assert heard[-1] == ["leadfeed:open", "mia", service.base_url]


async def test_who_comes_by_the_link_of_a_mail_sees_no_record_of_somebody_elses_crm(
    server: Service, context: BrowserContext
) -> None:
    page = await context.new_page()
    await page.goto(f"{server.base_url}/panel")

    await expect(page.locator("lead-feed")).to_contain_text("Sign in to your CRM, then open your lead feed there.")
    await expect(page.get_by_role("heading", name="Initech")).to_be_hidden()


async def test_a_page_that_may_not_frame_the_panel_does_not(server: Service, context: BrowserContext) -> None:
    async with site() as crm:
        page = await context.new_page()
        refused = []
        page.on("console", lambda message: refused.append(message.text))
        await page.goto(await framed(crm, server, "any"))
        while not any("frame-ancestors" in text for text in refused):
            await page.evaluate("new Promise(requestAnimationFrame)")
        assert await page.frame_locator("iframe").locator("lead-feed").count() == 0
