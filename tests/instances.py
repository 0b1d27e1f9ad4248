"""The service as operators run it: processes of ``leadfeed serve``, which can be told to end, and killed.

Each is a child of the test with a port of its own; ended, whatever happens, when the block ends.
"""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import httpx2

from clients import plain_client
from leadfeed_api.settings import Settings
from neighbours import free_port
from world import Service, World, running_app

_SERVE = "import sys; from leadfeed_api.cli import app; sys.argv[0] = 'leadfeed'; app()"


@dataclass
class Instance:
    """One running process (or one parent of several workers) and its address."""

    process: subprocess.Popen[bytes]
    base_url: str

    def terminate(self) -> None:
        """SIGTERM: end, but well."""
        self.process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL: no farewell."""
        self.process.kill()

    async def ended(self, within: float = 15) -> int:
        """The exit code, once the process has ended."""
        return await asyncio.to_thread(self.process.wait, within)


async def ready(instance: Instance) -> None:
    """Waits until it, or one of its workers, answers that it is ready."""
    async with plain_client(base_url=instance.base_url) as client, asyncio.timeout(30):
        while True:
            assert instance.process.poll() is None, "the service did not start"
            with suppress(httpx2.TransportError):
                if (await client.get("/readyz")).status_code == 200:
                    return
            await asyncio.sleep(0.05)


def start(
    settings: Settings, port: int, *arguments: str, log: IO[bytes] | None = None, python_path: Path | None = None
) -> subprocess.Popen[bytes]:
    """A ``leadfeed serve`` with these settings, which its caller ends; ``python_path`` is looked in for modules."""
    given = settings.model_dump(mode="json", exclude_defaults=True)
    environment = {f"LEADFEED_{name.upper()}": str(value) for name, value in given.items()}
    if python_path is not None:
        environment["PYTHONPATH"] = str(python_path)
    return subprocess.Popen(
        [sys.executable, "-c", _SERVE, "serve", "--port", str(port), *arguments],
        env={"PATH": os.environ.get("PATH", ""), **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL if log is None else log,
        start_new_session=True,
    )


@asynccontextmanager
async def instance(
    settings: Settings,
    *arguments: str,
    port: int | None = None,
    log: IO[bytes] | None = None,
    python_path: Path | None = None,
) -> AsyncIterator[Instance]:
    """One ``leadfeed serve`` with these settings, ready."""
    port = port or free_port()
    process = start(settings, port, *arguments, log=log, python_path=python_path)
    running = Instance(process, f"http://127.0.0.1:{port}")
    try:
        await ready(running)
        yield running
    finally:
        with suppress(ProcessLookupError):  # its workers are in its session
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@asynccontextmanager
async def instances(settings: Settings, count: int) -> AsyncIterator[list[Instance]]:
    """Several, on one database."""
    async with AsyncExitStack() as opened:
        starting = [opened.enter_async_context(instance(settings)) for _ in range(count)]
        yield list(await asyncio.gather(*starting))


@asynccontextmanager
async def world_at(settings: Settings, base_url: str) -> AsyncIterator[World]:
    """A new organisation, as the instance at ``base_url`` serves it."""
    async with running_app(settings) as here, plain_client(base_url=base_url, timeout=15) as client:
        world = await here.new_world()
        world.service = Service(here.app, client, base_url)
        yield world
