"""Commands of administrators and operators: organisations, keys, tokens, the schema, the inbox's proof."""

import asyncio
import json
import re
import sys
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

import typer
from pydantic import TypeAdapter, ValidationError

from leadfeed_api.cli.context import (
    AsJson,
    Org,
    bring_up_to_date,
    demand_name,
    demand_organization,
    fail,
    having_database,
    load_settings,
    opened,
    plain_errors,
    the_service,
)
from leadfeed_api.db.revision import NEWEST
from leadfeed_api.faults import why
from leadfeed_api.feed import audit, trimming
from leadfeed_api.fields import Name, is_identifier
from leadfeed_api.organizations import queries
from leadfeed_api.organizations.identity import SCOPES, org_number
from leadfeed_api.organizations.tokens import Tokens
from leadfeed_api.settings import DEVELOPMENT_SECRET, Settings

_NAME: TypeAdapter[str] = TypeAdapter(Name)
_UNITS = {"": "seconds", "s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


@plain_errors
def migrate(as_json: AsJson = False) -> None:
    """Brings the database's schema up to date."""
    with having_database(load_settings()) as settings:
        # Past a transaction pooler, where what another migrator has prepared by the same names is still there.
        bring_up_to_date(settings.listen_url or settings.database_url or "")
    _show(as_json, {"revision": NEWEST}, f"The schema is at revision {NEWEST}.\n", None)


@plain_errors
def create_organization(
    org: Org,
    name: Annotated[str | None, typer.Option(help="Display name; default: ORG.")] = None,
    as_json: AsJson = False,
) -> None:
    """Creates an organisation and prints its admin API key, once."""
    demand_name(org)
    label = org if name is None else _label(name)

    async def create(settings: Settings) -> str:
        async with opened(settings) as database, database.write() as connection:
            now = datetime.now(UTC)
            org_id = await queries.create_organization(connection, org, label, now)
            return (await queries.create_key(connection, org_id, ["admin"], "first administrator", now))[1]

    with having_database(load_settings()) as settings:
        secret = asyncio.run(create(settings))
    _show(as_json, {"org": org, "api_key": secret}, f"{secret}\n", "Keep this admin API key: it is not shown again.")


@plain_errors
def create_key(
    org: Org,
    scope: Annotated[list[str], typer.Option(help="ingest, sync, read or admin; several with commas, or repeated.")],
    name: Annotated[str, typer.Option(help="What the key is for.")] = "command line",
    as_json: AsJson = False,
) -> None:
    """Creates an API key and prints it, once."""
    scopes = [one.strip() for said in scope for one in said.split(",")]
    unknown = set(scopes) - SCOPES
    if unknown:
        fail(f"no such scope: {', '.join(sorted(unknown))}. There are {', '.join(sorted(SCOPES))}.")
    label = _label(name)

    async def create(settings: Settings) -> tuple[str, str]:
        async with opened(settings) as database, database.write() as connection:
            await demand_organization(connection, org)
            key, secret = await queries.create_key(connection, org_number(org), scopes, label, datetime.now(UTC))
            return str(key.id), secret

    with having_database(load_settings()) as settings:
        key_id, secret = asyncio.run(create(settings))
    _show(as_json, {"id": key_id, "key": secret}, f"{secret}\n", "Keep this API key: it is not shown again.")


@plain_errors
def token(
    org: Org,
    user: Annotated[str, typer.Argument(metavar="USER", help="The user's id in the CRM.")],
    role: Annotated[Literal["rep", "admin"], typer.Option(help="The user's role.")] = "rep",
    ttl: Annotated[str, typer.Option(help="How long it is valid: 90s, 30m, 1h, 7d, or in seconds: 3600.")] = "1h",
    as_json: AsJson = False,
) -> None:
    """Signs a user token for development and tests. In production the CRM signs its own."""
    demand_name(org)
    if not is_identifier(user):
        fail("a user's id is 1-128 printable characters.")
    settings = load_settings()
    if settings.jwks_url is not None:
        fail("LEADFEED_JWKS_URL is set: user tokens come from the identity provider; one signed here would be refused.")
    signed, expires_at = Tokens(settings).for_user(org, user, role=role, ttl=duration(ttl))
    if settings.jwt_secret == DEVELOPMENT_SECRET:
        print(
            "leadfeed: signed with the development secret; set LEADFEED_JWT_SECRET for anything else.", file=sys.stderr
        )
    shown = expires_at.isoformat().replace("+00:00", "Z")
    _show(as_json, {"token": signed, "expires_at": shown}, f"{signed}\n", None)


@plain_errors
def check(
    org: Org,
    repair: Annotated[bool, typer.Option("--repair", help="Repair the differences.")] = False,
    as_json: AsJson = False,
) -> None:
    """Checks every inbox against its definition. An inbox holds the moments of the leads its user owns or watches.

    Run it at any time: nobody waits for it. While --repair mends, 1,000 entries at a time, reports wait their turn.

    Exit code 0 if all match (or were repaired), 1 if not.
    """

    async def compare(settings: Settings) -> audit.Differences:
        async with opened(settings) as database:
            async with database.read() as connection:
                await demand_organization(connection, org)
            return await audit.compare(database, org_number(org), repair=repair)

    with having_database(load_settings()) as settings:
        found = asyncio.run(compare(settings))
    done = " Repaired." if found.repaired else ""
    entries = "1 entry" if found.entries == 1 else f"{found.entries:,} entries"
    misplaced = f", {found.misplaced:,} that resuming streams would miss" if found.misplaced else ""
    text = f"{org}: {entries}, {found.missing:,} missing, {found.surplus:,} surplus{misplaced}.{done}\n"
    _show(as_json, {"org": org, **found.as_dict()}, text, None)
    if found.some and not found.repaired:
        raise typer.Exit(1)


@plain_errors
def restored(as_json: AsJson = False) -> None:
    """Makes streams and feeds begin anew after a backup was restored.

    Run it once, with the service stopped, when the database lost its last commits: after restoring a backup, or after
    failing over to a standby that was behind. Otherwise who has seen what was lost may miss what comes in its place.
    Streams that come back are told to reload, feeds for readers are sent in full, and mail that waits is still sent.
    """

    async def leap(settings: Settings) -> int:
        async with opened(settings) as database:
            async with database.read() as connection:
                found = await queries.organizations(connection)
            for org_id in found:
                await trimming.leap(database, org_id)
        return len(found)

    with having_database(load_settings()) as settings:
        count = asyncio.run(leap(settings))
    organizations = "1 organisation" if count == 1 else f"{count:,} organisations"
    _show(as_json, {"organizations": count}, f"{organizations}: streams and feeds begin anew.\n", None)


def openapi() -> None:
    """Prints the OpenAPI document."""
    document = the_service(load_settings()).openapi()
    json.dump(document, sys.stdout, indent=2, ensure_ascii=False, sort_keys=False)
    sys.stdout.write("\n")


def duration(text: str) -> timedelta:
    """The time span that a text such as ``90s``, ``30m``, ``7d`` or ``3600`` means; ends the command otherwise."""
    found = re.fullmatch(r"(\d{1,6})([smhd]?)", text)
    if found is None or int(found[1]) == 0:
        fail("a time to live is a number and a unit: 90s, 30m, 1h, 7d; without one, seconds.")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


def _label(name: str) -> str:
    """A name as people read it, by the rule that names have over HTTP; ends the command where it is none."""
    try:
        return _NAME.validate_python(name)
    except ValidationError as error:
        fail(f"the name: {why(error.errors(include_url=False)[0])}.")


def _show(as_json: bool, document: dict[str, Any], text: str, remark: str | None) -> None:
    """Results go to stdout, remarks to stderr, so that a script may take the result as it is."""
    if as_json:
        print(json.dumps(document))
        return
    sys.stdout.write(text)
    if remark and sys.stderr.isatty():
        print(remark, file=sys.stderr)
