"""Bringing the schema up to date.

Owns the way to Alembic, and with it to SQLAlchemy: half a second and 21 MB that a serving process does without. The
steps themselves are in ``db/migrations/``, inside the package: whoever installs a wheel migrates with it.
"""

import asyncio
from pathlib import Path

import asyncpg
from alembic import command
from alembic.config import Config
from alembic.script.revision import ResolutionError
from alembic.util.exc import CommandError
from sqlalchemy.exc import DBAPIError, PendingRollbackError

from leadfeed_api.db.session import UNUSABLE
from leadfeed_api.errors import Unavailable

SCRIPTS = Path(__file__).parent / "migrations"
LOCK_TIMEOUT_MS = 5_000  # a migration that cannot have its lock gives up, rather than queue everybody behind it


def alembic_config(url: str) -> Config:
    """Alembic's configuration for one database."""
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))  # its values are templates
    config.set_main_option("path_separator", "os")
    config.attributes["database_url"] = url
    return config


def migrate(url: str, *, patience_ms: int = LOCK_TIMEOUT_MS, newer_will_do: bool = False) -> None:
    """Brings the database at ``url`` to the newest revision. Several processes may call it at once.

    Waits ``patience_ms`` for a table that is in use, rather than have everybody queue behind it; then raises
    ``Unavailable``: what was changed before that suits both versions, and is passed over the next time. Likewise where
    a newer version has migrated the database, unless ``newer_will_do``: then nothing is to be done. What makes a
    database unusable is raised as elsewhere, without SQLAlchemy's wrapping.
    """
    config = alembic_config(url)
    config.attributes["lock_timeout_ms"] = patience_ms
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        if isinstance(error.__cause__, ResolutionError):
            if newer_will_do:
                return
            raise Unavailable("A newer version of leadfeed has migrated this database; this one cannot.") from error
        raise
    except DBAPIError as error:
        cause = error.orig and error.orig.__cause__
        if isinstance(cause, (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError)):
            raise Unavailable("A table that has to change is in use. Nothing is half done; try again.") from error
        if isinstance(cause, UNUSABLE):
            raise cause from None
        raise
    except PendingRollbackError as error:
        if _was_interrupted(error):
            raise KeyboardInterrupt from None
        raise


def _was_interrupted(error: BaseException | None) -> bool:
    """Whether it came of Ctrl-C amid a step, which ends the transaction that Alembic then misses."""
    while error is not None and not isinstance(error, (asyncio.CancelledError, KeyboardInterrupt)):
        error = error.__context__
    return error is not None
