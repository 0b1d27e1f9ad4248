"""The load of the benches runs on cores that nothing measured runs on, where there are enough of them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from bench.cores import halves

# In a process of its own, which is moved: on any machine with two cores, as if two were enough.
MOVED = """
import os, subprocess, sys
from bench import cores
from bench.load import in_own_process

if __name__ == "__main__":
    cores.keep_to_measured(cores.here(enough=2))
    started = subprocess.run([sys.executable, "-c", "import os; print(*os.sched_getaffinity(0))"], capture_output=True)
    print(*os.sched_getaffinity(0))
    print(started.stdout.decode().strip())
    print(*in_own_process(os.sched_getaffinity, 0))
"""


@pytest.mark.parametrize(
    ("cores", "parts"),
    [
        ({0}, None),
        ({0, 1, 2}, None),
        ({0, 1, 2, 3}, ({0, 1}, {2, 3})),
        ({9, 1, 5, 3, 7}, ({1, 3, 5}, {7, 9})),
    ],
)
def test_four_cores_are_parted_and_fewer_are_shared(cores: set[int], parts: tuple[set[int], set[int]] | None) -> None:
    assert halves(cores) == parts


def test_the_load_is_elsewhere_than_the_bench_and_what_the_bench_starts(tmp_path: Path) -> None:
    script = tmp_path / "moved.py"
    script.write_text(MOVED, encoding="utf-8")
    run = subprocess.run(
        [sys.executable, script],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    bench, server, load = ({int(core) for core in line.split()} for line in run.stdout.splitlines())
    assert bench == server
    assert load
    assert not bench & load
    assert bench | load == os.sched_getaffinity(0)
