"""Every way to read one user's feed shows the same moments, and following the stream keeps a page as a fresh one."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from xml.etree import ElementTree as ET

import anyio
import feedparser
import httpx2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from oracle import LEADS, USERS, Driver, operations, prepared
from world import Service, World, ok

pytestmark = pytest.mark.anyio
PATIENCE_S = 20


class Follower:
    """A client as the streaming page describes one: it loads a page, follows the stream, and does what it is told."""

    def __init__(self, world: World, user: str) -> None:
        self.world, self.user = world, user
        self.items: dict[str, dict[str, Any]] = {}
        self.position = ""
        self.seen_ids: list[str] = []

    async def load(self) -> None:
        """Everything anew."""
        page = await self.world.page(self.user, limit=200)
        self.items = {item["id"]: item for item in page["items"]}
        self.position = page["live_cursor"]

    async def reload_lead(self, lead_id: str) -> None:
        """What shows one lead, anew."""
        self.items = {key: item for key, item in self.items.items() if item["lead"]["id"] != lead_id}
        self.items |= {item["id"]: item for item in await self.world.feed(self.user, lead_id=lead_id)}

    async def follow(self, is_enough: Callable[[dict[str, dict[str, Any]]], bool]) -> None:
        """Applies events until the list is enough."""
        async with self._connected() as source:
            async for event in source:
                if event.id:
                    assert event.id not in self.seen_ids, "an event came twice"
                    self.seen_ids.append(event.id)
                    self.position = event.id
                await self._apply(event.event, json.loads(event.data) if event.data else None)
                if is_enough(self.items):
                    return

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[httpx2.EventSource]:
        async with self.world.client.sse(
            "/v1/feed/stream", headers={**self.world.rep(self.user), "Last-Event-ID": self.position}
        ) as source:
            yield source

    async def _apply(self, kind: str, data: Any) -> None:
        if kind == "moment":
            self.items[data["id"]] = data
        elif kind == "changed":
            await self.reload_lead(data["lead_id"])
        elif kind == "reset":
            position = self.position
            await self.load()
            self.position = position
        elif kind == "lead":
            card = {key: data[key] for key in ("id", "name", "title", "starred", "stars", "flames")}
            for item in self.items.values():
                if item["lead"]["id"] == card["id"]:
                    item["lead"], item["account"] = card, data["account"]

    def shown(self) -> list[dict[str, Any]]:
        """The list as it stands, newest first."""
        return sorted(self.items.values(), key=lambda item: (item["occurred_at"], item["id"]), reverse=True)


renames = st.tuples(st.just("rename"), st.sampled_from(LEADS), st.sampled_from(["Ana", "Bo", "Cy"]))
company = st.tuples(st.just("rename_company"), st.sampled_from(["Acme", "Initech", "Globex"]))


class Renamer(Driver):
    """A driver that also changes what cards show."""

    async def rename(self, lead: str, name: str) -> None:
        if lead not in self.oracle.erased:
            await self.world.sync(leads=[{"id": lead, "name": name}])

    async def rename_company(self, name: str) -> None:
        await self.world.sync(accounts=[{"id": "acme", "name": name}])


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(
    before=st.lists(operations, max_size=6),
    during=st.lists(st.one_of(operations, renames, company), min_size=1, max_size=12),
    connected_late=st.booleans(),
)
async def test_a_client_that_applies_the_stream_to_its_page_shows_what_a_fresh_page_shows(
    server: Service, before: list[tuple[Any, ...]], during: list[tuple[Any, ...]], connected_late: bool
) -> None:
    base = await prepared(server)
    driver = Renamer(base.world, base.oracle)
    world = driver.world
    await world.sync(leads=[{"id": "last", "name": "Last", "owner_id": user} for user in USERS[:1]])
    for operation in before:
        await driver.do(operation)
    follower = Follower(world, USERS[0])
    await follower.load()

    async def change() -> None:
        for operation in during:
            await driver.do(operation)
        await world.report(world.moment("last"))

    async with asyncio.TaskGroup() as tasks:
        with anyio.fail_after(PATIENCE_S):
            changing = tasks.create_task(change())
            if connected_late:
                await changing
            await follower.follow(_shows_the_last_lead)

    assert follower.shown() == await world.feed(USERS[0])


def _shows_the_last_lead(items: dict[str, dict[str, Any]]) -> bool:
    return any(item["lead"]["id"] == "last" for item in items.values())


async def test_page_stream_rss_atom_and_json_feed_show_the_same_moments(server: Service) -> None:
    world = await server.new_world()
    await world.people("ana", "bob", leads={"own": "ana", "seen": "bob", "other": "bob"})
    await world.client.put("/v1/watchlist/seen", headers=world.rep("ana"))
    ok(await world.client.patch("/v1/settings", headers=world.machine, json={"rss_enabled": True}))
    start = (await world.page("ana"))["live_cursor"]
    await world.report(*(world.moment(lead) for lead in ("own", "seen", "other", "own", "seen")))

    page = [item["id"] for item in await world.feed("ana")]
    follower = Follower(world, "ana")
    follower.position = start
    with anyio.fail_after(PATIENCE_S):
        await follower.follow(lambda items: page[0] in items)
    links = ok(await world.client.get("/v1/feed-link", headers=world.rep("ana")))
    paths = {form: url[url.index("/feeds/") :] for form, url in links.items() if form in {"rss", "atom", "json"}}
    rss = feedparser.parse((await world.client.get(paths["rss"])).content)
    atom = ET.fromstring((await world.client.get(paths["atom"])).content)  # noqa: S314  our own document
    entries = atom.findall("{http://www.w3.org/2005/Atom}entry/{http://www.w3.org/2005/Atom}id")
    json_feed = (await world.client.get(paths["json"])).json()

    assert len(page) == 4
    assert [item["id"] for item in follower.shown()] == page
    assert [entry.id.removeprefix("urn:uuid:") for entry in rss.entries] == page
    assert [(entry.text or "").removeprefix("urn:uuid:") for entry in entries] == page
    assert [item["id"].removeprefix("urn:uuid:") for item in json_feed["items"]] == page
