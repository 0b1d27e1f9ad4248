"""``leadfeed demo``: a sample organisation whose feed moves, on a PostgreSQL of its own.

Owns what is set up and what is printed; the people are ``demo_people``'s, and their stories ``demo_story``'s.
Everything is made through the same functions as in earnest, and a second start finds the organisation as it was left.
"""

import asyncio
import random
import socket
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated

import typer
import uvicorn
import uvloop
from rich.console import Console

from leadfeed_api.best_bets.retier import retier
from leadfeed_api.cli import demo_story
from leadfeed_api.cli.context import fail, load_settings, opened, plain_errors, the_service
from leadfeed_api.cli.serve import own_database, server_options
from leadfeed_api.clock import utc_now
from leadfeed_api.db.revision import current_state
from leadfeed_api.db.session import OLD_SCHEMA, Database
from leadfeed_api.errors import Unavailable
from leadfeed_api.feed.filters import Filters
from leadfeed_api.feed.queries import reach
from leadfeed_api.ingestion.interpret import MAX_ITEMS, Candidate
from leadfeed_api.ingestion.record import record_moments
from leadfeed_api.organizations import queries
from leadfeed_api.organizations.identity import org_number
from leadfeed_api.people.sync import sync
from leadfeed_api.settings import Settings
from leadfeed_api.subscriptions import queries as subscriptions
from leadfeed_api.subscriptions import recipients
from leadfeed_api.subscriptions.delivery.worker import mailbox_folder
from leadfeed_api.subscriptions.match import Rule
from leadfeed_api.syndication import links
from leadfeed_api.telemetry import configure_logging
from leadfeed_api.triage.marks import Seen, mark_seen
from leadfeed_api.watchlist.membership import watch_leads

ORG = "demo"
KEY_NAME = "leadfeed demo"
SEED = 2026
PAUSE_S = (2.0, 6.0)  # between two arrivals: often enough to see the feed move, seldom enough to read it
TOKEN_TTL = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Invitation:
    """What a visitor needs: a rep's token, a key that may post moments, the secret of the rep's feed, a lead."""

    token: str
    ingest_key: str
    feed_token: str
    rep: str
    lead_id: str


@plain_errors
def demo(
    port: Annotated[int | None, typer.Option(help="Port to listen on; overrides LEADFEED_PORT.")] = None,
) -> None:
    """Serves a sample organisation in which moments keep arriving. Prints where to look."""
    # Its people are invented: whatever mail server is set, their mail goes into a folder, and we sign their tokens.
    settings = load_settings(port=port).model_copy(update={"with_delivery": True, "smtp_url": None, "jwks_url": None})
    _demand_free_port(settings)
    configure_logging(settings.log_format, quiet=True)
    with own_database(settings) as url:
        uvloop.run(_run(settings.model_copy(update={"database_url": url})))


async def _run(settings: Settings) -> None:
    await _demand_migrated(settings)
    app = the_service(settings)
    server = uvicorn.Server(uvicorn.Config(app, **server_options(settings)))
    serving = asyncio.create_task(server.serve())
    while not server.started and not serving.done():  # noqa: ASYNC110  uvicorn has no event to wait for
        await asyncio.sleep(0.02)
    if server.started:
        console = Console(highlight=False, soft_wrap=True)
        database: Database = app.state.database
        now = utc_now()
        with console.status("Setting the sample organisation up …"):
            story = demo_story.tell(random.Random(SEED), await _beginning(database, now))
            await _set_up(database, story)
            token, _ = app.state.tokens.for_user(ORG, story.rep, role="rep", ttl=TOKEN_TTL)
            invitation = await _invite(database, settings, story, token)
        _print_invitation(console, settings, invitation)
        arriving = asyncio.create_task(_keep_arriving(database, story))
        await serving
        arriving.cancel()
    await serving


async def _demand_migrated(settings: Settings) -> None:
    """A database that is somebody's is theirs to migrate. Raises ``Unavailable``."""
    async with opened(settings) as database, database.read() as connection:
        if not (await current_state(connection)).suits_us:
            raise Unavailable(OLD_SCHEMA)


async def _beginning(database: Database, now: datetime) -> datetime:
    """When the story ends and arrivals begin: now, or when the organisation was made by an earlier run."""
    async with database.read() as connection:
        return await queries.created_at(connection, org_number(ORG)) or now


async def _set_up(database: Database, story: demo_story.Story) -> None:
    """Makes the organisation, unless an earlier run did; every step may be repeated."""
    org_id, now = org_number(ORG), utc_now()
    async with database.write() as connection:
        is_new = not await queries.organization_exists(connection, ORG)
        if is_new:
            await queries.create_organization(connection, ORG, "Sample organisation", now)
        wanted = {**await queries.settings_of(connection, org_id), "rss_enabled": True}
        await queries.save_settings(connection, org_id, wanted)
    if is_new:
        await sync(database, org_id, _before_some_warmed_up(story))
    await sync(database, org_id, story.people())
    await watch_leads(database, org_id, story.rep, story.watchlist)
    for chunk in _chunks(story.moments):
        await record_moments(database, org_id, chunk)
    if is_new:
        await retier(database, org_id)
        await _read_all_but_the_last_day(database, story.rep, now)
        await _subscribe(database, story.rep, now)


def _before_some_warmed_up(story: demo_story.Story) -> dict[str, list[dict[str, object]]]:
    """The same people when every fourth scored less: what follows makes their flames."""
    people = story.people()
    rng = random.Random(SEED)
    for lead, known in zip(people["leads"][::4], story.leads[::4], strict=True):
        lead["score"] = round(known.score * rng.uniform(0.2, 0.9), 1)
    return people


async def _read_all_but_the_last_day(database: Database, rep: str, now: datetime) -> None:
    """The rep has been here yesterday: what is older is read."""
    org_id = org_number(ORG)
    async with database.read() as connection:
        position, _ = await reach(connection, org_id)
    await mark_seen(database, org_id, rep, Seen(Filters(until=now - timedelta(days=1)), position), now)


async def _subscribe(database: Database, rep: str, now: datetime) -> None:
    """The rep wants to know of milestones at once."""
    org_id = org_number(ORG)
    async with database.write() as connection:
        me = await recipients.of_user(connection, org_id, rep, now)
        milestones = subscriptions.Wanted(Rule("type", "milestone"), [me.recipient_id], "instant", paused=False)
        await subscriptions.insert(connection, org_id, rep, milestones, now)


def _chunks(moments: tuple[Candidate, ...]) -> Iterator[tuple[Candidate, ...]]:
    return (moments[start : start + MAX_ITEMS] for start in range(0, len(moments), MAX_ITEMS))


async def _invite(database: Database, settings: Settings, story: demo_story.Story, token: str) -> Invitation:
    """A fresh key for posting moments (the one of an earlier run ends) and the rep's feed link."""
    org_id, now = org_number(ORG), utc_now()
    async with database.write() as connection:
        for key in await queries.keys(connection, org_id):
            if key.name == KEY_NAME:
                await queries.revoke_key(connection, org_id, key.id, now)
        _, ingest_key = await queries.create_key(connection, org_id, ["ingest"], KEY_NAME, now)
        owner = links.Owner(org_id, story.rep, settings.signing_key)
        link = await links.show_or_create(connection, owner, now)
    lead_id = next(lead.id for lead in story.leads if lead.owner_id == story.rep)
    return Invitation(token, ingest_key, link.token, story.rep, lead_id)


async def _keep_arriving(database: Database, story: demo_story.Story) -> None:
    rng = random.Random()
    arrivals = demo_story.arrivals(rng, story, utc_now)
    while True:
        await asyncio.sleep(rng.uniform(*PAUSE_S))
        with suppress(Unavailable):  # a moment is lost, and the next one comes
            await record_moments(database, org_number(ORG), [next(arrivals)])


def _print_invitation(console: Console, settings: Settings, invitation: Invitation) -> None:
    base = settings.base_url
    body = (
        '{"moments": [{"source": "curl", "external_id": "\'$(date +%s)\'", '
        f'"lead_id": "{invitation.lead_id}", "type": "milestone", "description": "Asked for a demo"}}]}}'
    )
    console.print(
        f"""
The lead feed is running. Moments arrive every few seconds; Ctrl-C stops it, and the next start continues from here.

  Panel      {base}/panel#token={invitation.token}&ingest={invitation.ingest_key}&lead={invitation.lead_id}
  RSS link   {base}/feeds/{invitation.feed_token}/rss.xml
  Mailbox    {mailbox_folder(settings)}
             (one file per mail; {invitation.rep} subscribes to milestones)
  API docs   {base}/docs
  Token      {invitation.token}
             (of the rep {invitation.rep}, for 7 days)

Post a moment and see it appear:

  curl -s {base}/v1/moments -H 'Authorization: Bearer {invitation.ingest_key}' \\
    -H 'Content-Type: application/json' \\
    -d '{body}'

Read the feed:

  curl -s '{base}/v1/feed?limit=3' -H 'Authorization: Bearer {invitation.token}'
""",
        markup=False,
    )


def _demand_free_port(settings: Settings) -> None:
    with socket.socket(socket.AF_INET6 if ":" in settings.host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as error:
            fail(f"cannot listen on {settings.host}:{settings.port} ({error.strerror}). Choose another with --port.")
