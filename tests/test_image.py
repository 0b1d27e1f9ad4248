"""The image: what its Dockerfile promises, as far as it shows without building it."""

import asyncio
import os
import re
import signal
import socket
import sys
from urllib.parse import urlsplit

import pytest

from neighbours import free_port
from tools import ROOT
from world import Service

pytestmark = pytest.mark.anyio

DOCKERFILE = (ROOT / "Dockerfile").read_text()


def test_the_image_calls_no_command_unhealthy_that_serves_nothing() -> None:
    assert not re.search(r"^\s*HEALTHCHECK", DOCKERFILE, re.MULTILINE)


async def test_the_probe_that_the_image_suggests_asks_the_service_itself(server: Service) -> None:
    (suggested,) = re.findall(r'python -c "(.+)"$', DOCKERFILE, re.MULTILINE)
    nowhere = f"http://127.0.0.1:{free_port()}"

    async def probed(port: int | None) -> int:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", suggested.replace("8000", str(port))),
            env=os.environ | {"HTTP_PROXY": nowhere, "http_proxy": nowhere},
            stderr=asyncio.subprocess.DEVNULL,
        )
        return await process.wait()

    assert await probed(urlsplit(server.base_url).port) == 0
    assert await probed(free_port()) == 1


async def test_sigterm_is_heard_before_the_service_serves() -> None:
    """Linux keeps it from the first process of a container that has no handler for it."""
    with socket.create_server(("127.0.0.1", 0)) as mute:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "leadfeed_api", "serve"),
            env=os.environ | {"LEADFEED_DATABASE_URL": f"postgresql://u@127.0.0.1:{mute.getsockname()[1]}/x"},
            stderr=asyncio.subprocess.DEVNULL,
        )
        mute.setblocking(False)
        waits_for_database, _ = await asyncio.get_running_loop().sock_accept(mute)
        with waits_for_database:
            process.send_signal(signal.SIGTERM)
            assert await process.wait() == 128 + signal.SIGINT, "and not as by a signal that it does not handle"
