"""where the panel is: the page of a CRM that shows it, for mails and feeds to link to."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("organization", sa.Column("panel_url", sa.Text(), nullable=True))


def downgrade() -> None:
    op.drop_column("organization", "panel_url")
