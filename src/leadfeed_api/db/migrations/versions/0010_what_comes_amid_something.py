"""what was between two states: from when mail counts, marks of who left, a re-tiering that is asked for amid one.

Mail counts for a recipient since they agreed, for an organisation since it was last switched on. What a user has read
stays read when its lead leaves their feed and comes back.
"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("mail_recipient", sa.Column("since", sa.BigInteger(), server_default="0", nullable=False))
    op.add_column("tiering", sa.Column("asked", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    op.create_table(
        "read_mark",
        sa.Column("org_id", sa.BigInteger(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("moment_id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("org_id", "user_id", "moment_id"),
    )
    op.create_index("read_mark_by_moment", "read_mark", ["org_id", "moment_id"])
    op.add_column("organization", sa.Column("mail_since", sa.BigInteger(), server_default="0", nullable=False))


def downgrade() -> None:
    op.drop_column("organization", "mail_since")
    op.drop_table("read_mark")
    op.drop_column("tiering", "asked")
    op.drop_column("mail_recipient", "since")
