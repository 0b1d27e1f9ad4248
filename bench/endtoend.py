"""From the commit to the reader: how long until bytes of an event are at the client.

Ours in one process (the one that was told of the moment streams it) and in two (one is told, the other streams, woken
by LISTEN or by NATS), against the least that can be done: a script that commits a row and, in the same transaction, a
NOTIFY that holds the content, and one that LISTENs and writes what it hears to a socket. One moment at a time.

The instant at which a commit is issued is noted where it is issued; the clock is the machine's, the same for all.
"""

import asyncio
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any
from urllib.request import urlopen

import asyncpg
import uvloop
from asyncpg.connection import Connection
from fastapi import FastAPI

from bench.figures import Figure
from bench.load import get, in_own_process, post
from bench.world import World, await_health, free_port, serving
from leadfeed_api.cli.serve import app_from_environment

LEAD, REP = "light-1", "light"
PAUSE_S = 0.004  # between an event and the next moment
TABLE = "CREATE TABLE IF NOT EXISTS bench_event (id bigint GENERATED ALWAYS AS IDENTITY, content text)"
APP = "bench.endtoend:timed_app"
WAYS = {
    "e2e_vs_notify": ("<= 1.5", "two processes, LISTEN"),
    "e2e_nats_vs_notify": ("", "two processes, NATS"),
    "e2e_one_process_vs_notify": ("", "one process"),
}


def run(world: World, runs: int, seconds: float) -> list[Figure]:
    """All ways by turns in every run; NATS where its server is installed."""
    nats = shutil.which("nats-server")
    names = [name for name in WAYS if nats or "nats" not in name]
    figures = {
        name: Figure(name, WAYS[name][0], f"p50 ms from commit issued to bytes at the client, {WAYS[name][1]} ÷ bare")
        for name in names
    }
    asyncio.run(_make_table(world.url))
    with ExitStack() as opened:
        told = opened.enter_context(serving(world, APP))
        other = opened.enter_context(serving(world))
        ways = {"e2e_vs_notify": (told, other), "e2e_one_process_vs_notify": (told, told)}
        if nats:
            url = opened.enter_context(_nats_server(nats))
            pair = [opened.enter_context(serving(world, app, nats_url=url)) for app in (APP, None)]
            ways["e2e_nats_vs_notify"] = (pair[0], pair[1])
        bare = opened.enter_context(_listener(world))
        for turn in range(runs):
            floor = in_own_process(by_notify, world.url, bare, seconds)
            for name in names:
                writer, reader = ways[name]
                begun, heard = in_own_process(
                    by_moments, writer, reader, world.key, world.token(REP), f"{name}-{turn}", seconds
                )
                _note(figures[name], _delays(_commits(writer), begun, heard), floor)
    return list(figures.values())


def _note(figure: Figure, ours: Sequence[float], floor: Sequence[float]) -> None:
    figure.add(_ms(ours, 0.5), _ms(floor, 0.5))
    for who, delays in (("ours", ours), ("bare", floor)):
        figure.details.setdefault(f"{who}_p99_ms", []).append(_ms(delays, 0.99))


def _ms(delays: Sequence[float], share: float) -> float:
    return sorted(delays)[int((len(delays) - 1) * share)] * 1_000


def _delays(commits: Sequence[float], begun: Sequence[float], heard: Sequence[float]) -> list[float]:
    """For each moment, from the first commit after it was sent until its event was there."""
    found = []
    for sent, there in zip(begun, heard, strict=True):
        issued = [at for at in commits if sent <= at <= there]
        if not issued:
            raise SystemExit("an event was there before its commit")
        found.append(there - issued[0])
    return found


def by_moments(
    writer: int, reader: int, key: str, token: str, name: str, seconds: float
) -> tuple[list[float], list[float]]:
    """Moments told to one process and heard from another, one at a time: when each was sent, and when it was there."""
    return uvloop.run(_by_moments(writer, reader, key, token, name, seconds))


async def _by_moments(
    writer: int, reader: int, key: str, token: str, name: str, seconds: float
) -> tuple[list[float], list[float]]:
    stream, asking = await asyncio.open_connection("127.0.0.1", reader)
    asking.write(get("/v1/feed/stream", token).head)
    answers, telling = await asyncio.open_connection("127.0.0.1", writer)
    await stream.readuntil(b"\n\n")
    begun: list[float] = []
    heard: list[float] = []
    ends = time.perf_counter() + seconds
    while time.perf_counter() < ends:
        text = f"{name}-{len(begun)}."
        moment = {"source": "e2e", "external_id": text, "lead_id": LEAD, "type": "web", "description": text}
        asked = post("/v1/moments", key, json.dumps({"moments": [moment]}).encode())
        begun.append(time.perf_counter())
        telling.write(asked.head + asked.body)
        async with asyncio.timeout(10):
            while text.encode() not in await stream.readuntil(b"\n\n"):
                pass
            heard.append(time.perf_counter())
            await answers.readuntil(b'"accepted":1')
            await answers.readuntil(b"]}")
        await asyncio.sleep(PAUSE_S)
    telling.close()
    asking.close()
    return begun, heard


def _commits(port: int) -> list[float]:
    with urlopen(f"http://127.0.0.1:{port}/commits", timeout=30) as answer:
        found: list[float] = json.load(answer)
    return found


def timed_app() -> FastAPI:
    """The service, which also tells when it issued each of its commits."""
    app = app_from_environment()
    issued: list[float] = []
    execute = Connection.execute

    async def noted(connection: Any, query: str, *arguments: Any, **options: Any) -> str:
        if query.startswith("COMMIT"):
            issued.append(time.perf_counter())
        return await execute(connection, query, *arguments, **options)

    Connection.execute = noted  # type: ignore[method-assign, assignment]
    app.add_api_route("/commits", lambda: issued, include_in_schema=False)
    return app


def by_notify(url: str, port: int, seconds: float) -> list[float]:
    """Seconds from each commit with its NOTIFY to the content at the client, one at a time."""
    return uvloop.run(_by_notify(url, port, seconds))


async def _by_notify(url: str, port: int, seconds: float) -> list[float]:
    connection = await asyncpg.connect(url)
    stream, closing = await asyncio.open_connection("127.0.0.1", port)
    await stream.readuntil(b"\n\n")
    delays: list[float] = []
    ends = time.perf_counter() + seconds
    while time.perf_counter() < ends:
        content = f"{len(delays)}.".ljust(450, "x")
        transaction = connection.transaction()
        await transaction.start()
        await connection.execute("INSERT INTO bench_event (content) VALUES ($1)", content)
        await connection.execute("SELECT pg_notify('bench', $1)", content)
        issued = time.perf_counter()
        committing = asyncio.ensure_future(transaction.commit())
        async with asyncio.timeout(10):
            while content.encode() not in await stream.readuntil(b"\n\n"):
                pass
        delays.append(time.perf_counter() - issued)
        await committing
        await asyncio.sleep(PAUSE_S)
    await connection.close()
    closing.close()
    return delays


async def _make_table(url: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute(TABLE)
    await connection.close()


@contextmanager
def _listener(world: World) -> Iterator[int]:
    port = free_port()
    command = [sys.executable, "-m", "bench.endtoend", world.url, str(port)]
    with _running(command, port):
        yield port


@contextmanager
def _nats_server(program: str) -> Iterator[str]:
    port = free_port()
    command = [program, "--addr", "127.0.0.1", "--port", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield f"nats://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(30)


@contextmanager
def _running(command: Sequence[str], port: int) -> Iterator[None]:
    process = subprocess.Popen(command, env=os.environ)
    try:
        await_health(port, process)
        yield
    finally:
        process.terminate()
        process.wait(30)


async def _listen(url: str, port: int) -> None:
    """The bare script: what is heard goes to everyone who is connected, as an event."""
    connected: set[asyncio.StreamWriter] = set()

    def heard(_connection: object, _pid: int, _channel: str, payload: object) -> None:
        for writer in connected:
            writer.write(b"data: %b\n\n" % str(payload).encode())

    async def welcome(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n: welcome\n\n")
        connected.add(writer)
        await reader.read()
        connected.discard(writer)
        writer.close()

    connection = await asyncpg.connect(url)
    await connection.add_listener("bench", heard)
    await (await asyncio.start_server(welcome, "127.0.0.1", port)).serve_forever()


if __name__ == "__main__":
    uvloop.run(_listen(sys.argv[1], int(sys.argv[2])))
