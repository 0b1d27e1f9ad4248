"""The application: every router on one screen."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from datetime import timedelta
from functools import partial

from fastapi import FastAPI
from fastapi.routing import APIRoute
from fastapi_offline import FastAPIOffline

from leadfeed_api import __version__, documentation, operations, problems
from leadfeed_api.best_bets import routes as best_bets
from leadfeed_api.best_bets.night import NightShift
from leadfeed_api.bodies import BoundedBodies
from leadfeed_api.db.session import Database
from leadfeed_api.db.statistics import first_statistics
from leadfeed_api.documentation import FILES, complete_openapi
from leadfeed_api.express import Express
from leadfeed_api.feed import routes as feed
from leadfeed_api.feed.paging import Pages
from leadfeed_api.feed.upkeep import Upkeep
from leadfeed_api.heads import Heads
from leadfeed_api.ingestion import routes as ingestion
from leadfeed_api.ingestion.grouping import Grouping
from leadfeed_api.ingestion.record import record_moments
from leadfeed_api.organizations import routes as organizations
from leadfeed_api.organizations.tokens import Tokens
from leadfeed_api.panel import routes as panel
from leadfeed_api.people import routes as people
from leadfeed_api.problems import Cors, Failures, speak_problems
from leadfeed_api.settings import Settings
from leadfeed_api.stream import routes as stream
from leadfeed_api.stream.live import Live
from leadfeed_api.subscriptions import pages as mail_pages
from leadfeed_api.subscriptions import routes as subscriptions
from leadfeed_api.subscriptions.delivery import routes as outbox
from leadfeed_api.subscriptions.delivery.backlog import measuring
from leadfeed_api.subscriptions.delivery.worker import delivering
from leadfeed_api.syndication import routes as syndication
from leadfeed_api.syndication.links import Whose, polls
from leadfeed_api.syndication.rendered import Rendered
from leadfeed_api.telemetry import Metrics, Telemetry
from leadfeed_api.triage import routes as triage
from leadfeed_api.watchlist import routes as watchlist

EXPRESS = [feed.express, stream.express, syndication.express, ingestion.express]  # what is asked for most

CALLERS_HEADERS = ("authorization", "content-type", "leadfeed-user", "last-event-id", "x-request-id")
READERS_HEADERS = ("if-none-match", "if-modified-since")  # what a feed reader in a page polls with

DESCRIPTION = """
The lead feed for any CRM: an up-to-the-minute, newest-first list of the interesting moments of the leads a sales rep
owns or watches. Moments and CRM records come in over HTTP; the feed goes out as JSON pages, live server-sent events,
and RSS, Atom and JSON Feed.

Errors are `application/problem+json` everywhere. Times are RFC 3339 in UTC. Ids of users, accounts and leads are the
CRM's own. Each operation says which credential it needs.
"""


def create_app(settings: Settings) -> FastAPI:
    """The service, ready for an ASGI server. Opens nothing before its lifespan starts."""
    app = FastAPIOffline(
        title="leadfeed-api",
        version=__version__,
        summary="The lead feed for any CRM",
        description=DESCRIPTION,
        lifespan=_lifespan,
        generate_unique_id_function=_operation_id,
        docs_url=None,  # a page of ours: theirs is not found below a path
        redoc_url=None,
        static_url=f"/{FILES}",
        redirect_slashes=False,
        license_info={"name": "Apache 2.0", "identifier": "Apache-2.0"},
        servers=[{"url": settings.public_url}] if settings.public_url else None,
    )
    app.state.settings = settings
    app.state.tokens = Tokens(settings)
    app.state.metrics = Metrics()
    speak_problems(app)
    app.router.routes[:0] = EXPRESS
    app.include_router(feed.router)
    app.include_router(ingestion.router)
    app.include_router(people.router)
    app.include_router(stream.router)
    app.include_router(triage.router)
    app.include_router(watchlist.router)
    app.include_router(best_bets.router)
    app.include_router(subscriptions.router)
    app.include_router(outbox.router)
    app.include_router(mail_pages.router)
    app.include_router(syndication.router)
    app.include_router(panel.router)
    app.include_router(organizations.router)
    app.include_router(operations.router)
    app.include_router(documentation.router)
    app.include_router(problems.router)
    _add_middleware(app, settings)
    complete_openapi(app)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    settings: Settings = app.state.settings
    if settings.database_url is None:
        raise RuntimeError("create_app needs a database_url; `leadfeed serve` starts the embedded server and sets it")
    pooled_outside = settings.listen_url is not None
    async with Database(settings.database_url, pool_size=settings.pool_size, pooled_outside=pooled_outside) as data:
        app.state.database = data
        app.state.pages = Pages(data)
        app.state.polls = polls(data)
        app.state.whose = Whose()
        app.state.rendered = Rendered()
        app.state.grouping = Grouping(partial(record_moments, data), app.state.metrics.ingest_groups.observe)
        kept = timedelta(days=settings.log_days)
        upkeep = Upkeep(data, app.state.metrics, log_kept=kept, purging=settings.night_shift)
        night = NightShift(data, app.state.metrics) if settings.night_shift else nullcontext()
        mail = delivering(settings, app.state.metrics) if settings.with_delivery else measuring(data, app.state.metrics)
        live = Live(settings, data, app.state.metrics)
        async with live as app.state.live, first_statistics(data), upkeep, night, mail:
            yield


def _add_middleware(app: FastAPI, settings: Settings) -> None:
    """Outermost last: telemetry sees everything, also what CORS answers by itself."""
    app.add_middleware(Heads)
    app.add_middleware(Failures)
    app.add_middleware(Express, owner=app, routes=EXPRESS)
    app.add_middleware(BoundedBodies)
    if settings.cors_origins:
        app.add_middleware(
            Cors,
            allow_origins=settings.cors_origins,
            allow_methods=["*"],
            allow_headers=[*CALLERS_HEADERS, *READERS_HEADERS],
            expose_headers=["link", "x-request-id", "retry-after", "date", "etag", "last-modified"],
            max_age=7_200,  # seconds; Chromium keeps it no longer
        )
    app.add_middleware(Telemetry, metrics=app.state.metrics)


def _operation_id(route: APIRoute) -> str:
    """The route function's name: what generated clients call their methods."""
    return route.name
