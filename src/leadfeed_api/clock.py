"""What time it is: asked of a clock that is handed in, so that a test can move it."""

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """The clock of everything but a test."""
    return datetime.now(UTC)
