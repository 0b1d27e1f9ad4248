"""What is stored of organisations, their keys and their settings."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from uuid_utils.compat import uuid7

from leadfeed_api.db.session import Connection, affected
from leadfeed_api.errors import Conflict, NotFound
from leadfeed_api.organizations.identity import digest, new_api_key, org_number

INSERT_ORGANIZATION = """
INSERT INTO organization (org_id, org, name, created_at) VALUES ($1, $2, $3, $4)
ON CONFLICT (org_id) DO NOTHING
"""
ORGANIZATIONS = "SELECT org_id FROM organization ORDER BY org_id"
ORGANIZATION_NAME = "SELECT org FROM organization WHERE org_id = $1"
CREATED_AT = "SELECT created_at FROM organization WHERE org_id = $1"
INSERT_KEY = """
INSERT INTO api_key (key_hash, org_id, key_id, name, hint, scopes, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7)
"""
# By hash first, before any organisation is known: this is how a caller's organisation is found.
KEY_BY_HASH = "SELECT org_id, scopes FROM api_key WHERE key_hash = $1 AND revoked_at IS NULL"
KEYS = """
SELECT key_id, name, hint, scopes, created_at FROM api_key
WHERE org_id = $1 AND revoked_at IS NULL ORDER BY created_at, key_id
"""
REVOKE_KEY = "UPDATE api_key SET revoked_at = $3 WHERE org_id = $1 AND key_id = $2 AND revoked_at IS NULL"
# One statement answers for a token: is there such an organisation, and may this user in.
STANDING = """
SELECT o.org, u.active FROM organization o
LEFT JOIN app_user u ON u.org_id = $1 AND u.user_id = $2 WHERE o.org_id = $1
"""
# What takes turns by this row does not meet; a statement that only refers to the user does not wait.
USERS_TURN = "SELECT user_id FROM app_user WHERE org_id = $1 AND user_id = $2 FOR NO KEY UPDATE"
SETTINGS = """
SELECT rss_enabled, mail_enabled, mail_domains, lead_url, panel_url, retention_days, tiers, time_zone
FROM organization WHERE org_id = $1
"""
SETTINGS_TO_CHANGE = f"{SETTINGS} FOR NO KEY UPDATE"
SAVE_SETTINGS = """
UPDATE organization SET mail_since = CASE WHEN $3 AND NOT mail_enabled THEN position ELSE mail_since END,
  rss_enabled = $2, mail_enabled = $3, retention_days = $4, tiers = $5, time_zone = $6,
  mail_domains = $7, lead_url = $8, panel_url = $9
WHERE org_id = $1
"""
_SETTINGS_IN_ORDER = (
    "rss_enabled", "mail_enabled", "retention_days", "tiers", "time_zone", "mail_domains", "lead_url", "panel_url",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class StoredKey:
    """An API key as an administrator may see it: everything but the secret."""

    id: UUID
    name: str
    hint: str
    scopes: list[str]
    created_at: datetime


async def create_organization(connection: Connection, org: str, name: str, now: datetime) -> int:
    """Makes an organisation and returns its number. Raises ``Conflict`` when the name, or its number, is taken."""
    org_id = org_number(org)
    if not affected(await connection.execute(INSERT_ORGANIZATION, org_id, org, name, now)):
        raise Conflict(f"An organisation named {org} already exists.")
    return org_id


async def organization_exists(connection: Connection, org: str) -> bool:
    """Whether an organisation of that name was created."""
    return bool(await connection.fetchval(ORGANIZATION_NAME, org_number(org)) == org)


async def organizations(connection: Connection) -> list[int]:
    """Every organisation's number: a rare scan."""
    return [row["org_id"] for row in await connection.fetch(ORGANIZATIONS)]


async def created_at(connection: Connection, org_id: int) -> datetime | None:
    """When the organisation was made; None when it was not."""
    made: datetime | None = await connection.fetchval(CREATED_AT, org_id)
    return made


async def create_key(
    connection: Connection, org_id: int, scopes: Iterable[str], name: str, now: datetime
) -> tuple[StoredKey, str]:
    """Makes an API key. The secret is returned here, once, and never again."""
    secret, key_id, granted = new_api_key(), uuid7(), sorted(set(scopes))
    await connection.execute(INSERT_KEY, digest(secret), org_id, key_id, name, secret[-4:], granted, now)
    return StoredKey(key_id, name, secret[-4:], granted, now), secret


async def keys(connection: Connection, org_id: int) -> list[StoredKey]:
    """The organisation's keys that are still good, oldest first."""
    return [StoredKey(*row) for row in await connection.fetch(KEYS, org_id)]


async def revoke_key(connection: Connection, org_id: int, key_id: UUID, now: datetime) -> bool:
    """Ends a key at once. False when there is no such key, or it was revoked before."""
    return affected(await connection.execute(REVOKE_KEY, org_id, key_id, now)) > 0


async def find_key(connection: Connection, key_hash: bytes) -> tuple[int, list[str]] | None:
    """The organisation's number and the scopes behind a key's hash; None when unknown or revoked."""
    row = await connection.fetchrow(KEY_BY_HASH, key_hash)
    return None if row is None else (row["org_id"], row["scopes"])


async def organization_name(connection: Connection, org_id: int) -> str | None:
    """The name behind a number."""
    name: str | None = await connection.fetchval(ORGANIZATION_NAME, org_id)
    return name


async def standing(connection: Connection, org: str, user_id: str | None) -> tuple[bool, bool | None]:
    """Whether the organisation exists, and whether the user is active in it (None: it does not know them)."""
    row = await connection.fetchrow(STANDING, org_number(org), user_id)
    return (False, None) if row is None or row["org"] != org else (True, row["active"])


async def take_turns(connection: Connection, org_id: int, user_id: str) -> None:
    """Until the commit no other request of this user's that takes turns goes on: first thing in a transaction."""
    await connection.execute(USERS_TURN, org_id, user_id)


async def settings_of(connection: Connection, org_id: int, *, to_change: bool = False) -> dict[str, Any]:
    """The organisation's settings, by their wire names; ``to_change``: until the commit nobody else's to change.

    Raises ``NotFound`` where there is no such organisation.
    """
    row = await connection.fetchrow(SETTINGS_TO_CHANGE if to_change else SETTINGS, org_id)
    if row is None:
        raise NotFound
    return dict(row)


async def save_settings(connection: Connection, org_id: int, values: dict[str, Any]) -> None:
    """Stores all settings as given. What happened while mail was off is mailed to nobody."""
    await connection.execute(SAVE_SETTINGS, org_id, *(values[name] for name in _SETTINGS_IN_ORDER))
