"""Many small requests, one transaction.

While one transaction of an organisation is being written, what arrives for it waits; then all of it goes into the
next one together. A lone request never waits, and 64 callers of one moment each share commits instead of queueing
for the organisation's lock. Each caller gets its own verdicts, after the commit.

Owns when a transaction starts, and nothing of what is in it.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence

from leadfeed_api.ingestion.interpret import MAX_ITEMS, Candidate
from leadfeed_api.ingestion.record import Verdict

Write = Callable[[int, Sequence[Candidate]], Awaitable[list[Verdict]]]
Count = Callable[[float], None]  # told how many moments a transaction was given
_Waiting = tuple[Sequence[Candidate], asyncio.Future[list[Verdict]]]


class Grouping:
    """Hands candidates to ``write(org_id, candidates)``, several requests at a time where they come close together."""

    def __init__(self, write: Write, count: Count = lambda _: None) -> None:
        self._write = write
        self._count = count
        self._waiting: dict[int, deque[_Waiting]] = {}
        self._writers: dict[int, asyncio.Task[None]] = {}

    async def record(self, org_id: int, candidates: Sequence[Candidate]) -> list[Verdict]:
        """One verdict per candidate, in order, once they are on disk. Raises what ``write`` raises."""
        answer: asyncio.Future[list[Verdict]] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(org_id, deque()).append((candidates, answer))
        if org_id not in self._writers:
            self._writers[org_id] = asyncio.create_task(self._drain(org_id))
        # Intentional: shielded by being a future of its own, so that a caller who hangs up takes nobody's group along.
        return await answer

    async def _drain(self, org_id: int) -> None:
        waiting = self._waiting[org_id]
        try:
            while waiting:
                await self._write_group(org_id, _next_group(waiting))
        finally:
            del self._writers[org_id], self._waiting[org_id]

    async def _write_group(self, org_id: int, group: Sequence[_Waiting]) -> None:
        together = [one for candidates, _ in group for one in candidates]
        self._count(len(together))
        try:
            verdicts = await self._write(org_id, together)
        except Exception as error:
            for _, answer in group:
                if not answer.done():
                    answer.set_exception(error)
            return
        start = 0
        for candidates, answer in group:
            if not answer.done():
                answer.set_result(verdicts[start : start + len(candidates)])
            start += len(candidates)


def _next_group(waiting: deque[_Waiting]) -> list[_Waiting]:
    """Takes whole requests from the front, up to ``MAX_ITEMS`` moments; always at least one."""
    group = [waiting.popleft()]
    size = len(group[0][0])
    while waiting and size + len(waiting[0][0]) <= MAX_ITEMS:
        group.append(waiting.popleft())
        size += len(group[-1][0])
    return group
