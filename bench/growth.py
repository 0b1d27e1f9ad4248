"""Does a page cost the same however much is stored? One rep's page over HTTP at 0.1, 1 and 5 million moments.

Has a PostgreSQL of its own with a database of each size, asked by turns, so that what else the machine does meets all
of them. Filled by the server itself with its lesser indexes off, so that five million take minutes; without fsync,
because nothing here is a measurement of writing. Not part of a whole run: ``make bench BENCH=growth``.
"""

import asyncio
import tempfile
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import asyncpg

from bench.callers import ENTRY, proven
from bench.figures import Figure
from bench.load import get, in_own_process, send_by_turns
from bench.world import ORG, World, database_beside, serving
from leadfeed_api.db.embedded import EmbeddedPostgres
from leadfeed_api.db.session import Database
from leadfeed_api.organizations import queries

SIZES = (100_000, 1_000_000, 5_000_000)
REPS, LEADS = 500, 45_000
OPTIONS = {"fsync": "off", "synchronous_commit": "off", "max_wal_size": "8GB", "maintenance_work_mem": "512MB"}
MAKE = (
    """INSERT INTO app_user (org_id, user_id, name)
    SELECT $1, 'rep-' || n, 'A rep' FROM generate_series(0, {reps} - 1) n""",
    "INSERT INTO account (org_id, account_id, name) SELECT $1, 'a' || n, 'A company' FROM generate_series(0, 999) n",
    """INSERT INTO lead (org_id, lead_id, name, owner_id, account_id)
    SELECT $1, 'lead-' || n, 'A lead', 'rep-' || n % {reps}, 'a' || n % 1000 FROM generate_series(0, {leads} - 1) n""",
)
MOMENTS = (
    """INSERT INTO moment
      (org_id, moment_id, position, source, external_id, lead_id, type, description, occurred_at, recorded_at)
    SELECT $1, lpad(to_hex(n), 32, '0')::uuid, n, 'bench', n::text, 'lead-' || n % {leads},
      (ARRAY['web', 'email', 'milestone'])[1 + n % 3], 'Visited page ' || n || ' of the documentation',
      '2026-01-01Z'::timestamptz + n * interval '5 s', '2026-11-01Z'
    FROM generate_series($2::bigint + 1, $3::bigint) n""",
    """INSERT INTO feed_entry (org_id, user_id, occurred_at, moment_id, lead_id, type, position, live)
    SELECT $1, 'rep-' || m.position % {reps}, m.occurred_at, m.moment_id, m.lead_id, m.type, m.position, true
    FROM moment m WHERE m.org_id = $1 AND m.position > $2::bigint""",
    "UPDATE organization SET position = $2::bigint WHERE org_id = $1",
)
LESSER = """
SELECT indexrelid::regclass::text AS name, pg_get_indexdef(indexrelid) AS definition FROM pg_index
WHERE indrelid = ANY(ARRAY['moment', 'feed_entry']::regclass[]) AND NOT indisprimary AND indexrelid::regclass::text
  <> 'moment_by_position'
"""


def run(largest: int, runs: int, seconds: float) -> list[Figure]:
    """The page's median at each size, up to ``largest``; then each of the larger ones ÷ the smallest."""
    with tempfile.TemporaryDirectory(prefix="leadfeed-bench-") as folder:
        Path(folder).chmod(0o711)
        with EmbeddedPostgres(Path(folder) / "data", options=OPTIONS) as postgres:
            worlds = {size: asyncio.run(_filled(postgres.dsn, size)) for size in SIZES if size <= largest}
            took = _pages(worlds, runs, seconds)
    return [_against_the_smallest(size, took) for size in list(took)[1:]]


def _against_the_smallest(size: int, took: dict[int, list[float]]) -> Figure:
    name = {1_000_000: "page_1m_vs_100k", 5_000_000: "page_5m_vs_100k"}.get(size, f"page_{size}_vs_{SIZES[0]}")
    about = f"median ms of a page at {size:,} moments ÷ at {SIZES[0]:,}, one caller, over HTTP"
    figure = Figure(name, "<= 1.15", about)
    for large, small in zip(took[size], took[SIZES[0]], strict=True):
        figure.add(large, small)
    return figure


def _pages(worlds: dict[int, World], runs: int, seconds: float) -> dict[int, list[float]]:
    """Median milliseconds of each run, by size; every size has a server of its own, and they take short turns."""
    took: dict[int, list[float]] = {size: [] for size in worlds}
    with ExitStack() as servers:
        # Its moments' identifiers are as of 1970, long past any retention.
        ports = {size: servers.enter_context(serving(world, night_shift="false")) for size, world in worlds.items()}
        pages = [
            (port, proven(port, get("/v1/feed", worlds[size].token("rep-7")), ENTRY)) for size, port in ports.items()
        ]
        in_own_process(send_by_turns, pages, seconds)  # for warming up
        for _ in range(runs):
            answered = in_own_process(send_by_turns, pages, seconds)
            for size, one in zip(ports, answered, strict=True):
                took[size].append(one[len(one) // 2] * 1_000)
    return took


async def _filled(url: str, size: int) -> World:
    """A database of its own with so many moments."""
    of_size = await database_beside(url, f"growth_{size}")
    world = World(of_size, await _begin(of_size), size)
    await _grow(world)
    return world


async def _begin(url: str) -> str:
    async with Database(url) as database, database.write() as connection:
        now = datetime.now(UTC)
        org_id = await queries.create_organization(connection, ORG, ORG, now)
        for statement in MAKE:
            await connection.execute(statement.format(reps=REPS, leads=LEADS), org_id)
        return (await queries.create_key(connection, org_id, ["admin"], "bench", now))[1]


async def _grow(world: World) -> None:
    connection = await asyncpg.connect(world.url, command_timeout=1_800)
    try:
        lesser = await connection.fetch(LESSER)
        for index in lesser:
            await connection.execute(f"DROP INDEX {index['name']}")
        await connection.execute(MOMENTS[0].format(leads=LEADS), world.org_id, 0, world.moments)
        await connection.execute(MOMENTS[1].format(reps=REPS), world.org_id, 0)
        await connection.execute(MOMENTS[2], world.org_id, world.moments)
        for index in lesser:
            await connection.execute(index["definition"])
        await connection.execute("VACUUM ANALYZE")
    finally:
        await connection.close()
