"""The PostgreSQL of a whole test run, and one database for each who asks.

Owns one server, started by the process that runs the tests (with pytest-xdist: by the controller, which hands the DSN
to its workers), and the making of databases by cloning one that was migrated. ``LEADFEED_TEST_DATABASE_URL`` names a
server to use instead; its user must be allowed to create databases. Knows nothing of the schema.
"""

import asyncio
import os
import shutil
import tempfile
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import asyncpg

from leadfeed_api.db.embedded import EmbeddedPostgres
from statements import BY_A_TEST

# What makes a crash lose data makes tests fast; where durability is the point, a test starts a server of its own.
FAST_AND_FORGETFUL = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "max_connections": "300",
}


ENOUGH = 1024**3  # bytes; a run needs 270 MB


@dataclass(frozen=True)
class SharedServer:
    """A server for all tests: ``dsn`` may create databases; ``stop()`` ends the server, if it is ours."""

    dsn: str
    stop: Callable[[], None]


def start_shared_server() -> SharedServer:
    """The server that ``LEADFEED_TEST_DATABASE_URL`` names, else a new one whose data is removed by ``stop()``.

    To be called once, by the process that outlives every worker. Should that be killed, the server ends with it.
    """
    if given := os.environ.get("LEADFEED_TEST_DATABASE_URL"):
        return SharedServer(given, lambda: None)
    folder = Path(tempfile.mkdtemp(prefix="leadfeed-tests-", dir=_memory()))
    programs = os.environ.get("LEADFEED_PG_BIN")
    server = EmbeddedPostgres(folder, pg_bin=Path(programs) if programs else None, options=FAST_AND_FORGETFUL)

    def stop() -> None:
        server.stop()
        shutil.rmtree(folder)

    try:
        return SharedServer(server.start(), stop)
    except BaseException:
        stop()
        raise


def _memory() -> Path | None:
    """A folder in memory with room for all that a run stores, if there is one: PostgreSQL makes a thousand files."""
    shared = Path("/dev/shm")  # noqa: S108  a run that is killed leaves its folder there, as anywhere
    return shared if shared.is_dir() and shutil.disk_usage(shared).free >= ENOUGH else None


def create_template(admin_dsn: str, migrate: Callable[[str], None]) -> str:
    """Makes a database, lets ``migrate(dsn)`` fill it, and closes it for everything but cloning; returns its name.

    The name is new each time: on a server that is not ours, the template of an older schema may still be there.
    """
    name = f"leadfeed_template_{uuid4().hex[:8]}"
    _execute(admin_dsn, f"CREATE DATABASE {_quoted(name)}")
    try:
        migrate(_dsn_of(admin_dsn, name))
        _execute(admin_dsn, f"ALTER DATABASE {_quoted(name)} IS_TEMPLATE true ALLOW_CONNECTIONS false")
    except BaseException:
        drop_database(admin_dsn, name)
        raise
    return name


def clone_database(admin_dsn: str, template: str, name: str) -> str:
    """Makes the database ``name`` as it was when ``template`` was made; returns its DSN. Refused if it exists."""
    _execute(admin_dsn, f"CREATE DATABASE {_quoted(name)} TEMPLATE {_quoted(template)}")
    return _dsn_of(admin_dsn, name)


@contextmanager
def cloned(admin_dsn: str, template: str, name: str) -> Iterator[str]:
    """A database for as long as the block runs: :func:`clone_database`, and then it is dropped."""
    yield clone_database(admin_dsn, template, name)
    drop_database(admin_dsn, name)


def drop_database(admin_dsn: str, name: str) -> None:
    """Removes a database, a template too, and cuts whoever is still connected to it. Gone already is fine."""

    async def drop(connection: asyncpg.Connection) -> None:
        if await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", name):
            await connection.execute(f"ALTER DATABASE {_quoted(name)} IS_TEMPLATE false")
            await connection.execute(f"DROP DATABASE {_quoted(name)} WITH (FORCE)")

    _run(admin_dsn, drop)


def empty(dsn: str, tables: Iterable[str]) -> None:
    """Deletes all rows of these tables, which come in an order that their foreign keys allow.

    Intentional: no TRUNCATE. It makes new files for each table and index, for which few rows take longer.
    """
    _execute(dsn, ";".join(f"{BY_A_TEST} DELETE FROM {_quoted(table)}" for table in tables))


def _dsn_of(admin_dsn: str, database: str) -> str:
    return urlsplit(admin_dsn)._replace(path=f"/{database}").geturl()


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _execute(dsn: str, statement: str) -> None:
    _run(dsn, lambda connection: connection.execute(statement))


def _run(dsn: str, work: Callable[[asyncpg.Connection], Awaitable[object]]) -> None:
    async def run() -> None:
        connection = await asyncpg.connect(dsn)
        try:
            await work(connection)
        finally:
            await connection.close()

    asyncio.run(run())
