"""The panel beside one record of the CRM: all of a person's or a company's moments, and nobody else's."""

from urllib.parse import quote

import pytest
from playwright.async_api import BrowserContext, expect

from browser import Panel, panel_url
from world import Service, World

pytest_plugins = ["windows"]
pytestmark = pytest.mark.anyio


@pytest.fixture
async def world(server: Service) -> World:
    """Ana owns Mia and Leo of Acme, and Zoe of another company."""
    world = await server.new_world()
    await world.people("ana", leads={"mia": "ana", "leo": "ana", "zoe": "ana"})
    await world.sync(
        accounts=[{"id": "globex", "name": "Globex"}], leads=[{"id": "zoe", "name": "Zoe", "account_id": "globex"}]
    )
    await world.report(*(world.moment(lead, description=f"of {lead}") for lead in ("zoe", "leo", "mia")))
    return world


async def beside(context: BrowserContext, world: World, **record: str) -> Panel:
    """The panel, live, beside a record: ``lead_id`` or ``account_id``."""
    named = {name.replace("_", "-"): value for name, value in record.items()}
    return await (await Panel.open(context, panel_url(world, "ana", bare="1", **named))).live()


async def test_beside_a_person_it_shows_what_that_person_does_and_says_nothing_of_others(
    world: World, context: BrowserContext
) -> None:
    panel = await beside(context, world, lead_id="mia")
    await panel.shows("of mia")

    await world.report(
        *(world.moment("leo", description=f"of leo, {number}") for number in range(3)),
        world.moment("mia", description="as it happens"),
    )

    await panel.shows("as it happens", "of mia")
    await expect(panel.element.get_by_role("status")).to_have_text("1 new")
    await expect(panel.count).to_be_hidden()
    assert panel.complaints == []


async def test_beside_a_company_it_shows_its_people_and_follows_who_joins(
    world: World, context: BrowserContext
) -> None:
    panel = await beside(context, world, account_id="acme")
    await panel.shows("of mia", "of leo")
    await panel.page.evaluate("location.hash += '&view=account%3Dglobex'")  # kept from elsewhere
    await panel.shows("of mia", "of leo")

    await world.sync(leads=[{"id": "zoe", "account_id": "acme"}])

    await panel.shows("of mia", "of leo", "of zoe")


async def test_the_person_of_a_record_may_be_muted(world: World, context: BrowserContext) -> None:
    """Muting keeps them out of the feed, where others matter more; here there is nobody else."""
    await world.client.put("/v1/mutes/leads/mia", headers=world.rep("ana"), json={"until": None})
    panel = await beside(context, world, lead_id="mia")
    await panel.shows("of mia")

    await world.report(world.moment("mia", description="as it happens"))

    await panel.shows("as it happens", "of mia")
    await expect(panel.element).not_to_contain_text("muted, hidden")


async def test_filters_narrow_a_record_and_none_leads_out_of_it(world: World, context: BrowserContext) -> None:
    await world.report(world.moment("mia", type="email", description="a mail"))
    panel = await beside(context, world, lead_id="mia")
    await panel.shows("a mail", "of mia")

    await panel.button("Milestone").click()
    await panel.shows()
    await panel.button("Clear filters").click()
    await panel.shows("a mail", "of mia")

    await expect(panel.button("Best bets")).to_be_hidden()
    await panel.do("of mia", "More")
    entries = panel.element.get_by_role("menuitem")
    await expect(entries.filter(has_text="Mute Mia")).to_be_visible()
    await expect(entries.filter(has_text="Only")).to_have_count(0)


async def test_marking_all_as_read_marks_the_record_alone(world: World, context: BrowserContext) -> None:
    panel = await beside(context, world, account_id="acme")
    await panel.shows("of mia", "of leo")

    await panel.menu("Mark all as read")

    await expect(panel.toast).to_contain_text("2 marked as read")
    assert {item["description"] for item in await world.feed("ana") if not item["read"]} == {"of zoe"}


async def test_another_record_is_another_attribute_and_without_one_it_is_the_whole_feed(
    world: World, context: BrowserContext
) -> None:
    panel = await beside(context, world, lead_id="mia")
    await panel.shows("of mia")

    await panel.page.evaluate("document.querySelector('lead-feed').setAttribute('lead-id', 'leo')")
    await panel.shows("of leo")
    await panel.page.evaluate("document.querySelector('lead-feed').removeAttribute('lead-id')")
    await panel.shows("of mia", "of leo", "of zoe")


async def test_what_was_chosen_for_the_whole_feed_and_makes_no_sense_here_is_forgotten(
    world: World, context: BrowserContext
) -> None:
    elsewhere = "lead=zoe&leadName=Zoe&account=globex&accountName=Globex&starred=1&scope=watched&muted=only"
    panel = await Panel.open(context, panel_url(world, "ana", bare="1", view=quote(elsewhere), **{"lead-id": "mia"}))

    await panel.shows("of mia")
    await expect(panel.button("All")).to_have_attribute("aria-pressed", "true")
    await expect(panel.element.locator(".notes")).to_be_empty()


@pytest.mark.parametrize("record", [{"lead-id": "somebody"}, {"account-id": "somewhere"}])
async def test_a_record_of_which_nothing_comes_says_whose_moments_do(
    world: World, context: BrowserContext, record: dict[str, str]
) -> None:
    panel = await Panel.open(context, panel_url(world, "ana", bare="1", **record))
    await expect(panel.element).to_contain_text(
        "This record’s moments appear here automatically, for leads you own or watch."
    )

    await panel.page.evaluate("document.querySelector('lead-feed').lang = 'fr'")
    await expect(panel.element).to_contain_text(
        "Les moments de cette fiche apparaissent ici automatiquement, pour les leads à vous ou suivis."
    )


async def test_watching_the_person_of_a_record_fills_it(world: World, context: BrowserContext) -> None:
    await world.people("bob", leads={"kim": "bob"})
    await world.report(world.moment("kim", description="of kim"))
    panel = await beside(context, world, lead_id="kim")
    await panel.shows()

    await world.client.put("/v1/watchlist/kim", headers=world.rep("ana"))
    await panel.shows("of kim")
    await world.client.delete("/v1/watchlist/kim", headers=world.rep("ana"))

    await panel.shows()
    await expect(panel.element).to_contain_text("for leads you own or watch")


async def test_where_there_is_room_for_no_hint_a_record_has_no_empty_footer(
    world: World, context: BrowserContext
) -> None:
    panel = await beside(context, world, lead_id="mia")
    footer = panel.element.locator("footer")
    await expect(footer).to_be_visible()

    await panel.page.set_viewport_size({"width": 240, "height": 600})
    await expect(footer).to_be_hidden()
    await panel.page.evaluate("document.querySelector('lead-feed').removeAttribute('lead-id')")
    await expect(footer).to_contain_text("3 unread")
