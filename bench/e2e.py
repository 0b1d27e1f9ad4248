"""From the commit to the bytes at a client, beside the shortest way there is: a NOTIFY that carries all that is said.

What is compared: a process that takes a POST with one moment, writes it in a transaction, and has the client of an open
stream read it. The clock starts when the process is about to send COMMIT, which ``bench.commits`` notes on both sides
alike, and stops when the client, in a process of its own, has the event's last byte. Both so hold the flush to disk.
Ours then holds the wake-up, the reading of what the moment is to its reader, and the writing; the reference
(``bench.notify``) holds PostgreSQL's delivery of the payload, and the writing. What comes before the commit is in
neither: ours asks who reports, judges, takes the organisation's lock and fills inboxes; the reference inserts a row.
``e2e_from_post`` is with all of that, on both sides.

Moments are reported one at a time, a hundred a second, so nothing queues. Of two processes one takes the reports and
the other holds the streams, so that every wake-up travels. The reference is one process, and LISTEN, for all of them.
"""

import asyncio
import json
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.arrivals import FIRST, LONGEST_S, PER_SECOND, Said, Times, arrivals
from bench.commits import Commits
from bench.figures import Figure
from bench.load import Request, get, in_own_process, post
from bench.processes import ended, free_port, running
from bench.world import World
from leadfeed_api.db.session import Database
from leadfeed_api.people.sync import sync

REPS = 100
STARTING_S = 10.0
MEANING = "median ms from COMMIT issued to the bytes at the client"


@dataclass(frozen=True)
class Case:
    """A set-up of ours, and the figure it gives."""

    name: str
    about: str
    target: str = ""
    processes: int = 1
    streams: int = 1
    nats: bool = False


CASES = (
    Case("e2e_vs_notify", "one process, one stream", "<= 1.5"),
    Case("e2e_vs_notify_100_streams", "one process, a hundred reps' streams, each moment for one", streams=REPS),
    Case("e2e_vs_notify_2_processes", "reported to one process, heard from another, LISTEN", processes=2),
    Case("e2e_vs_notify_nats", "one process, NATS", nats=True),
    Case("e2e_vs_notify_nats_2_processes", "reported to one process, heard from another, NATS", processes=2, nats=True),
)


def run(world: World, runs: int, seconds: float) -> list[Figure]:
    """Alternates the reference and ours for every figure in every run; where ``seconds`` are few, the first alone."""
    asyncio.run(_people(world))
    cases = [one for one in CASES if _possible(one)] if seconds >= 1 else CASES[:1]
    whole = Figure(
        "e2e_from_post", "", "median ms from the POST to the bytes at the client ÷ the same of the reference"
    )
    figures = {
        one: Figure(one.name, one.target, f"{MEANING} ÷ the same by bare asyncpg, NOTIFY with the content: {one.about}")
        for one in cases
    }
    for turn in range(runs):
        for case, figure in figures.items():
            reference = _reference(world, case, f"reference {turn}", seconds / 2)
            ours = _ours(world, case, f"ours {turn}", seconds / 2)
            figure.add(_ms(ours.from_commit, 0.5), _ms(reference.from_commit, 0.5))
            _note(figure, "ours", ours)
            _note(figure, "reference", reference)
            if case is CASES[0]:
                whole.add(_ms(ours.from_post, 0.5), _ms(reference.from_post, 0.5))
    return [*figures.values(), whole]


def _possible(case: Case) -> bool:
    if case.nats and shutil.which("nats-server") is None:
        print(f"{case.name}: not measured, because nats-server is not installed", file=sys.stderr)
        return False
    return True


def _ms(seconds: Sequence[float], share: float) -> float:
    return sorted(seconds)[int((len(seconds) - 1) * share)] * 1e3


def _note(figure: Figure, who: str, times: Times) -> None:
    found = {
        "p50_ms": _ms(times.from_commit, 0.5),
        "p99_ms": _ms(times.from_commit, 0.99),
        "from_post_p50_ms": _ms(times.from_post, 0.5),
        "from_post_p99_ms": _ms(times.from_post, 0.99),
        "from_answer_p50_ms": _ms(times.from_answer, 0.5),
        "from_answer_p99_ms": _ms(times.from_answer, 0.99),
    }
    for name, value in found.items():
        figure.details.setdefault(f"{who}_{name}", []).append(value)


async def _people(world: World) -> None:
    """So many reps, each with a lead of their own."""
    users = [{"id": f"e2e-{number}", "name": f"Rep {number}"} for number in range(REPS)]
    leads = [{"id": one["id"], "name": "Ana Ruiz", "title": "CTO", "owner_id": one["id"]} for one in users]
    async with Database(world.url) as database:
        await sync(database, world.org_id, {"users": users, "leads": leads})


def _ours(world: World, case: Case, name: str, seconds: float) -> Times:
    said = []
    for number, rep, description in _descriptions(case, name, seconds):
        moment = {"source": "bench", "lead_id": f"e2e-{rep}", "type": "web", "description": description}
        body = json.dumps({"moments": [{**moment, "external_id": f"{case.name} {name} {number}"}]})
        said.append(Said(post("/v1/moments", world.key, body.encode()), rep, description))
    listening = [get("/v1/feed/stream", world.token(f"e2e-{rep}")) for rep in range(case.streams)]
    with ExitStack() as opened:
        commits = opened.enter_context(_commits())
        environment = {"LEADFEED_DATABASE_URL": world.url}
        if case.nats:
            environment["LEADFEED_NATS_URL"] = opened.enter_context(_nats_server())
        first = second = free_port()
        command = ["-m", "bench.commits", str(commits), "serve", "--port", str(first)]
        opened.enter_context(_python(command, first, environment))
        if case.processes == 2:
            second = free_port()
            opened.enter_context(_python(["-m", "leadfeed_api", "serve", "--port", str(second)], second, environment))
        return _measured(commits, (first, second), listening, said, seconds)


def _reference(world: World, case: Case, name: str, seconds: float) -> Times:
    said = []
    for _, rep, description in _descriptions(case, name, seconds):
        body = json.dumps([rep, _event(description)])
        said.append(Said(post("/say", "x" * 50, body.encode()), rep, description))
    port = free_port()
    with _commits() as commits, _python(["-m", "bench.notify", str(port), world.url, str(commits)], port):
        return _measured(commits, (port, port), [get("/listen", "x" * 250)] * case.streams, said, seconds)


def _descriptions(case: Case, name: str, seconds: float) -> Iterator[tuple[int, int, str]]:
    """Number, rep and text of each moment."""
    for number in range(FIRST + max(10, round(seconds * PER_SECOND))):
        yield number, number * 37 % case.streams, f"{name}.{number}: visited the pricing page 3 times in 5 minutes"


def _event(description: str) -> str:
    """What an event of ours with that description holds, more or less."""
    event: dict[str, Any] = {
        "id": "019aac4e-6c5b-7b60-a1f2-0d5c6b1e9f10",
        "type": "web",
        "description": description,
        "occurred_at": "2026-01-01T00:00:00.000000Z",
        "url": None,
        "source": "bench",
        "lead": {"id": "e2e-0", "name": "Ana Ruiz", "title": "CTO", "starred": False, "stars": 0, "flames": 0},
        "account": None,
        "because": ["owned"],
        "subscribed": False,
        "read": False,
        "bot": None,
    }
    return json.dumps(event, separators=(",", ":"))


def _measured(
    commits: Path, ports: tuple[int, int], listening: Sequence[Request], said: Sequence[Said], seconds: float
) -> Times:
    streams = [one.head for one in listening]
    found: Times = in_own_process(arrivals, commits, ports, streams, said, limit_s=LONGEST_S + 3 * seconds)
    return found


@contextmanager
def _commits() -> Iterator[Path]:
    with tempfile.NamedTemporaryFile(prefix="leadfeed-commits-") as file:
        yield Commits.begin(Path(file.name))


def _python(
    arguments: Sequence[str], port: int, environment: dict[str, str] | None = None
) -> AbstractContextManager[int]:
    """A Python program that answers at ``port``, until the block ends."""
    return running([sys.executable, *arguments], port, environment)


@contextmanager
def _nats_server() -> Iterator[str]:
    port = free_port()
    with ended(["nats-server", "--addr", "127.0.0.1", "--port", str(port)]):
        deadline = time.monotonic() + STARTING_S
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                if time.monotonic() > deadline:
                    raise SystemExit("nats-server did not start") from None
                time.sleep(0.02)
        yield f"nats://127.0.0.1:{port}"
