"""When a process issues its commits: noted in a file that others may look into, by the clock that all of them share.

``python -m bench.commits FILE serve …`` is the ``leadfeed`` command, with that and nothing else added: 2 µs a commit.
Whoever reads the file waits until there is something to read for: a commit's note is there before the commit is sent.
"""

import itertools
import mmap
import struct
import sys
import time
from pathlib import Path
from typing import Any

import asyncpg

_NOTE = struct.Struct("<QQ")


class Commits:
    """A file with how many commits were issued, and when the last of them, in ns of ``time.monotonic_ns``."""

    def __init__(self, path: Path) -> None:
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), _NOTE.size)

    @staticmethod
    def begin(path: Path) -> Path:
        """Makes the file: none so far."""
        path.write_bytes(bytes(_NOTE.size))
        return path

    def last(self) -> tuple[int, int]:
        """How many, and when the last."""
        count, at = _NOTE.unpack_from(self._map)
        return count, at

    def note_all(self) -> None:
        """From now on notes every COMMIT of this process."""
        execute, numbers = asyncpg.Connection.execute, itertools.count(1)

        def noting(connection: Any, query: str, *args: Any, **more: Any) -> Any:
            if query.startswith("COMMIT"):
                self.note(next(numbers))
            return execute(connection, query, *args, **more)

        asyncpg.Connection.execute = noting  # type: ignore[method-assign, assignment]

    def note(self, number: int) -> None:
        """The commit with this number is being issued."""
        _NOTE.pack_into(self._map, 0, number, time.monotonic_ns())


if __name__ == "__main__":
    from leadfeed_api.cli import main

    Commits(Path(sys.argv.pop(1))).note_all()
    main()
