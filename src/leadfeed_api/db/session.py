"""Connections: one pool a process, reading and writing through it, and the one place that commits.

Owns the pool and transactions. Knows nothing of what is stored: every query lives with its feature.
"""

import json
import math
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any, Protocol, Self, TypeAlias

import asyncpg

from leadfeed_api.db import array_types
from leadfeed_api.db.pool import Connection, Loan, Pool
from leadfeed_api.db.queues import Queues
from leadfeed_api.errors import Busy, Unavailable

__all__ = [
    "ANY_PLANS", "HELD_UP", "HOWEVER_LONG", "LOST", "NO_LIMITS", "OLD_SCHEMA", "UNUSABLE", "Connection", "Database",
    "HandOver", "affected", "connect",
]  # fmt: skip

HandOver: TypeAlias = Callable[[], None]  # to readers here, of what was read for them; never fails, never waits


class Announce(Protocol):
    """Called after a commit that moved an organisation's log to ``position`` by ``given``; never fails, never waits."""

    def __call__(self, org_id: int, position: int, given: int = 1, /) -> None:
        """Wakes whoever reads the log."""


class NoConnection(ConnectionError):
    """The server cannot be reached, not as the settings demand, or lets nobody in: the message says what was wrong."""


LOST = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # what the driver says when the server dies while a rollback is under way
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.InsufficientResourcesError,  # a full disk, too many connections
    asyncpg.ReadOnlySQLTransactionError,  # what was the primary is a standby now; this connection is not lent again
    # A login that is refused: what a pooler says with the first statement, a server says at once (``NoConnection``).
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
)
# What ends one statement that waited or worked too long; the connection is as good as before, or is not lent again.
HELD_UP = (
    TimeoutError,
    asyncpg.QueryCanceledError,
    asyncpg.LockNotAvailableError,
    asyncpg.DeadlockDetectedError,  # of two who wait for each other, for ever, this one
    asyncpg.SerializationError,
)
# What the operator has to put right, where a command begins with it: the address, the rights, the server.
UNUSABLE = (
    NoConnection,
    TimeoutError,
    asyncpg.CannotConnectNowError,
    asyncpg.InsufficientPrivilegeError,
    asyncpg.InsufficientResourcesError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.PostgresConnectionError,
    asyncpg.ReadOnlySQLTransactionError,
)
# What a statement meets in a schema that is older than this code.
UNMIGRATED = (asyncpg.UndefinedColumnError, asyncpg.UndefinedTableError)
OLD_SCHEMA = "The database's schema is older than this version needs. Run `leadfeed migrate`."
# Every join by key here looks a row up once: keeping what was found, in case, costs a page of 50 a twentieth.
PLANNING = {"enable_memoize": "off"}
POOLER = ": behind a transaction pooler LEADFEED_LISTEN_URL has to be set, to a direct connection"
# Said first by a transaction whose statements go by key: plans for any organisation. One made for an organisation that
# PostgreSQL has not counted takes it for empty, and reads all of it again for each row (decision 0016).
ANY_PLANS = "SET LOCAL plan_cache_mode = force_generic_plan"
# Lifts the database's own limits, where $1 for a transaction. By the list of settings: one is new in PostgreSQL 17.
NO_LIMITS = """
SELECT set_config(name, '0', $1) FROM pg_settings WHERE name IN
('statement_timeout', 'transaction_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout')
"""
STATEMENT_S = 60.0  # how long one may take that does not say otherwise
HOWEVER_LONG = math.inf  # for one that reads a whole organisation, and keeps nobody waiting


class Database:
    """The pool. ``async with Database(url) as database:`` opens and closes it."""

    def __init__(self, url: str, *, pool_size: int = 10, pooled_outside: bool = False) -> None:
        """Prepares, without connecting.

        Args:
            url: a DSN as asyncpg takes it (``settings.postgres_url`` makes one from what people paste).
            pool_size: connections at most.
            pooled_outside: a transaction pooler stands between: no statement may be kept prepared on a connection.
        """
        self.url = url
        self._size = pool_size
        self._statement_cache = 0 if pooled_outside else 200
        self._planning = {} if pooled_outside else PLANNING  # a pooler refuses what it does not know
        self._pool: Pool | None = None
        self.queues = Queues()  # for the organisations' locks
        self.marking = (
            Queues()
        )  # for their entries, which whoever marks some keeps from going, and may be long about it
        # A process that wakes readers sets it.
        self.announce: Announce = _nobody_listens
        # Asked (connection, organisation, position) before a lone moment is committed there; a process with readers
        # sets it. What comes back is called after the commit.
        self.foresee: Callable[[Connection, int, int], Awaitable[HandOver | None]] = _nobody_looks

    async def __aenter__(self) -> Self:
        pool = Pool(self._connect, self._size)
        await pool.open()
        self._pool = pool
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._pool is not None:
            await self._pool.close()
            self._pool = None

    def read(self) -> "Reading":
        """A connection outside any transaction: each statement sees what is committed when it starts.

        Raises ``Unavailable`` when the database cannot be reached, leaves in between, or cannot do what it is asked
        now, or has an older schema; ``Busy``, which is one, when a statement was held up for too long.
        """
        if self._pool is None:
            raise Unavailable
        return Reading(self._pool)

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[Connection]:
        """A transaction that only reads, and sees in all its statements what was committed when the first began.

        It waits for nobody who writes, and keeps nobody waiting: of the database's limits none holds for it. Raises
        ``Unavailable`` as :meth:`read` does.
        """
        async with self.read() as connection, connection.transaction(isolation="repeatable_read", readonly=True):
            await connection.execute(NO_LIMITS, True)
            yield connection

    @asynccontextmanager
    async def write(self, *, lock_timeout_s: float | None = None) -> AsyncIterator[Connection]:
        """A transaction: committed when the block ends, and on disk before this returns; rolled back on any error.

        ``lock_timeout_s``: how long a statement waits for a lock at most, where it is not as long as it may run.

        Raises ``Unavailable`` as :meth:`read` does; nothing was stored then, or the commit's answer was lost: every
        write here may be repeated.
        """
        # Whatever the database's own default: all that is written here locks first, and reads what it finds then.
        async with self.read() as connection, connection.transaction(isolation="read_committed"):
            if lock_timeout_s is not None:  # Intentional: built from a number of ours; SET takes no parameters
                await connection.execute(f"SET LOCAL lock_timeout = {lock_timeout_s * 1_000:.0f}")
            yield connection

    @property
    def checked_out(self) -> int:
        """Connections in use now."""
        return 0 if self._pool is None else self._pool.lent

    async def _connect(self) -> Connection:
        connection = await connect(
            self.url,
            command_timeout=STATEMENT_S,
            statement_cache_size=self._statement_cache,
            server_settings=self._planning,
        )
        try:
            await connection.set_type_codec("jsonb", encoder=json.dumps, decoder=json.loads, schema="pg_catalog")
            await array_types.make_known(connection)
        except BaseException:
            connection.terminate()
            raise
        return connection


async def connect(url: str, **options: Any) -> Connection:
    """A connection. Raises ``NoConnection`` where there is none, be it for a bad certificate or a changed password."""
    try:
        return await asyncpg.connect(url, **options)
    except (OSError, asyncpg.ClientConfigurationError, asyncpg.PostgresError) as error:
        hint = POOLER if "unsupported startup parameter" in str(error) else ""
        raise NoConnection(f"connecting failed: {str(error) or 'no answer'}{hint}") from error


class Reading(Loan):
    """A loan whose loss is told in our words."""

    __slots__ = ()

    async def __aenter__(self) -> Connection:
        try:
            return await super().__aenter__()
        except LOST as lost:
            raise Unavailable from lost

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        await super().__aexit__(kind, error, where)
        if isinstance(error, HELD_UP):
            raise Busy from error
        if isinstance(error, LOST):
            raise Unavailable from error
        if isinstance(error, UNMIGRATED):
            raise Unavailable(OLD_SCHEMA) from error


def _nobody_listens(org_id: int, position: int, given: int = 1, /) -> None:
    """Readers that are not woken find out by their poll."""


async def _nobody_looks(connection: Connection, org_id: int, position: int) -> HandOver | None:
    """Nobody here would be told."""
    return None


def affected(status: str) -> int:
    """How many rows a statement touched, from its command tag (``"DELETE 3"`` -> 3)."""
    return int(status.rsplit(" ", 1)[-1])
