"""Several worker processes of one service: they end with their parent, and one that ends is missed and replaced."""

import json
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from instances import instance
from leadfeed_api.cli import serve
from leadfeed_api.cli.context import load_settings
from leadfeed_api.settings import Settings
from neighbours import free_port
from stream_client import until

pytestmark = [pytest.mark.anyio, pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")]
WORKERS = ("--workers", "2")


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
            await until(lambda: "worker-replaced" in log.read_text())
            (new,) = workers(running.process.pid) - before
            assert other in workers(running.process.pid)
    (line,) = [json.loads(one) for one in log.read_text().splitlines() if "worker-replaced" in one]
    assert (line["level"], line["process"], line["exit_code"], line["by"]) == ("warning", killed, -9, new)


def test_workers_serve_what_the_command_line_says(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment that they read says something else."""
    for name in ("DATABASE_URL", "HOST", "PORT", "WITH_DELIVERY"):
        monkeypatch.setenv(f"LEADFEED_{name}", "")
    monkeypatch.setattr(serve.Workers, "run", lambda _: None)
    asked = settings.model_copy(update={"host": "localhost", "port": free_port(), "with_delivery": True})

    serve._run_several(asked, 2)

    found = load_settings()
    assert (found.database_url, found.base_url, found.with_delivery) == (asked.database_url, asked.base_url, True)
