"""What the schema's steps are made of, where a whole step in one transaction would turn somebody away.

Two tables' locks in one transaction meet those of whoever reads both in another order, and one of the two is ended as
a deadlock. So such a step commits statement by statement (Alembic's ``autocommit_block``): each may have been done
before, by a try that was broken off, and suits the version before.
"""

import sqlalchemy as sa
from alembic import context, op


def add_column(table: str, column: str, definition: str) -> None:
    """One with a default, unless it is there.

    Even a statement that finds nothing to do waits for its table, and has everybody queue behind it.
    """
    if default_of(table, column) is None:
        op.execute(f"ALTER TABLE {table} ADD COLUMN {column} {definition}")


def default_of(table: str, column: str) -> str | None:
    """A column's default as PostgreSQL writes it; none where there is no such column. No table is waited for."""
    columns = sa.inspect(op.get_bind()).get_columns(table)
    return next((one["default"] for one in columns if one["name"] == column), None)


def at_leisure(statement: str) -> None:
    """In an autocommit block, a statement for which nobody waits: however long it waits for others."""
    op.execute("SET lock_timeout = 0")
    op.execute(statement)
    op.execute(f"SET lock_timeout = {int(context.config.attributes['lock_timeout_ms'])}")
