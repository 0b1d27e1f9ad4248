"""Bringing the schema up to date, and knowing whether it is.

Owns the way to Alembic. The steps themselves are in ``migrations/``.
"""

from functools import cache
from pathlib import Path

import asyncpg
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy.exc import DBAPIError

from leadfeed_api.db.session import Connection
from leadfeed_api.errors import Unavailable

_ROOT = Path(__file__).resolve().parents[3]


def alembic_config(url: str) -> Config:
    """Alembic's configuration for one database."""
    config = Config(_ROOT / "alembic.ini")
    config.set_main_option("script_location", str(_ROOT / "migrations"))
    config.attributes["database_url"] = url
    return config


def migrate(url: str, *, patience_ms: int = 5_000) -> None:
    """Brings the database at ``url`` to the newest revision. Several processes may call it at once.

    Waits ``patience_ms`` for a table that is in use, rather than have everybody queue behind it; then raises
    ``Unavailable``, and nothing was changed.
    """
    config = alembic_config(url)
    config.attributes["lock_timeout_ms"] = patience_ms
    try:
        command.upgrade(config, "head")
    except DBAPIError as error:
        if isinstance(error.orig and error.orig.__cause__, asyncpg.LockNotAvailableError):
            raise Unavailable("A table that has to change is in use. Nothing was changed; try again.") from error
        raise


@cache
def newest_revision() -> str | None:
    """The revision this code was written for."""
    return ScriptDirectory.from_config(alembic_config("")).get_current_head()


async def current_revision(connection: Connection) -> str | None:
    """The revision the database is at; None when it was never migrated."""
    try:
        revision: str | None = await connection.fetchval("SELECT version_num FROM alembic_version")
    except asyncpg.UndefinedTableError:
        return None
    return revision
