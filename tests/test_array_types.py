"""Arrays travel without a question to PostgreSQL about what they are."""

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest

import leadfeed_api
from leadfeed_api.db import array_types
from leadfeed_api.db.pool import Connection
from leadfeed_api.db.session import Database

pytestmark = pytest.mark.anyio

VALUES: dict[str, list[object]] = {
    "text": ["a,b", '"', None],
    "boolean": [True, False, None],
    "bytea": [b"\x00,", None],
    "smallint": [-1, 2, None],
    "bigint": [2**62, None],
    "float8": [0.5, None],
    "timestamptz": [datetime(2026, 11, 23, 9, 12, tzinfo=UTC), None],
    "uuid": [UUID(int=7), None],
}


@pytest.fixture
async def connection(database_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Connection]:
    """One that a service would lend; its driver is not to ask about types."""

    async def ask(*_: object) -> None:
        raise AssertionError("it asks what types there are")

    monkeypatch.setattr(asyncpg.Connection, "_introspect_types", ask)
    async with Database(database_url) as database, database.read() as lent:
        yield lent


@pytest.mark.parametrize("name", VALUES)
async def test_an_array_comes_back_as_it_was_sent_and_nothing_is_asked(connection: Connection, name: str) -> None:
    assert await connection.fetchval(f"SELECT $1::{name}[]", VALUES[name]) == VALUES[name]


async def test_a_type_that_was_not_told_is_asked_for(connection: Connection) -> None:
    with pytest.raises(AssertionError, match="it asks what types there are"):
        await connection.fetchval("SELECT $1::date[]", [])


def test_no_statement_has_an_array_of_another_type() -> None:
    source = "".join(file.read_text() for file in Path(leadfeed_api.__file__).parent.rglob("*.py"))
    assert set(re.findall(r"::(\w+)\[\]", source)) == set(VALUES)


@pytest.mark.parametrize("error", [AttributeError, KeyError, TypeError])
async def test_a_driver_that_cannot_be_told_is_left_to_ask(error: type[Exception]) -> None:
    asked: list[str] = []

    class OfAnotherVersion:
        """Inside, something has another name, or wants other facts."""

        @property
        def _protocol(self) -> None:
            raise error

        async def prepare(self, query: str) -> None:
            asked.append(query)

    await array_types.make_known(OfAnotherVersion())  # type: ignore[arg-type]
    assert asked == [array_types.ASKED]
