"""What a stream costs: memory a connection and processor time a delivery, at 10,000 connections on one process."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from crowd import crowd

from instances import instance, world_at
from leadfeed_api.db.session import Database
from leadfeed_api.settings import Settings
from leadfeed_api.stream.capacity import make_room
from stream_client import until

pytest_plugins = ["figures"]
pytestmark = [pytest.mark.anyio, pytest.mark.soak]

CONNECTIONS, ROUNDS, BYTES_A_CONNECTION = 10_000, 20, 16 * 1024


def resident(pid: int) -> int:
    """The process's own memory, in bytes: what it shares with nobody."""
    fields = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:])
    return int(fields["Private_Dirty"].split()[0]) * 1024


def processor_seconds(pid: int) -> float:
    """What the process has used of the processor, in user and kernel mode."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / float(os.sysconf("SC_CLK_TCK"))


async def test_ten_thousand_streams_cost_at_most_sixteen_kibibytes_each(
    settings: Settings, database: Database, note: Callable[[str], None]
) -> None:
    make_room()
    configured = settings.model_copy(update={"streams_per_user": 100})
    async with instance(configured) as running, world_at(settings, running.base_url) as world:
        pid = running.process.pid
        async with crowd(world, database, CONNECTIONS) as together:
            await together.open(200)
            await together.say(1)
            await until(lambda: all(member.positions for member in together.readers))
            before, opened = resident(pid), len(together.members)
            await together.open(CONNECTIONS - opened, first=opened)
            held = (resident(pid) - before) / (CONNECTIONS - opened)

            before_rounds = processor_seconds(pid)
            for number in range(ROUNDS):
                await together.say(1)
                await until(
                    lambda number=number: (
                        sum(len(one.delays) for one in together.readers) >= CONNECTIONS * (number + 1) + opened
                    ),
                    within=30,
                )
            seconds = processor_seconds(pid) - before_rounds
            after = (resident(pid) - before) / (CONNECTIONS - opened)
            deliveries = CONNECTIONS * ROUNDS
    note(
        f"{held / 1024:.1f} KiB a connection, {after / 1024:.1f} KiB after {deliveries} deliveries; "
        f"{seconds / deliveries * 1e6:.1f} µs of processor time a delivery ({deliveries / seconds:.0f} per second)"
    )
    assert held <= BYTES_A_CONNECTION
    assert after <= BYTES_A_CONNECTION
