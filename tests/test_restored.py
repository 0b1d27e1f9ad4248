"""A restored database, after `leadfeed restored`: whoever saw what was lost misses nothing of what follows.

The backup is one: a copy of the database from before the last commits, on which the service is started again.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import httpx2
import pytest
from typer.testing import CliRunner

from leadfeed_api.cli import app
from leadfeed_api.settings import Settings
from leadfeed_api.subscriptions.delivery import noticing
from post import just_now, open_post, path_of, subscribe, text_of
from postgres import clone_database, drop_database
from statements import Statements
from stream_client import following, until
from world import Service, World, ok, served

pytestmark = [pytest.mark.anyio, pytest.mark.alone]  # the command is for every organisation

LOST = 3  # moments that were reported after the backup


@dataclass
class Restored:
    """What there was just before the loss, and the settings of a service on the backup."""

    settings: Settings
    world: World
    last_seen: str
    feed: httpx2.Response
    feed_path: str

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[World]:
        """The service on the backup, after the command."""
        assert await leadfeed_restored() == "1 organisation: streams and feeds begin anew.\n"
        async with served(self.settings) as service:
            yield replace(self.world, service=service)

    async def read_feed(self, service: Service, **headers: str) -> httpx2.Response:
        """The feed for readers."""
        return await service.client.get(
            self.feed_path, headers={name.replace("_", "-"): value for name, value in headers.items()}
        )


async def leadfeed_restored(*options: str) -> str:
    """What the command prints."""
    done = await asyncio.to_thread(CliRunner().invoke, app, ["restored", *options])
    assert (done.exit_code, done.stderr) == (0, ""), done.output
    return done.stdout


@pytest.fixture
async def restored(
    settings: Settings, postgres: tuple[str, str], database_url: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Restored]:
    """Ana follows a lead by stream, feed and mail; a backup is made, and what happens after it is lost."""
    name = f"leadfeed_backup_{uuid4().hex[:12]}"
    async with served(settings) as service:
        world = await service.new_world()
        await world.people("ana", leads={"l1": "ana"})
        ok(await world.client.patch("/v1/settings", headers=world.machine, json={"rss_enabled": True}))
        path = path_of(ok(await world.client.get("/v1/feed-link", headers=world.rep("ana")))["json"])
        await subscribe(world, "ana", "lead", "l1")
        await world.report(just_now(world, "l1", "Reported before the backup"))
    backup = await asyncio.to_thread(clone_database, postgres[0], urlsplit(database_url).path.strip("/"), name)
    try:
        async with served(settings) as service:
            world = replace(world, service=service)
            await world.report(*(just_now(world, "l1", f"Lost {n}") for n in range(LOST)))
            last_seen = (await world.page("ana"))["live_cursor"]
            feed = await service.client.get(path)
        monkeypatch.setenv("LEADFEED_DATABASE_URL", backup)
        anew = settings.model_copy(update={"database_url": backup})
        yield Restored(anew, world, last_seen, feed, path)
    finally:
        await asyncio.to_thread(drop_database, postgres[0], name)


def reported_instead(world: World, more: int = 0) -> list[dict[str, Any]]:
    """As many moments as were lost, and perhaps more: they would have the same positions."""
    return [just_now(world, "l1", f"Reported instead {n}") for n in range(LOST + more)]


async def test_a_stream_that_saw_what_was_lost_is_reset_and_then_misses_nothing(restored: Restored) -> None:
    async with restored.serving() as world:
        instead = await world.report(*reported_instead(world, more=1))
        async with following(world, "ana", at=restored.last_seen) as stream:
            reset = await stream.next()
            assert (reset.name, reset.data) == ("reset", {"reason": "old-position"})
            assert set(instead) <= {item["id"] for item in await world.feed("ana")}
            (after,) = await world.report(just_now(world, "l1", "Reported later"))
            assert (await stream.next()).data["id"] == after


async def test_a_feed_is_sent_in_full_to_who_read_what_was_lost_by_tag_or_by_date(restored: Restored) -> None:
    seen = restored.feed.headers
    async with restored.serving() as world:
        await until(lambda: datetime.now(UTC) >= parsedate_to_datetime(seen["last-modified"]) + timedelta(seconds=1))
        by_date = await restored.read_feed(world.service, If_Modified_Since=seen["last-modified"])
        await world.report(*reported_instead(world))
        by_tag = await restored.read_feed(world.service, If_None_Match=seen["etag"])

    assert (by_date.status_code, by_tag.status_code) == (200, 200)
    assert "Lost" in restored.feed.text
    assert "Lost" not in by_date.text
    assert "Reported instead" in by_tag.text


async def test_mail_that_waited_is_still_sent_and_so_is_what_follows(
    restored: Restored, statements: Statements
) -> None:
    """Though the command was run twice."""
    assert json.loads(await leadfeed_restored("--json")) == {"organizations": 1}
    async with restored.serving() as world, open_post(restored.settings) as post:
        (waited,) = await post.instant()
        await world.report(*reported_instead(world))
        (after,) = await post.instant()

    assert "Reported before the backup" in text_of(waited)
    assert "Reported instead 0" in text_of(after)
    assert statements.executed.count(noticing.READ_TO) < 10, "what was passed over was read piece by piece"
