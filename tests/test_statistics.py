"""What PostgreSQL knows of a table that was empty a moment ago."""

import asyncio

import pytest

from leadfeed_api.db import statistics
from leadfeed_api.db.session import Database
from statements import BY_A_TEST

pytestmark = pytest.mark.anyio
KNOWN = f"{BY_A_TEST} SELECT reltuples FROM pg_class WHERE oid = 'first_look'::regclass"

GROW = f"{BY_A_TEST} INSERT INTO first_look SELECT 1, repeat('word ', 40) FROM"


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
        first, second = [await statistics.analyse_outgrown(connection) for _ in range(2)]
        assert "first_look" in first
        assert "second_look" not in first
        assert second == []
        assert await connection.fetchval(KNOWN) == 1_000


@pytest.mark.usefixtures("first_look")
@pytest.mark.parametrize(("large", "known"), [(statistics.LARGE, 2_000), (1, 1_000)])
async def test_a_table_is_analysed_again_when_a_quarter_of_it_has_changed_until_it_is_large(
    database: Database, monkeypatch: pytest.MonkeyPatch, large: int, known: int
) -> None:
    async with database.read() as connection:
        await statistics.analyse_outgrown(connection)
        monkeypatch.setattr(statistics, "LARGE", large)
        await connection.execute(f"{GROW} generate_series(1, 200)")
        assert "first_look" not in await statistics.analyse_outgrown(connection)
        await connection.execute(f"{GROW} generate_series(1, 800)")
        await connection.execute(f"{BY_A_TEST} SELECT pg_stat_force_next_flush()")
        await statistics.analyse_outgrown(connection)
        assert await connection.fetchval(KNOWN) == known


@pytest.mark.usefixtures("first_look")
async def test_somebody_looks_while_the_service_runs(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statistics, "LOOK_EVERY_S", 0.01)
    async with statistics.first_statistics(database), asyncio.timeout(20), database.read() as connection:
        while await connection.fetchval(KNOWN) == -1:  # noqa: ASYNC110  the database has no event to wait for
            await asyncio.sleep(0.01)
