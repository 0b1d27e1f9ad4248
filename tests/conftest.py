"""What every test stands on: a real PostgreSQL, one migrated database a worker, an organisation of its own a test.

Tests share a worker's database and are kept apart by organisation, as customers are.
"""

import gc
import os
import signal
from collections.abc import AsyncIterator, Iterator
from functools import cache

import pytest
import structlog
from hypothesis import settings as hypothesis_settings

from leadfeed_api.db import mail_tables  # noqa: F401  its tables join the metadata
from leadfeed_api.db.migrate import migrate
from leadfeed_api.db.session import Database
from leadfeed_api.db.tables import Table
from leadfeed_api.settings import Settings
from post import Post, open_post
from postgres import SharedServer, cloned, create_template, drop_database, empty, start_shared_server
from statements import Statements
from tools import pytest_terminal_summary  # noqa: F401  a hook: lists every skipped test with its reason
from world import Service, World, running_app, served

hypothesis_settings.register_profile("suite", deadline=None)  # a busy machine is no fault of the code
hypothesis_settings.load_profile("suite")
# Its own way of showing an exception, with every local variable, takes half a minute for one failed request.
structlog.configure(
    processors=[structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)]
)

_SERVER = pytest.StashKey[SharedServer]()
_TEMPLATE = pytest.StashKey[str]()


def pytest_configure(config: pytest.Config) -> None:
    """One server and one migrated template for the run, made by the process that outlives every worker."""
    _reach_loopback_directly()
    _let_processes_hear_signals()
    if hasattr(config, "workerinput") or config.option.collectonly:
        return
    server = start_shared_server()
    config.stash[_SERVER] = server
    config.stash[_TEMPLATE] = create_template(server.dsn, migrate)


def _reach_loopback_directly() -> None:
    """For every client, browser and process of a test, whatever proxy leads from this machine to others."""
    for name in ("NO_PROXY", "no_proxy"):
        os.environ[name] = ",".join(filter(None, [os.environ.get(name), "127.0.0.1", "localhost"]))


def _let_processes_hear_signals() -> None:
    """Those that tests start, where whoever started the run ignores some, as nohup and a script's ``&`` do.

    What is ignored is ignored by a child, too; what has a handler, and be it one that does nothing, is not.
    """
    for one in (signal.SIGINT, signal.SIGHUP):
        if signal.getsignal(one) is signal.SIG_IGN:
            signal.signal(one, lambda *_: None)


def pytest_configure_node(node: object) -> None:
    """Tells a worker where the server is."""
    config = node.config  # type: ignore[attr-defined]
    node.workerinput["postgres"] = (config.stash[_SERVER].dsn, config.stash[_TEMPLATE])  # type: ignore[attr-defined]


def pytest_collection_finish() -> None:
    """Everything is imported now, and stays: a twentieth of a run went into looking through it for garbage.

    Reports and applications stay, too: a thirtieth went into looking through those each time some had been added.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 100)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Ends the server that this process started."""
    server = config.stash.get(_SERVER, None)
    if server is not None:
        if _TEMPLATE in config.stash:
            drop_database(server.dsn, config.stash[_TEMPLATE])
        server.stop()


@pytest.fixture(scope="session")
def postgres(pytestconfig: pytest.Config) -> tuple[str, str]:
    """The shared server's DSN, whose user may create databases, and the name of the migrated template."""
    workerinput = getattr(pytestconfig, "workerinput", None)
    if workerinput is not None:
        dsn, template = workerinput["postgres"]
        return dsn, template
    return pytestconfig.stash[_SERVER].dsn, pytestconfig.stash[_TEMPLATE]


@pytest.fixture(scope="session")
def shared_database(postgres: tuple[str, str], worker_id: str) -> Iterator[str]:
    """The database that this worker's tests share, migrated."""
    with cloned(*postgres, f"{postgres[1]}_{worker_id}") as url:
        yield url


@pytest.fixture(scope="session")
def empty_database(postgres: tuple[str, str], worker_id: str) -> Iterator[str]:
    """The one that they have in turn, and leave empty."""
    with cloned(*postgres, f"{postgres[1]}_{worker_id}_empty") as url:
        yield url


@pytest.fixture
def database_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """This worker's shared database; with the mark ``alone`` the one in which nobody else is meanwhile.

    That is for what looks at every organisation, as a mail worker does.
    """
    if request.node.get_closest_marker("alone") is None:
        yield request.getfixturevalue("shared_database")
    else:
        url = request.getfixturevalue("empty_database")
        yield url
        empty(url, [table.name for table in reversed(Table.metadata.sorted_tables)])


@pytest.fixture(scope="session")
def anyio_backend() -> tuple[str, dict[str, bool]]:
    """Asynchronous tests run on the loop that the service runs on: each on its own, but those with a browser."""
    return "asyncio", {"use_uvloop": True}


@cache  # reading the environment takes as long as many a test
def _settings(database_url: str) -> Settings:
    return Settings(database_url=database_url, pool_size=8, night_shift=False)


@pytest.fixture
def settings(database_url: str) -> Settings:
    """Settings of a service on this worker's database; not those of the environment."""
    return _settings(database_url)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """A pool on this worker's database."""
    async with Database(database_url, pool_size=8) as opened:
        yield opened


@pytest.fixture
async def service(settings: Settings) -> AsyncIterator[Service]:
    """The application without a network: enough for everything but streams."""
    async with running_app(settings) as running:
        yield running


@pytest.fixture
async def server(settings: Settings) -> AsyncIterator[Service]:
    """The application under a real uvicorn, on a port of the kernel's choice."""
    async with served(settings) as running:
        yield running


@pytest.fixture
async def live(server: Service) -> World:
    """An organisation on a service that can be streamed from, with two reps who own a lead each."""
    world = await server.new_world()
    await world.people("ana", "bob", leads={"l1": "ana", "l2": "bob"})
    return world


@pytest.fixture
async def world(service: Service) -> World:
    """An organisation of this test's own, with an administrator's key."""
    return await service.new_world()


@pytest.fixture
async def post(settings: Settings) -> AsyncIterator[Post]:
    """A mail worker on a clock that the test moves, and what it sends. Wants the mark ``alone``."""
    async with open_post(settings) as opened:
        yield opened


@pytest.fixture(autouse=True)
def statements(monkeypatch: pytest.MonkeyPatch) -> Iterator[Statements]:
    """Every statement the test executes; at its end each must name its organisation on every table."""
    seen = Statements(monkeypatch)
    yield seen
    seen.verify()
