"""when a feed was another: what a feed was when it was last shown, and the date it was shown under."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("feed_link", sa.Column("shown_state", sa.Text(), nullable=True))
    op.add_column("feed_link", sa.Column("shown_at", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    op.drop_column("feed_link", "shown_at")
    op.drop_column("feed_link", "shown_state")
