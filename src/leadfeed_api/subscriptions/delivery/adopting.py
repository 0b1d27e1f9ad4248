"""Addresses outside that have become a user's: what they are subscribed to is that user's from then on.

Whoever brings users in knows nothing of mail, so it is noticed here, before a moment is noted down for such an address.
Else one mailbox had two recipients: each moment twice, and also what its owner has read or muted in the feed.
"""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from leadfeed_api.db.session import Connection
from leadfeed_api.subscriptions import recipients

NOW_USERS = """
SELECT r.recipient_id, min(u.user_id) AS user_id
FROM subscription_recipient t
JOIN mail_recipient r ON r.org_id = $1 AND r.recipient_id = t.recipient_id
JOIN app_user u ON u.org_id = $1 AND u.active AND lower(u.email COLLATE "C") = r.address
WHERE t.org_id = $1 AND t.subscription_id = ANY($2::uuid[]) GROUP BY r.recipient_id
"""
MOVE_SUBSCRIPTIONS = """
UPDATE subscription_recipient t SET recipient_id = $3
WHERE t.org_id = $1 AND t.recipient_id = $2 AND NOT EXISTS (
  SELECT FROM subscription_recipient x
  WHERE x.org_id = $1 AND x.subscription_id = t.subscription_id AND x.recipient_id = $3)
"""
# Out of a mail on its way, too: of that nothing is left to say.
MOVE_PENDING = """
UPDATE mail_pending p SET recipient_id = $3, mail_id = NULL
WHERE p.org_id = $1 AND p.recipient_id = $2 AND NOT EXISTS (
  SELECT FROM mail_pending x
  WHERE x.org_id = $1 AND x.recipient_id = $3 AND x.moment_id = p.moment_id AND x.subscription_id = p.subscription_id)
"""
# What both had.
END_SUBSCRIPTIONS = "DELETE FROM subscription_recipient WHERE org_id = $1 AND recipient_id = $2"
FORGET_PENDING = "DELETE FROM mail_pending WHERE org_id = $1 AND recipient_id = $2"


async def adopt(connection: Connection, org_id: int, subscription_ids: Sequence[UUID], now: datetime) -> set[UUID]:
    """Hands over what belongs to active users among the recipients of these; who got something. Wants a transaction.

    The address keeps its own row, for the links in its old mails and for what its owner said.
    """
    adopted: set[UUID] = set()
    for row in await connection.fetch(NOW_USERS, org_id, list(subscription_ids)):
        outside = row["recipient_id"]
        user = (await recipients.of_user(connection, org_id, row["user_id"], now)).recipient_id
        await recipients.lock(connection, org_id, [outside, user])
        for statement in (MOVE_SUBSCRIPTIONS, MOVE_PENDING):
            await connection.execute(statement, org_id, outside, user)
        for statement in (END_SUBSCRIPTIONS, FORGET_PENDING):
            await connection.execute(statement, org_id, outside)
        adopted.add(user)
    return adopted
