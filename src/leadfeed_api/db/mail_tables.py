"""The tables behind mail: who is subscribed to what, what waits for whom, and the mails on their way.

The same rules as in ``tables``. The order of a moment's way: ``mail_reader`` says how far the log was read, what
matches becomes ``mail_pending``, what is due becomes a ``mail``. ``mail_server`` is everybody's.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Date,
    ForeignKeyConstraint,
    Index,
    Interval,
    LargeBinary,
    SmallInteger,
    Text,
    Uuid,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from leadfeed_api.db.tables import TIME, Table


class Subscription(Table):
    """What a user wants to be mailed about. ``since``: the log's position from which on moments count."""

    __tablename__ = "subscription"
    __table_args__ = (
        CheckConstraint("kind IN ('lead', 'account', 'type', 'description')", name="subscription_kind"),
        CheckConstraint("scope IN ('owned', 'feed')", name="subscription_scope"),
        CheckConstraint("frequency IN ('instant', 'hourly', 'daily')", name="subscription_frequency"),
        ForeignKeyConstraint(["org_id", "user_id"], ["app_user.org_id", "app_user.user_id"], ondelete="CASCADE"),
        Index("subscription_by_user", "org_id", "user_id"),
        Index("subscription_by_match", "org_id", "kind", "value"),
    )

    org_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    subscription_id: Mapped[object] = mapped_column(Uuid, primary_key=True)
    user_id: Mapped[str] = mapped_column(Text)
    kind: Mapped[str] = mapped_column(Text)
    value: Mapped[str] = mapped_column(Text)
    scope: Mapped[str] = mapped_column(Text)
    frequency: Mapped[str] = mapped_column(Text)
    paused: Mapped[bool] = mapped_column(Boolean)
    since: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[object] = mapped_column(TIME)


class MailRecipient(Table):
    """Somebody who is mailed: a user, or an address outside; how they wish it, and whether it may be.

    ``secret`` is behind the links in their mails. ``due_at``: when to see whether a mail has to go out; null: one is on
    its way, whose end sets it, or nothing waits. ``counted`` mails went out on the day ``counted_on`` of their own time
    zone. ``refused_…``: the mail server said for good that this address takes no mail. ``unsubscribed_at`` of an
    address holds for every user who has it; it has a row for that even where nobody named it. ``since``: the log's
    position from which on moments count, because they agreed there, or agreed again.
    """

    __tablename__ = "mail_recipient"
    __table_args__ = (
        CheckConstraint("(user_id IS NULL) <> (address IS NULL)", name="mail_recipient_one"),
        ForeignKeyConstraint(["org_id", "user_id"], ["app_user.org_id", "app_user.user_id"], ondelete="CASCADE"),
        Index("mail_recipient_by_user", "org_id", "user_id", unique=True),
        Index("mail_recipient_by_address", "org_id", "address", unique=True),
        Index("mail_recipient_due", "due_at", postgresql_where=text("due_at IS NOT NULL")),
    )

    org_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    recipient_id: Mapped[object] = mapped_column(Uuid, primary_key=True)
    user_id: Mapped[str | None] = mapped_column(Text)
    address: Mapped[str | None] = mapped_column(Text)
    introduced_by: Mapped[str | None] = mapped_column(Text)  # the user who named an address outside first
    secret: Mapped[bytes] = mapped_column(LargeBinary)
    language: Mapped[str | None] = mapped_column(Text)
    time_zone: Mapped[str | None] = mapped_column(Text)
    daily_hour: Mapped[int] = mapped_column(SmallInteger, server_default="8")
    quiet_from: Mapped[int | None] = mapped_column(SmallInteger)  # minutes after midnight, in their time zone
    quiet_until: Mapped[int | None] = mapped_column(SmallInteger)
    daily_cap: Mapped[int] = mapped_column(SmallInteger, server_default="30")
    confirmed_at: Mapped[object | None] = mapped_column(TIME)  # null for an address whose owner has not said yes
    unsubscribed_at: Mapped[object | None] = mapped_column(TIME)
    since: Mapped[int] = mapped_column(BigInteger, server_default="0")
    refused_address: Mapped[str | None] = mapped_column(Text)
    refused_reason: Mapped[str | None] = mapped_column(Text)
    due_at: Mapped[object | None] = mapped_column(TIME)
    counted_on: Mapped[object | None] = mapped_column(Date)
    counted: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    created_at: Mapped[object] = mapped_column(TIME)


class SubscriptionRecipient(Table):
    """Who is mailed about what matches a subscription; ``place`` keeps the order they were named in."""

    __tablename__ = "subscription_recipient"
    __table_args__ = (
        ForeignKeyConstraint(
            ["org_id", "subscription_id"],
            ["subscription.org_id", "subscription.subscription_id"],
            ondelete="CASCADE",
        ),
        ForeignKeyConstraint(
            ["org_id", "recipient_id"],
            ["mail_recipient.org_id", "mail_recipient.recipient_id"],
            ondelete="CASCADE",
        ),
        Index("subscription_recipient_by_recipient", "org_id", "recipient_id"),
    )

    org_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    subscription_id: Mapped[object] = mapped_column(Uuid, primary_key=True)
    recipient_id: Mapped[object] = mapped_column(Uuid, primary_key=True)
    place: Mapped[int] = mapped_column(SmallInteger)


class MailReader(Table):
    """How far the mail has read an organisation's log. Locked by the worker that reads on."""

    __tablename__ = "mail_reader"

    org_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    position: Mapped[int] = mapped_column(BigInteger)


class Mail(Table):
    """One mail on its way, or what became of it. At most one a recipient is on its way.

    ``refusals`` counts how often the server put it off, ``doubts`` how often it was handed over without an answer.
    While a worker is at it, ``next_attempt_at`` is when another may take it over.
    """

    __tablename__ = "mail"
    __table_args__ = (
        CheckConstraint("kind IN ('moments', 'confirmation')", name="mail_kind"),
        CheckConstraint("state IN ('queued', 'sent', 'dropped', 'failed', 'set_aside')", name="mail_state"),
        ForeignKeyConstraint(
            ["org_id", "recipient_id"],
            ["mail_recipient.org_id", "mail_recipient.recipient_id"],
            ondelete="CASCADE",
        ),
        Index("mail_on_its_way", "org_id", "recipient_id", unique=True, postgresql_where=text("state = 'queued'")),
        Index("mail_due", "next_attempt_at", postgresql_where=text("state = 'queued'")),
        Index("mail_by_end", "org_id", "state", "finished_at"),
    )

    org_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    mail_id: Mapped[object] = mapped_column(Uuid, primary_key=True)
    recipient_id: Mapped[object] = mapped_column(Uuid)
    kind: Mapped[str] = mapped_column(Text)
    digest: Mapped[str | None] = mapped_column(Text)  # the slowest frequency whose turn it was
    state: Mapped[str] = mapped_column(Text)
    attempts: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    refusals: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    doubts: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    next_attempt_at: Mapped[object] = mapped_column(TIME)
    created_at: Mapped[object] = mapped_column(TIME)
    finished_at: Mapped[object | None] = mapped_column(TIME)
    reason: Mapped[str | None] = mapped_column(Text)


class MailPending(Table):
    """A moment that waits to be mailed to somebody because of a subscription; with ``mail_id``, in that mail.

    ``held``: the day's cap was reached, so it waits for the daily digest.
    """

    __tablename__ = "mail_pending"
    __table_args__ = (
        ForeignKeyConstraint(
            ["org_id", "subscription_id"],
            ["subscription.org_id", "subscription.subscription_id"],
            ondelete="CASCADE",
        ),
        Index("mail_pending_by_subscription", "org_id", "subscription_id"),
        Index("mail_pending_by_mail", "org_id", "mail_id", postgresql_where=text("mail_id IS NOT NULL")),
    )

    org_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    recipient_id: Mapped[object] = mapped_column(Uuid, primary_key=True)
    moment_id: Mapped[object] = mapped_column(Uuid, primary_key=True)
    subscription_id: Mapped[object] = mapped_column(Uuid, primary_key=True)
    noticed_at: Mapped[object] = mapped_column(TIME)
    held: Mapped[bool] = mapped_column(Boolean, server_default=text("false"))
    mail_id: Mapped[object | None] = mapped_column(Uuid)


class MailServer(Table):
    """A mail server in trouble, as all workers know it. Without a row it is well.

    ``lost_at``: when it last took a message without an answer; then nobody tries it before ``next_at``, which was put
    off by ``pause``. ``refused`` addresses in a row were refused for good.
    """

    __tablename__ = "mail_server"

    server: Mapped[str] = mapped_column(Text, primary_key=True)  # host and port
    lost_at: Mapped[object | None] = mapped_column(TIME)
    next_at: Mapped[object | None] = mapped_column(TIME)
    pause: Mapped[object | None] = mapped_column(Interval)
    refused: Mapped[int] = mapped_column(SmallInteger, server_default="0")
