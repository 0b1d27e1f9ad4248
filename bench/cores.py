"""Which cores the load has and which all that is measured has: apart from each other, where there are enough.

By the operating system's affinity, which processes inherit: a bench keeps to its share, and so does each server that it
starts; the process of the load moves to the other. Fewer cores than ``ENOUGH`` are shared by all.
"""

import os
from collections.abc import Collection

ENOUGH = 4  # of fewer, PostgreSQL and the service would be left with less than a core each
Halves = tuple[set[int], set[int]]  # what the measured gets, and what the load gets
_parted: list[Halves] = []  # as this process's were, if they were


def halves(cores: Collection[int], enough: int = ENOUGH) -> Halves | None:
    """What the measured gets and what the load gets; the odd one goes to the measured. None: too few to part."""
    if len(cores) < enough:
        return None
    ordered = sorted(cores)
    middle = (len(ordered) + 1) // 2
    return set(ordered[:middle]), set(ordered[middle:])


def parted() -> Halves | None:
    """As this process's cores were parted; None where they were not."""
    return _parted[0] if _parted else None


def here(enough: int = ENOUGH) -> Halves | None:
    """The halves of the cores that this process has; as they were parted, if they were."""
    affinity = getattr(os, "sched_getaffinity", None)  # macOS has none
    return parted() or (None if affinity is None else halves(affinity(0), enough))


def keep_to_measured(both: Halves | None) -> None:
    """Keeps this process, and what it starts from now on, away from the load's cores."""
    if both is not None:
        _parted[:] = [both]
        os.sched_setaffinity(0, both[0])


def move_to_load(both: Halves | None) -> None:
    """Moves this process to the load's cores, which whoever started it knows."""
    if both is not None:
        os.sched_setaffinity(0, both[1])
