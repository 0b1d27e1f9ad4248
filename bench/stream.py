"""Open streams, ours beside nginx's nchan, Pushpin, django-eventstream and a raw uvloop writer.

The same clients, messages of the same size, by turns in every run, at 10,000 and at 1,000 streams. Processor time and
memory are those of the server's processes alone: not the clients', and not PostgreSQL's. Every message is for everyone:
first one at a time, which all must have heard before the next, then several callers at once. Then each stream listens
for itself, and a few hear something every 10 ms. What a delivery costs is measured once more in a network of its own,
where the kernel's work for the clients is not on the server's clock (``network.py``).

A moment of ours is in everyone's feed before it is delivered, which is PostgreSQL's work, and empties the processor's
caches. So whoever says something to the others has the same moment recorded for the same people first, by a service of
ours that nobody follows. Without that they take a fifth less: docs/decisions/0008.
"""

import asyncio
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from bench.broadcast import Cost, cost
from bench.callers import Saying
from bench.crowd import Crowd
from bench.figures import Figure
from bench.load import in_own_process, post
from bench.nchan import nchan
from bench.network import apart
from bench.peers.eventstream import eventstream
from bench.processes import free_port, running
from bench.pushpin import pushpin
from bench.rivals import Held, Rival, Said, a_stranger, listening, one_by_one
from bench.steady import steady
from bench.stream_figures import Found, figures
from bench.world import ORG, World, process_serving
from leadfeed_api.db.session import Database
from leadfeed_api.organizations.tokens import Tokens
from leadfeed_api.people.sync import sync
from leadfeed_api.settings import Settings

MARKER = b"Everyone hears this once"
DESCRIPTION = f"{MARKER.decode()}: visited the pricing page 3 times in 5 minutes, and came back twice"
OWN = b"One hears this"
MESSAGE_BYTES = 450  # about what an event of ours with that description has
EVERY, AT_A_TIME = 0.01, 10  # 1,000 deliveries a second


@dataclass(frozen=True)
class Plan:
    """How much of everything."""

    sizes: Sequence[int]  # streams
    sayings: int  # to everyone, half of them one at a time
    ticks: int  # to a few; without any they are not asked to listen


def run(world: World, runs: int, seconds: float) -> list[Figure]:
    """Alternates ours, the limit and the peers in every run; all of it smaller when ``seconds`` are few."""
    plan = Plan((10_000, 1_000), 24, int(min(seconds, 3) / EVERY)) if seconds >= 1 else Plan((300, 100), 6, 10)
    asyncio.run(_people(world, plan.sizes))
    rivals = [Rival("raw", _raw, knows_channels=False), *_installed()]
    found: list[Found] = []
    found_apart: list[Found] = []
    with apart() as elsewhere:
        for turn in range(runs):
            for size in plan.sizes:
                found += _turn(world, plan, size, f"{turn}-{size}", [one for one in rivals if size <= one.most])
            if elsewhere is not None:
                peers = [one for one in rivals if one.name in {"raw", "nchan"}]
                found_apart += elsewhere(_turn, world, replace(plan, ticks=0), plan.sizes[0], f"{turn}-apart", peers)
    return figures(found, found_apart, plan.sizes)


def _turn(world: World, plan: Plan, size: int, name: str, rivals: Sequence[Rival]) -> list[Found]:
    found = [_ours(world, plan, size, f"ours-{name}")]
    with process_serving(world) as (_, recorder):
        found += [_theirs(world, plan, size, f"{one.name}-{name}", one, recorder) for one in rivals]
    return found


def _installed() -> Iterator[Rival]:
    for one in (nchan(), pushpin(), eventstream()):
        if one.missing:
            print(f"{one.name} is not installed here ({one.missing}): not compared", file=sys.stderr)
        else:
            yield one


def _ours(world: World, plan: Plan, size: int, name: str) -> Found:
    asked = [listening("/v1/feed/stream", token) for token in tokens(f"u{n}" for n in range(size))]
    with process_serving(world) as (pid, port):
        crowd = Crowd([pid], port, MARKER, asked)
        cost_: Cost = in_own_process(cost, crowd, [[(port, one)] for one in _moments(world, name, plan.sayings, size)])
        if not plan.ticks:
            return Found("ours", size, cost_, [])
        hearers = _hearers(plan.ticks, size)
        sayings = [[(port, one)] for one in _own_moments(world, name, hearers)]
        alone = Crowd([pid], port, OWN, asked)
        return Found("ours", size, cost_, in_own_process(steady, alone, sayings, EVERY, hearers))


def _theirs(world: World, plan: Plan, size: int, name: str, rival: Rival, recorder: int) -> Found:
    """What they are told has been recorded before, by the service at ``recorder``."""
    with rival.run() as held:

        def after(moment: bytes, said: Sequence[Said]) -> Saying:
            return [(recorder, moment), *((held.voice, request) for request in held.say(said))]

        everyone = held.crowd(MARKER, ["all"] * size)
        body = MARKER.ljust(MESSAGE_BYTES, b"x")
        moments = _moments(world, name, plan.sayings, size)
        cost_: Cost = in_own_process(cost, everyone, [after(one, [("all", body)]) for one in moments])
        if not (rival.knows_channels and plan.ticks):
            return Found(rival.name, size, cost_, [])
        hearers = _hearers(plan.ticks, size)
        sayings = [
            after(moment, [(f"u{one}", b"%b %d " % (OWN, tick) + body) for one in hearers[tick]])
            for tick, moment in enumerate(_own_moments(world, name, hearers))
        ]
        alone = held.crowd(OWN, [f"u{number}" for number in range(size)])
        return Found(rival.name, size, cost_, in_own_process(steady, alone, sayings, EVERY, hearers))


def _hearers(ticks: int, size: int) -> list[list[int]]:
    """A few of the streams for each tick, everyone in turn."""
    return [[(tick * AT_A_TIME + n) % size for n in range(AT_A_TIME)] for tick in range(ticks)]


@contextmanager
def _raw() -> Iterator[Held]:
    port = free_port()
    with running([sys.executable, "-m", "bench.raw", str(port)], port) as pid:
        yield Held([pid], port, port, a_stranger, one_by_one)


def _moments(world: World, name: str, count: int, size: int) -> list[bytes]:
    """Requests that report as many moments to the first ``size`` people."""
    return [_reported(world, [(f"{name}-{number}", f"shared-{size}", DESCRIPTION)]) for number in range(count)]


def _own_moments(world: World, name: str, hearers: Sequence[Sequence[int]]) -> list[bytes]:
    """Requests that each report a moment to a few."""
    text = DESCRIPTION.replace(MARKER.decode(), OWN.decode() + " {}")
    return [
        _reported(world, [(f"{name}-own-{tick}-{one}", f"own-{one}", text.format(tick)) for one in some])
        for tick, some in enumerate(hearers)
    ]


def _reported(world: World, moments: Iterable[tuple[str, str, str]]) -> bytes:
    of_all = {"source": "bench", "type": "web"}
    body = [{**of_all, "external_id": name, "lead_id": lead, "description": text} for name, lead, text in moments]
    asked = post("/v1/moments", world.key, json.dumps({"moments": body}).encode())
    return asked.head + asked.body


def tokens(user_ids: Iterator[str]) -> list[str]:
    """A token for each."""
    signer = Tokens(Settings())
    return [signer.for_user(ORG, user_id, role="rep", ttl=timedelta(hours=6))[0] for user_id in user_ids]


async def _people(world: World, sizes: Sequence[int]) -> None:
    """So many users, each with a lead of their own, and as many as each of ``sizes`` watching one."""
    count = max(sizes)
    async with Database(world.url) as database:
        for start in range(0, count, 1_000):
            some = range(start, min(start + 1_000, count))
            await sync(database, world.org_id, {"users": [{"id": f"u{n}", "name": f"u{n}"} for n in some]})
            own = [{"id": f"own-{n}", "name": f"Lead {n}", "owner_id": f"u{n}"} for n in some]
            await sync(database, world.org_id, {"leads": own})
        await sync(database, world.org_id, {"leads": [{"id": f"shared-{n}", "name": "Shared"} for n in sizes]})
        async with database.write() as connection:
            for size in sizes:
                await connection.execute(
                    "INSERT INTO watch (org_id, user_id, lead_id, created_at)"
                    " SELECT $1, u, $4, $3 FROM unnest($2::text[]) u ON CONFLICT DO NOTHING",
                    world.org_id,
                    [f"u{number}" for number in range(size)],
                    datetime.now(UTC),
                    f"shared-{size}",
                )
