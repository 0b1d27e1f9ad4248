"""One page of 50 items by asyncpg and by SQLAlchemy Core, side by side, on the same rows.

Run: ``.venv/bin/python bench/page_statement.py`` (starts a PostgreSQL of its own, takes about half a minute).
"""

import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import uvloop
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from leadfeed_api.db.embedded import EmbeddedPostgres
from leadfeed_api.db.migrate import migrate
from leadfeed_api.db.session import Database
from leadfeed_api.feed.paging import NEWEST, rows_statement
from leadfeed_api.ingestion.interpret import Candidate
from leadfeed_api.ingestion.record import record_moments
from leadfeed_api.organizations.queries import create_organization
from leadfeed_api.people.sync import sync

RUNS, PAGES, MOMENTS, LEADS = 20, 300, 5_000, 90


async def fill(url: str) -> int:
    """An organisation with one rep, 90 leads and 5,000 moments; returns its number."""
    async with Database(url) as database:
        async with database.write() as connection:
            org_id = await create_organization(connection, "bench", "Bench", datetime.now(UTC))
        leads = [{"id": f"l{n}", "name": f"Lead {n}", "owner_id": "rep"} for n in range(LEADS)]
        await sync(database, org_id, {"users": [{"id": "rep", "name": "Rep"}], "leads": leads})
        begin = datetime(2026, 1, 1, tzinfo=UTC)
        for start in range(0, MOMENTS, 500):
            batch = [
                Candidate("b", str(n), f"l{n % LEADS}", "web", f"Page {n}", None, None, begin + timedelta(minutes=n))
                for n in range(start, start + 500)
            ]
            await record_moments(database, org_id, batch)
        async with database.read() as connection:
            await connection.execute("ANALYZE")
    return org_id


async def seconds_per_page(read: Callable[[], Awaitable[int]]) -> float:
    """The mean of PAGES reads, each checked to have 51 rows (a page and one more)."""
    started = time.perf_counter()
    for _ in range(PAGES):
        if await read() != 51:
            raise SystemExit("a page had the wrong number of rows")
    return (time.perf_counter() - started) / PAGES


async def main(url: str) -> None:
    """Alternates the two, so that the machine's other work hits both alike."""
    org_id = await fill(url)
    statement = rows_statement((), 50)
    asked = {"org": org_id, "user": "rep", "occurred_at": NEWEST[0], "moment_id": NEWEST[1]}
    named = ("CAST(:org AS bigint)", ":user", "CAST(:occurred_at AS timestamptz)", "CAST(:moment_id AS uuid)")
    worded = statement.replace("$3::timestamptz", "$3").replace("$4::uuid", "$4")
    for number, name in enumerate(named, 1):
        worded = worded.replace(f"${number}", name)
    core = text(worded)
    connection = await asyncpg.connect(url)
    engine = create_async_engine("postgresql+asyncpg://", async_creator=lambda: asyncpg.connect(url))

    async def by_asyncpg() -> int:
        return len(await connection.fetch(statement, org_id, "rep", *NEWEST))

    async with engine.connect() as session:

        async def by_core() -> int:
            return len((await session.execute(core, asked)).all())

        figures = [(await seconds_per_page(by_asyncpg), await seconds_per_page(by_core)) for _ in range(RUNS)]
    await engine.dispose()
    await connection.close()
    plain, through = (statistics.median(column) * 1000 for column in zip(*figures, strict=True))
    ratio = statistics.median(core_s / asyncpg_s for asyncpg_s, core_s in figures)
    print(f"asyncpg {plain:.3f} ms a page, SQLAlchemy Core {through:.3f} ms a page, ratio {ratio:.2f}")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder, EmbeddedPostgres(Path(folder) / "data") as postgres:
        migrate(postgres.dsn)
        uvloop.run(main(postgres.dsn))
