"""Which schema this code was written for, and which one a database has."""

import asyncpg

from leadfeed_api.db.session import Connection

NEWEST = "0008"  # the last of db/migrations/versions


async def current_revision(connection: Connection) -> str | None:
    """The revision the database is at; None when it was never migrated."""
    try:
        revision: str | None = await connection.fetchval("SELECT version_num FROM alembic_version")
    except asyncpg.UndefinedTableError:
        return None
    return revision
