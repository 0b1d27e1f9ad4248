"""from when mail counts: for a recipient since they agreed, for an organisation since it was last switched on."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("mail_recipient", sa.Column("since", sa.BigInteger(), server_default="0", nullable=False))
    op.add_column("organization", sa.Column("mail_since", sa.BigInteger(), server_default="0", nullable=False))


def downgrade() -> None:
    op.drop_column("organization", "mail_since")
    op.drop_column("mail_recipient", "since")
