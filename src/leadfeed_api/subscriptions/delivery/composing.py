"""What a mail may say now: judged at each attempt, so that nothing is mailed that was read, muted or reassigned since.

Owns the reading of what waits in a mail, and the verdict on each of it. ``match`` says whether a subscription still
matches; SQL says how things stand. Neither words nor sends anything.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from leadfeed_api.db.session import Connection
from leadfeed_api.subscriptions import recipients
from leadfeed_api.subscriptions.delivery.outbox import Mail
from leadfeed_api.subscriptions.digest import after_quiet
from leadfeed_api.subscriptions.letters import letter
from leadfeed_api.subscriptions.letters.letter import Letter, Person, Subscriber, Telling, Told, record_url
from leadfeed_api.subscriptions.match import Occasion, Rule, matches
from leadfeed_api.subscriptions.recipients import Recipient

READ_AT_MOST = 20_000  # rows of one mail: far more than anybody reads, and a bound on memory
# $3 is the recipient as a user (null for an address outside, who has read and muted nothing), $4 the time.
# Step by step, what waits first and then whatever belongs to it: where nothing was counted yet, the planner takes every
# table for empty, and one statement over all of them began anew for each lead: 3.4 s for 3,000 moments of 50 leads.
IN_MAIL = f"""
WITH waiting AS MATERIALIZED (
  SELECT p.recipient_id, p.subscription_id, m.moment_id, m.lead_id, m.type, m.description, m.occurred_at
  FROM mail_pending p JOIN moment m ON m.org_id = $1 AND m.moment_id = p.moment_id
  WHERE p.org_id = $1 AND p.mail_id = $2
), about AS MATERIALIZED (
  SELECT w.*, l.name AS lead_name, l.title, l.starred, l.account_id, l.owner_id
  FROM waiting w JOIN lead l ON l.org_id = $1 AND l.lead_id = w.lead_id
)
SELECT m.moment_id, m.type, m.description, m.occurred_at,
  m.lead_id, m.lead_name, m.title, m.starred, m.account_id, a.name AS account_name,
  s.user_id AS subscriber_id, su.name AS subscriber_name, s.kind, s.value, s.scope,
  CASE s.kind WHEN 'lead' THEN m.lead_name WHEN 'account' THEN a.name END AS label,
  m.owner_id IS NOT DISTINCT FROM s.user_id AS owned,
  EXISTS (SELECT FROM watch w WHERE w.org_id = $1 AND w.user_id = s.user_id AND w.lead_id = m.lead_id) AS watched,
  EXISTS (SELECT FROM feed_entry e WHERE e.org_id = $1 AND e.user_id = $3 AND e.occurred_at = m.occurred_at
    AND e.moment_id = m.moment_id AND e.read)
  OR EXISTS (SELECT FROM read_mark k WHERE k.org_id = $1 AND k.user_id = $3 AND k.moment_id = m.moment_id) AS read,
  EXISTS (SELECT FROM muted_lead x WHERE x.org_id = $1 AND x.user_id = $3 AND x.lead_id = m.lead_id
    AND coalesce(x.until > $4, true))
  OR EXISTS (SELECT FROM muted_type x WHERE x.org_id = $1 AND x.user_id = $3 AND x.type = m.type
    AND coalesce(x.until > $4, true)) AS muted
FROM about m
JOIN subscription s ON s.org_id = $1 AND s.subscription_id = m.subscription_id AND NOT s.paused
JOIN subscription_recipient t ON t.org_id = $1 AND t.subscription_id = s.subscription_id
  AND t.recipient_id = m.recipient_id
JOIN app_user su ON su.org_id = $1 AND su.user_id = s.user_id AND su.active
LEFT JOIN account a ON a.org_id = $1 AND a.account_id = m.account_id
ORDER BY m.occurred_at DESC, m.moment_id DESC LIMIT {READ_AT_MOST:d}
"""
INTRODUCER = "SELECT name FROM app_user WHERE org_id = $1 AND user_id = $2"
STILL_NAMED = "SELECT EXISTS (SELECT FROM subscription_recipient t WHERE t.org_id = $1 AND t.recipient_id = $2)"


@dataclass(frozen=True, slots=True)
class Nothing:
    """There is nothing to send, and why."""

    reason: str


@dataclass(frozen=True, slots=True)
class NotNow:
    """It is quiet where the recipient is, until ``at``."""

    at: datetime


@dataclass(frozen=True, slots=True)
class Moments:
    """A letter and whom it goes to."""

    recipient: Recipient
    letter: Letter


@dataclass(frozen=True, slots=True)
class Question:
    """A question to the owner of an address outside: may we? ``introducer`` is the name of the user who named it."""

    recipient: Recipient
    introducer: str


async def compose(connection: Connection, mail: Mail, now: datetime) -> Moments | Question | Nothing | NotNow:
    """What this mail is to say, as things are now."""
    recipient = (await recipients.by_id(connection, mail.org_id, [mail.recipient_id]))[mail.recipient_id]
    if mail.kind == "confirmation":
        return await _question(connection, mail, recipient)
    if recipient.standing != "active":
        return Nothing(recipient.reason or recipient.standing)
    if (quiet_until := after_quiet(now, recipient.wishes)) > now:
        return NotNow(quiet_until)
    rows = await connection.fetch(IN_MAIL, mail.org_id, mail.id, recipient.user_id, now)
    tellings = [_telling(row, recipient) for row in rows if _may_be_told(row)]
    if not tellings:
        return Nothing("All of it was read, muted, reassigned or erased meanwhile.")
    return Moments(recipient, letter.write(tellings))


async def _question(connection: Connection, mail: Mail, recipient: Recipient) -> Question | Nothing:
    if recipient.standing != "pending":
        return Nothing(recipient.reason or "Its owner has confirmed it.")
    if not await connection.fetchval(STILL_NAMED, mail.org_id, mail.recipient_id):
        return Nothing("No subscription names the address any more.")
    if await connection.fetchval(recipients.USERS_BY_ADDRESS, mail.org_id, [(recipient.address or "").lower()]):
        return Nothing("The address is a user's now, who is asked nothing.")
    name = await connection.fetchval(INTRODUCER, mail.org_id, recipient.introduced_by)
    return Question(recipient, name or "")


def _may_be_told(row: Any) -> bool:
    return not row["read"] and not row["muted"] and matches(Rule.of(row), Occasion.of(row))


def _telling(row: Any, recipient: Recipient) -> Telling:
    return Telling(
        person=Person(
            id=row["lead_id"],
            name=row["lead_name"],
            title=row["title"],
            account=row["account_name"],
            starred=row["starred"],
            url=record_url(recipient.lead_url, row["lead_id"]),
        ),
        moment=Told(row["moment_id"], row["type"], row["description"], row["occurred_at"]),
        because=Subscriber(
            rule=Rule.of(row),
            label=row["label"],
            user_id=row["subscriber_id"],
            user_name=row["subscriber_name"],
        ),
    )
