"""The whole schema at a glance. Alembic compares the database with this; nothing else uses it at run time.

Rules, so that the same SQL runs on one PostgreSQL and on a distributed one (docs/decisions/0002):

* every table's key begins with ``org_id``; two small look-up tables (``api_key``, ``feed_link``) are found by hash, and
  ``mail_server`` has a row only while the one that serves every organisation is in trouble;
* ids and times are made by the application: no sequences, no ``now()``;
* ``organization.position`` is the organisation's log: taken by UPDATE, it is locked until commit, so positions are
  given out in commit order and without gaps;
* ``feed_entry`` is the inbox: one row per moment and entitled user, derived from owner and watch list.

Ids chosen by the CRM are text of 1-128 printable characters. The tables behind mail are in ``mail_tables``.
"""

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    CheckConstraint,
    Date,
    DateTime,
    Float,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

TIME = DateTime(timezone=True)
_RANKED_SCORE = text("coalesce(score, '-Infinity'::double precision)")


class Table(DeclarativeBase):
    """Base of every table class; its metadata is what Alembic compares."""


class Organization(Table):
    """A customer. ``position`` is how far its log has come; ``horizon`` is where the kept history begins."""

    __tablename__ = "organization"
    __table_args__ = {"postgresql_with": {"fillfactor": 50}}  # noqa: RUF012  room to update in place: position moves all day

    org_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    org: Mapped[str] = mapped_column(Text)  # the name that tokens carry; org_id is its hash
    name: Mapped[str] = mapped_column(Text)
    position: Mapped[int] = mapped_column(BigInteger, server_default="0")
    horizon: Mapped[int] = mapped_column(BigInteger, server_default="0")
    rss_enabled: Mapped[bool] = mapped_column(Boolean, server_default=text("false"))
    mail_enabled: Mapped[bool] = mapped_column(Boolean, server_default=text("true"))
    mail_since: Mapped[int] = mapped_column(BigInteger, server_default="0")  # a position: it was switched on there
    mail_domains: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default="{}")  # empty: mail goes anywhere
    lead_url: Mapped[str | None] = mapped_column(Text)  # where mails link a lead to: a URL with {lead_id}
    panel_url: Mapped[str | None] = mapped_column(Text)  # where mails and feeds link their reader to; null: /panel
    retention_days: Mapped[int] = mapped_column(Integer, server_default="760")
    tiers: Mapped[dict[str, object]] = mapped_column(
        JSONB, server_default=text("'{}'::jsonb")
    )  # what differs from the defaults
    time_zone: Mapped[str] = mapped_column(Text, server_default="UTC")  # where its days begin and end
    created_at: Mapped[object] = mapped_column(TIME)


class ApiKey(Table):
    """A secret of a machine caller; only its SHA-256 is kept."""

    __tablename__ = "api_key"
    __table_args__ = (Index("api_key_by_organization", "org_id", "key_id"),)

    key_hash: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    org_id: Mapped[int] = mapped_column(BigInteger)
    key_id: Mapped[object] = mapped_column(Uuid)
    name: Mapped[str] = mapped_column(Text)
    hint: Mapped[str] = mapped_column(Text)  # its last four characters: enough to tell keys apart
    scopes: Mapped[list[str]] = mapped_column(ARRAY(Text))
    created_at: Mapped[object] = mapped_column(TIME)
    revoked_at: Mapped[object | None] = mapped_column(TIME)


class FeedLink(Table):
    """The secret URL of one user's feed: the token's SHA-256, and the nonce from which our key derives the token.

    ``shown_state`` says what the feed was when it was last shown, ``shown_at`` the date it was shown under.
    """

    __tablename__ = "feed_link"
    __table_args__ = (Index("feed_link_by_user", "org_id", "user_id", unique=True),)

    token_hash: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    org_id: Mapped[int] = mapped_column(BigInteger)
    user_id: Mapped[str] = mapped_column(Text)
    nonce: Mapped[bytes] = mapped_column(LargeBinary)
    contact_details: Mapped[bool] = mapped_column(Boolean)
    created_at: Mapped[object] = mapped_column(TIME)
    shown_state: Mapped[str | None] = mapped_column(Text)
    shown_at: Mapped[object | None] = mapped_column(TIME)


class User(Table):
    """Somebody who has a feed: a sales rep, as the CRM knows them."""

    __tablename__ = "app_user"

    org_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    user_id: Mapped[str] = mapped_column(Text, primary_key=True)
    name: Mapped[str] = mapped_column(Text)
    email: Mapped[str | None] = mapped_column(Text)
    language: Mapped[str | None] = mapped_column(Text)
    time_zone: Mapped[str | None] = mapped_column(Text)
    active: Mapped[bool] = mapped_column(Boolean, server_default=text("true"))


class Account(Table):
    """A company."""

    __tablename__ = "account"

    org_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    account_id: Mapped[str] = mapped_column(Text, primary_key=True)
    name: Mapped[str] = mapped_column(Text)
    url: Mapped[str | None] = mapped_column(Text)
    address: Mapped[str | None] = mapped_column(Text)


class Lead(Table):
    """A person in the CRM. ``starred``, ``stars`` and ``flames`` are placed by best_bets.

    ``…_given`` is the CRM's own priority, where it has one; ours stands aside for such a lead.
    """

    __tablename__ = "lead"
    __table_args__ = (
        ForeignKeyConstraint(["org_id", "account_id"], ["account.org_id", "account.account_id"]),
        ForeignKeyConstraint(["org_id", "owner_id"], ["app_user.org_id", "app_user.user_id"]),
        CheckConstraint("stars BETWEEN 0 AND 3 AND flames BETWEEN 0 AND 3", name="lead_tiers"),
        # Somebody's leads in the order of their priority, read backwards; a lead without a score comes last.
        Index("lead_by_priority", "org_id", "owner_id", "flames", "stars", _RANKED_SCORE, "lead_id"),
        Index("lead_starred", "org_id", "owner_id", postgresql_where=text("starred")),
        Index("lead_by_account", "org_id", "account_id"),
    )

    org_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    lead_id: Mapped[str] = mapped_column(Text, primary_key=True)
    name: Mapped[str] = mapped_column(Text)
    title: Mapped[str | None] = mapped_column(Text)
    account_id: Mapped[str | None] = mapped_column(Text)
    owner_id: Mapped[str | None] = mapped_column(Text)
    email: Mapped[str | None] = mapped_column(Text)
    phone: Mapped[str | None] = mapped_column(Text)
    mobile: Mapped[str | None] = mapped_column(Text)
    fax: Mapped[str | None] = mapped_column(Text)
    score: Mapped[float | None] = mapped_column(Float)
    starred: Mapped[bool] = mapped_column(Boolean, server_default=text("false"))
    stars: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    flames: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    stars_given: Mapped[int | None] = mapped_column(SmallInteger)
    flames_given: Mapped[int | None] = mapped_column(SmallInteger)
    starred_given: Mapped[bool | None] = mapped_column(Boolean)


class ScoreDay(Table):
    """What a lead's score was at the beginning of a day on which it changed: enough to say how far it moved since.

    Kept as long as the organisation's window is; a lead whose score rests has no rows.
    """

    __tablename__ = "score_day"
    __table_args__ = (ForeignKeyConstraint(["org_id", "lead_id"], ["lead.org_id", "lead.lead_id"], ondelete="CASCADE"),)

    org_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    lead_id: Mapped[str] = mapped_column(Text, primary_key=True)
    day: Mapped[object] = mapped_column(Date, primary_key=True)
    opening: Mapped[float] = mapped_column(Float)


class HiddenLead(Table):
    """A best bet its owner does not want to see for a while."""

    __tablename__ = "hidden_lead"
    __table_args__ = (
        ForeignKeyConstraint(["org_id", "lead_id"], ["lead.org_id", "lead.lead_id"], ondelete="CASCADE"),
        ForeignKeyConstraint(["org_id", "user_id"], ["app_user.org_id", "app_user.user_id"], ondelete="CASCADE"),
        Index("hidden_lead_by_lead", "org_id", "lead_id"),
    )

    org_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    user_id: Mapped[str] = mapped_column(Text, primary_key=True)
    lead_id: Mapped[str] = mapped_column(Text, primary_key=True)
    hidden_until: Mapped[object] = mapped_column(TIME)


class Tiering(Table):
    """Where an organisation's re-tiering stands. Apart from ``organization``, whose row is locked all day.

    ``due_at`` is when the next run may begin; while one is under way, when its lease ends. ``run`` names the run under
    way and is null between runs. ``asked``: another is wanted when it has come to its end. ``rules`` are the cut-offs
    of the last run with the settings they came from.
    """

    __tablename__ = "tiering"

    org_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    due_at: Mapped[object] = mapped_column(TIME)
    run: Mapped[object | None] = mapped_column(Uuid)
    asked: Mapped[bool] = mapped_column(Boolean, server_default=text("false"))
    made_with: Mapped[dict[str, object] | None] = mapped_column(JSONB)  # the setting `tiers` at the last claim
    rules: Mapped[dict[str, object] | None] = mapped_column(JSONB)
    leads: Mapped[int] = mapped_column(BigInteger, server_default="0")  # how many there were at the last run
    tiered_at: Mapped[object | None] = mapped_column(TIME)


class Watch(Table):
    """A user follows a lead."""

    __tablename__ = "watch"
    __table_args__ = (
        ForeignKeyConstraint(["org_id", "lead_id"], ["lead.org_id", "lead.lead_id"], ondelete="CASCADE"),
        ForeignKeyConstraint(["org_id", "user_id"], ["app_user.org_id", "app_user.user_id"], ondelete="CASCADE"),
        Index("watch_by_lead", "org_id", "lead_id", "user_id"),
    )

    org_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    user_id: Mapped[str] = mapped_column(Text, primary_key=True)
    lead_id: Mapped[str] = mapped_column(Text, primary_key=True)
    created_at: Mapped[object] = mapped_column(TIME)


class MutedLead(Table):
    """A person whose moments a user does not want to see ``until`` then; null: until they say so."""

    __tablename__ = "muted_lead"
    __table_args__ = (
        ForeignKeyConstraint(["org_id", "lead_id"], ["lead.org_id", "lead.lead_id"], ondelete="CASCADE"),
        ForeignKeyConstraint(["org_id", "user_id"], ["app_user.org_id", "app_user.user_id"], ondelete="CASCADE"),
        Index("muted_lead_by_lead", "org_id", "lead_id"),
    )

    org_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    user_id: Mapped[str] = mapped_column(Text, primary_key=True)
    lead_id: Mapped[str] = mapped_column(Text, primary_key=True)
    until: Mapped[object | None] = mapped_column(TIME)


class MutedType(Table):
    """A kind of moment that a user does not want to see ``until`` then; null: until they say so."""

    __tablename__ = "muted_type"
    __table_args__ = (
        CheckConstraint("type IN ('web', 'email', 'milestone')", name="muted_type_type"),
        ForeignKeyConstraint(["org_id", "user_id"], ["app_user.org_id", "app_user.user_id"], ondelete="CASCADE"),
    )

    org_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    user_id: Mapped[str] = mapped_column(Text, primary_key=True)
    type: Mapped[str] = mapped_column(Text, primary_key=True)
    until: Mapped[object | None] = mapped_column(TIME)


class Moment(Table):
    """Something a lead did. Written once, at its own position in the log; never changed.

    Intentional: no foreign key to ``lead``. Moments and erasure both hold the organisation's lock, the insert joins
    ``lead``, and a key check per row would be paid at every ingest.
    """

    __tablename__ = "moment"
    __table_args__ = (
        CheckConstraint("type IN ('web', 'email', 'milestone')", name="moment_type"),
        Index("moment_by_identity", "org_id", "source", "external_id", unique=True),
        Index("moment_by_position", "org_id", "position", unique=True),
        Index("moment_by_lead", "org_id", "lead_id", "occurred_at", "moment_id"),
    )

    org_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    moment_id: Mapped[object] = mapped_column(Uuid, primary_key=True)
    position: Mapped[int] = mapped_column(BigInteger)
    source: Mapped[str] = mapped_column(Text)
    external_id: Mapped[str] = mapped_column(Text)
    lead_id: Mapped[str] = mapped_column(Text)
    type: Mapped[str] = mapped_column(Text)
    description: Mapped[str] = mapped_column(Text)
    url: Mapped[str | None] = mapped_column(Text)
    bot: Mapped[str | None] = mapped_column(Text)
    occurred_at: Mapped[object] = mapped_column(TIME)
    recorded_at: Mapped[object] = mapped_column(TIME)
    watermark: Mapped[object] = mapped_column(TIME, server_default=text("'-infinity'"))  # feed.order says what it is


class FeedEntry(Table):
    """The inbox: this moment is in this user's feed.

    ``position`` is where the entry entered the inbox: the moment's own when fanned out (``live``), the change's when
    backfilled. Only live entries are ``moment`` events of the stream; the ``late`` ones of them are found by position,
    the others by the inbox's key (``feed.order``).
    """

    __tablename__ = "feed_entry"
    __table_args__ = (
        Index("feed_entry_late", "org_id", "user_id", "position", postgresql_where=text("live AND late")),
    )

    org_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    user_id: Mapped[str] = mapped_column(Text, primary_key=True)
    occurred_at: Mapped[object] = mapped_column(TIME, primary_key=True)
    moment_id: Mapped[object] = mapped_column(Uuid, primary_key=True)
    lead_id: Mapped[str] = mapped_column(Text)
    type: Mapped[str] = mapped_column(Text)
    position: Mapped[int] = mapped_column(BigInteger)
    live: Mapped[bool] = mapped_column(Boolean)
    late: Mapped[bool] = mapped_column(Boolean, server_default=text("true"))
    read: Mapped[bool] = mapped_column(Boolean, server_default=text("false"))


class ReadMark(Table):
    """A moment that a user had read when its lead left their feed: read still, should the lead come back."""

    __tablename__ = "read_mark"
    __table_args__ = (Index("read_mark_by_moment", "org_id", "moment_id"),)

    org_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    user_id: Mapped[str] = mapped_column(Text, primary_key=True)
    moment_id: Mapped[object] = mapped_column(Uuid, primary_key=True)


class FeedChange(Table):
    """What changed in a user's feed that is not a moment: membership, a lead's card, erasure.

    Trimmed by age; of each user's newest change the position stays, and not whom it was about.
    """

    __tablename__ = "feed_change"
    __table_args__ = (
        CheckConstraint(
            "kind IN ('lead', 'watched', 'unwatched', 'assigned', 'unassigned', 'erased', 'reset')",
            name="feed_change_kind",
        ),
        Index("feed_change_by_age", "org_id", "changed_at"),
        Index("feed_change_by_position", "org_id", "position"),
    )

    org_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    user_id: Mapped[str] = mapped_column(Text, primary_key=True)
    position: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    kind: Mapped[str] = mapped_column(Text)
    lead_id: Mapped[str | None] = mapped_column(Text)
    changed_at: Mapped[object] = mapped_column(TIME)
