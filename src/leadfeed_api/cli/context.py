"""What every command stands on: settings, the database they mean, the organisation, and errors said in one line.

On the embedded PostgreSQL a command attaches to the running server of the same ``DATA_DIR``, or starts it for its
duration and that of others that attach to it.
"""

import os
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from difflib import get_close_matches
from functools import wraps
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, ParamSpec, TypeVar

import typer
from pydantic import ValidationError

from leadfeed_api.db.binaries import PostgresUnavailable
from leadfeed_api.db.embedded import attach_or_start
from leadfeed_api.db.session import HELD_UP, LOST, UNUSABLE, Connection, Database
from leadfeed_api.db.statistics import first_statistics
from leadfeed_api.errors import NotFound, Problem, Unavailable
from leadfeed_api.faults import why
from leadfeed_api.organizations.identity import is_org_name
from leadfeed_api.organizations.queries import organization_exists
from leadfeed_api.settings import Settings

if TYPE_CHECKING:
    from fastapi import FastAPI  # a third of what a command takes to start; only those that serve need it

Org = Annotated[str, typer.Argument(metavar="ORG", help="The organisation's name: a-z, 0-9 and inner hyphens.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object, for scripts.")]
P = ParamSpec("P")
R = TypeVar("R")
EXPECTED = (PostgresUnavailable, Problem)
AGAIN = "What was asked may have been done all the same, or in part: run the command again."


def fail(reason: str) -> NoReturn:
    """Ends the command with one line on stderr and exit code 1."""
    print(f"leadfeed: {reason}", file=sys.stderr)
    raise typer.Exit(1)


def plain_errors(command: Callable[P, R]) -> Callable[P, R]:
    """What a user can put right is said in one line; only a fault of ours is a traceback."""

    @wraps(command)
    def spoken(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except Unavailable as error:
            # Its own words are for callers over HTTP, who are to obey Retry-After.
            if isinstance(error.__cause__, (*LOST, *HELD_UP)):
                fail(f"the database cannot be used: {_in_one_line(error.__cause__)}. {AGAIN}")
            fail(str(error))
        except EXPECTED as error:
            fail(str(error))
        except UNUSABLE as error:
            fail(f"the database cannot be used: {_in_one_line(error)}")

    return spoken


def _in_one_line(error: BaseException) -> str:
    """What the driver says; of a server that it has waited for in vain it says nothing."""
    return " ".join(str(error).split()) or "it does not answer"


def load_settings(**overrides: Any) -> Settings:
    """The environment's settings, with what the command line says on top."""
    try:
        return Settings(**{name: value for name, value in overrides.items() if value is not None})
    except ValidationError as error:
        for one in error.errors(include_url=False, include_input=False):
            name = "".join(f"LEADFEED_{part}".upper() for part in one["loc"][:1])
            print(f"leadfeed: {name + ': ' if name else ''}{why(one)}", file=sys.stderr)
        raise typer.Exit(2) from None


def warn_of_misspelled_settings() -> None:
    """A name that is nearly a setting's does nothing, and what it was to set stays at its default: says so.

    Only nearly: an environment may hold other names that begin like ours, as Kubernetes gives one for each service.
    """
    known = [f"LEADFEED_{name}".upper() for name in Settings.model_fields]
    for name in sorted({name.upper() for name in os.environ} - {*known}):
        if name.startswith("LEADFEED_") and (meant := get_close_matches(name, known, 1, cutoff=0.9)):
            print(f"leadfeed: {name} is not a setting and does nothing. {meant[0]} is one.", file=sys.stderr)


@contextmanager
def having_database(settings: Settings) -> Iterator[Settings]:
    """These settings with the database they mean; an embedded one is migrated first, because nobody else would."""
    if settings.database_url is not None:
        yield settings
        return
    with attach_or_start(settings.data_dir, pg_bin=settings.pg_bin, say_it_waits=_say_it_waits) as url:
        bring_up_to_date(url, newer_will_do=True)
        yield settings.model_copy(update={"database_url": url})


def _say_it_waits() -> None:
    what = "another command still uses the embedded PostgreSQL that this one has started"
    print(f"leadfeed: {what}: waiting for that one. Ctrl-C cuts it off.", file=sys.stderr)


def bring_up_to_date(url: str, *, newer_will_do: bool = False) -> None:
    """Migrates a database; ``newer_will_do`` where somebody may have gone back by a version, as ``/readyz`` has it."""
    from leadfeed_api.db.migrate import migrate  # noqa: PLC0415  half a second that most commands have no use for

    migrate(url, newer_will_do=newer_will_do)


def the_service(settings: Settings) -> "FastAPI":
    """What is served."""
    from leadfeed_api.app import create_app  # noqa: PLC0415  a third of a second; most commands serve nothing

    return create_app(settings)


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Database]:
    """A small pool for one command, on the database that the settings have."""
    url, pooled_outside = settings.database_url or "", settings.listen_url is not None
    async with Database(url, pool_size=4, pooled_outside=pooled_outside) as database, first_statistics(database):
        yield database


async def reach(settings: Settings) -> None:
    """Connects once, so that what is wrong with a database is said before anything starts on it."""
    async with opened(settings):
        pass


def demand_name(org: str) -> None:
    """Ends the command where this cannot be an organisation's name."""
    if not is_org_name(org):
        fail("an organisation's name is 1-63 of a-z, 0-9 and inner hyphens, such as acme or acme-eu.")


async def demand_organization(connection: Connection, org: str) -> None:
    """Raises ``NotFound``, saying how to make one, when there is no such organisation."""
    demand_name(org)
    if not await organization_exists(connection, org):
        raise NotFound(f"There is no organisation named {org}. Create it with `leadfeed org create {org}`.")
