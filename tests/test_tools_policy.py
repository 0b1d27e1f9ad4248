"""A missing tool is never silent: it skips and is named at the end of the run, and under CI it fails.

Each test runs pytest in a process of its own over a tiny suite, as a developer without that tool would see it.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tools import ROOT, TOOLS, needs

SUITE = """
from tools import needs

def test_feed_is_read_by_newsboat():
    assert needs("newsboat").is_file()

def test_page_is_drawn():
    pass
"""


def run_suite(folder: Path, *, path: str, ci: str = "", options: tuple[str, ...] = ()) -> tuple[int, str]:
    """Return the exit status and output of a pytest run over `SUITE`, where programs are found on `path` only."""
    (folder / "conftest.py").write_text("from tools import pytest_terminal_summary\n")
    # The look-up is narrowed rather than PATH: it also searches the servers' folders of the machine at hand.
    (folder / "test_suite.py").write_text(
        "import tools\nwhich = tools.shutil.which\n"
        f"tools.shutil.which = lambda name, path: which(name, path={path!r})\n" + SUITE
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    environment |= {"PYTHONPATH": str(ROOT / "tests"), "CI": ci, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", ".", *options, "."],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return run.returncode, run.stdout + run.stderr


@pytest.mark.parametrize("options", [(), ("-p", "xdist", "-n", "2")], ids=["one process", "two workers"])
def test_missing_tool_is_skipped_and_named_at_the_end(tmp_path: Path, options: tuple[str, ...]) -> None:
    status, output = run_suite(tmp_path, path=str(tmp_path), options=options)

    assert status == 0, output
    assert "1 passed, 1 skipped" in output
    summary = output.partition("NOT PROVEN")[2]
    assert "missing tool: newsboat (apt-get install newsboat): 1 skipped" in summary
    assert "test_suite.py::test_feed_is_read_by_newsboat" in summary
    assert output.rstrip().splitlines()[-1].startswith("1 passed"), "pytest's own summary must stay last"


@pytest.mark.parametrize("ci", ["true", "1"])
def test_missing_tool_fails_under_ci(tmp_path: Path, ci: str) -> None:
    status, output = run_suite(tmp_path, path=str(tmp_path), ci=ci)

    assert status == 1, output
    assert "missing tool: newsboat" in output
    assert "1 failed, 1 passed" in output


def test_present_tool_is_used_and_nothing_is_said(tmp_path: Path) -> None:
    newsboat = tmp_path / "newsboat"
    newsboat.touch(mode=0o755)

    status, output = run_suite(tmp_path, path=str(tmp_path), ci="true")

    assert status == 0, output
    assert "2 passed" in output
    assert "NOT PROVEN" not in output


def test_unknown_tool_is_an_error_and_no_skip() -> None:
    with pytest.raises(KeyError):
        needs("newsbaot")


def test_ci_installs_every_tool_that_would_fail_there() -> None:
    script = (ROOT / ".ci" / "run").read_text()
    packages = {tool.remedy.removeprefix("apt-get install ") for tool in TOOLS.values() if "apt-get" in tool.remedy}

    assert packages
    assert not [package for package in packages | {"npm"} if not re.search(rf"\b{package}\b", script)]


def test_program_that_does_not_start_is_no_tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "driver" / "node"
    broken.parent.mkdir()
    broken.write_text("#!/bin/sh\nexit 127\n")
    broken.chmod(0o755)
    monkeypatch.setattr("tools.playwright.__file__", str(tmp_path / "__init__.py"))

    assert TOOLS["node"].find() != broken
