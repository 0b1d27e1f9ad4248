"""What the schema's steps are made of, where a whole step in one transaction would turn somebody away.

Two tables' locks in one transaction meet those of whoever reads both in another order, and one of the two is ended as
a deadlock. So such a step commits statement by statement (Alembic's ``autocommit_block``): each may have been done
before, by a try that was broken off, and suits the version before.
"""

from alembic import context, op


def at_leisure(statement: str) -> None:
    """In an autocommit block, a statement for which nobody waits: however long it waits for others."""
    op.execute("SET lock_timeout = 0")
    op.execute(statement)
    op.execute(f"SET lock_timeout = {int(context.config.attributes['lock_timeout_ms'])}")
