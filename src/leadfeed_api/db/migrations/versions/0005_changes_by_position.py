"""changes by position: what happened between two positions of the log, for everyone who follows it."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("feed_change_by_position", "feed_change", ["org_id", "position"], unique=False)


def downgrade() -> None:
    op.drop_index("feed_change_by_position", table_name="feed_change")
