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

from leadfeed_api.db.revision import NEWEST
from leadfeed_api.db.session import HELD_UP, LOST, UNUSABLE
from leadfeed_api.errors import Unavailable

SCRIPTS = Path(__file__).parent / "migrations"
LOCK_TIMEOUT_MS = 5_000  # a migration that cannot have its lock gives up, rather than queue everybody behind it
INTERRUPTED = (asyncio.CancelledError, KeyboardInterrupt)
IN_USE = (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError)


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
    a newer version has migrated the database, unless ``newer_will_do``: then nothing is to be done; and where the
    database goes away, or ends a statement. What makes it unusable is raised as elsewhere, without SQLAlchemy's
    wrapping.
    """
    config = alembic_config(url)
    config.attributes["lock_timeout_ms"] = patience_ms
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        if isinstance(unknown := error.__cause__, ResolutionError):
            if newer_will_do:
                return
            where = f"to {unknown.argument}; this one knows up to {NEWEST}"
            raise Unavailable(f"A newer version of leadfeed has migrated this database {where}.") from error
        raise
    except UNUSABLE:
        raise
    except Exception as error:
        cause = _cause(error)
        if isinstance(cause, INTERRUPTED):
            raise KeyboardInterrupt from None
        if isinstance(cause, IN_USE):
            raise Unavailable("A table that has to change is in use. Nothing is half done; try again.") from error
        if isinstance(cause, UNUSABLE):
            raise cause from None
        if isinstance(cause, (*LOST, *HELD_UP)):
            raise Unavailable from cause
        raise


def _cause(error: BaseException | None) -> BaseException | None:
    """The first of what we know: the rest came of it, when SQLAlchemy and Alembic missed a transaction to end."""
    known = None
    while error is not None:
        if isinstance(error, (*INTERRUPTED, *UNUSABLE, *LOST, *HELD_UP)):
            known = error
        error = error.__cause__ or error.__context__
    return known
