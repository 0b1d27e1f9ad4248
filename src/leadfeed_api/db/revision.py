"""Which schema this code was written for, which one a database has, and whether it takes writes."""

from typing import NamedTuple

import asyncpg

from leadfeed_api.db.session import Connection

NEWEST = "0011"  # the last of db/migrations/versions
# On a standby every transaction only reads.
STATE = "SELECT version_num, current_setting('transaction_read_only')::boolean AS only_reads FROM alembic_version"


class State(NamedTuple):
    """What a database is good for now; ``revision`` is None where it was never migrated."""

    revision: str | None
    takes_writes: bool

    @property
    def suits_us(self) -> bool:
        """Whether this code can run on it: revisions are numbered in order, and each suits the version before it."""
        return self.revision is not None and self.revision >= NEWEST


async def current_state(connection: Connection) -> State:
    """The revision the database is at, and whether it takes writes: a standby does not."""
    try:
        row = await connection.fetchrow(STATE)
    except asyncpg.UndefinedTableError:
        row = None
    return State(None, takes_writes=False) if row is None else State(row["version_num"], not row["only_reads"])
