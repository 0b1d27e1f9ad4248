"""late entries by position: entries that come in the order of time are found by the inbox's key, and indexed once."""

from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

from leadfeed_api.db.steps import add_column, at_leisure, default_of

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Intentional: each statement by itself (``db.steps``); else whoever writes would wait for an index that is built.
    with op.get_context().autocommit_block():
        # What is stored already is found by position as before. Nothing of it is rewritten: a default is kept aside.
        now = datetime.now(UTC).isoformat()
        add_column("moment", "watermark", f"timestamptz NOT NULL DEFAULT '{now}'")
        if default_of("moment", "watermark") != "'-infinity'::timestamp with time zone":
            op.execute("ALTER TABLE moment ALTER COLUMN watermark SET DEFAULT '-infinity'")
        add_column("feed_entry", "late", "boolean NOT NULL DEFAULT true")
        at_leisure("DROP INDEX CONCURRENTLY IF EXISTS feed_entry_late")  # a half of one
        at_leisure(
            "CREATE INDEX CONCURRENTLY feed_entry_late ON feed_entry (org_id, user_id, position) WHERE live AND late"
        )
        at_leisure("DROP INDEX CONCURRENTLY IF EXISTS feed_entry_by_position")


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
