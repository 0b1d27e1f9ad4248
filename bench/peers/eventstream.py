"""django-eventstream as a peer: streams in Django, by uvicorn with one worker. ``make bench`` installs it.

A delivery takes it so much longer that it is asked to hold fewer streams than the others.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from bench.peers.servers import BIN, HERE
from bench.processes import free_port, running
from bench.rivals import Held, Rival, a_stranger, one_by_one

MOST = 1_000


def eventstream() -> Rival:
    """One process."""
    there = (BIN / "uvicorn").is_file()
    return Rival("eventstream", _run, "" if there else "make bench", MOST)


@contextmanager
def _run() -> Iterator[Held]:
    port = free_port()
    command = [str(BIN / "uvicorn"), "events.asgi:application", "--port", str(port), "--log-level", "error"]
    command += ["--no-access-log", "--loop", "uvloop", "--http", "httptools", "--backlog", "4096"]
    with running(command, port, folder=HERE) as pid:
        yield Held([pid], port, port, a_stranger, one_by_one, opened_by=b"stream-open")
