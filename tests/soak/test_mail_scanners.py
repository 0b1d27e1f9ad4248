"""A link scanner on a thousand mails changes nothing; then one POST does what its reader wants."""

import asyncio
import re

import pytest

from leadfeed_api.db.session import Database
from leadfeed_api.settings import Settings
from post import html_of, just_now, open_post, path_of, subscribe, text_of, unsubscribe_path
from statements import BY_A_TEST
from world import World

pytestmark = [pytest.mark.anyio, pytest.mark.alone, pytest.mark.soak]
MAILS = 1_000
TABLES = ("subscription", "subscription_recipient", "mail_recipient", "mail", "mail_pending", "feed_entry")


async def everything(database: Database) -> dict[str, list[str]]:
    """All rows that a click could change."""
    async with database.read() as connection:
        return {
            table: sorted(row["t"] for row in await connection.fetch(f"{BY_A_TEST} SELECT x::text AS t FROM {table} x"))
            for table in TABLES
        }


async def test_a_scanner_changes_nothing_and_one_post_does(world: World, settings: Settings) -> None:
    reps = [f"rep{number}" for number in range(MAILS)]
    await world.people(*reps, leads={"l1": "rep0"})
    for rep in reps:
        await subscribe(world, rep, "lead", "l1")
    database: Database = world.service.app.state.database
    async with open_post(settings) as post:
        await world.report(just_now(world, "l1", "Visited"))
        mails = await post.instant()
        assert len(mails) == MAILS
        links = [
            path_of(url)
            for mail in mails
            for url in {*re.findall(r"https?://[^\s\"<>]+", text_of(mail) + html_of(mail)),
                        str(mail["List-Unsubscribe"]).strip("<>")}
        ]  # fmt: skip
        before = await everything(database)

        async def scan(path: str) -> None:
            for _ in range(3):
                for method in ("GET", "HEAD", "OPTIONS"):
                    await world.client.request(method, path)

        for start in range(0, len(links), 50):
            await asyncio.gather(*(scan(path) for path in links[start : start + 50]))
        assert await everything(database) == before
        print(f"\n{len(links)} links of {MAILS} mails, {len(links) * 9} requests")

        answer = await world.client.post(unsubscribe_path(mails[0]), content="List-Unsubscribe=One-Click")
        assert answer.status_code == 200
        await world.report(just_now(world, "l1", "Again"))
        assert len(await post.instant()) == MAILS - 1
