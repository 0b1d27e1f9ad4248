"""moments by mail: subscriptions, recipients, what waits for whom, mails on their way."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _recipients()
    _subscriptions()
    _mails()
    _settings()


def downgrade() -> None:
    op.drop_column("organization", "lead_url")
    op.drop_column("organization", "mail_domains")
    op.drop_column("app_user", "time_zone")
    op.drop_column("app_user", "language")
    op.drop_index("subscription_recipient_by_recipient", table_name="subscription_recipient")
    op.drop_table("subscription_recipient")
    op.drop_index("mail_pending_by_subscription", table_name="mail_pending")
    op.drop_index("mail_pending_by_mail", table_name="mail_pending", postgresql_where=sa.text("mail_id IS NOT NULL"))
    op.drop_table("mail_pending")
    op.drop_index("mail_on_its_way", table_name="mail", postgresql_where=sa.text("state = 'queued'"))
    op.drop_index("mail_due", table_name="mail", postgresql_where=sa.text("state = 'queued'"))
    op.drop_index("mail_by_end", table_name="mail")
    op.drop_table("mail")
    op.drop_index("subscription_by_user", table_name="subscription")
    op.drop_index("subscription_by_match", table_name="subscription")
    op.drop_table("subscription")
    op.drop_index("mail_recipient_due", table_name="mail_recipient", postgresql_where=sa.text("due_at IS NOT NULL"))
    op.drop_index("mail_recipient_by_user", table_name="mail_recipient")
    op.drop_index("mail_recipient_by_address", table_name="mail_recipient")
    op.drop_table("mail_recipient")
    op.drop_table("mail_reader")


def _recipients() -> None:
    """Who gets mail, and how far the log was read for it."""
    op.create_table(
        "mail_reader",
        sa.Column("org_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("org_id"),
    )
    op.create_table(
        "mail_recipient",
        sa.Column("org_id", sa.BigInteger(), nullable=False),
        sa.Column("recipient_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=True),
        sa.Column("address", sa.Text(), nullable=True),
        sa.Column("introduced_by", sa.Text(), nullable=True),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.Column("language", sa.Text(), nullable=True),
        sa.Column("time_zone", sa.Text(), nullable=True),
        sa.Column("daily_hour", sa.SmallInteger(), server_default="8", nullable=False),
        sa.Column("quiet_from", sa.SmallInteger(), nullable=True),
        sa.Column("quiet_until", sa.SmallInteger(), nullable=True),
        sa.Column("daily_cap", sa.SmallInteger(), server_default="30", nullable=False),
        sa.Column("confirmed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("unsubscribed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("refused_address", sa.Text(), nullable=True),
        sa.Column("refused_reason", sa.Text(), nullable=True),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("counted_on", sa.Date(), nullable=True),
        sa.Column("counted", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("(user_id IS NULL) <> (address IS NULL)", name="mail_recipient_one"),
        sa.ForeignKeyConstraint(["org_id", "user_id"], ["app_user.org_id", "app_user.user_id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("org_id", "recipient_id"),
    )
    op.create_index("mail_recipient_by_address", "mail_recipient", ["org_id", "address"], unique=True)
    op.create_index("mail_recipient_by_user", "mail_recipient", ["org_id", "user_id"], unique=True)
    op.create_index(
        "mail_recipient_due", "mail_recipient", ["due_at"], unique=False, postgresql_where=sa.text("due_at IS NOT NULL")
    )


def _subscriptions() -> None:
    """What is wanted, and by whom."""
    op.create_table(
        "subscription",
        sa.Column("org_id", sa.BigInteger(), nullable=False),
        sa.Column("subscription_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("frequency", sa.Text(), nullable=False),
        sa.Column("paused", sa.Boolean(), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("frequency IN ('instant', 'hourly', 'daily')", name="subscription_frequency"),
        sa.CheckConstraint("kind IN ('lead', 'account', 'type', 'description')", name="subscription_kind"),
        sa.CheckConstraint("scope IN ('owned', 'feed')", name="subscription_scope"),
        sa.ForeignKeyConstraint(["org_id", "user_id"], ["app_user.org_id", "app_user.user_id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("org_id", "subscription_id"),
    )
    op.create_index("subscription_by_match", "subscription", ["org_id", "kind", "value"], unique=False)
    op.create_index("subscription_by_user", "subscription", ["org_id", "user_id"], unique=False)
    op.create_table(
        "subscription_recipient",
        sa.Column("org_id", sa.BigInteger(), nullable=False),
        sa.Column("subscription_id", sa.Uuid(), nullable=False),
        sa.Column("recipient_id", sa.Uuid(), nullable=False),
        sa.Column("place", sa.SmallInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["org_id", "recipient_id"], ["mail_recipient.org_id", "mail_recipient.recipient_id"], ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["org_id", "subscription_id"], ["subscription.org_id", "subscription.subscription_id"], ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("org_id", "subscription_id", "recipient_id"),
    )
    op.create_index(
        "subscription_recipient_by_recipient", "subscription_recipient", ["org_id", "recipient_id"], unique=False
    )


def _mails() -> None:
    """Mails on their way, and what waits for the next."""
    op.create_table(
        "mail",
        sa.Column("org_id", sa.BigInteger(), nullable=False),
        sa.Column("mail_id", sa.Uuid(), nullable=False),
        sa.Column("recipient_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("attempts", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("refusals", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("doubts", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("next_attempt_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.CheckConstraint("kind IN ('moments', 'confirmation')", name="mail_kind"),
        sa.CheckConstraint("state IN ('queued', 'sent', 'dropped', 'failed', 'set_aside')", name="mail_state"),
        sa.ForeignKeyConstraint(
            ["org_id", "recipient_id"], ["mail_recipient.org_id", "mail_recipient.recipient_id"], ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("org_id", "mail_id"),
    )
    op.create_index("mail_by_end", "mail", ["org_id", "state", "finished_at"], unique=False)
    op.create_index("mail_due", "mail", ["next_attempt_at"], unique=False, postgresql_where=sa.text("state = 'queued'"))
    op.create_index(
        "mail_on_its_way", "mail", ["org_id", "recipient_id"], unique=True, postgresql_where=sa.text("state = 'queued'")
    )
    op.create_table(
        "mail_pending",
        sa.Column("org_id", sa.BigInteger(), nullable=False),
        sa.Column("recipient_id", sa.Uuid(), nullable=False),
        sa.Column("moment_id", sa.Uuid(), nullable=False),
        sa.Column("subscription_id", sa.Uuid(), nullable=False),
        sa.Column("noticed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("held", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("mail_id", sa.Uuid(), nullable=True),
        sa.ForeignKeyConstraint(
            ["org_id", "subscription_id"], ["subscription.org_id", "subscription.subscription_id"], ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("org_id", "recipient_id", "moment_id", "subscription_id"),
    )
    op.create_index(
        "mail_pending_by_mail",
        "mail_pending",
        ["org_id", "mail_id"],
        unique=False,
        postgresql_where=sa.text("mail_id IS NOT NULL"),
    )
    op.create_index("mail_pending_by_subscription", "mail_pending", ["org_id", "subscription_id"], unique=False)


def _settings() -> None:
    """What people and organisations may say about their mails."""
    op.add_column("app_user", sa.Column("language", sa.Text(), nullable=True))
    op.add_column("app_user", sa.Column("time_zone", sa.Text(), nullable=True))
    op.add_column("organization", sa.Column("mail_domains", sa.ARRAY(sa.Text()), server_default="{}", nullable=False))
    op.add_column("organization", sa.Column("lead_url", sa.Text(), nullable=True))
