"""Feeds for readers: 304s to ten thousand pollers against an empty route, whole documents against feedgen."""

import asyncio
import os
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import asyncpg
import uvloop
from fastapi import FastAPI, Response
from feedgen.feed import FeedGenerator

from bench.callers import ELEMENT, proven
from bench.figures import Figure
from bench.load import Request, get, in_own_process, send
from bench.world import ORG, World, read_json, serving
from leadfeed_api.db.session import Database
from leadfeed_api.feed import entries, queries
from leadfeed_api.feed.log import appending
from leadfeed_api.feed.schemas import FeedItem
from leadfeed_api.organizations.identity import digest, org_number
from leadfeed_api.people.sync import sync
from leadfeed_api.settings import Settings
from leadfeed_api.syndication.links import Owner

READERS, CALLERS = 10_000, 32
LEAD = "heavy-7"
LINKS = """
INSERT INTO feed_link (org_id, user_id, token_hash, nonce, contact_details, created_at)
SELECT o.org_id, x.user_id, x.token_hash, x.nonce, true, $5
FROM organization o CROSS JOIN unnest($2::text[], $3::bytea[], $4::bytea[]) AS x (user_id, token_hash, nonce)
WHERE o.org_id = $1
"""


def run(world: World, runs: int, seconds: float) -> list[Figure]:
    """Alternates ours and the reference in every run; fewer readers where ``seconds`` are few."""
    readers = READERS if seconds >= 0.6 else 100
    unchanged = Figure(
        "rss304_vs_noop",
        ">= 0.7",
        f"304 answers/s to {readers:,} readers, a feed each ÷ answers/s of an empty FastAPI route, 32 callers",
    )
    same = Figure("rss304_of_one_vs_noop", "", "as rss304_vs_noop, all of one feed")
    whole = Figure("rss_vs_feedgen", ">= 1", "RSS documents/s ÷ feedgen as it comes, on FastAPI, the same rows")
    paths = asyncio.run(_readers(world, readers))
    with (
        serving(world) as port,
        serving(world, "bench.feeds:empty_app", http="httptools") as empty,
        serving(world, "bench.feeds:feedgen_app", http="httptools") as feedgen,
    ):
        link = str(read_json(port, "/v1/feed-link", world.token("light"))["rss"])
        mine = link[link.index("/feeds/") :]
        polls = in_own_process(tagged, port, [mine, *paths])
        document = proven(port, get(mine), ELEMENT)
        by_feedgen = proven(feedgen, get("/rss"), ELEMENT)
        for _ in range(runs):
            noop = in_own_process(send, empty, [get("/healthz", holds="ok")], CALLERS, seconds)
            ours = in_own_process(send, port, polls[1:], CALLERS, seconds)
            unchanged.add(ours.per_second, noop.per_second)
            same.add(in_own_process(send, port, polls[:1], CALLERS, seconds).per_second, noop.per_second)
            documents = in_own_process(send, port, [document], CALLERS, seconds)
            theirs = in_own_process(send, feedgen, [by_feedgen], CALLERS, seconds)
            whole.add(documents.per_second, theirs.per_second)
    return [unchanged, same, whole]


async def _readers(world: World, count: int) -> list[str]:
    """So many users with a link, all watching one person; the paths of their feeds."""
    names, nonces = [f"reader-{number}" for number in range(count)], [secrets.token_bytes(16) for _ in range(count)]
    tokens = [
        Owner(world.org_id, name, Settings().signing_key).token(nonce)
        for name, nonce in zip(names, nonces, strict=True)
    ]
    async with Database(world.url) as database:
        for start in range(0, count, 1_000):
            users = [{"id": name, "name": name} for name in names[start : start + 1_000]]
            await sync(database, world.org_id, {"users": users})
        async with appending(database, world.org_id) as log:
            position = await log.advance(1)
            hashes = [digest(token) for token in tokens]
            await log.connection.execute(LINKS, world.org_id, names, hashes, nonces, datetime.now(UTC))
            await entries.admit(
                log.connection, world.org_id, [entries.Membership(one, LEAD, position) for one in names]
            )
        async with database.read() as connection:
            await connection.execute("VACUUM ANALYZE feed_link, app_user, feed_entry")
    return [f"/feeds/{token}/rss.xml" for token in tokens]


def tagged(port: int, paths: Sequence[str]) -> list[Request]:
    """Each feed read once, and then the request by which its reader polls it: answered 304."""
    return uvloop.run(_tagged(port, paths))


async def _tagged(port: int, paths: Sequence[str]) -> list[Request]:
    found: dict[str, Request] = {}
    waiting = iter(paths)

    async def reader() -> None:
        stream, writer = await asyncio.open_connection("127.0.0.1", port)
        for path in waiting:
            writer.write(get(path).head)
            head = (await stream.readuntil(b"\r\n\r\n")).decode("latin-1")
            headers = dict(line.split(": ", 1) for line in head.split("\r\n")[1:-2])
            if not head.startswith("HTTP/1.1 200") or b"<rss" not in await stream.readexactly(
                int(headers["content-length"])
            ):
                raise SystemExit(f"a feed could not be read: {head}")
            found[path] = get(path, status=304, If_None_Match=headers["etag"])
        writer.close()

    await asyncio.gather(*(reader() for _ in range(8)))
    return [found[path] for path in paths]


def empty_app() -> FastAPI:
    """A route that does nothing."""
    app = FastAPI()

    @app.get("/healthz")
    async def healthz() -> dict[str, str]:
        return {"status": "ok"}

    return app


def feedgen_app() -> FastAPI:
    """The newest 50 by feedgen as its guide shows it, made anew for each request, from the same rows."""

    @asynccontextmanager
    async def opened(app: FastAPI) -> AsyncIterator[None]:
        async with asyncpg.create_pool(os.environ["LEADFEED_DATABASE_URL"]) as app.state.pool:
            yield

    app = FastAPI(lifespan=opened)

    @app.get("/healthz")
    async def healthz() -> None:
        """It lives."""

    @app.get("/rss")
    async def rss() -> Response:
        async with app.state.pool.acquire() as connection:
            items = await queries.newest_with_contacts(connection, org_number(ORG), "light")
        return Response(_by_feedgen([one.item for one in items]), media_type="application/rss+xml")

    return app


def _by_feedgen(items: Sequence[FeedItem]) -> bytes:
    feed = FeedGenerator()
    feed.title("Lead feed")
    feed.link(href="https://leads.example.com/", rel="alternate")
    feed.description("What your leads did")
    for item in items:
        entry = feed.add_entry(order="append")
        entry.guid(str(item.id), permalink=False)
        entry.title(f"{item.lead.name}: {item.description}")
        entry.description(item.description)
        entry.pubDate(item.occurred_at)
        entry.category(term=item.type)
    document: bytes = feed.rss_str()
    return document
