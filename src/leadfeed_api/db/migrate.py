"""Bringing the schema up to date, and knowing whether it is.

Owns the way to Alembic. The steps themselves are in ``migrations/``.
"""

from functools import cache
from pathlib import Path

import asyncpg
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

from leadfeed_api.db.session import Connection

_ROOT = Path(__file__).resolve().parents[3]


def alembic_config(url: str) -> Config:
    """Alembic's configuration for one database."""
    config = Config(_ROOT / "alembic.ini")
    config.set_main_option("script_location", str(_ROOT / "migrations"))
    config.attributes["database_url"] = url
    return config


def migrate(url: str) -> None:
    """Brings the database at ``url`` to the newest revision. Several processes may call it at once."""
    command.upgrade(alembic_config(url), "head")


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
