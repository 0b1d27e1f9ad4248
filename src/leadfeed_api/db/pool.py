"""Connections lent and taken back without a task: a list of idle ones, and a queue of those who wait.

The driver's own pool guards each return by a task of its own and takes a proxy and two context managers a loan: 35 µs,
a tenth of what a page costs the server. Here a loan is a ``pop`` and a return an ``append``. A connection that
is not as it was lent is not mended but ended: another is opened when one is wanted.

Owns when connections are opened and closed. Knows no statement.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, TypeAlias

import asyncpg

if TYPE_CHECKING:
    Connection: TypeAlias = asyncpg.Connection[asyncpg.Record]
else:
    Connection = asyncpg.Connection

IDLE_S = 300.0  # what was not needed for so long is closed, but one
PATIENCE_S = 10.0  # for a connection, where all are lent
CLOSING_S = 10.0
# After these a connection is not lent again: an answer may still come, or the server behind it is no primary any more.
UNFIT = (TimeoutError, asyncpg.ReadOnlySQLTransactionError)


class Pool:
    """At most ``size`` connections that ``connect()`` opens."""

    def __init__(self, connect: Callable[[], Awaitable[Connection]], size: int) -> None:
        self._connect = connect
        self._size = size
        self._idle: list[Connection] = []  # the last returned is the first lent: what is not needed stays at the bottom
        self._waiting: deque[asyncio.Future[Connection | None]] = deque()
        self._opened = 0
        self._unneeded = 0  # so many at the bottom were never lent since the last look
        self._look: asyncio.TimerHandle | None = None
        self._ending: set[asyncio.Task[None]] = set()
        self._closed = False

    @property
    def lent(self) -> int:
        """Connections in use now."""
        return self._opened - len(self._idle)

    async def open(self) -> None:
        """Opens one, so that a database that cannot be reached is found out now."""
        self.give_back(await self.take(), sound=True)
        self._look = asyncio.get_running_loop().call_later(IDLE_S, self._thin_out)

    async def close(self) -> None:
        """Closes what is idle; what is lent ends when it comes back."""
        self._closed = True
        if self._look is not None:
            self._look.cancel()
        idle, self._idle = self._idle, []
        self._opened -= len(idle)
        await asyncio.gather(*(connection.close(timeout=CLOSING_S) for connection in idle), return_exceptions=True)
        await asyncio.gather(*self._ending)

    def take_idle(self) -> Connection | None:
        """One that is idle; None when there is none."""
        idle = self._idle
        while idle:
            connection = idle.pop()
            self._unneeded = min(self._unneeded, len(idle))
            if not connection.is_closed():
                return connection
            self._opened -= 1
        return None

    async def take(self) -> Connection:
        """One that is idle, or a new one, or the next that comes back. Raises ``TimeoutError`` when none does."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                connection = self.take_idle()
                if connection is not None:
                    return connection
                if self._opened < self._size:
                    return await self._open_one()
                connection = await self._wait()
                if connection is not None:
                    return connection

    def give_back(self, connection: Connection, *, sound: bool) -> None:
        """Takes back what was lent; ``sound`` says that nothing is under way on it."""
        if self._closed or connection.is_closed():
            connection.terminate()
            self._opened -= 1
            self._tell(None)
        elif not sound or connection.is_in_transaction():
            ending = asyncio.get_running_loop().create_task(self._end(connection))
            self._ending.add(ending)
            ending.add_done_callback(self._ending.discard)
        elif not self._tell(connection):
            self._idle.append(connection)

    async def _end(self, connection: Connection) -> None:
        """Intentional: closed and not cut off, which would leave the driver's own request to the server behind."""
        try:
            with suppress(OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
                await connection.close(timeout=CLOSING_S)
        finally:
            self._opened -= 1
            self._tell(None)

    async def _open_one(self) -> Connection:
        self._opened += 1
        try:
            return await self._connect()
        except BaseException:
            self._opened -= 1
            self._tell(None)
            raise

    async def _wait(self) -> Connection | None:
        """What another gave back; None when there is room for a new one."""
        turn: asyncio.Future[Connection | None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            return await turn
        except BaseException:
            if turn.done() and not turn.cancelled():
                connection = turn.result()
                if connection is None:
                    self._tell(None)
                else:
                    self.give_back(connection, sound=True)
            raise

    def _tell(self, connection: Connection | None) -> bool:
        """Hands it to whoever waits longest; False when nobody does."""
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(connection)
                return True
        return False

    def _thin_out(self) -> None:
        spare = max(min(self._unneeded, len(self._idle)) - (self.lent == 0), 0)
        for connection in self._idle[:spare]:
            connection.terminate()
        del self._idle[:spare]
        self._opened -= spare
        self._unneeded = len(self._idle)
        self._look = asyncio.get_running_loop().call_later(IDLE_S, self._thin_out)


class Loan:
    """``async with Loan(pool) as connection``: back when the block ends, however it does."""

    __slots__ = ("_connection", "_pool")

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._connection: Connection | None = None

    async def __aenter__(self) -> Connection:
        connection = self._pool.take_idle()
        if connection is None:
            connection = await self._pool.take()
        self._connection = connection
        return connection

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        if self._connection is not None:
            # What was broken off in the middle of a statement may still be answered: nobody else must hear that.
            whole = kind is None or (isinstance(error, Exception) and not isinstance(error, UNFIT))
            self._pool.give_back(self._connection, sound=whole)
