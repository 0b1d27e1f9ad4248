"""Ingestion does not wait for mail: its throughput beside a busy worker with a slow mail server, and a stopped one.

Prints the ratio. Its bound is loose, because worker, mail server, PostgreSQL and the one who measures share a machine.
"""

import asyncio
import signal
import statistics
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest

from leadfeed_api.db.session import Database
from leadfeed_api.ingestion.interpret import Candidate
from leadfeed_api.ingestion.record import record_moments
from mail_server import running
from mail_workers import environment, worker
from post import own_database, subscribe
from statements import BY_A_TEST
from world import World

pytestmark = [pytest.mark.anyio, pytest.mark.soak]
ROUNDS = 7
BATCHES = 12
BATCH = 500


@pytest.fixture
def database_url(postgres: tuple[str, str]) -> Iterator[str]:
    with own_database(postgres) as url:
        yield url


async def moments_per_second(database: Database, org_id: int) -> float:
    """What one caller gets through, batch by batch."""
    began = time.perf_counter()
    for _ in range(BATCHES):
        now = datetime.now(UTC)
        batch = [
            Candidate(source="soak", external_id=uuid4().hex, lead_id=f"lead{number % 50}", type="web",
                      description="Visited the pricing page", url=None, bot=None, occurred_at=now)
            for number in range(BATCH)
        ]  # fmt: skip
        await record_moments(database, org_id, batch)
    return BATCHES * BATCH / (time.perf_counter() - began)


async def caught_up(database: Database) -> None:
    """Waits until the worker has noticed everything."""
    behind = "SELECT d.position < o.position FROM mail_reader d JOIN organization o ON o.org_id = d.org_id"
    async with database.read() as connection, asyncio.timeout(120):
        while await connection.fetchval(f"{BY_A_TEST} {behind}"):  # noqa: ASYNC110  the worker is another process
            await asyncio.sleep(0.1)


async def test_ingestion_does_not_wait_for_mail(world: World, database_url: str, tmp_path: Path) -> None:
    await world.people("ana", leads={f"lead{number}": "ana" for number in range(50)})
    for words in ("pricing", "demo", "pricing page"):
        await subscribe(world, "ana", "description", words)
    database: Database = world.service.app.state.database
    await moments_per_second(database, world.org_id)  # warm
    without, beside = [], []
    async with running() as server:
        server.wrong.tarpit_s = 2.0
        env = environment(database_url, tmp_path, SMTP_URL=f"smtp://127.0.0.1:{server.port}")
        async with worker(env) as process:
            for _ in range(ROUNDS):
                await caught_up(database)
                process.send_signal(signal.SIGSTOP)
                without.append(await moments_per_second(database, world.org_id))
                process.send_signal(signal.SIGCONT)
                await caught_up(database)
                beside.append(await moments_per_second(database, world.org_id))
    ratio = statistics.median(beside) / statistics.median(without)
    print(f"\nmoments/s: {statistics.median(without):,.0f} without, {statistics.median(beside):,.0f} beside a worker; "
          f"ratio {ratio:.2f}", file=sys.stderr)  # fmt: skip
    assert ratio > 0.5
