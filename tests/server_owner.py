"""What tests of the embedded PostgreSQL look through: its owner, its processes, its data folder.

Owns no test. The owner is a process of its own, because what is tested is how that process ends.
"""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import asyncpg

import leadfeed_api
from leadfeed_api.db.data_folder import PostmasterFile

# An owner as the service is one: commits as fast as it can and says what was acknowledged. SIGINT it handles politely,
# and goes on working for a while; SIGTERM it does not handle, which is what uvicorn's re-raising amounts to.
OWNER = """
import asyncio, signal, sys
from pathlib import Path
import asyncpg
from leadfeed_api.db.embedded import EmbeddedPostgres

async def commit_until_told(dsn):
    told = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, told.set)
    connection = await asyncpg.connect(dsn)
    await connection.execute("DROP TABLE IF EXISTS ledger")
    await connection.execute("CREATE TABLE ledger (n int PRIMARY KEY)")
    n, last = 0, None
    while last is None or n < last:
        n += 1
        await connection.execute("INSERT INTO ledger VALUES ($1)", n)
        print(n, flush=True)
        if told.is_set() and last is None:
            last = n + 100
    await connection.close()

with EmbeddedPostgres(Path(sys.argv[1])) as server:
    asyncio.run(commit_until_told(server.dsn))
"""


def until(condition: Callable[[], object], what: str, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds} s in vain until {what}"
        time.sleep(0.01)


def values(dsn: str, query: str) -> list[Any]:
    async def fetch() -> list[Any]:
        connection = await asyncpg.connect(dsn)
        try:
            return [row[0] for row in await connection.fetch(query)]
        finally:
            await connection.close()

    return asyncio.run(fetch())


def data_in(data_dir: Path) -> Path:
    return next(path for path in data_dir.glob("postgres-*") if path.suffix == "" and path.is_dir())


def processes_in(folder: Path) -> list[int]:
    """Who works in this folder: every process of a PostgreSQL server has its data as working directory."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if os.path.samefile(process / "cwd", folder):
                found.append(int(process.name))
    return found


def socket_folder(dsn: str) -> Path:
    return Path(unquote(parse_qs(urlsplit(dsn).query)["host"][0]))


def import_path() -> str:
    return os.pathsep.join(str(Path(module.__file__ or "").parent.parent) for module in (leadfeed_api, asyncpg))


@dataclass(frozen=True)
class Owner:
    """Another process that owns a server and commits one row after the other."""

    process: "subprocess.Popen[str]"
    told: list[int]

    @property
    def pid(self) -> int:
        return self.process.pid

    def await_commits(self, enough: int) -> None:
        assert self.process.stdout is not None
        while len(self.told) < enough:
            line = self.process.stdout.readline()
            assert line, "the owner ended too early"
            self.told.append(int(line))

    def ended(self) -> tuple[int, int]:
        """How it ended, and the last commit that had been acknowledged to it."""
        assert self.process.stdout is not None
        whole_lines = self.process.stdout.read().split("\n")[:-1]
        return self.process.wait(timeout=20), [*self.told, *map(int, whole_lines)][-1]


@contextlib.contextmanager
def owner(data_dir: Path, *, committed: int) -> Iterator[Owner]:
    """An owner of the server of ``data_dir`` that has had so many commits acknowledged.

    One that the block does not end is ended with it, and its server is gone then: for an instant it would still answer.
    """
    command = [sys.executable, "-c", OWNER, str(data_dir)]
    environment = os.environ | {"PYTHONPATH": import_path()}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env=environment, start_new_session=True
    ) as process:
        try:
            owner = Owner(process, [])
            owner.await_commits(committed)
            yield owner
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
                until(lambda: not processes_in(data_in(data_dir)), "no server process is left")


def server_in(data: Path) -> int:
    """The process id of the server that runs, or was killed, on this folder."""
    file = PostmasterFile.read(data)
    assert file is not None
    return file.pid


def kill_server(data_dir: Path) -> None:
    """Every process of the server, at one stroke: what it had not written is gone."""
    data = data_in(data_dir)
    os.kill(server_in(data), signal.SIGSTOP)  # or it would have its children leave in order
    for process in processes_in(data):
        os.kill(process, signal.SIGKILL)


@contextlib.contextmanager
def moved(data_dir: Path, target: Path) -> Iterator[Path]:
    """The data elsewhere for a while; making, or even copying, a data folder takes about a second."""
    target.parent.mkdir(parents=True, exist_ok=True)
    data_dir.rename(target)
    try:
        yield target
    finally:
        target.rename(data_dir)
