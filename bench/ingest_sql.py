"""What the writing itself costs: our statements against the straightforward ones, and against COPY of the same moments.

The straightforward form is what one writes first: an index for each way in which entries are looked for, by lead and by
position too; insert what is new, then put it in every inbox by a UNION over owners and watchers. One connection,
batches of 500, fan-out 3.6: one owner, and 2.6 others who watch. First in an organisation whose people PostgreSQL has
counted, and no moment of it yet; then after it has counted those, too.

Each form has a database of its own, so that none pays for another's index, and they take many short turns: PostgreSQL's
checkpoints, and whatever else the machine does, meet all of them.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

import asyncpg
import uvloop
from uuid_utils.compat import uuid7

from bench.figures import Figure
from bench.load import in_own_process
from bench.peopled import LEADS, fill
from bench.world import World, database_beside
from leadfeed_api.db.session import Connection, Database
from leadfeed_api.ingestion.interpret import Candidate
from leadfeed_api.ingestion.record import record_moments
from leadfeed_api.organizations import queries

FORMS = ("ours", "plain", "copy")
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
PLAIN_INDEXES = (
    "CREATE INDEX feed_entry_by_lead ON feed_entry (org_id, lead_id, user_id)",
    "CREATE INDEX feed_entry_by_position ON feed_entry (org_id, user_id, position) WHERE live",
    "DROP INDEX feed_entry_late",
)
ADVANCE = "UPDATE organization SET position = position + $2 WHERE org_id = $1 RETURNING position"
TURNS = 16  # of each form, in one run of four seconds
MOMENT_COLUMNS = ["org_id", "moment_id", "position", "source", "external_id", "lead_id", "type", "description"]
MOMENT_COLUMNS += ["occurred_at", "recorded_at"]


class Written(NamedTuple):
    """Moments per second by one form: before PostgreSQL has counted the organisation's moments, and after."""

    uncounted: float
    counted: float


def run(world: World, runs: int, seconds: float) -> list[Figure]:
    """All forms by turns, in each run into new organisations."""
    straight = Figure(
        "ingest_sql_vs_plain", ">= 1.5", "moments/s of our tables and statements ÷ the straightforward ones"
    )
    about = "the same, once PostgreSQL has counted the organisation's moments"
    counted = Figure("ingest_sql_vs_plain_counted", ">= 1.5", about)
    copied = Figure("ingest_sql_vs_copy", "", "moments/s of our statements, with inboxes ÷ COPY of the moments alone")
    urls = {form: asyncio.run(database_beside(world.url, f"sql_{form}")) for form in FORMS}
    asyncio.run(_make_straightforward(urls["plain"]))
    for turn in range(runs):
        found: dict[str, Written] = in_own_process(write_by_turns, urls, turn, seconds)
        straight.add(found["ours"].uncounted, found["plain"].uncounted)
        counted.add(found["ours"].counted, found["plain"].counted)
        copied.add(found["ours"].counted, found["copy"].counted)
    return [straight, counted, copied]


def write_by_turns(urls: dict[str, str], turn: int, seconds: float) -> dict[str, Written]:
    """Moments per second by each form, on one connection each."""
    return uvloop.run(_write_by_turns(urls, turn, seconds))


async def _make_straightforward(url: str) -> None:
    connection = await asyncpg.connect(url)
    for statement in PLAIN_INDEXES:
        await connection.execute(statement)
    await connection.close()


async def _write_by_turns(urls: dict[str, str], turn: int, seconds: float) -> dict[str, Written]:
    async with AsyncExitStack() as opened:
        writers = {form: await opened.enter_async_context(_writer(form, url, turn)) for form, url in urls.items()}
        phases = [await _phase(writers, seconds) for _ in Written._fields]
        for one in writers.values():
            await one.demand_spread()
    return {form: Written(*(phase[form] for phase in phases)) for form in writers}


async def _phase(writers: dict[str, "_Writer"], seconds: float) -> dict[str, float]:
    for one in writers.values():
        await one.alone.execute("ANALYZE")
    turns = max(1, min(TURNS, round(seconds / 4 * TURNS)))
    taken = dict.fromkeys(writers, 0.0)
    count = dict.fromkeys(writers, 0)
    for _ in range(turns):
        for form, one in writers.items():
            batches, took = await one.write_for(seconds / turns)
            count[form], taken[form] = count[form] + batches, taken[form] + took
    return {form: BATCH * count[form] / taken[form] for form in writers}


@asynccontextmanager
async def _writer(form: str, url: str, turn: int) -> AsyncIterator["_Writer"]:
    org = f"sql-{form}-{turn}"
    async with Database(url, pool_size=1) as database:
        async with database.write() as connection:
            org_id = await queries.create_organization(connection, org, org, datetime.now(UTC))
            await fill(connection, org_id, FAN_OUT)
        alone = await asyncpg.connect(url)
        yield _Writer(form, database, alone, org_id)
        await alone.close()


@dataclass
class _Writer:
    form: str
    database: Database
    alone: Connection
    org_id: int
    batches: int = 0

    async def write_for(self, seconds: float) -> tuple[int, float]:
        """At least one batch; how many, and in how long."""
        before, started = self.batches, time.perf_counter()
        while self.batches == before or time.perf_counter() < started + seconds:
            first = self.batches * BATCH
            batch = [(str(first + n), f"l{(first + n * 7) % LEADS}") for n in range(BATCH)]
            if self.form == "ours":
                await _by_ours(self.database, self.org_id, batch)
            else:
                await _BARE[self.form](self.alone, self.org_id, first, batch)
            self.batches += 1
        return self.batches - before, time.perf_counter() - started

    async def demand_spread(self) -> None:
        """Raises when a moment is in fewer or more inboxes than it should be."""
        entries = await self.alone.fetchval("SELECT count(*) FROM feed_entry WHERE org_id = $1", self.org_id)
        if self.form != "copy" and entries != round(self.batches * BATCH * FAN_OUT):
            raise SystemExit(f"{self.form}: a moment is in fewer or more inboxes than it should be")


async def _by_ours(database: Database, org_id: int, batch: list[tuple[str, str]]) -> None:
    now = datetime.now(UTC)
    verdicts = await record_moments(
        database, org_id, [Candidate("b", number, lead, "web", TEXT, None, None, now) for number, lead in batch]
    )
    if any(one.status != "accepted" for one in verdicts):
        raise SystemExit("a moment was not accepted")


async def _by_plain(connection: Connection, org_id: int, _: int, batch: list[tuple[str, str]]) -> None:
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


async def _by_copy(connection: Connection, org_id: int, first: int, batch: list[tuple[str, str]]) -> None:
    now = datetime.now(UTC)
    rows = [
        (org_id, uuid7(), first + n + 1, "b", number, lead, "web", TEXT, now, now)
        for n, (number, lead) in enumerate(batch)
    ]
    await connection.copy_records_to_table("moment", records=rows, columns=MOMENT_COLUMNS)


_BARE = {"plain": _by_plain, "copy": _by_copy}
