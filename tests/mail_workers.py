"""Mail workers as operators run them: processes of their own, started, told to stop, or killed.

Owns the processes it started and nothing else.
"""

import asyncio
import os
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

COMMAND = [sys.executable, "-m", "leadfeed_api", "deliver"]
HURRIED = [sys.executable, str(Path(__file__).with_name("hurried.py")), "deliver"]
PATIENCE_S = 60.0


def environment(database_url: str, data_dir: Path, **settings: str) -> dict[str, str]:
    """What a worker is told; nothing of the tests' own settings leaks in."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("LEADFEED_")}
    given = {"DATABASE_URL": database_url, "DATA_DIR": str(data_dir), **settings}
    return {**kept, **{f"LEADFEED_{name}": value for name, value in given.items()}}


async def run_once(env: dict[str, str]) -> str:
    """``leadfeed deliver --once``; what it said. It must succeed."""
    process = await asyncio.create_subprocess_exec(*COMMAND, "--once", env=env, stderr=asyncio.subprocess.PIPE)
    _, said = await process.communicate()
    assert process.returncode == 0, said.decode()
    return said.decode()


@asynccontextmanager
async def worker(
    env: dict[str, str], *options: str, hurried: bool = False
) -> AsyncIterator[asyncio.subprocess.Process]:
    """A worker that has begun, for the length of a block; killed at its end if it still runs.

    A ``hurried`` one does not gather an instant mail for ten seconds.
    """
    command = HURRIED if hurried else COMMAND
    with tempfile.NamedTemporaryFile() as said:
        process = await asyncio.create_subprocess_exec(
            *command, *options, env=env, stdout=asyncio.subprocess.DEVNULL, stderr=said
        )
        try:
            await until(lambda: b"mail-worker-started" in Path(said.name).read_bytes())
            yield process
        finally:
            if process.returncode is None:
                process.send_signal(signal.SIGKILL)
            await process.wait()


@asynccontextmanager
async def started(command: list[str], env: dict[str, str]) -> AsyncIterator[asyncio.subprocess.Process]:
    """Any of the service's commands, its output to be read, for the length of a block; killed if it still runs then."""
    process = await asyncio.create_subprocess_exec(
        *command, env=env, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGKILL)
        await process.wait()


async def until(holds: Callable[[], bool], patience_s: float = PATIENCE_S, *, every_s: float = 0.02) -> None:
    """Waits for a condition; fails when it does not come true in time."""
    async with asyncio.timeout(patience_s):
        while not holds():  # noqa: ASYNC110  what is waited for happens in another process
            await asyncio.sleep(every_s)
