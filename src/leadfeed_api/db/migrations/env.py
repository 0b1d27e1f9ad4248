"""How Alembic reaches the database: through asyncpg, with a lock timeout, one migrator at a time."""

import asyncio

from alembic import context
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from leadfeed_api.db import mail_tables  # noqa: F401  its tables join the metadata
from leadfeed_api.db.session import connect
from leadfeed_api.db.tables import Table
from leadfeed_api.settings import Settings

LOCK_TIMEOUT_MS = 5_000  # a migration that cannot have its lock gives up, rather than queue everybody behind it
ONE_MIGRATOR = 0x6C656164  # advisory lock: several processes may start at once


def _run(connection: Connection) -> None:
    context.configure(connection=connection, target_metadata=Table.metadata, compare_server_default=True)
    patience_ms = int(context.config.attributes.get("lock_timeout_ms", LOCK_TIMEOUT_MS))
    with context.begin_transaction():
        # Intentional: in this order. Another migrator is waited for, however long it takes; a busy table is not.
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({ONE_MIGRATOR})")
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = {patience_ms}")
        context.run_migrations()


async def _connect_and_run() -> None:
    url = context.config.attributes["database_url"]
    engine = create_async_engine("postgresql+asyncpg://", async_creator=lambda: connect(url), poolclass=NullPool)
    try:
        async with engine.connect() as connection:
            await connection.run_sync(_run)
            await connection.commit()
    finally:
        await engine.dispose()


def _take_the_environment() -> None:
    """When the alembic command runs this, the address comes from the same settings as the service's."""
    if "database_url" not in context.config.attributes:
        context.config.attributes["database_url"] = Settings().database_url


if context.is_offline_mode():
    raise SystemExit("Offline mode is not served: migrations need to see the database.")
_take_the_environment()
asyncio.run(_connect_and_run())
