"""``python -m bench.retier [--leads N] [--smoke]``: re-tiering a large organisation while moments keep arriving.

The first night (half of the leads get stars), five usual ones (some scores moved since) and one in which nothing
changed. For each: how long it took, how long each turn at the organisation's lock held it, for its work and for its
commit, and how long a moment posted every 20 ms took to be on disk meanwhile, beside what it takes when nothing else
happens. Own PostgreSQL, fsync on; ``--wal 80MB`` has it write a checkpoint every second or so, the worst it can meet.
"""

import argparse
import asyncio
import json
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from statistics import quantiles
from typing import Any

import uvloop
from rich.console import Console

from bench.figures import RESULTS, machine
from leadfeed_api.best_bets import lease
from leadfeed_api.best_bets.retier import Run
from leadfeed_api.best_bets.turns import Hold
from leadfeed_api.clock import utc_now
from leadfeed_api.db.embedded import EmbeddedPostgres
from leadfeed_api.db.migrate import migrate
from leadfeed_api.db.session import Database
from leadfeed_api.ingestion.interpret import Candidate
from leadfeed_api.ingestion.record import record_moments
from leadfeed_api.organizations import queries

EVERY_S = 0.02
NIGHTS = 5
REPS = 500
# Scores as marketing systems give them: most leads near nothing, few far up; whole numbers, so that many tie.
MAKE = (
    """INSERT INTO app_user (org_id, user_id, name) SELECT $1, 'rep-' || n, 'A rep' FROM generate_series(1, $2) n""",
    """INSERT INTO lead (org_id, lead_id, name, owner_id, score)
    SELECT $1, 'lead-' || n, 'A lead', 'rep-' || 1 + n % $3, floor(-25 * ln(1 - (n * 7919::bigint % 999983) / 999983.0))
    FROM generate_series(1, $2) n""",
)
# One lead in twenty moved, up or down; what it had before is what its day began with.
MOVE = (
    """INSERT INTO score_day (org_id, lead_id, day, opening)
    SELECT org_id, lead_id, $2::date, score FROM lead
    WHERE org_id = $1 AND hashtext(lead_id) % 20 = $3 ON CONFLICT DO NOTHING""",
    """UPDATE lead SET score = score + hashtext(lead_id || 'x') % 25 + 5
    WHERE org_id = $1 AND hashtext(lead_id) % 20 = $2""",
)
numbers = count()


async def measure(url: str, leads: int, calm_s: float) -> dict[str, Any]:
    """All the nights, and the calm before."""
    async with Database(url, pool_size=6) as database:
        org_id = await _fill(database, leads)
        async with _arriving(database, org_id) as calm:
            await asyncio.sleep(calm_s)
        found: dict[str, Any] = {"leads": leads, "calm": _milliseconds(calm)}
        found["first night"] = await _night(database, org_id)
        for night in range(NIGHTS):
            async with database.write() as connection:
                await connection.execute(MOVE[0], org_id, datetime.now(UTC).date(), night, timeout=600)
                await connection.execute(MOVE[1], org_id, night, timeout=600)
            found[f"usual night {night + 1}"] = await _night(database, org_id)
        found["nothing new"] = await _night(database, org_id)
    return found


class ObservedRun(Run):
    """A run that remembers every turn at the lock."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.holds: list[Hold] = []

    def _held(self, hold: Hold) -> None:
        super()._held(hold)
        self.holds.append(hold)


async def _fill(database: Database, leads: int) -> int:
    async with database.write() as connection:
        org_id = await queries.create_organization(connection, "bench", "Bench", datetime.now(UTC))
        await connection.execute(MAKE[0], org_id, REPS)
        await connection.execute(MAKE[1], org_id, leads, REPS, timeout=600)
    async with database.read() as connection:
        await connection.execute("VACUUM ANALYZE", timeout=600)
    return org_id


async def _night(database: Database, org_id: int) -> dict[str, Any]:
    async with database.write() as connection:
        claimed = await lease.claim(connection, org_id, utc_now(), whether_due_or_not=True)
    if claimed is None:
        raise SystemExit("another run has the organisation")
    run = ObservedRun(database, claimed, lambda _: None, utc_now)
    async with _arriving(database, org_id) as meanwhile:
        done = await run.carry_out()
    return {
        "seconds": round(done.seconds, 1),
        "changed": done.progress.changed,
        "resets": done.progress.resets,
        "told": done.progress.told,
        "longest_lock_ms": round(done.progress.longest_lock_s * 1_000, 1),
        "held": _milliseconds([hold.total_s for hold in run.holds]),
        "for the work": _milliseconds([hold.work_s for hold in run.holds]),
        "for the commit": _milliseconds([hold.commit_s for hold in run.holds]),
        "ingest": _milliseconds(meanwhile),
    }


@asynccontextmanager
async def _arriving(database: Database, org_id: int) -> AsyncIterator[list[float]]:
    """One moment every 20 ms while the block runs; gives how many seconds each took."""
    took: list[float] = []

    async def one(number: int) -> None:
        now, lead = datetime.now(UTC) - timedelta(seconds=1), f"lead-{1 + number * 37 % 1_000}"
        began = time.perf_counter()
        await record_moments(
            database, org_id, [Candidate("bench", str(number), lead, "web", "Visited a page", None, None, now)]
        )
        took.append(time.perf_counter() - began)

    async def arrive() -> None:
        async with asyncio.TaskGroup() as posting:
            for number in numbers:
                posting.create_task(one(number))
                await asyncio.sleep(EVERY_S)
                if ended.is_set():
                    return

    ended = asyncio.Event()
    arriving = asyncio.create_task(arrive())
    try:
        yield took
    finally:
        ended.set()
        await arriving


def _milliseconds(took: list[float]) -> dict[str, float]:
    cuts = quantiles(took if len(took) > 1 else took * 2, n=1_000, method="inclusive")
    shown = {"p50": cuts[499], "p99": cuts[989], "max": max(took)}
    return {"count": len(took), **{name: round(seconds * 1_000, 1) for name, seconds in shown.items()}}


def main() -> None:
    """Measures, prints, and keeps the result beside the others."""
    parser = argparse.ArgumentParser(prog="python -m bench.retier")
    parser.add_argument("--leads", type=int, default=1_000_000)
    parser.add_argument("--smoke", action="store_true", help="a small run; writes nothing")
    parser.add_argument("--wal", help="max_wal_size of the server, such as 80MB: checkpoints all the time")
    asked = parser.parse_args()
    leads, calm_s = (5_000, 1.0) if asked.smoke else (asked.leads, 15.0)
    options = {"max_wal_size": asked.wal, "min_wal_size": asked.wal} if asked.wal else {}
    on, console = machine(), Console()
    with tempfile.TemporaryDirectory(prefix="leadfeed-bench-") as folder:
        Path(folder).chmod(0o711)
        with EmbeddedPostgres(Path(folder) / "data", options=options) as postgres, console.status(f"{leads:,} leads …"):
            migrate(postgres.dsn)
            found = uvloop.run(measure(postgres.dsn, leads, calm_s))
    console.print_json(data=found)
    if not asked.smoke:
        RESULTS.parent.mkdir(exist_ok=True)
        document = json.dumps({"machine": on, **found}, indent=2) + "\n"
        RESULTS.with_name("retier-checkpoints.json" if asked.wal else "retier.json").write_text(
            document, encoding="utf-8"
        )


if __name__ == "__main__":
    main()
