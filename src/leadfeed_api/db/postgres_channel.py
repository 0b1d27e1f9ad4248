"""Wake-ups by PostgreSQL's own LISTEN and NOTIFY.

Owns the one connection that listens: outside any transaction (inside one, nothing is heard), straight to the server
(behind a transaction pooler, nothing is heard either), asked every few seconds whether it still lives (a connection
that was cut off without a word looks alive for ever), and made again when it does not.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import TypeVar

import asyncpg

from leadfeed_api.db.session import Database
from leadfeed_api.telemetry import log

CHANNEL = "leadfeed"
# A statement of its own: within one on a distributed table it would run on a worker, where nobody listens.
NOTIFY = f"SELECT pg_notify('{CHANNEL}', x.payload) FROM unnest($1::text[]) AS x (payload)"
CHECK_EVERY_S = 5.0
CHECK_TIMEOUT_S = 5.0
FIRST_PAUSE_S = 0.05
LONGEST_PAUSE_S = 5.0

Answer = TypeVar("Answer")


class PostgresChannel:
    """LISTEN on a connection of its own to ``listen_url``; NOTIFY through the database's pool."""

    def __init__(self, database: Database, listen_url: str) -> None:
        self._database = database
        self._listen_url = listen_url

    async def send(self, payloads: Sequence[str]) -> None:
        """One statement for all of them."""
        async with self._database.read() as connection:
            await connection.execute(NOTIFY, list(payloads))

    async def listen(self, heard: Callable[[str], None], resumed: Callable[[], None]) -> None:
        """Listens until cancelled, connecting again with growing pauses whenever the connection is lost."""
        pause = FIRST_PAUSE_S
        while True:
            try:
                connection = await asyncpg.connect(self._listen_url, timeout=CHECK_TIMEOUT_S)
                try:
                    await self._listen_on(connection, heard, resumed)
                finally:
                    connection.terminate()
                pause = FIRST_PAUSE_S
            except Exception as error:  # Intentional: whatever it was, nobody else would listen again
                log.warning("listening-failed", reason=repr(error), again_in_s=pause)
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE_S)

    async def close(self) -> None:
        """Nothing: the pool is the database's, and the listening connection ends with :meth:`listen`."""

    async def _listen_on(
        self, connection: asyncpg.Connection, heard: Callable[[str], None], resumed: Callable[[], None]
    ) -> None:
        lost = asyncio.Event()
        connection.add_termination_listener(lambda _: lost.set())
        listening = connection.add_listener(CHANNEL, lambda _connection, _pid, _channel, payload: heard(payload))
        await _in_time(connection, listening)
        resumed()
        while await _answers(connection):
            try:
                async with asyncio.timeout(CHECK_EVERY_S):
                    await lost.wait()
                break
            except TimeoutError:
                continue
        log.warning("listening-lost")


async def _answers(connection: asyncpg.Connection) -> bool:
    """Whether the server answers in time."""
    with suppress(Exception):
        await _in_time(connection, connection.fetchval("SELECT 1"))
        return True
    return False


async def _in_time(connection: asyncpg.Connection, answer: Awaitable[Answer]) -> Answer:
    """What the server answers. Raises ``TimeoutError`` when it does not in time; the connection is ended then.

    Intentional: no timeout of asyncpg's. That would send a cancel request over the same dead path, and wait for it.
    """
    asking = asyncio.ensure_future(answer)
    try:
        done, _ = await asyncio.wait({asking}, timeout=CHECK_TIMEOUT_S)
        if not done:
            raise TimeoutError
        return asking.result()
    finally:
        if not asking.done():  # too late, or nobody waits for it any more
            connection.terminate()
            await asyncio.gather(asking, return_exceptions=True)
