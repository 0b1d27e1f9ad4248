"""Wake-ups by PostgreSQL's own LISTEN and NOTIFY.

Owns the one connection that listens: outside any transaction (inside one, nothing is heard), straight to the server
(behind a transaction pooler, nothing is heard either), asked every few seconds whether it still lives (a connection
that was cut off without a word looks alive for ever), and made again when it does not.

It also notifies: one process of PostgreSQL works for a wake-up in place of two, which a batch's statements notice
(docs/performance.md), and wake-ups are sent while all the pool's connections are lent.
"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from typing import Any

import asyncpg

from leadfeed_api.db.pool import Connection
from leadfeed_api.db.session import Database
from leadfeed_api.telemetry import log

CHANNEL = "leadfeed"
# A statement of its own: within one on a distributed table it would run on a worker, where nobody listens.
NOTIFY = f"SELECT pg_notify('{CHANNEL}', x.payload) FROM unnest($1::text[]) AS x (payload)"
CHECK_EVERY_S = 5.0
CHECK_TIMEOUT_S = 5.0
FIRST_PAUSE_S = 0.05
LONGEST_PAUSE_S = 5.0

Ask = Callable[[], Coroutine[Any, Any, object]]


class PostgresChannel:
    """LISTEN and NOTIFY on a connection of its own to ``listen_url``; while there is none, NOTIFY through the pool."""

    def __init__(self, database: Database, listen_url: str) -> None:
        self._database = database
        self._listen_url = listen_url
        self._line: Line | None = None

    async def send(self, payloads: Sequence[str]) -> None:
        """One statement for all of them."""
        line = self._line
        if line is not None and not line.connection.is_closed():
            await line.ask(lambda: line.connection.execute(NOTIFY, list(payloads)))
            return
        async with self._database.read() as connection:
            await connection.execute(NOTIFY, list(payloads))

    async def listen(self, heard: Callable[[str], None], resumed: Callable[[], None]) -> None:
        """Listens until cancelled, connecting again with growing pauses whenever the connection is lost."""
        pause = FIRST_PAUSE_S
        while True:
            try:
                connection = await asyncpg.connect(self._listen_url, timeout=CHECK_TIMEOUT_S)
                try:
                    await self._listen_on(Line(connection), heard, resumed)
                finally:
                    self._line = None
                    connection.terminate()
                pause = FIRST_PAUSE_S
            except Exception as error:  # Intentional: whatever it was, nobody else would listen again
                log.warning("listening-failed", reason=repr(error), again_in_s=pause)
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE_S)

    async def close(self) -> None:
        """Nothing: the pool is the database's, and the listening connection ends with :meth:`listen`."""

    async def _listen_on(self, line: "Line", heard: Callable[[str], None], resumed: Callable[[], None]) -> None:
        lost = asyncio.Event()
        line.connection.add_termination_listener(lambda _: lost.set())
        await line.ask(lambda: line.connection.add_listener(CHANNEL, lambda *told: heard(told[-1])))
        self._line = line
        resumed()
        while await line.answers():
            try:
                async with asyncio.timeout(CHECK_EVERY_S):
                    await lost.wait()
                break
            except TimeoutError:
                continue
        log.warning("listening-lost")


class Line:
    """A connection that several ask, one after the other. Whoever gets no answer in time ends it."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._turn = asyncio.Lock()

    async def answers(self) -> bool:
        """Whether the server answers in time."""
        with suppress(Exception):
            await self.ask(lambda: self.connection.fetchval("SELECT 1"))
            return True
        return False

    async def ask(self, question: Ask) -> None:
        """Waits for the answer. Raises ``TimeoutError`` when there is none in time.

        Intentional: no timeout of asyncpg's. That would send a cancel request over the same dead path, and wait for it.
        """
        async with self._turn:
            asking = asyncio.ensure_future(question())
            try:
                done, _ = await asyncio.wait({asking}, timeout=CHECK_TIMEOUT_S)
                if not done:
                    raise TimeoutError
                asking.result()
            finally:
                if not asking.done():  # too late, or nobody waits for it any more
                    self.connection.terminate()
                    await asyncio.gather(asking, return_exceptions=True)
