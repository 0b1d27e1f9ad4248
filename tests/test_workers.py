"""Several worker processes of one service: they end with their parent, and one that ends is missed and replaced."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from unittest.mock import Mock
from urllib.parse import urlsplit

import pytest
from uvicorn import Config
from uvicorn.supervisors import multiprocess

from instances import instance, ready, start
from leadfeed_api.cli import serve
from leadfeed_api.cli.context import load_settings
from leadfeed_api.settings import Settings
from neighbours import free_port
from server_owner import values
from stream_client import until

pytestmark = [pytest.mark.anyio, pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")]
WORKERS = ("--workers", "2")
STARTS_S = 60.0  # for several starts, one after the other


def workers(parent: int) -> set[int]:
    """The parent's worker processes that live. (It has one more child, which keeps track of what they share.)"""
    return {int(one) for one in Path(f"/proc/{parent}/task/{parent}/children").read_text().split() if _is_worker(one)}


def _is_worker(process: str) -> bool:
    with suppress(OSError):
        return b"spawn_main" in Path(f"/proc/{process}/cmdline").read_bytes()
    return False


async def test_workers_end_with_a_parent_that_was_killed_and_leave_the_port_to_the_next(settings: Settings) -> None:
    async with instance(settings, *WORKERS) as running:
        left = workers(running.process.pid)
        assert len(left) == 2
        running.kill()
        await running.ended()
        await until(lambda: not any(_is_worker(str(one)) for one in left))
        async with instance(settings, *WORKERS, port=int(running.base_url.rpartition(":")[2])):
            pass  # it is ready


async def test_a_worker_that_was_killed_is_replaced_and_the_log_says_so(settings: Settings, tmp_path: Path) -> None:
    log = tmp_path / "log"
    as_json = settings.model_copy(update={"log_format": "json"})
    with log.open("wb") as written:
        async with instance(as_json, *WORKERS, log=written) as running:
            before = workers(running.process.pid)
            killed, other = before
            os.kill(killed, signal.SIGKILL)
            await until(lambda: "worker-replaced" in log.read_text() and workers(running.process.pid) - before)
            (new,) = workers(running.process.pid) - before
            assert other in workers(running.process.pid)
    (line,) = [json.loads(one) for one in log.read_text().splitlines() if "worker-replaced" in one]
    assert (line["level"], line["process"], line["exit_code"], line["by"]) == ("warning", killed, -9, new)


@asynccontextmanager
async def lets_nobody_in(server: str, database: str) -> AsyncIterator[None]:
    """The database, for as long as the block runs; who is in stays in."""

    async def let_in(whether: bool) -> None:
        await asyncio.to_thread(values, server, f'ALTER DATABASE "{database}" ALLOW_CONNECTIONS {whether}')

    await let_in(False)
    try:
        yield
    finally:
        await let_in(True)


async def test_a_worker_that_cannot_start_is_tried_again_while_another_serves(
    settings: Settings, postgres: tuple[str, str], tmp_path: Path
) -> None:
    """As where one dies while the database is away. Told to end meanwhile, the command ends well."""
    log, database = tmp_path / "log", urlsplit(settings.database_url or "").path[1:]
    as_json = settings.model_copy(update={"log_format": "json"})
    with log.open("wb") as written:
        async with instance(as_json, *WORKERS, log=written) as running:
            killed, other = workers(running.process.pid)
            os.kill(killed, signal.SIGSTOP)
            await ready(running)  # so it is the other that serves
            async with lets_nobody_in(postgres[0], database):
                os.kill(killed, signal.SIGKILL)
                await until(lambda: log.read_text().count('"exit_code": 3') >= 2, within=STARTS_S)
                await until(lambda: workers(running.process.pid) == {other}, within=STARTS_S)
                running.terminate()
                assert await running.ended() == 0


@pytest.fixture
def half_done_upgrade(tmp_path: Path) -> Path:
    """A folder of modules by which workers end as they begin, with 1, while there is a file ``broken`` in it."""
    (tmp_path / "sitecustomize.py").write_text("""
import os, pathlib, sys
if "spawn_main" in " ".join(sys.orig_argv) and (pathlib.Path(__file__).parent / "broken").exists():
    os._exit(1)
""")
    return tmp_path


async def test_a_worker_that_fails_in_whatever_way_is_tried_again_while_another_serves(
    settings: Settings, half_done_upgrade: Path
) -> None:
    log = half_done_upgrade / "log"
    as_json = settings.model_copy(update={"log_format": "json"})
    with log.open("wb") as written:
        async with instance(as_json, *WORKERS, log=written, python_path=half_done_upgrade) as running:
            killed, other = workers(running.process.pid)
            os.kill(killed, signal.SIGSTOP)
            await ready(running)  # so it is the other that serves
            (half_done_upgrade / "broken").touch()
            os.kill(killed, signal.SIGKILL)
            await until(lambda: log.read_text().count('"exit_code": 1,') >= 2, within=STARTS_S)
            await ready(running)
            assert other in workers(running.process.pid)


async def test_a_service_of_which_all_workers_fail_ends_and_says_so(
    settings: Settings, half_done_upgrade: Path
) -> None:
    """So that whatever started it knows: it would stand there, and serve nobody."""
    log = half_done_upgrade / "log"
    (half_done_upgrade / "broken").touch()
    with log.open("wb") as written:
        process = start(settings, free_port(), *WORKERS, log=written, python_path=half_done_upgrade)
        try:
            assert await asyncio.to_thread(process.wait, STARTS_S) == 3
        finally:
            process.kill()
    assert "workers-cannot-start" in log.read_text()


def test_a_worker_that_ends_while_it_is_asked_for_a_sign_of_life_is_missed_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """And not when the time is over in which it had to answer."""
    monkeypatch.setattr(serve, "SIGN_OF_LIFE_S", None)  # it is never over
    monkeypatch.setattr(multiprocess, "SIGNALS", {})  # it would take this process's
    monkeypatch.setattr(multiprocess, "get_subprocess", lambda *_: Mock(exitcode=-9))  # it said that it is alive
    supervisor = serve.Workers(Config("", workers=1), sockets=[])
    supervisor.init_processes()
    (asked,) = supervisor.processes

    supervisor.keep_subprocess_alive()

    assert asked not in supervisor.processes


def test_workers_serve_what_the_command_line_says(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment that they read says something else."""
    for name in ("DATABASE_URL", "HOST", "PORT", "WITH_DELIVERY"):
        monkeypatch.setenv(f"LEADFEED_{name}", "")
    monkeypatch.setattr(serve.Workers, "run", lambda _: None)
    asked = settings.model_copy(update={"host": "localhost", "port": free_port(), "with_delivery": True})

    serve._run_several(asked, 2)

    found = load_settings()
    assert (found.database_url, found.base_url, found.with_delivery) == (asked.database_url, asked.base_url, True)
