"""Open streams: memory a connection and processor time a delivery, beside nginx's nchan and a raw uvloop writer.

One process each, the same clients, messages of the same size, by turns in every run. What counts is the processor time
of the server's process alone: not the clients', and not PostgreSQL's. Every message is for everyone; first one at a
time, which all must have heard before the next, then several callers at once.

A moment of ours is in everyone's feed before it is delivered, which is PostgreSQL's work, and empties the processor's
caches. So whoever says something to the others has the same moment recorded for the same people first, by a service of
ours that nobody follows. Without that they take a fifth less: docs/decisions/0008.
"""

import asyncio
import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from bench.crowd import CALLERS, Cost, Saying, cost
from bench.figures import Figure
from bench.load import in_own_process, post
from bench.nchan import installed, nchan
from bench.world import ORG, World
from leadfeed_api.db.session import Database
from leadfeed_api.organizations.tokens import Tokens
from leadfeed_api.people.sync import sync
from leadfeed_api.settings import Settings

CONNECTIONS, SAYINGS = 10_000, 40
MARKER = b"Everyone hears this once"
DESCRIPTION = f"{MARKER.decode()}: visited the pricing page 3 times in 5 minutes, and came back twice"
MESSAGE_BYTES = 450  # about what an event of ours with that description has


def run(world: World, runs: int, seconds: float) -> list[Figure]:
    """Alternates ours, the limit and the peer in every run; all of it smaller when ``seconds`` are few."""
    connections, count = (CONNECTIONS, SAYINGS) if seconds >= 1 else (500, 6)
    memory = Figure("stream_kib_per_connection", "<= 12", f"KiB of private memory a connection, {connections} open")
    limit = Figure("stream_vs_raw", "", "deliveries per CPU-second ÷ a raw uvloop writer that knows nobody")
    peer = Figure("stream_vs_nchan", ">= 1.5", "deliveries per CPU-second ÷ nginx's nchan, same clients, same bytes")
    at_once = Figure("stream_at_once_vs_nchan", "", f"the same while {CALLERS} callers report at once")
    asyncio.run(_people(world, connections))
    requests = [_listen("/v1/feed/stream", token) for token in tokens(f"u{n}" for n in range(connections))]
    for turn in range(runs):
        with serve(world) as (pid, port):
            sayings = [[(port, moment)] for moment in _moments(world, f"ours-{turn}", count)]
            ours = in_own_process(cost, pid, port, MARKER, requests, sayings)
        memory.add(ours.bytes_each / 1024, 1)
        _note(memory, "ours", ours)
        raw = _raw(world, connections, _moments(world, f"raw-{turn}", count))
        limit.add(1 / ours.seconds_each, 1 / raw.seconds_each)
        _note(limit, "raw", raw)
        if installed():
            theirs = _nchan(world, connections, _moments(world, f"nchan-{turn}", count))
            peer.add(1 / ours.seconds_each, 1 / theirs.seconds_each)
            at_once.add(1 / ours.seconds_each_at_once, 1 / theirs.seconds_each_at_once)
            _note(peer, "nchan", theirs)
    return [memory, limit, *([peer, at_once] if installed() else [])]


def _note(figure: Figure, who: str, found: Cost) -> None:
    details = {
        "kib_each": found.bytes_each / 1024,
        "opened_per_second": found.opened_per_second,
        "us_each": found.seconds_each * 1e6,
        "us_each_at_once": found.seconds_each_at_once * 1e6,
        "p50_ms": found.delays[len(found.delays) // 2] * 1e3,
        "p99_ms": found.delays[len(found.delays) * 99 // 100] * 1e3,
    }
    for name, value in details.items():
        figure.details.setdefault(f"{who}_{name}", []).append(value)


def _nchan(world: World, connections: int, moments: Sequence[bytes]) -> Cost:
    port = free_port()
    with nchan(port) as pid, serve(world) as (_, recorder):
        found: Cost = in_own_process(cost, pid, port, MARKER, _strangers(connections), _after(recorder, moments, port))
    return found


def _raw(world: World, connections: int, moments: Sequence[bytes]) -> Cost:
    port = free_port()
    with _running([sys.executable, "-m", "bench.raw", str(port)], port) as pid, serve(world) as (_, recorder):
        found: Cost = in_own_process(cost, pid, port, MARKER, _strangers(connections), _after(recorder, moments, port))
    return found


def _strangers(count: int) -> list[bytes]:
    """Requests as long as ours."""
    return [_listen("/listen", "x" * 250)] * count


def _after(recorder: int, moments: Sequence[bytes], port: int) -> list[Saying]:
    """Something as long as an event of ours, said once the moment is recorded."""
    body = MARKER.ljust(MESSAGE_BYTES, b"x")
    head = f"POST /say HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(body)}\r\n\r\n"
    return [[(recorder, moment), (port, head.encode() + body)] for moment in moments]


def _moments(world: World, name: str, count: int) -> list[bytes]:
    """Requests that report as many moments to everyone."""
    of_all = {"source": "bench", "lead_id": "shared", "type": "web", "description": DESCRIPTION}
    bodies = [json.dumps({"moments": [{**of_all, "external_id": f"{name}-{number}"}]}) for number in range(count)]
    asked = [post("/v1/moments", world.key, body.encode()) for body in bodies]
    return [one.head + one.body for one in asked]


def _listen(path: str, token: str) -> bytes:
    lines = [f"GET {path} HTTP/1.1", "Host: localhost", "Accept: text/event-stream", f"Authorization: Bearer {token}"]
    return "\r\n".join([*lines, "", ""]).encode()


def tokens(user_ids: Iterator[str]) -> list[str]:
    """A token for each."""
    signer = Tokens(Settings())
    return [signer.for_user(ORG, user_id, role="rep", ttl=timedelta(hours=6))[0] for user_id in user_ids]


async def _people(world: World, count: int) -> None:
    """So many users, all watching one lead."""
    async with Database(world.url) as database:
        await sync(database, world.org_id, {"leads": [{"id": "shared", "name": "Shared"}]})
        names = [f"u{number}" for number in range(count)]
        for start in range(0, count, 1_000):
            users = [{"id": name, "name": name} for name in names[start : start + 1_000]]
            await sync(database, world.org_id, {"users": users})
        async with database.write() as connection:
            await connection.execute(
                "INSERT INTO watch (org_id, user_id, lead_id, created_at)"
                " SELECT $1, u, 'shared', $3 FROM unnest($2::text[]) u ON CONFLICT DO NOTHING",
                world.org_id,
                names,
                datetime.now(UTC),
            )


@contextmanager
def serve(world: World, *arguments: str, **settings: str) -> Iterator[tuple[int, int]]:
    """``leadfeed serve`` as operators run it; gives its process and port."""
    port = free_port()
    environment = {"LEADFEED_DATABASE_URL": world.url, **{f"LEADFEED_{k.upper()}": v for k, v in settings.items()}}
    command = [sys.executable, "-m", "leadfeed_api", "serve", "--port", str(port), *arguments]
    with _running(command, port, environment) as pid:
        yield pid, port


@contextmanager
def _running(command: Sequence[str], port: int, environment: dict[str, str] | None = None) -> Iterator[int]:
    silent = subprocess.DEVNULL
    process = subprocess.Popen(command, env={**os.environ, **(environment or {})}, stdout=silent, stderr=silent)
    try:
        deadline = time.monotonic() + 60
        while not _healthy(port):
            if time.monotonic() > deadline or process.poll() is not None:
                raise SystemExit(f"{command} did not start")
            time.sleep(0.05)
        yield process.pid
    finally:
        process.terminate()
        process.wait(30)


def _healthy(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5):
            return True
    except OSError:
        return False


def free_port() -> int:
    """A port nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
