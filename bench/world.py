"""What the benches run on: a PostgreSQL, a service in its own process, and an organisation with reps and moments."""

import asyncio
import json
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from bench.processes import free_port, running
from leadfeed_api.db.embedded import EmbeddedPostgres
from leadfeed_api.db.migrate import migrate
from leadfeed_api.db.session import Database
from leadfeed_api.ingestion.interpret import Candidate
from leadfeed_api.ingestion.record import record_moments
from leadfeed_api.organizations import queries
from leadfeed_api.organizations.identity import org_number
from leadfeed_api.organizations.tokens import Tokens
from leadfeed_api.people.sync import sync
from leadfeed_api.settings import Settings
from leadfeed_api.watchlist.membership import watch_leads

ORG = "bench"
OURS = "leadfeed_api.stream.protocol:HandingOver"  # what ``leadfeed serve`` has uvicorn speak HTTP by
SIZES = {"light": (90, 0), "watching": (90, 500), "heavy": (5_000, 500)}  # rep -> leads owned, leads watched


@dataclass(frozen=True)
class World:
    """Where everything is. ``key`` may do everything."""

    url: str
    key: str
    moments: int

    @property
    def org_id(self) -> int:
        """The organisation's number."""
        return org_number(ORG)

    def token(self, user_id: str) -> str:
        """A rep's token."""
        return Tokens(Settings()).for_user(ORG, user_id, role="rep", ttl=timedelta(hours=6))[0]


@contextmanager
def filled(moments: int) -> Iterator[World]:
    """A PostgreSQL of its own with three reps of different size and ``moments`` moments spread over their leads."""
    with tempfile.TemporaryDirectory(prefix="leadfeed-bench-") as folder:
        Path(folder).chmod(0o711)
        with EmbeddedPostgres(Path(folder) / "data") as postgres:
            migrate(postgres.dsn)
            yield World(postgres.dsn, asyncio.run(_fill(postgres.dsn, moments)), moments)


def settle(world: World) -> None:
    """Does at once what a bench has left to PostgreSQL for later, and what would run beside the next one."""
    asyncio.run(_settle(world.url))


async def _settle(url: str) -> None:
    connection = await asyncpg.connect(url)
    for statement in ("VACUUM ANALYZE", "CHECKPOINT"):
        await connection.execute(statement)
    await connection.close()


async def database_beside(url: str, name: str) -> str:
    """A new database of that name on the same PostgreSQL, with our tables; its address."""
    connection = await asyncpg.connect(url)
    await connection.execute(f"CREATE DATABASE {name}")
    await connection.close()
    beside = urlunsplit(urlsplit(url)._replace(path=f"/{name}"))
    await asyncio.to_thread(migrate, beside)
    return beside


async def _fill(url: str, moments: int) -> str:
    now = datetime.now(UTC)
    async with Database(url) as database:
        async with database.write() as connection:
            org_id = await queries.create_organization(connection, ORG, ORG, now)
            _, key = await queries.create_key(connection, org_id, ["admin"], "bench", now)
            wanted = {**await queries.settings_of(connection, org_id), "rss_enabled": True}
            await queries.save_settings(connection, org_id, wanted)
        await sync(database, org_id, {"accounts": [{"id": f"a{n}", "name": f"Company {n}"} for n in range(50)]})
        await sync(database, org_id, {"users": [{"id": rep, "name": rep.title()} for rep in SIZES]})
        leads: list[str] = []
        for rep, (owned, _) in SIZES.items():
            mine = [f"{rep}-{n}" for n in range(owned)]
            for start in range(0, owned, 1_000):
                records = [
                    {
                        "id": one,
                        "name": one.title(),
                        "owner_id": rep,
                        "account_id": f"a{int(one.rsplit('-', 1)[1]) % 50}",
                    }
                    for one in mine[start : start + 1_000]
                ]
                await sync(database, org_id, {"leads": records})
            leads += mine
        # A light rep's page must be as full as a heavy one's: a third of the moments goes to each rep's leads.
        for start in range(0, moments, 1_000):
            await record_moments(database, org_id, [_moment(n, moments, now) for n in range(start, start + 1_000)])
        for rep, (_, watched) in SIZES.items():
            if watched:
                others = [one for one in leads if not one.startswith(rep)][:watched]
                others += [f"heavy-{n}" for n in range(watched - len(others))]
                await watch_leads(database, org_id, rep, others)
        async with database.read() as connection:
            await connection.execute("VACUUM ANALYZE")
    return key


def _moment(n: int, moments: int, now: datetime) -> Candidate:
    rep = list(SIZES)[n % len(SIZES)]
    lead = f"{rep}-{(n // len(SIZES)) % SIZES[rep][0]}"
    when = now - timedelta(days=30) * (1 - n / moments)
    return Candidate("bench", str(n), lead, "web", f"Visited page {n} of the documentation", None, None, when)


@contextmanager
def serving(world: World, factory: str | None = None, *, http: str = OURS, **settings: str) -> Iterator[int]:
    """``leadfeed serve``, as operators run it, or uvicorn with another application, in one process; gives its port.

    Logs are written, and thrown away by the system.
    """
    with process_serving(world, factory, http=http, **settings) as (_, port):
        yield port


@contextmanager
def process_serving(
    world: World, factory: str | None = None, *, http: str = OURS, **settings: str
) -> Iterator[tuple[int, int]]:
    """As :func:`serving`; gives the process's number and its port."""
    port = free_port()
    environment = {"LEADFEED_DATABASE_URL": world.url}
    environment |= {f"LEADFEED_{name.upper()}": value for name, value in settings.items()}
    command = [sys.executable, "-m", "leadfeed_api", "serve", "--port", str(port)]
    if factory is not None:
        command = [sys.executable, "-m", "uvicorn", "--factory", factory, "--port", str(port), "--no-access-log"]
        command += ["--log-level", "error", "--loop", "uvloop", "--http", http]
        command += ["--no-proxy-headers", "--no-server-header"]
    with running(command, port, environment) as pid:
        yield pid, port


def read_json(port: int, path: str, token: str) -> dict[str, object]:
    """One answer, for setting a bench up."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers={"Authorization": f"Bearer {token}"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        document: dict[str, object] = json.load(answer)
    return document
