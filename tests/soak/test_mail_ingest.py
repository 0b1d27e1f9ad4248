"""Ingestion does not wait for mail: its throughput beside a worker whose mail server is well, slow, away or refusing.

The measure is a stopped worker. Once one moment in ten is mailed to somebody, and once every one, which is more than
anybody would ask for. The bound is loose, because worker, mail server, PostgreSQL and the one who measures share a
machine.
"""

import asyncio
import os
import signal
import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest

from leadfeed_api.db.session import Database
from leadfeed_api.ingestion.interpret import Candidate
from leadfeed_api.ingestion.record import record_moments
from mail_server import MailServer, Misbehaviour, running
from mail_workers import environment, worker
from post import subscribe
from statements import BY_A_TEST
from world import World

pytest_plugins = ["figures"]
pytestmark = [pytest.mark.anyio, pytest.mark.alone, pytest.mark.soak]
Note = Callable[[str], None]
ROUNDS = 3
BATCHES = 70  # longer than a worker sleeps
BATCH = 500
MOMENTS = BATCHES * BATCH
SETTLING_S = 11.0  # longer than an instant mail gathers, so that each server shows what it does


async def moments_per_second(database: Database, org_id: int, mailed: int) -> float:
    """What one caller gets through, batch by batch; one in ``mailed`` is what somebody subscribed to."""
    began = time.perf_counter()
    for _ in range(BATCHES):
        now = datetime.now(UTC)
        batch = [
            Candidate(source="soak", external_id=uuid4().hex, lead_id=f"lead{number % 50}", type="web",
                      description="Read the docs" if number % mailed else "Visited the pricing page",
                      url=None, bot=None, occurred_at=now)
            for number in range(BATCH)
        ]  # fmt: skip
        await record_moments(database, org_id, batch)
    return MOMENTS / (time.perf_counter() - began)


async def caught_up(database: Database) -> None:
    """Waits until the worker has noticed everything."""
    behind = "SELECT d.position < o.position FROM mail_reader d JOIN organization o ON o.org_id = d.org_id"
    async with database.read() as connection, asyncio.timeout(120):
        while await connection.fetchval(f"{BY_A_TEST} {behind}"):  # noqa: ASYNC110  the worker is another process
            await asyncio.sleep(0.1)


def refuse(answer: str) -> Misbehaviour:
    return Misbehaviour(rcpt=lambda _: answer)


# What the mail server does meanwhile; None: nobody listens at its port.
SERVERS: dict[str, Misbehaviour | None] = {
    "well": Misbehaviour(),
    "slow (2 s an answer)": Misbehaviour(tarpit_s=2.0),
    "down": None,
    "451 to all": refuse("451 come again"),
    "554 to all": Misbehaviour(greeting="554 no service"),
}


@pytest.mark.parametrize("mailed", [10, 1], ids=["one moment in ten is mailed", "every moment is mailed"])
async def test_ingestion_does_not_wait_for_mail(
    world: World, database_url: str, tmp_path: Path, note: Note, mailed: int
) -> None:
    reps = [f"rep{number}" for number in range(10)]
    await world.people(*reps, leads={f"lead{number}": reps[number % 10] for number in range(50)})
    for rep in reps:
        await subscribe(world, rep, "description", "pricing")
    database: Database = world.service.app.state.database
    await moments_per_second(database, world.org_id, mailed)  # warm
    async with running() as server:
        env = environment(database_url, tmp_path, SMTP_URL=f"smtp://127.0.0.1:{server.port}")
        async with worker(env) as process:
            for name, how in SERVERS.items():
                await behave(server, how)
                await moments_per_second(database, world.org_id, mailed)
                await asyncio.sleep(SETTLING_S)
                async with database.write() as connection:
                    await connection.execute(f"{BY_A_TEST} ANALYZE")  # or each round is slower than the one before
                stopped, beside, used = [], [], []
                for turn in range(2 * ROUNDS):
                    await caught_up(database)
                    before = processor_seconds(process.pid)
                    if turn % 4 in {0, 3}:
                        process.send_signal(signal.SIGSTOP)
                        stopped.append(await moments_per_second(database, world.org_id, mailed))
                        process.send_signal(signal.SIGCONT)
                    else:
                        beside.append(await moments_per_second(database, world.org_id, mailed))
                        used.append(processor_seconds(process.pid) - before)
                ratio = statistics.median(beside) / statistics.median(stopped)
                note(f"mail server {name}: {statistics.median(beside):,.0f} moments/s beside a worker, "
                     f"{statistics.median(stopped):,.0f} with it stopped, ratio {ratio:.2f}; it used the processor for "
                     f"{statistics.median(used):.2f} s of {MOMENTS / statistics.median(beside):.2f} s")  # fmt: skip
                assert ratio > 0.5


async def behave(server: MailServer, how: Misbehaviour | None) -> None:
    await server.stop(at_once=True)
    if how is not None:
        server.wrong = how
        await server.start()


def processor_seconds(pid: int) -> float:
    """What a process has used, in seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
