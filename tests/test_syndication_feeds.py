"""What a feed reader gets: the right moments, 304 when nothing changed, and 404 for a link that is no more."""

import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx2
import pytest
import structlog

from feed_grammar import ATOM, text, texts, valid_atom, valid_json_feed, valid_rss
from leadfeed_api.db.session import Database
from leadfeed_api.feed import queries
from leadfeed_api.settings import Settings
from leadfeed_api.syndication import routes
from leadfeed_api.syndication.rendered import Rendered
from statements import BY_A_TEST, Statements
from world import Service, World, ok, problem, running_app

pytestmark = pytest.mark.anyio

LEAD = {
    "id": "ruiz",
    "name": "Ana Ruiz",
    "title": "CTO",
    "account_id": "initech",
    "owner_id": "rita",
    "email": "ana.ruiz@initech.example",
    "phone": "+34 915 550 101",
    "mobile": "+34 600 555 102",
    "fax": "+34 915 550 103",
}
ACCOUNT = {"id": "initech", "name": "Initech", "url": "https://initech.example/", "address": "Calle Mayor 1, Madrid"}
CONTACTS = [LEAD["email"], LEAD["phone"], LEAD["mobile"], LEAD["fax"], ACCOUNT["url"], ACCOUNT["address"]]
SECRECY = {
    "referrer-policy": "no-referrer",
    "x-robots-tag": "noindex, nofollow",
}


async def furnish(world: World) -> World:
    """Feeds for readers on; Rita owns Ana Ruiz of Initech, Bob owns somebody else."""
    ok(await world.client.patch("/v1/settings", headers=world.machine, json={"rss_enabled": True}))
    await world.sync(
        users=[{"id": "rita", "name": "Rita Rep"}, {"id": "bob", "name": "Bob"}],
        accounts=[ACCOUNT],
        leads=[LEAD, {"id": "other", "name": "Otto Other", "owner_id": "bob"}],
    )
    return world


@pytest.fixture
async def world(world: World) -> World:
    return await furnish(world)


@pytest.fixture
async def served_world(server: Service) -> World:
    """The same behind a real server, where bodies and headers are as on the wire."""
    return await furnish(await server.new_world())


async def link_of(world: World, user_id: str = "rita") -> dict[str, str]:
    """The paths of a user's feed, by format."""
    link = ok(await world.client.get("/v1/feed-link", headers=world.rep(user_id)))
    return {form: "/feeds/" + link[form].split("/feeds/")[1] for form in ("rss", "atom", "json")}


async def read(world: World, path: str, **headers: str) -> httpx2.Response:
    return await world.client.get(path, headers={name.replace("_", "-"): value for name, value in headers.items()})


async def titles(world: World, user_id: str = "rita") -> list[str]:
    feed = valid_json_feed((await read(world, (await link_of(world, user_id))["json"])).content)
    return [item["title"] for item in feed["items"]]


async def test_three_formats_show_the_same_moments_and_nobody_elses(world: World) -> None:
    first, second = await world.report(world.moment("ruiz", description="Asked for a demo"), world.moment("ruiz"))
    await world.report(world.moment("other", description="Bob's business"))
    link = await link_of(world)

    answers = {form: await read(world, path) for form, path in link.items()}

    expected = [f"urn:uuid:{second}", f"urn:uuid:{first}"]
    assert texts(valid_rss(answers["rss"].content), "item/guid") == expected
    assert texts(valid_atom(answers["atom"].content), f"{ATOM}entry/{ATOM}id") == expected
    assert [item["id"] for item in valid_json_feed(answers["json"].content)["items"]] == expected
    assert {form: answer.headers["content-type"] for form, answer in answers.items()} == {
        "rss": "application/rss+xml; charset=utf-8",
        "atom": "application/atom+xml; charset=utf-8",
        "json": "application/feed+json",
    }
    assert await titles(world) == ["Ana Ruiz (Initech): Visited page 1", "Ana Ruiz (Initech): Asked for a demo"]


async def test_documents_name_their_own_address_and_their_owner(world: World) -> None:
    link = await link_of(world)

    feed = valid_json_feed((await read(world, link["json"])).content)
    channel = valid_rss((await read(world, link["rss"])).content)

    assert feed["title"] == "Lead feed of Rita Rep"
    assert feed["authors"] == [{"name": world.org.title()}]
    assert feed["feed_url"].endswith(link["json"])
    assert channel.find(f"{ATOM}link").get("href").endswith(link["rss"])
    assert feed["home_page_url"].endswith("/panel")


async def test_a_feed_leads_to_the_page_of_the_crm_that_shows_the_panel(world: World) -> None:
    link = await link_of(world)
    before = await read(world, link["json"])
    ok(await world.client.patch("/v1/settings", headers=world.machine, json={"panel_url": "https://crm.example/leads"}))

    after = await read(world, link["json"], If_None_Match=before.headers["etag"])

    assert valid_json_feed(after.content)["home_page_url"] == "https://crm.example/leads"
    assert text(valid_rss((await read(world, link["rss"])).content), "link") == "https://crm.example/leads"


async def test_newest_fifty_are_shown(world: World) -> None:
    ids = await world.report(*(world.moment("ruiz") for _ in range(60)))

    feed = valid_json_feed((await read(world, (await link_of(world))["json"])).content)

    assert [item["id"] for item in feed["items"]] == [f"urn:uuid:{one}" for one in reversed(ids[10:])]


async def test_entries_carry_contact_details_where_the_link_allows_it(world: World) -> None:
    await world.report(world.moment("ruiz"))
    link = await link_of(world)
    shown = {form: (await read(world, path)).text for form, path in link.items()}

    ok(await world.client.patch("/v1/feed-link", headers=world.rep("rita"), json={"contact_details": False}))
    hidden = {form: (await read(world, path)).text for form, path in link.items()}

    for form in link:
        assert [detail for detail in CONTACTS if detail not in shown[form]] == []
        assert [detail for detail in CONTACTS if detail in hidden[form]] == []


async def test_answer_is_private_to_its_reader(world: World) -> None:
    answer = await read(world, (await link_of(world))["rss"])

    assert answer.headers["cache-control"] == "private, no-cache"
    assert answer.headers["vary"] == "Accept-Encoding"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert SECRECY.items() <= dict(answer.headers).items()


@pytest.mark.parametrize("form", ["rss", "atom", "json"])
async def test_unchanged_feed_is_304_without_a_body(served_world: World, form: str) -> None:
    await served_world.report(served_world.moment("ruiz"))
    path = (await link_of(served_world))[form]
    full = await read(served_world, path)

    answer = await read(served_world, path, If_None_Match=full.headers["etag"])

    assert (answer.status_code, answer.content) == (304, b"")
    assert answer.headers["etag"] == full.headers["etag"]
    assert answer.headers["cache-control"] == full.headers["cache-control"]
    assert answer.headers["vary"] == full.headers["vary"]
    assert "date" in answer.headers
    assert "content-type" not in answer.headers
    assert SECRECY.items() <= dict(answer.headers).items()


async def test_304_neither_reads_nor_renders_the_feed(
    world: World, statements: Statements, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.report(world.moment("ruiz"))
    path = (await link_of(world))["atom"]
    full = await read(world, path)
    monkeypatch.setattr(routes, "render", None)
    monkeypatch.setattr(Rendered, "find", None)
    statements.executed.clear()

    by_tag = await read(world, path, If_None_Match=full.headers["etag"])
    by_date = await read(world, path, If_Modified_Since=full.headers["last-modified"])

    assert (by_tag.status_code, by_date.status_code) == (304, 304)
    assert statements.of_tables()
    assert queries.NEWEST_WITH_CONTACTS not in statements.executed


async def test_tag_wins_over_the_date(world: World) -> None:
    path = (await link_of(world))["rss"]
    full = await read(world, path)
    tag, date = full.headers["etag"], full.headers["last-modified"]
    long_ago = "Mon, 01 Jan 2001 00:00:00 GMT"

    async def status(**headers: str) -> int:
        return (await read(world, path, **headers)).status_code

    assert await status(If_None_Match=tag, If_Modified_Since=long_ago) == 304
    assert await status(If_None_Match='"another"', If_Modified_Since=date) == 200
    assert await status(If_Modified_Since=date) == 304
    assert await status(If_Modified_Since=long_ago) == 200
    assert await status(If_Modified_Since="soon") == 200
    assert await status(If_None_Match=f'"another", {tag.removeprefix("W/")}') == 304
    assert await status(If_None_Match="*") == 304


async def test_formats_and_users_have_tags_of_their_own(world: World) -> None:
    paths = [*(await link_of(world, "rita")).values(), *(await link_of(world, "bob")).values()]

    tags = [(await read(world, path)).headers["etag"] for path in paths]

    assert len(set(tags)) == 6


async def test_another_public_address_or_version_ends_every_tag(
    world: World, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = (await link_of(world))["json"]
    before = await read(world, path)
    moved = settings.model_copy(update={"public_url": "https://leads.example.com"})

    async with running_app(moved) as elsewhere:
        after = await elsewhere.client.get(path, headers={"If-None-Match": before.headers["etag"]})
    assert valid_json_feed(after.content)["feed_url"] == f"https://leads.example.com{path}"

    monkeypatch.setattr(routes, "__version__", "another")
    assert (await read(world, path, If_None_Match=before.headers["etag"])).status_code == 200


async def set_time(database: Database, world: World, statement: str, instant: str) -> None:
    """Dates something that this organisation stored, as if it had happened at another time."""
    async with database.write() as connection:
        when = datetime.fromisoformat(instant)
        await connection.execute(f"{BY_A_TEST} {statement} WHERE org_id = $1", world.org_id, when)


async def test_last_modified_is_when_the_feed_changed_last(world: World, database: Database) -> None:
    path = (await link_of(world))["rss"]

    async def modified() -> str:
        return (await read(world, path)).headers["last-modified"]

    await set_time(database, world, "UPDATE feed_link SET created_at = $2", "2026-01-02T00:00:00Z")
    await set_time(database, world, "UPDATE feed_change SET changed_at = $2", "2026-01-01T00:00:00Z")
    assert await modified() == "Fri, 02 Jan 2026 00:00:00 GMT", "when the link was made"

    await world.report(world.moment("ruiz", occurred_at="2001-01-01T00:00:00Z"))
    await set_time(database, world, "UPDATE moment SET recorded_at = $2", "2026-01-03T00:00:00Z")
    assert await modified() == "Sat, 03 Jan 2026 00:00:00 GMT", "when the moment was reported, not when it occurred"

    await world.sync(leads=[{"id": "ruiz", "name": "Ana Maria Ruiz"}])
    await set_time(database, world, "UPDATE feed_change SET changed_at = $2", "2026-01-04T00:00:00Z")
    assert await modified() == "Sun, 04 Jan 2026 00:00:00 GMT", "when the person got a new name"


async def test_last_modified_is_never_in_the_future(world: World, database: Database) -> None:
    """Another instance's clock may run ahead of this one's; a date that has not come yet would hide a change."""
    path = (await link_of(world))["rss"]
    await world.report(world.moment("ruiz"))
    await set_time(database, world, "UPDATE moment SET recorded_at = $2", "2099-01-01T00:00:00Z")

    answer = await read(world, path)

    assert parsedate_to_datetime(answer.headers["last-modified"]) <= datetime.now(UTC)


async def test_date_of_an_earlier_state_is_never_good_for_a_later_one(world: World) -> None:
    """Within one second, too, and for what is not in the log."""
    await world.report(world.moment("ruiz"))
    path = (await link_of(world))["json"]
    dates = [(await read(world, path)).headers["last-modified"]]

    async def after(change: Awaitable[Any]) -> str:
        await change
        answers = [await read(world, path, If_Modified_Since=date) for date in dates]
        assert [answer.status_code for answer in answers] == [200] * len(dates)
        dates.append(answers[-1].headers["last-modified"])
        return answers[-1].text

    def setting(path: str, who: dict[str, str], **values: object) -> Awaitable[httpx2.Response]:
        return world.client.patch(path, headers=who, json=values)

    assert "Asked for a demo" in await after(world.report(world.moment("ruiz", description="Asked for a demo")))
    assert "Asked for two" in await after(world.report(world.moment("ruiz", description="Asked for two")))
    assert "Rita Reed" in await after(world.sync(users=[{"id": "rita", "name": "Rita Reed"}]))
    assert "crm.example" in await after(setting("/v1/settings", world.machine, panel_url="https://crm.example/leads"))
    hidden = await after(setting("/v1/feed-link", world.rep("rita"), contact_details=False))
    assert [detail for detail in CONTACTS if detail in hidden] == []


async def test_new_address_is_the_same_feed_in_a_document_of_its_own(world: World) -> None:
    async def look(user_id: str) -> tuple[str, str]:
        answer = await read(world, (await link_of(world, user_id))["atom"])
        return text(valid_atom(answer.content), f"{ATOM}id"), answer.headers["etag"]

    feed_id, tag = await look("rita")
    ok(await world.client.post("/v1/feed-link/rotate", headers=world.rep("rita")))
    same_id, other_tag = await look("rita")

    assert same_id == feed_id
    assert other_tag != tag, "it names other addresses"
    assert (await look("bob"))[0] != feed_id


async def test_page_of_an_allowed_origin_may_poll_with_conditions(settings: Settings) -> None:
    origin = "https://crm.example"
    async with running_app(settings.model_copy(update={"cors_origins": [origin]})) as service:
        world = await furnish(await service.new_world())
        path = (await link_of(world))["json"]
        asking = {"Origin": origin, "Access-Control-Request-Method": "GET"}
        for header in ("if-none-match", "if-modified-since"):
            answer = await world.client.options(path, headers={**asking, "Access-Control-Request-Headers": header})
            assert answer.status_code == 200, answer.text


async def test_every_kind_of_change_is_seen_at_the_next_poll(world: World) -> None:
    await world.report(world.moment("ruiz"), world.moment("other", description="Bob's business"))
    path = (await link_of(world))["json"]
    seen: list[tuple[str, httpx2.Response]] = []

    async def after(what: str, change: Awaitable[Any]) -> str:
        await change
        answer = await read(world, path, If_None_Match=seen[-1][1].headers["etag"] if seen else "")
        assert answer.status_code == 200, f"{what} went unseen"
        seen.append((what, answer))
        unchanged = await read(world, path, If_None_Match=answer.headers["etag"])
        assert unchanged.status_code == 304, f"{what} is seen twice"
        return answer.text

    def watching(method: Callable[..., Awaitable[httpx2.Response]]) -> Awaitable[httpx2.Response]:
        return method("/v1/watchlist/other", headers=world.rep("rita"))

    def owning(user_id: str | None) -> Awaitable[httpx2.Response]:
        return world.client.put("/v1/leads/ruiz/owner", headers=world.machine, json={"owner_id": user_id})

    assert "Asked for a demo" in await after(
        "a late moment",
        world.report(world.moment("ruiz", description="Asked for a demo", occurred_at="2020-01-01T00:00:00Z")),
    )
    assert "Ana Maria Ruiz" in await after("a new name", world.sync(leads=[{"id": "ruiz", "name": "Ana Maria Ruiz"}]))
    assert "new@initech.example" in await after(
        "a new e-mail address", world.sync(leads=[{"id": "ruiz", "email": "new@initech.example"}])
    )
    assert "Initrode" in await after("a renamed company", world.sync(accounts=[{"id": "initech", "name": "Initrode"}]))
    assert "2 Side St" in await after(
        "a company that moved", world.sync(accounts=[{"id": "initech", "address": "2 Side St"}])
    )
    assert "Bob's business" in await after("watching", watching(world.client.put))
    assert "Bob's business" not in await after("watching no more", watching(world.client.delete))
    assert "Asked for a demo" not in await after("a lead that moved to Bob", owning("bob"))
    assert "Asked for a demo" in await after("a lead that came back", owning("rita"))
    assert "Lead feed of Rita Reed" in await after(
        "the user's new name", world.sync(users=[{"id": "rita", "name": "Rita Reed"}])
    )
    hidden = world.client.patch("/v1/feed-link", headers=world.rep("rita"), json={"contact_details": False})
    assert "2 Side St" not in await after("contact details hidden", hidden)
    erased = await after("an erased person", world.client.delete("/v1/leads/ruiz", headers=world.machine))
    assert json.loads(erased)["items"] == []


async def test_history_that_was_let_go_of_ends_tags_from_before(world: World, database: Database) -> None:
    """What a reader saw at a position cannot be told from what came after once the log between them is trimmed."""
    await world.report(world.moment("ruiz"))
    path = (await link_of(world))["rss"]
    before = await read(world, path)
    await world.sync(leads=[{"id": "ruiz", "name": "Ana Maria Ruiz"}])

    async with database.write() as connection:
        await connection.execute(f"{BY_A_TEST} DELETE FROM feed_change WHERE org_id = $1", world.org_id)
        await connection.execute(
            f"{BY_A_TEST} UPDATE organization SET horizon = position WHERE org_id = $1", world.org_id
        )

    answer = await read(world, path, If_None_Match=before.headers["etag"])
    assert answer.status_code == 200
    assert "Ana Maria Ruiz" in answer.text


async def test_what_was_rendered_is_served_again_without_reading_the_feed(world: World, statements: Statements) -> None:
    await world.report(world.moment("ruiz"))
    path = (await link_of(world))["rss"]
    first = await read(world, path)
    statements.executed.clear()

    second = await read(world, path)

    assert second.content == first.content
    assert queries.NEWEST_WITH_CONTACTS not in statements.executed
    await world.report(world.moment("ruiz", description="Something new"))
    assert "Something new" in (await read(world, path)).text


@pytest.mark.parametrize("form", ["rss", "atom", "json"])
async def test_head_is_get_without_the_body(served_world: World, form: str) -> None:
    await served_world.report(served_world.moment("ruiz"))
    path = (await link_of(served_world))[form]
    passing = {"date", "x-request-id"}

    get, head = await served_world.client.get(path), await served_world.client.head(path)

    assert (get.status_code, head.status_code, head.content) == (200, 200, b"")
    assert int(head.headers["content-length"]) == len(get.content) > 0
    assert {name: value for name, value in head.headers.items() if name not in passing} == {
        name: value for name, value in get.headers.items() if name not in passing
    }
    unchanged = await served_world.client.head(path, headers={"If-None-Match": get.headers["etag"]})
    assert (unchanged.status_code, unchanged.content) == (304, b"")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
async def test_other_methods_are_told_which_are_allowed(world: World, method: str) -> None:
    answer = await world.client.request(method, (await link_of(world))["rss"])

    problem(answer, 405, "method-not-allowed")
    assert set(answer.headers["allow"].split(", ")) == {"GET", "HEAD"}


def refusal(answer: httpx2.Response) -> dict[str, Any]:
    """A 404 without what differs between any two."""
    document = problem(answer, 404, "unknown-feed")
    return {name: value for name, value in document.items() if name not in {"request_id", "instance"}}


async def test_every_link_that_is_no_more_gets_the_same_404(world: World) -> None:
    unknown = await read(world, f"/feeds/{'A' * 43}/rss.xml")
    link = await link_of(world)
    bobs = await link_of(world, "bob")
    full = await read(world, link["rss"])

    ok(await world.client.post("/v1/feed-link/rotate", headers=world.rep("rita")))
    rotated = await read(world, link["rss"], If_None_Match=full.headers["etag"])
    renewed = await link_of(world)
    await world.client.delete("/v1/feed-link", headers=world.rep("rita"))
    deleted = await read(world, renewed["rss"], If_None_Match="*")
    await world.sync(users=[{"id": "bob", "active": False}])
    disabled = await read(world, bobs["rss"])
    await world.sync(users=[{"id": "bob", "active": True}])
    assert (await read(world, bobs["rss"])).status_code == 200
    ok(await world.client.patch("/v1/settings", headers=world.machine, json={"rss_enabled": False}))
    switched_off = await read(world, bobs["rss"])
    head = await world.client.head(bobs["rss"])

    for answer in (rotated, deleted, disabled, switched_off):
        assert refusal(answer) == refusal(unknown)
        assert SECRECY.items() <= dict(answer.headers).items()
        assert "etag" not in answer.headers
    assert (head.status_code, head.content) == (404, b"")


@pytest.mark.parametrize(
    "token",
    [
        "x",
        "..",
        "%2E%2E%2Fv1",
        "%ED%A0%80",
        "%00" * 43,
        "é" * 43,
        "A" * 42,
        "A" * 44,
        "A" * 42 + "=",
        "A" * 42 + "%0A",
        "A" * 5_000,
    ],
    ids=ascii,
)
async def test_text_that_is_no_token_gets_404_without_asking_the_database_and_is_not_echoed(
    world: World, token: str, statements: Statements
) -> None:
    statements.executed.clear()

    answer = await read(world, f"/feeds/{token}/rss.xml")

    assert answer.status_code == 404
    assert token not in answer.text or len(token) < 3
    assert statements.of_tables() == []


async def test_secret_is_in_no_log_line_and_in_no_error(world: World) -> None:
    link = await link_of(world)
    token = link["rss"].split("/")[2]

    with structlog.testing.capture_logs() as lines:
        await read(world, link["rss"])
        await world.client.post("/v1/feed-link/rotate", headers=world.rep("rita"))
        gone = await read(world, link["rss"])
        refused = await world.client.post(link["rss"])

    logged = [line for line in lines if "/feeds/" in str(line.get("path"))]
    assert [line["status"] for line in logged] == [200, 404, 405]
    assert token not in repr(lines)
    assert token not in gone.text + refused.text


async def test_openapi_tells_each_feeds_media_type_and_every_status(world: World) -> None:
    document = ok(await world.client.get("/openapi.json"))

    for file, media_type, operation_id, heading in [
        ("rss.xml", "application/rss+xml", "read_rss", "<title>Lead feed of Nora Lind</title>"),
        ("atom.xml", "application/atom+xml", "read_atom", "<title>Lead feed of Nora Lind</title>"),
        ("feed.json", "application/feed+json", "read_json_feed", '"title": "Lead feed of Nora Lind"'),
    ]:
        (operation,) = document["paths"][f"/feeds/{{token}}/{file}"].values()
        assert operation["operationId"] == operation_id
        ((declared, content),) = operation["responses"]["200"]["content"].items()
        assert declared == media_type
        example = content["example"]
        assert heading in (example if isinstance(example, str) else json.dumps(example))
        assert {"200", "304", "404"} <= set(operation["responses"])
    link = document["paths"]["/v1/feed-link"]
    assert set(link) == {"get", "patch", "delete"}
    assert all("403" in operation["responses"] for operation in link.values())
    schema = document["components"]["schemas"]["FeedLink"]
    assert set(schema["properties"]) == {"rss", "atom", "json", "contact_details", "created_at"}
