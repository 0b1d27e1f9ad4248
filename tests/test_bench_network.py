"""The network that the streams' bench makes: another core receives there, and the machine's own stays as it was."""

import ast
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from bench.network import QUEUE, RECEIVERS, mask

ROOT = Path(__file__).resolve().parent.parent
INSIDE = """
import os, socket
from bench.network import RECEIVERS, apart

def look():
    with socket.create_server(("127.0.0.1", 0)) as door, socket.create_connection(door.getsockname()) as there:
        pass
    return os.readlink("/proc/self/ns/net"), RECEIVERS.read_text().strip(), sorted(os.sched_getaffinity(0))

if __name__ == "__main__":
    with apart() as elsewhere:
        print("none" if elsewhere is None else elsewhere(look))
"""


@pytest.mark.parametrize(
    ("cores", "bits"),
    [({1}, "00000002"), ({0, 3}, "00000009"), ({31, 32}, "00000001,80000000"), ({64}, "00000001,00000000,00000000")],
)
def test_cores_are_named_as_the_kernel_reads_them(cores: set[int], bits: str) -> None:
    assert mask(cores) == bits


def allowed() -> bool:
    """Whether this machine lets a process have a network of its own, as its own tool for that finds."""
    made = subprocess.run(["unshare", "--net", "--mount", "true"], capture_output=True, check=False)
    return made.returncode == 0 and os.access(QUEUE, os.W_OK) and len(os.sched_getaffinity(0)) > 1


def test_in_a_network_apart_the_load_s_cores_receive_and_outside_nothing_changes(tmp_path: Path) -> None:
    def outside() -> tuple[str, ...]:
        there = RECEIVERS.read_text() if RECEIVERS.exists() else ""
        return (
            os.readlink("/proc/self/ns/net"),
            there,
            QUEUE.read_text() if QUEUE.exists() else "",
            *sorted(name for _, name in socket.if_nameindex()),
        )

    script = tmp_path / "inside.py"
    script.write_text(INSIDE, encoding="utf-8")
    before = outside()

    run = subprocess.run(
        [sys.executable, script],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )

    assert outside() == before
    if not allowed():
        assert run.stdout == "none\n"
        assert "no network apart" in run.stderr
        return
    network, receivers, measured = ast.literal_eval(run.stdout)
    assert network != before[0]
    assert int(receivers.replace(",", ""), 16) & sum(1 << core for core in measured) == 0
    assert int(receivers.replace(",", ""), 16) == sum(
        1 << core for core in set(os.sched_getaffinity(0)) - set(measured)
    )
