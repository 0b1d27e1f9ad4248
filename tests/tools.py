"""The programs and npm packages some tests want, and what happens when one is missing.

Owns the policy: a missing tool skips its test and the end of the run says which and why; under ``CI=true`` it fails
the test instead, so that nothing is quietly left unproven there. Knows nothing of what the tests do with a tool.
"""

import os
import shutil
import subprocess
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import playwright
import pytest

from leadfeed_api.db import binaries

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Tool:
    """One optional tool: where to look for it, and how to get it."""

    find: Callable[[], Path | None]
    remedy: str


def program(*names: str) -> Callable[[], Path | None]:
    """Return a look-up of the first of `names` on PATH, or where Debian keeps servers (not on a plain user's PATH)."""

    def find() -> Path | None:
        path = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin"])
        return next((Path(found) for name in names if (found := shutil.which(name, path=path))), None)

    return find


def node() -> Path | None:
    """Return the Node.js that playwright carries: its version is locked, and Debian 12's is too old for the linter."""
    candidates = [Path(playwright.__file__).parent / "driver" / "node", program("node")()]
    return next((path for path in candidates if path and _runs(path)), None)


def _runs(path: Path) -> bool:
    """Whether a program starts: on a bare Debian playwright's node is there and lacks libatomic1."""
    try:
        return subprocess.run([path, "--version"], capture_output=True, timeout=30, check=False).returncode == 0
    except OSError:
        return False


def from_npm(path: str) -> Callable[[], Path | None]:
    """Return a look-up of a file below node_modules."""

    def find() -> Path | None:
        found = ROOT / "node_modules" / path
        return found if found.is_file() else None

    return find


NPM_REMEDY = "install npm, then run `make setup`"

TOOLS = {
    "axe-core": Tool(from_npm("axe-core/axe.min.js"), NPM_REMEDY),
    # Best without the windows around the engine, as playwright has it: a fifth of what the panel's tests cost.
    "chromium": Tool(
        program("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome"),
        "apt-get install chromium-headless-shell",
    ),
    "git": Tool(program("git"), "apt-get install git"),
    "nats-server": Tool(program("nats-server"), "apt-get install nats-server"),
    "newsboat": Tool(program("newsboat"), "apt-get install newsboat"),
    "nginx": Tool(program("nginx"), "apt-get install nginx"),
    "node": Tool(node, "apt-get install libatomic1"),
    "pgbouncer": Tool(program("pgbouncer"), "apt-get install pgbouncer"),
    # As our own search finds it: its programs are not on anybody's PATH.
    "postgresql": Tool(lambda: next(binaries.SYSTEM_PACKAGES.glob("*/bin/initdb"), None), "apt-get install postgresql"),
    "redocly": Tool(from_npm("@redocly/cli/bin/cli.js"), NPM_REMEDY),
}


def needs(tool: str) -> Path:
    """Return where `tool` is; without it skip the running test, or fail it under ``CI=true``.

    Call it in a test or a fixture. `tool` is a key of `TOOLS`; another name is a KeyError, so a typo is no skip.
    """
    found = TOOLS[tool].find()
    if found is None:
        reason = f"missing tool: {tool} ({TOOLS[tool].remedy})"
        if os.environ.get("CI", "").lower() in {"1", "true", "yes"}:
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)
    return found


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say at the end of the run which tests were skipped and why (conftest.py makes this a hook).

    Reads the reports, not this process's memory: under xdist the skips happened in the workers.
    """
    skipped = defaultdict[str, list[str]](list)
    for report in terminalreporter.stats.get("skipped", []):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        skipped[reason.removeprefix("Skipped: ")].append(report.nodeid)
    if not skipped:
        return
    terminalreporter.section("NOT PROVEN: skipped tests, and why")
    for reason, tests in sorted(skipped.items()):
        terminalreporter.line(f"{reason}: {len(tests)} skipped")
        for test in sorted(tests):
            terminalreporter.line(f"    {test}")
