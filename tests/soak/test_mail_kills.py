"""Killed at any point, a hundred times, the worker loses nothing and sends nothing more than twice."""

import asyncio
import random
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from mail_server import MailServer, running
from mail_workers import until
from post import just_now, subscribe
from world import World, ok

pytestmark = [pytest.mark.anyio, pytest.mark.alone, pytest.mark.soak]
KILLS = 100
REPS = [f"rep{number}" for number in range(40)]
SCRIPT = Path(__file__).parent / "mail_worker.py"


@asynccontextmanager
async def worker(database_url: str, server: MailServer) -> AsyncIterator[None]:
    """A worker that has begun, killed at the end of the block, like by a power cut for this one process."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, SCRIPT, database_url, f"smtp://127.0.0.1:{server.port}", stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(60):
            assert await process.stdout.readline() == b"ready\n"
        yield
    finally:
        process.send_signal(signal.SIGKILL)
        await process.wait()


@dataclass
class Reporter:
    """Reports moments of everybody's leads, one after the other, until told to stop."""

    world: World
    rng: random.Random
    reported: list[str] = field(default_factory=list)
    enough: bool = False

    async def run(self) -> None:
        """A hundred a second, if the machine lets it."""
        while not self.enough:
            name = f"Visit-{len(self.reported):06d}"
            await self.world.report(just_now(self.world, f"of-{self.rng.choice(REPS)}", name))
            self.reported.append(name)
            await asyncio.sleep(0.01)


async def test_a_hundred_kills_lose_nothing_and_double_nothing_twice(world: World, database_url: str) -> None:
    rng = random.Random(8058)
    await world.people(*REPS, leads={f"of-{rep}": rep for rep in REPS})
    for rep in REPS:
        await subscribe(world, rep, "type", "web")
        ok(await world.client.patch("/v1/mail-preferences", headers=world.rep(rep), json={"daily_cap": 200}))
    reporter = Reporter(world, rng)
    async with running() as server:
        server.wrong.tarpit_s = 0.002
        reporting = asyncio.create_task(reporter.run())
        for _ in range(KILLS):
            async with worker(database_url, server):
                await somewhere(server, rng)
        reporter.enough = True
        await reporting
        during = len(server.kept)
        async with worker(database_url, server):
            await until(lambda: told(server) >= set(reporter.reported), 600, every_s=1.0)
            await asyncio.sleep(10)  # longer than any doubt lasts here: what is sent again is sent by then

    copies = server.copies()
    twice = sum(count == 2 for count in copies.values())
    outbox = ok(await world.client.get("/v1/outbox", headers=world.machine))
    print(f"\n{KILLS} kills, {len(reporter.reported)} moments, {len(copies)} mails ({during} while killing), "
          f"{twice} twice, {len(outbox['set_aside'])} set aside")  # fmt: skip
    assert during > KILLS
    assert max(copies.values()) <= 2
    assert told(server) == set(reporter.reported)


async def somewhere(server: MailServer, rng: random.Random) -> None:
    """A point to kill a worker at: soon after it started, or in the midst of its mails."""
    wanted = len(server.kept) + rng.randint(0, 5)
    with suppress(TimeoutError):
        await until(lambda: len(server.kept) >= wanted, 4, every_s=0.001)
    await asyncio.sleep(rng.uniform(0.0, 0.02))


def told(server: MailServer) -> set[str]:
    """Every moment in a mail that the server kept."""
    text = b"\n".join(message for _, message in server.kept).replace(b"=\r\n", b"").decode()
    return set(re.findall(r"Visit-\d{6}", text))
