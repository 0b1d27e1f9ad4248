"""triage: muted people and types."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "muted_lead",
        sa.Column("org_id", sa.BigInteger(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("lead_id", sa.Text(), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["org_id", "lead_id"], ["lead.org_id", "lead.lead_id"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["org_id", "user_id"], ["app_user.org_id", "app_user.user_id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("org_id", "user_id", "lead_id"),
    )
    op.create_index("muted_lead_by_lead", "muted_lead", ["org_id", "lead_id"], unique=False)
    op.create_table(
        "muted_type",
        sa.Column("org_id", sa.BigInteger(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("type IN ('web', 'email', 'milestone')", name="muted_type_type"),
        sa.ForeignKeyConstraint(["org_id", "user_id"], ["app_user.org_id", "app_user.user_id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("org_id", "user_id", "type"),
    )


def downgrade() -> None:
    op.drop_table("muted_type")
    op.drop_table("muted_lead")
