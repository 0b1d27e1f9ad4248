"""What the owner of an address says to being mailed: yes, no, and yes again. The only way in is a link in a mail.

Owns the look-up of those links and what following them changes. Nothing here is done by a GET.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from uuid_utils.compat import uuid7

from leadfeed_api.db.session import Connection, affected
from leadfeed_api.errors import MailLinkNotFound
from leadfeed_api.subscriptions import recipients
from leadfeed_api.subscriptions.letters.wording import LanguageCode
from leadfeed_api.subscriptions.links import Purpose, mailed_to, proves, read_token
from leadfeed_api.subscriptions.recipients import Recipient

ASK_AGAIN_AFTER = timedelta(days=1)

# The recipient, and the address: whoever else has it, now or later, is not mailed there either.
_BOTH = "org_id = $1 AND (recipient_id = $2 OR address = $3)"
UNSUBSCRIBE = f"""
UPDATE mail_recipient SET unsubscribed_at = $4, due_at = NULL WHERE {_BOTH} AND unsubscribed_at IS NULL
"""
HOLDERS = f"""
SELECT recipient_id FROM mail_recipient WHERE {_BOTH}
UNION SELECT r.recipient_id FROM app_user u JOIN mail_recipient r ON r.org_id = $1 AND r.user_id = u.user_id
WHERE u.org_id = $1 AND lower(u.email COLLATE "C") = $3
"""
FORGET_PENDING = "DELETE FROM mail_pending WHERE org_id = $1 AND recipient_id = ANY($2::uuid[])"
# All who have the address are mailed again from here on, but for those who have said no by themselves. For these, too,
# the holder of a link to the address itself takes it back ($5).
RESUBSCRIBE = """
UPDATE mail_recipient r SET since = o.position,
  unsubscribed_at = CASE WHEN $5 OR r.recipient_id = $3 OR r.address = $4 THEN NULL ELSE r.unsubscribed_at END
FROM organization o WHERE o.org_id = $1 AND r.org_id = $1 AND r.recipient_id = ANY($2::uuid[])
"""
CONFIRM = """
UPDATE mail_recipient r SET confirmed_at = $3, since = o.position
FROM organization o WHERE o.org_id = $1 AND r.org_id = $1 AND r.recipient_id = $2 AND r.confirmed_at IS NULL
"""
READMIT = """
UPDATE mail_recipient SET refused_address = NULL, refused_reason = NULL
WHERE org_id = $1 AND recipient_id = ANY($2::uuid[]) AND refused_address IS NOT NULL
"""
# At most one a day to an address, however often it is named, unless it did not leave or arrive; none to one that said
# no, or of which a mail server did.
ASK = """
INSERT INTO mail (org_id, mail_id, recipient_id, kind, state, next_attempt_at, created_at)
SELECT r.org_id, x.mail_id, r.recipient_id, 'confirmation', 'queued', $4, $4
FROM mail_recipient r
JOIN unnest($2::uuid[], $3::uuid[]) AS x (recipient_id, mail_id) ON x.recipient_id = r.recipient_id
WHERE r.org_id = $1 AND r.confirmed_at IS NULL AND r.unsubscribed_at IS NULL
AND r.refused_address IS DISTINCT FROM r.address AND NOT EXISTS (
  SELECT FROM mail q WHERE q.org_id = $1 AND q.recipient_id = r.recipient_id
  AND q.kind = 'confirmation' AND q.created_at > $5 AND q.state NOT IN ('failed', 'dropped'))
ON CONFLICT DO NOTHING
"""


@dataclass(frozen=True, slots=True)
class Owner:
    """Whoever holds a link: they are the recipient, as far as this organisation's mail is concerned."""

    org_id: int
    recipient: Recipient


class MailedElsewhere(Exception):
    """A link came with mail to an address that is the recipient's no more: whoever has it now is not told the new one.

    ``language`` is the one they were written to in.
    """

    def __init__(self, language: LanguageCode) -> None:
        super().__init__(language)
        self.language = language


async def owner_of(connection: Connection, token: str, purpose: Purpose) -> Owner:
    """Who a link belongs to.

    Raises ``MailLinkNotFound`` for any text that is no such link, and ``MailedElsewhere`` for one to a former address.
    """
    claim = read_token(token)
    if claim is None:
        raise MailLinkNotFound
    found = (await recipients.by_id(connection, claim.org_id, [claim.recipient_id])).get(claim.recipient_id)
    if found is None or not proves(claim, found.secret, purpose):
        raise MailLinkNotFound
    if not mailed_to(claim, found.secret, found.address or ""):
        raise MailedElsewhere(found.language)
    return Owner(claim.org_id, found)


async def unsubscribe(connection: Connection, org_id: int, recipient: Recipient, now: datetime) -> None:
    """Ends all mail to them and to their address; what waits is forgotten. Again is no error. Wants a transaction."""
    address = _address(recipient)
    holders = await _holders(connection, org_id, recipient)
    await recipients.lock(connection, org_id, holders)
    await recipients.insert_addresses(connection, org_id, [address] if address else [], None, now)
    await connection.execute(UNSUBSCRIBE, org_id, recipient.recipient_id, address, now)
    await connection.execute(FORGET_PENDING, org_id, holders)


async def resubscribe(connection: Connection, org_id: int, recipient: Recipient, *, along: Sequence[UUID] = ()) -> None:
    """Takes the unsubscribing back: their subscriptions are as they were, and count from now on. Wants a transaction.

    Nothing changes for whoever had not unsubscribed. ``along``: whom else the transaction locks.
    """
    if recipient.unsubscribed:
        holders = await _holders(connection, org_id, recipient)
        await recipients.lock(connection, org_id, [*holders, *along])
        said = (recipient.recipient_id, _address(recipient), recipient.user_id is None)
        await connection.execute(RESUBSCRIBE, org_id, holders, *said)
        await connection.execute(FORGET_PENDING, org_id, holders)


async def confirm(connection: Connection, org_id: int, recipient: Recipient, now: datetime) -> None:
    """The owner of an address outside says yes, from now on. Again is no error. Wants a transaction."""
    await resubscribe(connection, org_id, recipient)
    if affected(await connection.execute(CONFIRM, org_id, recipient.recipient_id, now)):
        await connection.execute(FORGET_PENDING, org_id, [recipient.recipient_id])


async def _holders(connection: Connection, org_id: int, recipient: Recipient) -> list[UUID]:
    """Them and whoever has their address."""
    found = await connection.fetch(HOLDERS, org_id, recipient.recipient_id, _address(recipient))
    return [row["recipient_id"] for row in found]


def _address(recipient: Recipient) -> str:
    return (recipient.address or "").lower()


async def readmit(connection: Connection, org_id: int, recipient_ids: Sequence[UUID]) -> None:
    """Tries addresses again that a mail server refused for good."""
    await connection.execute(READMIT, org_id, list(recipient_ids))


async def ask_unconfirmed(connection: Connection, org_id: int, recipient_ids: Sequence[UUID], now: datetime) -> None:
    """Queues a mail to each of them whose owner was never asked, or not within a day. Wants them locked."""
    mails = [uuid7() for _ in recipient_ids]
    await connection.execute(ASK, org_id, list(recipient_ids), mails, now, now - ASK_AGAIN_AFTER)
