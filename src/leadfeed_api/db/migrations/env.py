"""How Alembic reaches the database: through asyncpg, with a lock timeout, one migrator at a time."""

import asyncio
from contextlib import suppress

import asyncpg
from alembic import context
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from leadfeed_api.db import mail_tables  # noqa: F401  its tables join the metadata
from leadfeed_api.db.migrate import LOCK_TIMEOUT_MS
from leadfeed_api.db.session import NO_LIMITS, PLANNING, connect
from leadfeed_api.db.session import Connection as AsyncpgConnection
from leadfeed_api.db.tables import Table
from leadfeed_api.errors import Unavailable
from leadfeed_api.settings import Settings

ONE_MIGRATOR = 0x6C656164  # advisory lock: several processes may start at once
ASK_AGAIN_S = 0.1
# Else a server goes on building an index for a command that was killed, and keeps the lock until it has.
ENDS_WITH_ITS_CLIENT = "SET client_connection_check_interval = '1s'"


def _run(connection: Connection) -> None:
    context.configure(connection=connection, target_metadata=Table.metadata, compare_server_default=True)
    patience_ms = int(context.config.attributes.setdefault("lock_timeout_ms", LOCK_TIMEOUT_MS))
    with context.begin_transaction():
        connection.exec_driver_sql(f"SET lock_timeout = {patience_ms}")  # for all steps: some commit in between
        context.run_migrations()


async def _connect_and_run() -> None:
    url = context.config.attributes["database_url"]
    engine = create_async_engine("postgresql+asyncpg://", async_creator=lambda: _alone(url), poolclass=NullPool)
    try:
        async with engine.connect() as connection:
            await connection.run_sync(_run)
            await connection.commit()
    finally:
        await engine.dispose()


async def _alone(url: str) -> AsyncpgConnection:
    """A connection for steps that take as long as they take: nobody else migrates until it is closed.

    Another migrator is waited for, however long it takes. Intentional: by asking again, not by a statement that waits,
    since a step that builds an index waits for the end of all that have a snapshot. And the lock is held by whoever
    does the work: a server sees then that it and a migrator of an older version, which does wait so, are in a ring.
    It begins with a setting that a transaction pooler refuses: on a pooler's connection the lock would stay behind.
    """
    connection = await connect(url, server_settings=PLANNING)
    try:
        await connection.execute(NO_LIMITS, False)
        with suppress(asyncpg.InvalidParameterValueError):  # the server's system cannot tell
            await connection.execute(ENDS_WITH_ITS_CLIENT)
        while True:
            if await connection.fetchval(f"SELECT pg_try_advisory_lock({ONE_MIGRATOR})"):
                await _demand_unicode(connection)
                return connection
            await asyncio.sleep(ASK_AGAIN_S)
    except BaseException:
        connection.terminate()
        raise


async def _demand_unicode(connection: AsyncpgConnection) -> None:
    """Raises ``Unavailable`` where a new database cannot hold everybody's name."""
    encoding = await connection.fetchval(
        "SELECT current_setting('server_encoding') WHERE to_regclass('alembic_version') IS NULL"
    )
    if encoding not in {None, "UTF8"}:
        raise Unavailable(
            f"The database's encoding is {encoding}, which cannot hold every name. Make one in UTF-8: "
            "CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0."
        )


def _take_the_environment() -> None:
    """When the alembic command runs this, the address comes from the same settings as the service's."""
    if "database_url" not in context.config.attributes:
        context.config.attributes["database_url"] = Settings().database_url


if context.is_offline_mode():
    raise SystemExit("Offline mode is not served: migrations need to see the database.")
_take_the_environment()
asyncio.run(_connect_and_run())
