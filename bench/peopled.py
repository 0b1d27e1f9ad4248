"""Organisations of 50 reps and 1,000 leads, in which a moment is in one inbox, in two, or in 3.6 on average.

Fan-out 1: each lead has an owner. Fan-out 2: somebody else watches it besides; 3.6: 2.6 others do.
"""

import asyncio
from datetime import UTC, datetime

import asyncpg

from bench.batches import Into
from leadfeed_api.db.session import Connection, Database
from leadfeed_api.organizations import queries

LEADS, REPS = 1_000, 50
OWNED = (
    "INSERT INTO app_user (org_id, user_id, name) SELECT $1, 'u' || n, 'A rep' FROM generate_series(0, {reps} - 1) n",
    """INSERT INTO lead (org_id, lead_id, name, owner_id)
    SELECT $1, 'l' || n, 'A lead', 'u' || n % {reps} FROM generate_series(0, {leads} - 1) n""",
)
WATCHED_BY_ONE = (
    """INSERT INTO watch (org_id, user_id, lead_id, created_at)
    SELECT $1, 'u' || (n + 1) % {reps}, 'l' || n, '2026-01-01Z' FROM generate_series(0, {leads} - 1) n""",
)
WATCHED = (
    """INSERT INTO watch (org_id, user_id, lead_id, created_at)
    SELECT $1, 'u' || (n + k) % {reps}, 'l' || n, '2026-01-01Z'
    FROM generate_series(0, {leads} - 1) n, generate_series(1, 3) k WHERE k < 3 OR n % 5 < 3""",
)
STATEMENTS = {1.0: OWNED, 2.0: OWNED + WATCHED_BY_ONE, 3.6: OWNED + WATCHED}  # by fan-out
SPREAD = """
SELECT (SELECT count(*) FROM feed_entry e WHERE e.org_id = $1), (SELECT count(*) FROM moment m WHERE m.org_id = $1)
"""


def peopled(url: str, name: str, fan_out: float, count: int = 1) -> Into:
    """So many new organisations, each with a key, which PostgreSQL has counted."""
    return asyncio.run(_peopled(url, name, fan_out, count))


def twins(url: str, name: str, fan_out: float) -> tuple[Into, Into]:
    """Two alike: one for what is reported over HTTP, and one for its reference."""
    return peopled(url, name, fan_out), peopled(url, f"{name}-bare", fan_out)


def demand_spread(url: str, into: Into, fan_out: float) -> None:
    """Raises when a moment is in fewer or more inboxes than it should be."""
    asyncio.run(_demand_spread(url, into, fan_out))


async def fill(connection: Connection, org_id: int, fan_out: float) -> None:
    """Gives an organisation its people."""
    for statement in STATEMENTS[fan_out]:
        await connection.execute(statement.format(reps=REPS, leads=LEADS), org_id)


async def _peopled(url: str, name: str, fan_out: float, count: int) -> Into:
    org_ids, keys = [], []
    async with Database(url) as database:
        for number in range(count):
            org, now = f"{name}-{number}", datetime.now(UTC)
            async with database.write() as connection:
                org_ids.append(await queries.create_organization(connection, org, org, now))
                keys.append((await queries.create_key(connection, org_ids[-1], ["ingest"], "bench", now))[1])
                await fill(connection, org_ids[-1], fan_out)
        async with database.read() as connection:
            await connection.execute("ANALYZE")
    return Into(tuple(org_ids), tuple(keys), tuple(f"l{number}" for number in range(LEADS)))


async def _demand_spread(url: str, into: Into, fan_out: float) -> None:
    connection = await asyncpg.connect(url)
    for org_id in into.org_ids:
        entries, moments = await connection.fetchrow(SPREAD, org_id)
        if round(moments * fan_out) != entries:
            raise SystemExit(f"{entries} entries of {moments} moments")
    await connection.close()
