"""Pages of 50: against bare asyncpg with the same SQL, deep against first, a heavy rep against a light one."""

import asyncio
import time
from collections.abc import Sequence
from datetime import UTC, datetime

import asyncpg
import uvloop

from bench.callers import ENTRY, proven
from bench.figures import Figure
from bench.load import get, in_own_process, send, send_by_turns
from bench.world import SIZES, World, read_json, serving
from leadfeed_api.db.session import PLANNING
from leadfeed_api.feed.filters import Filters, narrow
from leadfeed_api.feed.paging import NEWEST, page_statement, rows_statement

DEEP = 99  # pages before page 100


def run(world: World, runs: int, seconds: float) -> list[Figure]:
    """Alternates ours and the reference in every run."""
    bare = "pages/s at 32 callers, HTTP ÷ bare asyncpg, 10 connections"
    against_asyncpg = Figure("page_vs_asyncpg", ">= 0.85", f"{bare}, the same SQL")
    as_columns = Figure("page_vs_asyncpg_columns", "", f"{bare}, the same rows as columns, decoded and no more")
    deep = Figure("page100_vs_page1", "<= 1.15", "median ms of page 100 ÷ page 1, one caller, over HTTP")
    heavy = Figure("page_heavy_vs_light", "<= 1.15", "median ms of 5,000 + 500 leads ÷ 90 leads, over HTTP")
    tokens = {rep: world.token(rep) for rep in ("light", "watching", "heavy")}
    with serving(world) as port:
        far_down = _cursor(port, tokens["light"], min(DEEP, world.moments // 150 - 2))
        first, hundredth, of_heavy = (
            proven(port, request, ENTRY)
            for request in (
                get("/v1/feed", tokens["light"]),
                get(f"/v1/feed?cursor={far_down}", tokens["light"]),
                get("/v1/feed", tokens["heavy"]),
            )
        )
        in_own_process(send, port, [first, of_heavy], 8, min(seconds, 2.0))  # warm
        for _ in range(runs):
            ours = in_own_process(send, port, [first], 32, seconds)
            for figure, columns in ((against_asyncpg, False), (as_columns, True)):
                figure.add(ours.per_second, _bare(world, "light", 32, seconds, columns=columns))
            by_turns = [(port, request) for request in (first, hundredth, of_heavy)]
            base, page100, big = map(_median_ms, in_own_process(send_by_turns, by_turns, seconds / 2))
            deep.add(page100, base)
            heavy.add(big, base)
        others = [_of(world, port, rep, callers, runs, seconds / 2) for rep in tokens for callers in (1, 32)]
    return [against_asyncpg, as_columns, deep, heavy, *others]


def _of(world: World, port: int, rep: str, callers: int, runs: int, seconds: float) -> Figure:
    owned, watched = SIZES[rep]
    about = f"pages/s of a rep with {owned:,} + {watched} leads, {callers} at a time ÷ bare asyncpg"
    figure = Figure(f"page_{rep}_by_{callers}", "", about)
    page = proven(port, get("/v1/feed", world.token(rep)), ENTRY)
    for _ in range(runs):
        ours = in_own_process(send, port, [page], callers, seconds).per_second
        figure.add(ours, _bare(world, rep, callers, seconds))
    return figure


def _bare(world: World, rep: str, callers: int, seconds: float, *, columns: bool = False) -> float:
    found: float = in_own_process(read_by_asyncpg, world.url, world.org_id, rep, callers, seconds, columns)
    return found


def _median_ms(seconds: Sequence[float]) -> float:
    return seconds[len(seconds) // 2] * 1_000


def _cursor(port: int, token: str, pages: int) -> str:
    cursor = ""
    for _ in range(pages):
        page = read_json(port, f"/v1/feed?cursor={cursor}" if cursor else "/v1/feed", token)
        cursor = str(page["next_cursor"])
    return cursor


def read_by_asyncpg(
    url: str, org_id: int, user_id: str, concurrency: int, seconds: float, columns: bool = False
) -> float:
    """Pages per second of the page's own statement, without HTTP or authentication; or of its rows as ``columns``."""
    return uvloop.run(_read_by_asyncpg(url, org_id, user_id, concurrency, seconds, columns))


async def _read_by_asyncpg(
    url: str, org_id: int, user_id: str, concurrency: int, seconds: float, columns: bool
) -> float:
    conditions, parameters = narrow(Filters(), datetime.now(UTC))
    statement = (rows_statement if columns else page_statement)(conditions, 50)
    count = 0

    async with asyncpg.create_pool(url, min_size=10, max_size=10, reset=_nothing, server_settings=PLANNING) as pool:

        async def caller() -> None:
            nonlocal count
            while not count or time.perf_counter() < started + seconds:
                async with pool.acquire() as connection:
                    rows = await connection.fetch(statement, org_id, user_id, *NEWEST, *parameters)
                if (len(rows) if columns else rows[0]["found"]) != 51:
                    raise SystemExit("a page had the wrong number of rows")
                count += 1

        for connection in [await pool.acquire() for _ in range(10)]:  # prepared before time counts, as in the service
            await connection.fetch(statement, org_id, user_id, *NEWEST, *parameters)
            await pool.release(connection)
        started = time.perf_counter()
        await asyncio.gather(*(caller() for _ in range(concurrency)))
        return count / (time.perf_counter() - started)


async def _nothing(_: object) -> None:
    """As in the service: no round trip when a connection is given back."""
