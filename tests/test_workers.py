"""Several worker processes of one service: they end with their parent, and one that ends is missed and replaced."""

import sys
from contextlib import suppress
from pathlib import Path

import pytest

from instances import instance
from leadfeed_api.settings import Settings
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
