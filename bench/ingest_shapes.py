"""Moments coming in at fan-out 1 and 3.6, from 1 and 8 callers, into one organisation and into sixteen.

Organisations of 50 reps and 1,000 leads (``ingest_sql.PEOPLE``). That each moment is in as many inboxes as it should be
is looked at after each measurement.
"""

import asyncio
from datetime import UTC, datetime

import asyncpg

from bench.batches import Into, send_batches, write_by_asyncpg
from bench.figures import Figure
from bench.ingest_sql import LEADS, PEOPLE, REPS
from bench.load import in_own_process
from bench.world import World, serving
from leadfeed_api.db.session import Database
from leadfeed_api.organizations import queries

FAN_OUTS = {"1": PEOPLE[:2], "3_6": PEOPLE}  # an owner each, and 2.6 others who watch
CALLERS, BATCH, SMALL, MANY = (1, 8), 500, 100, 16
SPREAD = """
SELECT (SELECT count(*) FROM feed_entry e WHERE e.org_id = $1), (SELECT count(*) FROM moment m WHERE m.org_id = $1)
"""


def run(world: World, runs: int, seconds: float) -> list[Figure]:
    """Alternates ours and the reference in every run, all shapes in each."""
    one, many = asyncio.run(_settled(world.url))
    figures: dict[str, Figure] = {}

    def measured(name: str, about: str, ours: float, reference: float) -> None:
        figures.setdefault(name, Figure(name, "", about)).add(ours, reference)

    with serving(world) as port:
        for turn in range(runs):
            for fan_out, into in one.items():
                for callers in CALLERS:
                    ours = _sent(port, into, f"h{turn}-{callers}", BATCH, callers, seconds / 2)
                    run_of = (world.url, into, f"s{turn}-{callers}", BATCH, callers, seconds / 2)
                    at = f"fan-out {fan_out.replace('_', '.')}, {callers} at a time"
                    about = f"moments/s in batches of {BATCH}, {at} ÷ the same writes by asyncpg"
                    measured(
                        f"ingest_to_{fan_out}_by_{callers}", about, ours, in_own_process(write_by_asyncpg, *run_of)
                    )
            for callers in CALLERS:
                ours = _sent(port, many, f"m{turn}-{callers}", SMALL, callers, seconds / 2)
                alone = _sent(port, one["3_6"], f"o{turn}-{callers}", SMALL, callers, seconds / 2)
                about = f"moments/s in batches of {SMALL}, {callers} at a time, into {MANY} organisations ÷ into one"
                measured(f"ingest_{MANY}_organizations_by_{callers}", about, ours, alone)
    asyncio.run(_demand_spread(world.url, one["1"], 1.0))
    asyncio.run(_demand_spread(world.url, one["3_6"], 3.6))
    asyncio.run(_demand_spread(world.url, many, 3.6))
    return list(figures.values())


def _sent(port: int, into: Into, run_of: str, size: int, callers: int, seconds: float) -> float:
    per_second: float = in_own_process(send_batches, port, into, run_of, size, callers, seconds)
    return per_second


async def _settled(url: str) -> tuple[dict[str, Into], Into]:
    """An organisation for each fan-out, and sixteen of the larger."""
    async with Database(url) as database:
        one = {
            fan_out: await _organizations(database, f"shape-{fan_out}".replace("_", "-"), fan_out, 1)
            for fan_out in FAN_OUTS
        }
        many = await _organizations(database, "shape-of", "3_6", MANY)
        async with database.read() as connection:
            await connection.execute("ANALYZE")
    return one, many


async def _organizations(database: Database, name: str, fan_out: str, count: int) -> Into:
    org_ids, keys = [], []
    for number in range(count):
        org, now = f"{name}-{number}", datetime.now(UTC)
        async with database.write() as connection:
            org_ids.append(await queries.create_organization(connection, org, org, now))
            keys.append((await queries.create_key(connection, org_ids[-1], ["ingest"], "bench", now))[1])
            for statement in FAN_OUTS[fan_out]:
                await connection.execute(statement.format(reps=REPS, leads=LEADS), org_ids[-1])
    return Into(tuple(org_ids), tuple(keys), tuple(f"l{number}" for number in range(LEADS)))


async def _demand_spread(url: str, into: Into, fan_out: float) -> None:
    connection = await asyncpg.connect(url)
    for org_id in into.org_ids:
        entries, moments = await connection.fetchrow(SPREAD, org_id)
        if round(moments * fan_out) != entries:
            raise SystemExit(f"{entries} entries of {moments} moments")
    await connection.close()
