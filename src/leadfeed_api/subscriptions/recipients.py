"""Who can be mailed: users of the organisation, and addresses outside whose owners said yes.

Owns ``mail_recipient``: how a named address becomes a recipient, whether they may be mailed now and why not, and how
they wish it. Knows nothing of moments.
"""

import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Literal
from uuid import UUID
from zoneinfo import ZoneInfo

import asyncpg
from uuid_utils.compat import uuid7

from leadfeed_api.db.session import Connection
from leadfeed_api.errors import Invalid
from leadfeed_api.organizations.queries import settings_of
from leadfeed_api.subscriptions.addresses import domain_allowed, mail_address
from leadfeed_api.subscriptions.digest import Wishes
from leadfeed_api.subscriptions.letters.letter import Addressee
from leadfeed_api.subscriptions.letters.wording import LanguageCode
from leadfeed_api.subscriptions.links import SECRET_BYTES

Standing = Literal["active", "pending", "unsubscribed", "refused", "not-allowed", "no-address", "disabled", "off"]
MAX_UNCONFIRMED = 10  # addresses outside that one user named and whose owners have not answered
# Where no subscription names one any more: whoever deletes and names again writes to no more people in a day.
FORGOTTEN_AFTER = timedelta(days=1)

# A user's own settings beat what the CRM says of them, which beats the organisation's; an address outside is spoken to
# like whoever named it first. Whoever stopped the mails to an address stopped them for all who have it: ``said`` is its
# own row, which is there for that even where nobody named it.
COLUMNS = """
  r.recipient_id, r.user_id, r.secret, r.daily_hour, r.quiet_from, r.quiet_until, r.daily_cap,
  r.confirmed_at, coalesce(r.unsubscribed_at, said.unsubscribed_at) AS unsubscribed_at,
  r.refused_address, r.refused_reason, r.counted_on, r.counted,
  r.introduced_by,
  coalesce(r.language, namer.language, u.language) AS language,
  coalesce(r.time_zone, namer.time_zone, u.time_zone, o.time_zone) AS time_zone,
  u.name AS user_name, u.active AS user_active, CASE WHEN r.user_id IS NULL THEN r.address ELSE u.email END AS address,
  o.name AS organization, o.mail_enabled, o.mail_domains, o.lead_url, o.panel_url
"""
_FROM = """
FROM mail_recipient r
JOIN organization o ON o.org_id = $1
LEFT JOIN app_user u ON u.org_id = $1 AND u.user_id = coalesce(r.user_id, r.introduced_by)
LEFT JOIN mail_recipient namer ON namer.org_id = $1 AND namer.user_id = r.introduced_by
LEFT JOIN mail_recipient said ON said.org_id = $1
  AND said.address = lower(coalesce(r.address, u.email) COLLATE "C") COLLATE "default"
"""
BY_ID = f"SELECT {COLUMNS} {_FROM} WHERE r.org_id = $1 AND r.recipient_id = ANY($2::uuid[])"
OF_USER = f"SELECT {COLUMNS} {_FROM} WHERE r.org_id = $1 AND r.user_id = $2"
DUE = f"""
SELECT {COLUMNS} {_FROM}
WHERE r.org_id = $1 AND r.due_at <= $2 AND NOT EXISTS (
  SELECT FROM mail q WHERE q.org_id = $1 AND q.recipient_id = r.recipient_id AND q.state = 'queued')
ORDER BY r.due_at LIMIT 100 FOR NO KEY UPDATE OF r SKIP LOCKED
"""
USERS_BY_ADDRESS = """
SELECT u.user_id, lower(u.email COLLATE "C") AS address FROM app_user u
WHERE u.org_id = $1 AND u.active AND lower(u.email COLLATE "C") = ANY($2::text[]) ORDER BY u.user_id
"""
_UNANSWERED = "(r.confirmed_at IS NULL AND r.unsubscribed_at IS NULL AND r.refused_address IS DISTINCT FROM r.address)"
UNCONFIRMED = f"""
SELECT r.address FROM mail_recipient r
WHERE r.org_id = $1 AND r.introduced_by = $2 AND {_UNANSWERED} AND (r.created_at > $3 OR EXISTS (
  SELECT FROM subscription_recipient t WHERE t.org_id = $1 AND t.recipient_id = r.recipient_id))
"""
ANSWERED = f"""
SELECT r.address FROM mail_recipient r WHERE r.org_id = $1 AND r.address = ANY($2::text[]) AND NOT {_UNANSWERED}
"""
INSERT_USERS = """
INSERT INTO mail_recipient (org_id, recipient_id, user_id, secret, confirmed_at, created_at)
SELECT o.org_id, x.recipient_id, x.user_id, x.secret, $5, $5
FROM organization o CROSS JOIN unnest($2::uuid[], $3::text[], $4::bytea[]) AS x (recipient_id, user_id, secret)
WHERE o.org_id = $1 ON CONFLICT DO NOTHING
"""
# One that is there, and was named, is not touched: that locked it, before those that :func:`lock` puts in order.
INSERT_OUTSIDERS = """
INSERT INTO mail_recipient (org_id, recipient_id, address, secret, introduced_by, created_at)
SELECT o.org_id, x.recipient_id, x.address, x.secret, $5, $6
FROM organization o CROSS JOIN unnest($2::uuid[], $3::text[], $4::bytea[]) AS x (recipient_id, address, secret)
WHERE o.org_id = $1 AND NOT EXISTS (
  SELECT FROM mail_recipient r WHERE r.org_id = $1 AND r.address = x.address AND r.introduced_by IS NOT NULL)
ON CONFLICT (org_id, address) DO UPDATE SET introduced_by = excluded.introduced_by
WHERE mail_recipient.introduced_by IS NULL
"""
IDS = """
SELECT r.recipient_id, r.user_id, r.address FROM mail_recipient r
WHERE r.org_id = $1 AND (r.user_id = ANY($2::text[]) OR r.address = ANY($3::text[]))
"""
LOCK = """
SELECT r.recipient_id FROM mail_recipient r WHERE r.org_id = $1 AND r.recipient_id = ANY($2::uuid[])
ORDER BY r.recipient_id FOR NO KEY UPDATE
"""
LOOK_AT = """
UPDATE mail_recipient r SET due_at = least(r.due_at, $3)
WHERE r.org_id = $1 AND r.recipient_id = ANY($2::uuid[]) AND NOT EXISTS (
  SELECT FROM mail q WHERE q.org_id = $1 AND q.recipient_id = r.recipient_id AND q.state = 'queued')
"""
WISHES = """
SELECT language, time_zone, daily_hour, quiet_from, quiet_until, daily_cap
FROM mail_recipient WHERE org_id = $1 AND recipient_id = $2
"""
SAVE_WISHES = """
UPDATE mail_recipient SET language = $3, time_zone = $4, daily_hour = $5, quiet_from = $6, quiet_until = $7,
  daily_cap = $8 WHERE org_id = $1 AND recipient_id = $2
"""
ADDRESS_OF_USER = "SELECT email FROM app_user WHERE org_id = $1 AND user_id = $2"


@dataclass(frozen=True, slots=True)
class Recipient:
    """Somebody who can be mailed, with what decides whether and how. ``user_name`` of an address outside is empty."""

    recipient_id: UUID
    user_id: str | None
    user_name: str
    address: str | None
    secret: bytes
    language: LanguageCode
    wishes: Wishes
    organization: str
    lead_url: str | None
    panel_url: str | None
    counted_on: date | None
    counted: int
    standing: Standing
    reason: str | None
    introduced_by: str | None
    unsubscribed: bool

    @property
    def addressee(self) -> Addressee:
        """Whom a mail to them speaks to."""
        return Addressee(
            self.user_id, self.user_name, self.address or "", self.language, self.wishes.zone, self.organization
        )

    def counted_today(self, now: datetime) -> int:
        """How many instant and hourly mails went out on their own calendar's day."""
        return self.counted if self.counted_on == self.wishes.today(now) else 0


async def by_id(connection: Connection, org_id: int, recipient_ids: Sequence[UUID]) -> dict[UUID, Recipient]:
    """Those of these that exist."""
    rows = await connection.fetch(BY_ID, org_id, list(recipient_ids))
    return {row["recipient_id"]: _recipient(row) for row in rows}


async def of_user(connection: Connection, org_id: int, user_id: str, now: datetime) -> Recipient:
    """The user as a recipient; made on first use. Wants a transaction."""
    await _insert_users(connection, org_id, [user_id], now)
    (row,) = await connection.fetch(OF_USER, org_id, user_id)
    return _recipient(row)


async def due(connection: Connection, org_id: int, now: datetime) -> list[Recipient]:
    """Up to 100 whose turn it is and who have no mail on its way; locked until the transaction ends."""
    return [_recipient(row) for row in await connection.fetch(DUE, org_id, now)]


async def lock(connection: Connection, org_id: int, recipient_ids: Iterable[UUID]) -> None:
    """Locks them until the transaction ends; all at once, and in one order for all, so that nobody waits in a ring."""
    await connection.execute(LOCK, org_id, sorted(set(recipient_ids)))


async def look_at(connection: Connection, org_id: int, recipient_ids: Iterable[UUID], now: datetime) -> None:
    """Something changed for them: a worker shall plan anew, once any mail on its way has ended. Wants :func:`lock`."""
    await connection.execute(LOOK_AT, org_id, sorted(set(recipient_ids)), now)


async def save_wishes(connection: Connection, org_id: int, recipient_id: UUID, changed: Mapping[str, object]) -> None:
    """Stores what changed of how somebody wants to be mailed, by column. Wants :func:`lock`."""
    (stored,) = await connection.fetch(WISHES, org_id, recipient_id)
    wishes = {**stored, **changed}
    await connection.execute(SAVE_WISHES, org_id, recipient_id, *wishes.values())


async def named(
    connection: Connection, org_id: int, user_id: str, addresses: Sequence[str], now: datetime
) -> list[UUID]:
    """The recipients behind these addresses, in their order; none means the user's own. Wants a transaction.

    An address of an active user means that user, whatever their address will be; any other is an address outside, which
    is mailed only once its owner confirmed it. Raises ``Invalid`` for one that the organisation does not allow, for a
    user without an address of their own, and when too many outside have not answered yet.
    """
    if not addresses:
        addresses = [await _own_address(connection, org_id, user_id)]
    addresses = [address.lower() for address in addresses]
    await _demand_allowed(connection, org_id, addresses)
    wanted = list(dict.fromkeys(addresses))
    users: dict[str, str] = {}
    for row in await connection.fetch(USERS_BY_ADDRESS, org_id, wanted):
        if row["user_id"] == user_id or row["address"] not in users:
            users[row["address"]] = row["user_id"]
    outside = [address for address in wanted if address not in users]
    await _demand_few_unconfirmed(connection, org_id, user_id, outside, now)
    await _insert_users(connection, org_id, sorted(set(users.values())), now)
    await insert_addresses(connection, org_id, outside, user_id, now)
    rows = await connection.fetch(IDS, org_id, list(users.values()), outside)
    # Two ways to be named: a user's id may look like somebody's address.
    ids = {(row["user_id"], None if row["user_id"] else row["address"]): row["recipient_id"] for row in rows}
    keys = [(users[address], None) if address in users else (None, address) for address in wanted]
    return list(dict.fromkeys(ids[key] for key in keys))


async def insert_addresses(
    connection: Connection, org_id: int, addresses: Sequence[str], introduced_by: str | None, now: datetime
) -> None:
    """Makes the rows of these addresses, in lower case, where there are none. Wants a transaction."""
    if addresses:
        # In one order for all, so that two who name the same do not wait for each other.
        keys = _columns(_fresh(len(addresses)), sorted(addresses))
        await connection.execute(INSERT_OUTSIDERS, org_id, *keys, introduced_by, now)


async def _own_address(connection: Connection, org_id: int, user_id: str) -> str:
    address = mail_address(await connection.fetchval(ADDRESS_OF_USER, org_id, user_id))
    if address is None:
        raise Invalid(
            errors=[
                {
                    "pointer": "/recipients",
                    "detail": "the CRM has sent no address of yours that mail could go to; name one",
                }
            ]
        )
    return address


async def _demand_allowed(connection: Connection, org_id: int, addresses: Sequence[str]) -> None:
    allowed = (await settings_of(connection, org_id))["mail_domains"]
    strangers = [place for place, address in enumerate(addresses) if not domain_allowed(address, allowed)]
    if strangers:
        detail = "your organisation does not allow mail to this domain"
        raise Invalid(errors=[{"pointer": f"/recipients/{place}", "detail": detail} for place in strangers])


async def _demand_few_unconfirmed(
    connection: Connection, org_id: int, user_id: str, outside: Sequence[str], now: datetime
) -> None:
    if not outside:
        return
    asked = set(outside) - {row["address"] for row in await connection.fetch(ANSWERED, org_id, outside)}
    rows = await connection.fetch(UNCONFIRMED, org_id, user_id, now - FORGOTTEN_AFTER)
    if asked and len({row["address"] for row in rows} | asked) > MAX_UNCONFIRMED:
        detail = f"{MAX_UNCONFIRMED} addresses outside the organisation that you named have not answered yet"
        raise Invalid(errors=[{"pointer": "/recipients", "detail": detail}])


async def _insert_users(connection: Connection, org_id: int, user_ids: Sequence[str], now: datetime) -> None:
    if user_ids:
        await connection.execute(INSERT_USERS, org_id, *_columns(_fresh(len(user_ids)), user_ids), now)


def _fresh(count: int) -> list[tuple[UUID, bytes]]:
    return [(uuid7(), secrets.token_bytes(SECRET_BYTES)) for _ in range(count)]


def _columns(keys: Sequence[tuple[UUID, bytes]], names: Sequence[str]) -> tuple[list[Any], list[str], list[bytes]]:
    return [key[0] for key in keys], list(names), [key[1] for key in keys]


def _recipient(row: asyncpg.Record) -> Recipient:
    standing, reason = _standing(row)
    quiet = None if row["quiet_from"] is None else (row["quiet_from"], row["quiet_until"])
    return Recipient(
        recipient_id=row["recipient_id"],
        user_id=row["user_id"],
        user_name=row["user_name"] if row["user_id"] is not None else "",
        address=mail_address(row["address"]),
        secret=row["secret"],
        language="fr" if (row["language"] or "").lower().partition("-")[0] == "fr" else "en",
        wishes=Wishes(zone(row["time_zone"]), row["daily_hour"], quiet, row["daily_cap"]),
        organization=row["organization"],
        lead_url=row["lead_url"],
        panel_url=row["panel_url"],
        counted_on=row["counted_on"],
        counted=row["counted"],
        standing=standing,
        reason=reason,
        introduced_by=row["introduced_by"],
        unsubscribed=row["unsubscribed_at"] is not None,
    )


def _standing(row: asyncpg.Record) -> tuple[Standing, str | None]:
    """Whether they may be mailed; if not, the first reason, in words that the subscriber understands."""
    address = mail_address(row["address"]) or ""
    obstacles: tuple[tuple[Standing, bool, str], ...] = (
        ("off", not row["mail_enabled"], "Mail is switched off in this organisation."),
        ("disabled", row["user_id"] is not None and not row["user_active"], "This user is switched off."),
        ("no-address", not address, "The CRM knows no e-mail address of this user that mail could go to."),
        (
            "not-allowed",
            not domain_allowed(address, row["mail_domains"]),
            "The organisation does not allow mail to this domain.",
        ),
        ("unsubscribed", row["unsubscribed_at"] is not None, "Its owner unsubscribed."),
        ("refused", row["refused_address"] == address.lower(), row["refused_reason"] or ""),
        ("pending", row["confirmed_at"] is None, "Its owner has not confirmed it yet."),
    )
    return next(((standing, reason) for standing, stands, reason in obstacles if stands), ("active", None))


def zone(name: str | None) -> ZoneInfo:
    """The time zone of that name; UTC for one that this machine does not know (any more)."""
    try:
        return ZoneInfo(name or "UTC")
    except (ValueError, OSError, KeyError):
        return ZoneInfo("UTC")
