"""What the writing itself costs: our statements against the straightforward ones, and against COPY of the same moments.

The straightforward form is what one writes first: an index for each way in which entries are looked for, by lead too;
insert what is new, then put it in every inbox by a UNION over owners and watchers. One connection, batches of 500,
fan-out 3.6: one owner, and 2.6 others who watch. First in an organisation whose people PostgreSQL has counted, and no
moment of it yet; then after it has counted those, too.
"""

import itertools
import time
from datetime import UTC, datetime
from typing import NamedTuple

import asyncpg
import uvloop
from uuid_utils.compat import uuid7

from bench.figures import Figure
from bench.load import in_own_process
from bench.peopled import LEADS, fill
from bench.world import World
from leadfeed_api.db.session import Database
from leadfeed_api.ingestion.interpret import Candidate
from leadfeed_api.ingestion.record import record_moments
from leadfeed_api.organizations import queries
from leadfeed_api.organizations.identity import org_number

BATCH, FAN_OUT = 500, 3.6
TEXT = "Visited the pricing page 3 times"
PLAIN_MOMENTS = """
INSERT INTO moment
  (org_id, moment_id, position, source, external_id, lead_id, type, description, occurred_at, recorded_at)
SELECT o.org_id, x.*, $8 FROM organization o
CROSS JOIN unnest($2::uuid[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::text[], $9::text[],
  $10::timestamptz[]) x WHERE o.org_id = $1 ON CONFLICT DO NOTHING
"""
PLAIN_ENTRIES = """
INSERT INTO feed_entry (org_id, user_id, occurred_at, moment_id, lead_id, type, position, live)
SELECT m.org_id, l.owner_id, m.occurred_at, m.moment_id, m.lead_id, m.type, m.position, true
FROM moment m JOIN lead l ON l.org_id = $1 AND l.lead_id = m.lead_id
WHERE m.org_id = $1 AND m.position BETWEEN $2 AND $3
UNION
SELECT m.org_id, w.user_id, m.occurred_at, m.moment_id, m.lead_id, m.type, m.position, true
FROM moment m JOIN watch w ON w.org_id = $1 AND w.lead_id = m.lead_id
WHERE m.org_id = $1 AND m.position BETWEEN $2 AND $3
"""
PLAIN_INDEX = "CREATE INDEX feed_entry_by_lead ON feed_entry (org_id, lead_id, user_id)"
NO_PLAIN_INDEX = "DROP INDEX IF EXISTS feed_entry_by_lead"
ADVANCE = "UPDATE organization SET position = position + $2 WHERE org_id = $1 RETURNING position"
MOMENT_COLUMNS = ["org_id", "moment_id", "position", "source", "external_id", "lead_id", "type", "description"]
MOMENT_COLUMNS += ["occurred_at", "recorded_at"]


class Written(NamedTuple):
    """Moments per second by one form: before PostgreSQL has counted the organisation's moments, and after."""

    uncounted: float
    counted: float


def run(world: World, runs: int, seconds: float) -> list[Figure]:
    """Each form in an organisation of its own, by turns."""
    straight = Figure(
        "ingest_sql_vs_plain", ">= 1.5", "moments/s of our tables and statements ÷ the straightforward ones"
    )
    about = "the same, once PostgreSQL has counted the organisation's moments"
    counted = Figure("ingest_sql_vs_plain_counted", ">= 1.5", about)
    copied = Figure("ingest_sql_vs_copy", "", "moments/s of our statements, with inboxes ÷ COPY of the moments alone")
    for turn in range(runs):
        ours: Written = in_own_process(write, world.url, "ours", turn, seconds)
        plain: Written = in_own_process(write, world.url, "plain", turn, seconds)
        straight.add(ours.uncounted, plain.uncounted)
        counted.add(ours.counted, plain.counted)
        copied.add(ours.counted, in_own_process(write, world.url, "copy", turn, seconds).counted)
    return [straight, counted, copied]


def write(url: str, form: str, turn: int, seconds: float) -> Written:
    """Moments per second by this form, on one connection."""
    return uvloop.run(_write(url, form, turn, seconds))


async def _write(url: str, form: str, turn: int, seconds: float) -> Written:
    org, numbers = f"sql-{form}-{turn}", itertools.count()
    async with Database(url, pool_size=1) as database:
        async with database.write() as connection:
            org_id = await queries.create_organization(connection, org, org, datetime.now(UTC))
            await fill(connection, org_id, FAN_OUT)
        alone = await asyncpg.connect(url)
        if form == "plain":
            await alone.execute(PLAIN_INDEX)

        async def per_second() -> float:
            await alone.execute("ANALYZE")
            count, started = 0, time.perf_counter()
            while not count or time.perf_counter() < started + seconds:
                first = next(numbers) * BATCH
                batch = [(str(first + n), f"l{(first + n * 7) % LEADS}") for n in range(BATCH)]
                if form == "ours":
                    await _by_ours(database, org_id, batch)
                else:
                    await _FORMS[form](alone, org_id, first, batch)
                count += BATCH
            return count / (time.perf_counter() - started)

        found = Written(await per_second(), await per_second())
        await alone.execute(NO_PLAIN_INDEX)
        entries = await alone.fetchval("SELECT count(*) FROM feed_entry WHERE org_id = $1", org_number(org))
        await alone.close()
    if form != "copy" and entries != round(next(numbers) * BATCH * FAN_OUT):
        raise SystemExit(f"{form}: a moment is in fewer or more inboxes than it should be")
    return found


async def _by_ours(database: Database, org_id: int, batch: list[tuple[str, str]]) -> None:
    now = datetime.now(UTC)
    verdicts = await record_moments(
        database, org_id, [Candidate("b", number, lead, "web", TEXT, None, None, now) for number, lead in batch]
    )
    if any(one.status != "accepted" for one in verdicts):
        raise SystemExit("a moment was not accepted")


async def _by_plain(
    connection: "asyncpg.Connection[asyncpg.Record]", org_id: int, _: int, batch: list[tuple[str, str]]
) -> None:
    now = datetime.now(UTC)
    async with connection.transaction():
        last = await connection.fetchval(ADVANCE, org_id, BATCH)
        positions = list(range(last - BATCH + 1, last + 1))
        numbers, leads = [number for number, _ in batch], [lead for _, lead in batch]
        ids, web, texts = [uuid7() for _ in batch], ["web"] * BATCH, [TEXT] * BATCH
        await connection.execute(
            PLAIN_MOMENTS, org_id, ids, positions, ["b"] * BATCH, numbers, leads, web, now, texts, [now] * BATCH
        )
        await connection.execute(PLAIN_ENTRIES, org_id, last - BATCH + 1, last)


async def _by_copy(
    connection: "asyncpg.Connection[asyncpg.Record]", org_id: int, first: int, batch: list[tuple[str, str]]
) -> None:
    now = datetime.now(UTC)
    rows = [
        (org_id, uuid7(), first + n + 1, "b", number, lead, "web", TEXT, now, now)
        for n, (number, lead) in enumerate(batch)
    ]
    await connection.copy_records_to_table("moment", records=rows, columns=MOMENT_COLUMNS)


_FORMS = {"plain": _by_plain, "copy": _by_copy}
