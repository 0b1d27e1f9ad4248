"""the log and the inbox."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    _organizations()
    _people()
    _log()
    _inbox()
    _links()


def downgrade() -> None:
    op.drop_index("watch_by_lead", table_name="watch")
    op.drop_table("watch")
    op.drop_index("lead_by_owner", table_name="lead")
    op.drop_index("lead_by_account", table_name="lead")
    op.drop_table("lead")
    op.drop_table("organization")
    op.drop_index("moment_by_position", table_name="moment")
    op.drop_index("moment_by_lead", table_name="moment")
    op.drop_index("moment_by_identity", table_name="moment")
    op.drop_table("moment")
    op.drop_index("feed_link_by_user", table_name="feed_link")
    op.drop_table("feed_link")
    op.drop_index("feed_entry_by_position", table_name="feed_entry", postgresql_where=sa.text("live"))
    op.drop_index("feed_entry_by_lead", table_name="feed_entry")
    op.drop_table("feed_entry")
    op.drop_index("feed_change_by_age", table_name="feed_change")
    op.drop_table("feed_change")
    op.drop_table("app_user")
    op.drop_index("api_key_by_organization", table_name="api_key")
    op.drop_table("api_key")
    op.drop_table("account")


def _organizations() -> None:
    """Customers, and the keys to what is theirs."""
    op.create_table(
        "organization",
        sa.Column("org_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("org", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("position", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("horizon", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("rss_enabled", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("mail_enabled", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("retention_days", sa.Integer(), server_default="760", nullable=False),
        sa.Column(
            "tiers", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'::jsonb"), nullable=False
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("org_id"),
        postgresql_with={"fillfactor": 50},
    )
    op.create_table(
        "api_key",
        sa.Column("key_hash", sa.LargeBinary(), nullable=False),
        sa.Column("org_id", sa.BigInteger(), nullable=False),
        sa.Column("key_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("hint", sa.Text(), nullable=False),
        sa.Column("scopes", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("key_hash"),
    )
    op.create_index("api_key_by_organization", "api_key", ["org_id", "key_id"], unique=False)


def _people() -> None:
    """Who sells, to whom, and for which company."""
    op.create_table(
        "account",
        sa.Column("org_id", sa.BigInteger(), nullable=False),
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=True),
        sa.Column("address", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("org_id", "account_id"),
    )
    op.create_table(
        "app_user",
        sa.Column("org_id", sa.BigInteger(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(), nullable=True),
        sa.Column("active", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.PrimaryKeyConstraint("org_id", "user_id"),
    )
    op.create_table(
        "lead",
        sa.Column("org_id", sa.BigInteger(), nullable=False),
        sa.Column("lead_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=True),
        sa.Column("account_id", sa.Text(), nullable=True),
        sa.Column("owner_id", sa.Text(), nullable=True),
        sa.Column("email", sa.Text(), nullable=True),
        sa.Column("phone", sa.Text(), nullable=True),
        sa.Column("mobile", sa.Text(), nullable=True),
        sa.Column("fax", sa.Text(), nullable=True),
        sa.Column("score", sa.Float(), nullable=True),
        sa.Column("starred", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("stars", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("flames", sa.SmallInteger(), server_default="0", nullable=False),
        sa.CheckConstraint("stars BETWEEN 0 AND 3 AND flames BETWEEN 0 AND 3", name="lead_tiers"),
        sa.ForeignKeyConstraint(
            ["org_id", "account_id"],
            ["account.org_id", "account.account_id"],
        ),
        sa.ForeignKeyConstraint(
            ["org_id", "owner_id"],
            ["app_user.org_id", "app_user.user_id"],
        ),
        sa.PrimaryKeyConstraint("org_id", "lead_id"),
    )
    op.create_index("lead_by_account", "lead", ["org_id", "account_id"], unique=False)
    op.create_index("lead_by_owner", "lead", ["org_id", "owner_id"], unique=False)


def _log() -> None:
    """What happened, and what else changed a feed."""
    op.create_table(
        "moment",
        sa.Column("org_id", sa.BigInteger(), nullable=False),
        sa.Column("moment_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=False),
        sa.Column("lead_id", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=True),
        sa.Column("bot", sa.Text(), nullable=True),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("type IN ('web', 'email', 'milestone')", name="moment_type"),
        sa.PrimaryKeyConstraint("org_id", "moment_id"),
    )
    op.create_index("moment_by_identity", "moment", ["org_id", "source", "external_id"], unique=True)
    op.create_index("moment_by_lead", "moment", ["org_id", "lead_id", "occurred_at", "moment_id"], unique=False)
    op.create_index("moment_by_position", "moment", ["org_id", "position"], unique=True)
    op.create_table(
        "feed_change",
        sa.Column("org_id", sa.BigInteger(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("lead_id", sa.Text(), nullable=True),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "kind IN ('lead', 'watched', 'unwatched', 'assigned', 'unassigned', 'erased', 'reset')",
            name="feed_change_kind",
        ),
        sa.PrimaryKeyConstraint("org_id", "user_id", "position"),
    )
    op.create_index("feed_change_by_age", "feed_change", ["org_id", "changed_at"], unique=False)


def _inbox() -> None:
    """What is in whose feed, and the watch list that decides it."""
    op.create_table(
        "watch",
        sa.Column("org_id", sa.BigInteger(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("lead_id", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["org_id", "lead_id"], ["lead.org_id", "lead.lead_id"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["org_id", "user_id"], ["app_user.org_id", "app_user.user_id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("org_id", "user_id", "lead_id"),
    )
    op.create_index("watch_by_lead", "watch", ["org_id", "lead_id", "user_id"], unique=False)
    op.create_table(
        "feed_entry",
        sa.Column("org_id", sa.BigInteger(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("moment_id", sa.Uuid(), nullable=False),
        sa.Column("lead_id", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("live", sa.Boolean(), nullable=False),
        sa.Column("read", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.PrimaryKeyConstraint("org_id", "user_id", "occurred_at", "moment_id"),
    )
    op.create_index("feed_entry_by_lead", "feed_entry", ["org_id", "lead_id", "user_id"], unique=False)
    op.create_index(
        "feed_entry_by_position",
        "feed_entry",
        ["org_id", "user_id", "position"],
        unique=False,
        postgresql_where=sa.text("live"),
    )


def _links() -> None:
    """Secret addresses for feed readers."""
    op.create_table(
        "feed_link",
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("org_id", sa.BigInteger(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("nonce", sa.LargeBinary(), nullable=False),
        sa.Column("contact_details", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("token_hash"),
    )
    op.create_index("feed_link_by_user", "feed_link", ["org_id", "user_id"], unique=True)
