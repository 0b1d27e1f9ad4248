"""Muting: people and types that a user does not want to see for a while.

Owns the tables ``muted_lead`` and ``muted_type``. What a mute hides is decided where the feed is read
(``feed.filters``); the stream and the feeds for readers know no mutes.
"""

from datetime import datetime

import asyncpg

from leadfeed_api.db.session import Connection
from leadfeed_api.errors import LeadNotFound
from leadfeed_api.feed.cards import CARDS, account_card, lead_card
from leadfeed_api.feed.schemas import MomentType
from leadfeed_api.triage.schemas import MutedLead, MutedType

MUTE_LEAD = """
INSERT INTO muted_lead (org_id, user_id, lead_id, until) VALUES ($1, $2, $3, $4)
ON CONFLICT (org_id, user_id, lead_id) DO UPDATE SET until = excluded.until
"""
MUTE_TYPE = """
INSERT INTO muted_type (org_id, user_id, type, until) VALUES ($1, $2, $3, $4)
ON CONFLICT (org_id, user_id, type) DO UPDATE SET until = excluded.until
"""
UNMUTE_LEAD = "DELETE FROM muted_lead WHERE org_id = $1 AND user_id = $2 AND lead_id = $3"
UNMUTE_TYPE = "DELETE FROM muted_type WHERE org_id = $1 AND user_id = $2 AND type = $3"
MUTED_LEADS = f"""
SELECT u.until, {CARDS}
FROM muted_lead u
JOIN lead l ON l.org_id = $1 AND l.lead_id = u.lead_id
LEFT JOIN account a ON a.org_id = $1 AND a.account_id = l.account_id
WHERE u.org_id = $1 AND u.user_id = $2 AND (u.until IS NULL OR u.until > $3)
ORDER BY l.name, l.lead_id
"""
MUTED_TYPES = """
SELECT u.type, u.until FROM muted_type u
WHERE u.org_id = $1 AND u.user_id = $2 AND (u.until IS NULL OR u.until > $3) ORDER BY u.type
"""


async def mute_lead(connection: Connection, org_id: int, user_id: str, lead_id: str, until: datetime | None) -> None:
    """Mutes a person; again moves the end. Raises ``LeadNotFound``."""
    try:
        await connection.execute(MUTE_LEAD, org_id, user_id, lead_id, until)
    except asyncpg.ForeignKeyViolationError as error:
        raise LeadNotFound from error


async def mute_type(
    connection: Connection, org_id: int, user_id: str, kind: MomentType, until: datetime | None
) -> None:
    """Mutes a type; again moves the end."""
    await connection.execute(MUTE_TYPE, org_id, user_id, kind, until)


async def unmute_lead(connection: Connection, org_id: int, user_id: str, lead_id: str) -> None:
    """Hears a person again; one that was not muted is no error."""
    await connection.execute(UNMUTE_LEAD, org_id, user_id, lead_id)


async def unmute_type(connection: Connection, org_id: int, user_id: str, kind: MomentType) -> None:
    """Hears a type again; one that was not muted is no error."""
    await connection.execute(UNMUTE_TYPE, org_id, user_id, kind)


async def muted_leads(connection: Connection, org_id: int, user_id: str, now: datetime) -> list[MutedLead]:
    """The people muted now, by name."""
    rows = await connection.fetch(MUTED_LEADS, org_id, user_id, now)
    return [MutedLead(lead=lead_card(row), account=account_card(row), until=row["until"]) for row in rows]


async def muted_types(connection: Connection, org_id: int, user_id: str, now: datetime) -> list[MutedType]:
    """The types muted now."""
    rows = await connection.fetch(MUTED_TYPES, org_id, user_id, now)
    return [MutedType(type=row["type"], until=row["until"]) for row in rows]
