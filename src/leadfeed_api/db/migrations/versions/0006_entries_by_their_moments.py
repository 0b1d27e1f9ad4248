"""entries by their moments: a lead's entries are found by its moments, and no index of entries by lead is written."""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_index("feed_entry_by_lead", table_name="feed_entry")


def downgrade() -> None:
    op.create_index("feed_entry_by_lead", "feed_entry", ["org_id", "lead_id", "user_id"], unique=False)
