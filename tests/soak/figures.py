"""The long proofs' figures: each test notes what it measured, and the end of the run shows it."""

from collections.abc import Callable

import pytest

_NOTES = pytest.StashKey[list[str]]()


@pytest.fixture
def note(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Notes a figure for the end of the run."""
    notes = request.config.stash.setdefault(_NOTES, [])
    return lambda figure: notes.append(f"{request.node.name}: {figure}")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Shows what was noted."""
    notes = config.stash.get(_NOTES, [])
    if notes:
        terminalreporter.section("figures")
        for line in notes:
            terminalreporter.line(line)
