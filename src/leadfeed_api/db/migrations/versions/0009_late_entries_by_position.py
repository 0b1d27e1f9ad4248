"""late entries by position: entries that come in the order of time are found by the inbox's key, and indexed once."""

from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import context, op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Intentional: each statement by itself. Two tables' locks in one transaction would meet those of whoever reads both
    # in another order, and whoever writes would wait for an index that is built. So each of these may have been done
    # before, by a try that was broken off; the version before takes no notice of any.
    with op.get_context().autocommit_block():
        # What is stored already is found by position as before. Nothing of it is rewritten: a default is kept aside.
        now = datetime.now(UTC).isoformat()
        _soon(f"ALTER TABLE moment ADD COLUMN IF NOT EXISTS watermark timestamptz NOT NULL DEFAULT '{now}'")
        _soon("ALTER TABLE moment ALTER COLUMN watermark SET DEFAULT '-infinity'")
        _soon("ALTER TABLE feed_entry ADD COLUMN IF NOT EXISTS late boolean NOT NULL DEFAULT true")
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS feed_entry_late")  # a half of one
        op.execute(
            "CREATE INDEX CONCURRENTLY feed_entry_late ON feed_entry (org_id, user_id, position) WHERE live AND late"
        )
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS feed_entry_by_position")


def _soon(statement: str) -> None:
    """A statement for which everybody waits: only for so long as any table is waited for."""
    patience_ms = int(context.config.attributes["lock_timeout_ms"])
    for one in ("BEGIN", f"SET LOCAL lock_timeout = {patience_ms}", statement, "COMMIT"):
        op.get_bind().exec_driver_sql(one)


def downgrade() -> None:
    op.create_index(
        "feed_entry_by_position",
        "feed_entry",
        ["org_id", "user_id", "position"],
        unique=False,
        postgresql_where=sa.text("live"),
    )
    op.drop_index("feed_entry_late", table_name="feed_entry", postgresql_where=sa.text("live AND late"))
    op.drop_column("feed_entry", "late")
    op.drop_column("moment", "watermark")
