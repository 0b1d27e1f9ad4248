"""Which cores the load has and which all that is measured has: apart from each other, where there are enough.

By the operating system's affinity, which processes inherit: a bench keeps to its share, and so does each server that it
starts; the process of the load moves to the other. Fewer cores than ``ENOUGH`` are shared by all.
"""

import os
from collections.abc import Collection
from functools import cache

ENOUGH = 4  # of fewer, PostgreSQL and the service would be left with less than a core each


def halves(cores: Collection[int]) -> tuple[set[int], set[int]] | None:
    """What the measured gets and what the load gets; the odd one goes to the measured. None: too few to part."""
    if len(cores) < ENOUGH:
        return None
    ordered = sorted(cores)
    middle = (len(ordered) + 1) // 2
    return set(ordered[:middle]), set(ordered[middle:])


@cache
def parted() -> tuple[set[int], set[int]] | None:
    """The halves of the cores that this process had when it asked first; None where they are not to be parted."""
    affinity = getattr(os, "sched_getaffinity", None)  # macOS has none
    return None if affinity is None else halves(affinity(0))


def keep_to_measured() -> None:
    """Keeps this process, and what it starts from now on, away from the load's cores."""
    if (both := parted()) is not None:
        os.sched_setaffinity(0, both[0])


def move_to_load(both: tuple[set[int], set[int]] | None) -> None:
    """Moves this process to the load's cores, which whoever started it knows."""
    if both is not None:
        os.sched_setaffinity(0, both[1])
