"""Making room in a process for thousands of open streams. Changes settings of the whole process: for commands only."""

import gc
import resource
from contextlib import suppress

# Streams are many small objects that live long: Python's own thresholds would look through all of them again and again.
YOUNG, MIDDLE, OLD = 50_000, 50, 100


def make_room() -> None:
    """As many open files as the system allows, and garbage collected more rarely."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):  # macOS calls its limit infinite and refuses to set it
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    gc.set_threshold(YOUNG, MIDDLE, OLD)
