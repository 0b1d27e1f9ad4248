"""What PostgreSQL knows of a table that was empty a moment ago."""

import asyncio

import pytest

from leadfeed_api.db import statistics
from leadfeed_api.db.session import Database
from statements import BY_A_TEST

pytestmark = pytest.mark.anyio
KNOWN = f"{BY_A_TEST} SELECT reltuples FROM pg_class WHERE oid = 'first_look'::regclass"


@pytest.fixture
async def first_look(database: Database) -> object:
    """A table made a moment ago, of 1,000 rows. The suite's server analyses nothing by itself."""
    async with database.write() as connection:
        await connection.execute("CREATE TABLE first_look (org_id bigint, words text)")
        await connection.execute("INSERT INTO first_look SELECT 1, repeat('word ', 40) FROM generate_series(1, 1000)")
        await connection.execute("CREATE TABLE second_look (org_id bigint)")
    yield
    async with database.write() as connection:
        await connection.execute("DROP TABLE first_look, second_look")


@pytest.mark.usefixtures("first_look")
async def test_a_new_table_is_analysed_once_and_an_empty_one_not_at_all(database: Database) -> None:
    async with database.read() as connection:
        assert await connection.fetchval(KNOWN) == -1
        first, second = [await statistics.analyse_new(connection) for _ in range(2)]
        assert "first_look" in first
        assert "second_look" not in first
        assert second == []
        assert await connection.fetchval(KNOWN) == 1_000


@pytest.mark.usefixtures("first_look")
async def test_somebody_looks_while_the_service_runs(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statistics, "LOOK_EVERY_S", 0.01)
    async with statistics.first_statistics(database), asyncio.timeout(20), database.read() as connection:
        while await connection.fetchval(KNOWN) == -1:  # noqa: ASYNC110  the database has no event to wait for
            await asyncio.sleep(0.01)
