"""Mails on their way and mails set aside, as an administrator asks for them; and trying one of these again."""

from datetime import datetime
from uuid import UUID

import asyncpg

from leadfeed_api.db.session import Connection, affected

SET_ASIDE = """
SELECT q.mail_id AS id, q.created_at, q.finished_at AS set_aside_at, q.reason, coalesce(u.email, r.address) AS address
FROM mail q
JOIN mail_recipient r ON r.org_id = $1 AND r.recipient_id = q.recipient_id
LEFT JOIN app_user u ON u.org_id = $1 AND u.user_id = r.user_id
WHERE q.org_id = $1 AND q.state = 'set_aside' ORDER BY q.finished_at DESC LIMIT 200
"""
WAITING_MAILS = "SELECT count(*) AS mails, min(created_at) AS oldest FROM mail WHERE org_id = $1 AND state = 'queued'"
TRY_AGAIN = """
UPDATE mail SET state = 'queued', doubts = 0, refusals = 0, finished_at = NULL, next_attempt_at = $3, created_at = $3
WHERE org_id = $1 AND mail_id = $2 AND state = 'set_aside' AND NOT EXISTS (
  SELECT FROM mail q WHERE q.org_id = $1 AND q.recipient_id = mail.recipient_id AND q.state = 'queued')
"""


async def on_their_way(connection: Connection, org_id: int) -> tuple[int, datetime | None]:
    """How many mails of the organisation are on their way, and since when the oldest is."""
    (row,) = await connection.fetch(WAITING_MAILS, org_id)
    return row["mails"], row["oldest"]


async def set_aside(connection: Connection, org_id: int) -> list[dict[str, object]]:
    """The latest 200 mails that were set aside: ``id``, ``address``, ``created_at``, ``set_aside_at``, ``reason``."""
    return [dict(row) for row in await connection.fetch(SET_ASIDE, org_id)]


async def try_again(connection: Connection, org_id: int, mail_id: UUID, now: datetime) -> bool:
    """Puts a mail that was set aside back on its way, as old as a new one.

    False when there is none, or its recipient has one already.
    """
    try:
        return affected(await connection.execute(TRY_AGAIN, org_id, mail_id, now)) == 1
    except asyncpg.UniqueViolationError:  # another one came on its way since the statement began
        return False
