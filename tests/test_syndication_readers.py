"""Real feed readers read the feed from a real server, and the second time are told that nothing changed."""

import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import anyio
import feedparser_sgmllib
import pytest
import structlog
from reader import make_reader

from tools import needs
from world import Service, World, ok

pytestmark = pytest.mark.anyio


@pytest.fixture
async def world(server: Service) -> World:
    """A server with a rep who owns a lead of an awkward name, and three moments of it."""
    world = await server.new_world()
    ok(await world.client.patch("/v1/settings", headers=world.machine, json={"rss_enabled": True}))
    await world.sync(
        users=[{"id": "rita", "name": "Rita Rep"}],
        accounts=[{"id": "qa", "name": "Q&A <Partners>", "url": "https://qa.example/"}],
        leads=[
            {"id": "zoe", "name": "Zoë O'Neill 🚀", "account_id": "qa", "owner_id": "rita", "phone": "+1 512 555 0142"}
        ],
    )
    await world.report(
        world.moment("zoe", description="Opened the offer", type="email"),
        world.moment("zoe", description="Read “Prices & terms”", url="https://qa.example/prices?a=1&b=2"),
        world.moment("zoe", description="Became a qualified lead", type="milestone"),
    )
    return world


async def addresses(world: World) -> dict[str, str]:
    """The feed's addresses on this server, by format."""
    link = ok(await world.client.get("/v1/feed-link", headers=world.rep("rita")))
    return {
        form: world.service.base_url + "/feeds/" + link[form].split("/feeds/")[1] for form in ("rss", "atom", "json")
    }


def statuses(lines: list[Any]) -> list[int]:
    return [line["status"] for line in lines if str(line.get("path")).startswith("/feeds/")]


@pytest.mark.parametrize("form", ["rss", "atom", "json"])
async def test_reader_library_reads_it(world: World, form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # Reader carries a feedparser of its own, which looks for Python 2's sgmllib by its old name.
    monkeypatch.setitem(sys.modules, "sgmllib", feedparser_sgmllib)
    url = (await addresses(world))[form]

    def read_twice() -> tuple[Any, list[Any]]:
        with make_reader(":memory:") as reader:
            reader.add_feed(url)
            reader.update_feed(url)
            reader.update_feed(url)
            return reader.get_feed(url), list(reader.get_entries())

    with structlog.testing.capture_logs() as lines:
        feed, entries = await anyio.to_thread.run_sync(read_twice)

    assert feed.title == "Lead feed of Rita Rep"
    assert feed.last_exception is None
    assert [entry.title.partition(": ")[2] for entry in entries] == [
        "Became a qualified lead",
        "Read “Prices & terms”",
        "Opened the offer",
    ]
    assert entries[1].link == "https://qa.example/prices?a=1&b=2"
    assert all(entry.id.startswith("urn:uuid:") for entry in entries)
    assert statuses(lines) == [200, 304]


@pytest.mark.parametrize("form", ["rss", "atom"])
async def test_newsboat_reads_it(world: World, tmp_path: Path, form: str) -> None:
    newsboat = needs("newsboat")
    url = (await addresses(world))[form]
    (tmp_path / "urls").write_text(f"{url}\n")
    (tmp_path / "config").touch()
    cache = tmp_path / "cache.db"
    command = [str(newsboat), "-u", "urls", "-C", "config", "-c", str(cache), "-x", "reload"]

    with structlog.testing.capture_logs() as lines, anyio.fail_after(60):
        for _ in range(3):
            environment = {"HOME": str(tmp_path), "LC_ALL": "C.UTF-8", "TERM": "dumb"}
            await anyio.run_process(command, cwd=tmp_path, env=environment)

    with closing(sqlite3.connect(cache)) as connection:
        (title,) = connection.execute("SELECT title FROM rss_feed").fetchone()
        items = connection.execute("SELECT title, guid, content FROM rss_item ORDER BY pubDate DESC").fetchall()
    assert title == "Lead feed of Rita Rep"
    assert [item[0] for item in items] == [
        "Zoë O'Neill 🚀 (Q&A <Partners>): Became a qualified lead",
        "Zoë O'Neill 🚀 (Q&A <Partners>): Read “Prices & terms”",
        "Zoë O'Neill 🚀 (Q&A <Partners>): Opened the offer",
    ]
    assert all(guid.startswith("urn:uuid:") for _, guid, _ in items)
    assert 'href="tel:+15125550142"' in items[0][2]
    # Newsboat 2.21 keeps the validators of a feed only once it knows it: from the second visit on.
    assert statuses(lines) == [200, 200, 304]
