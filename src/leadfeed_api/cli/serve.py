"""``leadfeed serve``: the service, on the embedded PostgreSQL or on one of yours, in one process or several."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import parent_process
from typing import Annotated, Any

import typer
import uvicorn
from starlette.types import ASGIApp
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors.multiprocess import Multiprocess, Process

from leadfeed_api import __version__
from leadfeed_api.cli.context import bring_up_to_date, fail, load_settings, plain_errors, reach, the_service
from leadfeed_api.db.child import end_with
from leadfeed_api.db.embedded import SETTINGS, EmbeddedPostgres
from leadfeed_api.errors import Misconfigured
from leadfeed_api.settings import DEVELOPMENT_SECRET, Settings
from leadfeed_api.stream.capacity import make_room
from leadfeed_api.stream.protocol import HandingOver
from leadfeed_api.subscriptions.delivery.worker import POOL_SIZE, demand_usable
from leadfeed_api.telemetry import configure_logging, log

BESIDE = 20  # connections: administrative commands, PostgreSQL's reserve for its owner
GRACE_S = 10  # for requests under way when the service is told to stop
# For which an idle connection is kept: longer than proxies keep theirs, mostly 60, so that it is never we who close one
# on which a request is already on its way. It holds a few KB; the end of the service closes it at once.
KEEP_ALIVE_S = 75
# In which a worker has to show that it lives. One that starts needs seconds of a processor before it can, and on a
# fraction of one would by uvicorn's limit of five seconds be killed and started again for ever. Not longer: while the
# parent waits for a sign it does not hear that it is to end, and containers are given 30 s for that.
SIGN_OF_LIFE_S = 20
TRY_AGAIN_S = 2  # after which a worker that failed is; each try takes most of a second of a processor


@plain_errors
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on; overrides LEADFEED_HOST.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; overrides LEADFEED_PORT.")] = None,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Number of worker processes.")] = 1,
    with_delivery: Annotated[
        bool | None,
        typer.Option("--with-delivery", help="Also send subscription mails, instead of `leadfeed deliver`."),
    ] = None,
) -> None:
    """Serves the API, the live feed and the feeds for readers."""
    settings = load_settings(host=host, port=port, with_delivery=with_delivery)
    if settings.with_delivery:
        _demand_usable_mail(settings)
    with own_database(settings, workers) as url, _told(settings, workers):
        ready = settings.model_copy(update={"database_url": url})
        if workers == 1:
            run(the_service(ready), ready)
        else:
            _run_several(ready, workers)


@contextmanager
def _told(settings: Settings, workers: int) -> Iterator[None]:
    """What runs here, for whoever reads the log; and that it has ended."""
    configure_logging(settings.log_format)
    address = f"http://{settings.host}:{settings.port}"
    database = "embedded" if settings.database_url is None else "given"
    log.info(
        "starting",
        version=__version__,
        address=address,
        database=database,
        workers=workers,
        mail=settings.with_delivery,
    )
    if settings.jwt_secret == DEVELOPMENT_SECRET:
        log.warning(
            "development-secret", advice="whoever reaches this service can sign tokens: set LEADFEED_JWT_SECRET"
        )
    try:
        yield
    finally:
        log.info("stopped")


def _demand_usable_mail(settings: Settings) -> None:
    try:
        demand_usable(settings)
    except Misconfigured as error:
        fail(str(error))


@contextmanager
def own_database(settings: Settings, workers: int = 1) -> Iterator[str]:
    """The database a service runs on; an embedded one is its own, started, migrated and stopped with it.

    An embedded one has room for all connections of so many ``workers``.
    Raises ``AlreadyRunning`` when another process has the embedded data folder.
    """
    if settings.database_url is not None:
        asyncio.run(reach(settings))
        yield settings.database_url
        return
    options = {"max_connections": str(max(int(SETTINGS["max_connections"]), _connections(settings, workers)))}
    with EmbeddedPostgres(settings.data_dir, pg_bin=settings.pg_bin, options=options) as postgres:
        bring_up_to_date(postgres.dsn, newer_will_do=True)
        yield postgres.dsn


def _connections(settings: Settings, workers: int) -> int:
    """What so many processes open at most, each with one more that listens; and some for commands beside them."""
    mail = POOL_SIZE if settings.with_delivery else 0
    return workers * (settings.pool_size + 1 + mail) + BESIDE


def run(app: ASGIApp, settings: Settings) -> None:
    """Serves ``app`` in this process until a signal ends it."""
    make_room()
    # When it has ended well, uvicorn raises the signal that told it to again: that must not be what ends the process.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    uvicorn.run(app, **server_options(settings))


def app_from_environment() -> ASGIApp:
    """What each of several worker processes serves; the parent left the database's address in the environment.

    A worker ends with its parent, however that ends: it would keep the port, and no other service could start there.
    """
    parent = parent_process()
    if parent is not None and parent.pid is not None:
        end_with(parent.pid, signal.SIGTERM)  # uvicorn starts workers from the parent's main thread
    settings = load_settings()
    configure_logging(settings.log_format)
    make_room()
    return the_service(settings)


class Workers(Multiprocess):
    """uvicorn's supervisor, which replaces without a word a worker that ended, or that it kills.

    And which ends them all when one cannot start: also one that takes another's place while the database is away. Here
    it is tried again for as long as another serves; and so is one that fails by itself in any other way, which uvicorn
    would replace twice a second without end, also when none serves.
    """

    none_serves = False
    _looks_again = 0.0  # by the monotonic clock

    def keep_subprocess_alive(self) -> None:
        """Looks after each, and says which was replaced."""
        if self.should_exit.is_set() or time.monotonic() < self._looks_again:
            return
        for worker in self.processes:
            worker.child_conn.close()  # our copy: with it open, one that ends while it is asked is like one that hangs
        for place, worker in enumerate(self.processes):
            if worker.is_alive(SIGN_OF_LIFE_S):
                continue
            worker.kill()  # it may hang
            worker.join()
            if _failed_by_itself(worker.exitcode):
                if not any(other.is_ready(SIGN_OF_LIFE_S) for other in self.processes):
                    log.error("workers-cannot-start", process=worker.pid)
                    self.none_serves = True
                    self.should_exit.set()
                    return
                self._looks_again = time.monotonic() + TRY_AGAIN_S
            self.processes[place] = another = Process(self.config, self.sockets)
            another.start()
            log.warning("worker-replaced", process=worker.pid, exit_code=worker.exitcode, by=another.pid)


def _failed_by_itself(exit_code: int | None) -> bool:
    """Whether a process ended of a fault of its own, and not by a signal (below zero) or as it was told to."""
    return exit_code is not None and exit_code > 0


def _run_several(settings: Settings, workers: int) -> None:
    os.environ["LEADFEED_DATABASE_URL"] = settings.database_url or ""
    os.environ["LEADFEED_WITH_DELIVERY"] = str(settings.with_delivery)
    os.environ["LEADFEED_HOST"], os.environ["LEADFEED_PORT"] = settings.host, str(settings.port)
    config = uvicorn.Config(
        "leadfeed_api.cli.serve:app_from_environment",
        factory=True,
        workers=workers,
        timeout_worker_healthcheck=SIGN_OF_LIFE_S,
        **server_options(settings),
    )
    supervisor = Workers(config, sockets=[config.bind_socket()])
    supervisor.run()
    if supervisor.none_serves:
        sys.exit(STARTUP_FAILURE)  # as a single process does


def server_options(settings: Settings) -> dict[str, Any]:
    """How uvicorn serves, here and in the demo."""
    return {
        "http": HandingOver,
        "host": settings.host,
        "port": settings.port,
        "log_config": None,
        "access_log": False,
        "server_header": False,
        "timeout_graceful_shutdown": GRACE_S,
        "timeout_keep_alive": KEEP_ALIVE_S,
        "proxy_headers": False,
    }
