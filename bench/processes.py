"""Servers in processes of their own: started, waited for, and ended with the block. Knows none of them."""

import os
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

STARTING_S, ENDING_S = 60.0, 30.0


def free_port() -> int:
    """One that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


@contextmanager
def running(
    command: Sequence[str], port: int, environment: Mapping[str, str] | None = None, folder: Path | None = None
) -> Iterator[int]:
    """A process that answers ``/healthz`` at that port; yields its number."""
    with ended(command, environment, folder) as process:
        _await_health(port, process)
        yield process.pid


@contextmanager
def ended(
    command: Sequence[str], environment: Mapping[str, str] | None = None, folder: Path | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """A process that is asked to end after the block, and made to if it does not.

    ``environment`` is beside this one's own. What it says is thrown away.
    """
    silent = subprocess.DEVNULL
    variables = {**os.environ, **(environment or {})}
    process = subprocess.Popen(command, env=variables, cwd=folder, stdout=silent, stderr=silent)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(ENDING_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(ENDING_S)


def children(parent: int) -> list[int]:
    """The processes that this one has started."""
    return [int(one) for one in Path(f"/proc/{parent}/task/{parent}/children").read_text(encoding="ascii").split()]


def _await_health(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + STARTING_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5):
                return
        except OSError:
            time.sleep(0.05)
    raise SystemExit(f"{process.args!r} did not start")
