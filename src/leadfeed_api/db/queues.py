"""A queue for each organisation, in which nobody holds a connection.

Whoever changes an organisation's feeds or settings waits for its lock (``feed.log``), and a transaction waits on a
connection. Where one organisation changes much at once it would have all there are, and the others' pages would wait.
So two of an organisation have one: who holds the lock, and who is next, so that the lock is never idle. Marks, which
are no matter of that lock (``triage.marks``), and searches, which may read a whole inbox each (``feed.paging``), have
queues of their own.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from weakref import WeakValueDictionary

from leadfeed_api.errors import Busy

WITH_A_CONNECTION = 2
PATIENCE_S = 30.0  # much may have to be moved before it is one's turn


class Queues:
    """One process's queues, each of which lets so many of its organisation pass ``at_once``. None is kept empty."""

    def __init__(self, at_once: int = WITH_A_CONNECTION) -> None:
        self._at_once = at_once
        self._of: WeakValueDictionary[int, asyncio.Semaphore] = WeakValueDictionary()

    @asynccontextmanager
    async def turn(self, org_id: int) -> AsyncIterator[None]:
        """Waits for the organisation's turn and has it for the block. Raises ``Busy`` when it does not come."""
        queue = self._of.get(org_id)
        if queue is None:
            queue = self._of[org_id] = asyncio.Semaphore(self._at_once)
        try:
            async with asyncio.timeout(PATIENCE_S):
                await queue.acquire()
        except TimeoutError as late:
            raise Busy from late
        try:
            yield
        finally:
            queue.release()
