"""best bets: the history of scores, the CRM's own priority, hidden leads, where re-tiering stands."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("organization", sa.Column("time_zone", sa.Text(), server_default="UTC", nullable=False))
    op.add_column("lead", sa.Column("stars_given", sa.SmallInteger(), nullable=True))
    op.add_column("lead", sa.Column("flames_given", sa.SmallInteger(), nullable=True))
    op.add_column("lead", sa.Column("starred_given", sa.Boolean(), nullable=True))
    op.create_index(
        "lead_by_priority",
        "lead",
        [
            "org_id",
            "owner_id",
            "flames",
            "stars",
            sa.text("coalesce(score, '-Infinity'::double precision)"),
            "lead_id",
        ],
        unique=False,
    )
    op.drop_index("lead_by_owner", table_name="lead")  # lead_by_priority begins with the same columns
    op.create_index("lead_starred", "lead", ["org_id", "owner_id"], unique=False, postgresql_where=sa.text("starred"))
    op.create_table(
        "score_day",
        sa.Column("org_id", sa.BigInteger(), nullable=False),
        sa.Column("lead_id", sa.Text(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("opening", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(["org_id", "lead_id"], ["lead.org_id", "lead.lead_id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("org_id", "lead_id", "day"),
    )
    op.create_table(
        "hidden_lead",
        sa.Column("org_id", sa.BigInteger(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("lead_id", sa.Text(), nullable=False),
        sa.Column("hidden_until", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["org_id", "lead_id"], ["lead.org_id", "lead.lead_id"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["org_id", "user_id"], ["app_user.org_id", "app_user.user_id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("org_id", "user_id", "lead_id"),
    )
    op.create_index("hidden_lead_by_lead", "hidden_lead", ["org_id", "lead_id"], unique=False)
    op.create_table(
        "tiering",
        sa.Column("org_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("run", sa.Uuid(), nullable=True),
        sa.Column("made_with", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("rules", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("leads", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("tiered_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("org_id"),
    )


def downgrade() -> None:
    op.drop_table("tiering")
    op.drop_table("hidden_lead")
    op.drop_table("score_day")
    op.drop_index("lead_starred", table_name="lead", postgresql_where=sa.text("starred"))
    op.create_index("lead_by_owner", "lead", ["org_id", "owner_id"], unique=False)
    op.drop_index("lead_by_priority", table_name="lead")
    op.drop_column("lead", "starred_given")
    op.drop_column("lead", "flames_given")
    op.drop_column("lead", "stars_given")
    op.drop_column("organization", "time_zone")
