"""late entries by position: entries that come in the order of time are found by the inbox's key, and indexed once."""

from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # What is stored already is found by position as before. Nothing of it is rewritten: a default is kept aside.
    now = sa.text(f"'{datetime.now(UTC).isoformat()}'")
    op.add_column("moment", sa.Column("watermark", sa.DateTime(timezone=True), server_default=now, nullable=False))
    op.alter_column("moment", "watermark", server_default=sa.text("'-infinity'"))
    op.add_column("feed_entry", sa.Column("late", sa.Boolean(), server_default=sa.text("true"), nullable=False))
    op.create_index(
        "feed_entry_late",
        "feed_entry",
        ["org_id", "user_id", "position"],
        unique=False,
        postgresql_where=sa.text("live AND late"),
    )
    op.drop_index("feed_entry_by_position", table_name="feed_entry", postgresql_where=sa.text("live"))


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
