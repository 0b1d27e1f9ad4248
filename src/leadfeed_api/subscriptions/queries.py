"""What is stored of subscriptions: making, finding, changing and deleting them.

Owns ``subscription`` and ``subscription_recipient``, and from which position on a subscription counts: what happened
before it was made, changed or resumed is in the feed, not in the mail.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from uuid_utils.compat import uuid7

from leadfeed_api.db.session import Connection, affected
from leadfeed_api.errors import Invalid, SubscriptionLimit, SubscriptionNotFound
from leadfeed_api.subscriptions import recipients
from leadfeed_api.subscriptions.digest import Frequency
from leadfeed_api.subscriptions.match import Rule

MAX_SUBSCRIPTIONS = 100  # of one user

SUBSCRIPTIONS = """
SELECT s.subscription_id, s.kind, s.value, s.scope, s.frequency, s.paused, s.created_at,
  coalesce(l.name, a.name) AS label,
  ARRAY(SELECT t.recipient_id FROM subscription_recipient t
    WHERE t.org_id = $1 AND t.subscription_id = s.subscription_id ORDER BY t.place) AS recipient_ids
FROM subscription s
LEFT JOIN lead l ON l.org_id = $1 AND s.kind = 'lead' AND l.lead_id = s.value
LEFT JOIN account a ON a.org_id = $1 AND s.kind = 'account' AND a.account_id = s.value
WHERE s.org_id = $1 AND s.user_id = $2 AND s.subscription_id = coalesce($3::uuid, s.subscription_id)
ORDER BY s.created_at, s.subscription_id
"""
COUNT = "SELECT count(*) FROM subscription WHERE org_id = $1 AND user_id = $2"
# An erasure waits for this, and then deletes what was written: nobody is left subscribed to a person who is gone.
KEEP_LEAD = "SELECT 1 FROM lead WHERE org_id = $1 AND lead_id = $2 FOR KEY SHARE"
ACCOUNT_EXISTS = "SELECT 1 FROM account WHERE org_id = $1 AND account_id = $2"
LOG_END = "SELECT position FROM organization WHERE org_id = $1"
START_READING = "INSERT INTO mail_reader (org_id, position) VALUES ($1, $2) ON CONFLICT DO NOTHING"
INSERT = """
INSERT INTO subscription
  (org_id, subscription_id, user_id, kind, value, scope, frequency, paused, since, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
"""
UPDATE = """
UPDATE subscription SET kind = $4, value = $5, scope = $6, frequency = $7, paused = $8, since = coalesce($9, since)
WHERE org_id = $1 AND user_id = $2 AND subscription_id = $3
"""
DELETE = "DELETE FROM subscription WHERE org_id = $1 AND user_id = $2 AND subscription_id = $3"
INSERT_RECIPIENTS = """
INSERT INTO subscription_recipient (org_id, subscription_id, recipient_id, place)
SELECT o.org_id, $2, x.recipient_id, x.place
FROM organization o CROSS JOIN unnest($3::uuid[]) WITH ORDINALITY AS x (recipient_id, place) WHERE o.org_id = $1
"""
DELETE_RECIPIENTS = "DELETE FROM subscription_recipient WHERE org_id = $1 AND subscription_id = $2"
FORGET_PENDING = """
DELETE FROM mail_pending WHERE org_id = $1 AND subscription_id = $2 AND recipient_id <> ALL($3::uuid[])
"""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A subscription as its owner wants it."""

    rule: Rule
    recipient_ids: Sequence[UUID]
    frequency: Frequency
    paused: bool


@dataclass(frozen=True, slots=True)
class Subscription(Wanted):
    """A subscription as it is stored. ``label`` is the lead's or the account's name."""

    id: UUID
    label: str | None
    created_at: datetime


async def subscriptions_of(connection: Connection, org_id: int, user_id: str) -> list[Subscription]:
    """The user's own, oldest first."""
    return [_subscription(row) for row in await connection.fetch(SUBSCRIPTIONS, org_id, user_id, None)]


async def find(connection: Connection, org_id: int, user_id: str, subscription_id: UUID) -> Subscription:
    """One of the user's own. Raises ``SubscriptionNotFound``."""
    row = await connection.fetchrow(SUBSCRIPTIONS, org_id, user_id, subscription_id)
    if row is None:
        raise SubscriptionNotFound
    return _subscription(row)


async def insert(connection: Connection, org_id: int, user_id: str, wanted: Wanted, now: datetime) -> UUID:
    """Makes a subscription that counts from now on. Wants the user's turn: no two find room for the last one.

    Raises ``SubscriptionLimit`` when the user has as many as they may, ``Invalid`` for an unknown lead or account.
    """
    if await connection.fetchval(COUNT, org_id, user_id) >= MAX_SUBSCRIPTIONS:
        raise SubscriptionLimit(
            f"You have {MAX_SUBSCRIPTIONS} subscriptions, as many as one user may have. Delete one."
        )
    await _demand_known(connection, org_id, wanted.rule)
    position = await connection.fetchval(LOG_END, org_id)
    subscription_id, rule = uuid7(), wanted.rule
    values = (rule.kind, rule.value, rule.scope, wanted.frequency, wanted.paused, position, now)
    await connection.execute(INSERT, org_id, subscription_id, user_id, *values)
    await connection.execute(INSERT_RECIPIENTS, org_id, subscription_id, list(wanted.recipient_ids))
    await connection.execute(START_READING, org_id, position)
    return subscription_id


async def update(
    connection: Connection, org_id: int, user_id: str, before: Subscription, wanted: Wanted, now: datetime
) -> None:
    """Makes a subscription what is wanted. Wants the user's turn: none undoes another's change.

    One that is about something else now, or was paused, counts from now on and forgets what waited.
    """
    rule = wanted.rule
    starts_anew = rule != before.rule or before.paused or wanted.paused
    if rule != before.rule:
        await _demand_known(connection, org_id, rule)
    since = await connection.fetchval(LOG_END, org_id) if starts_anew else None
    await recipients.lock(connection, org_id, wanted.recipient_ids)
    values = (rule.kind, rule.value, rule.scope, wanted.frequency, wanted.paused, since)
    await connection.execute(UPDATE, org_id, user_id, before.id, *values)
    if list(wanted.recipient_ids) != list(before.recipient_ids):
        await connection.execute(DELETE_RECIPIENTS, org_id, before.id)
        await connection.execute(INSERT_RECIPIENTS, org_id, before.id, list(wanted.recipient_ids))
    await connection.execute(FORGET_PENDING, org_id, before.id, [] if starts_anew else list(wanted.recipient_ids))
    await recipients.look_at(connection, org_id, wanted.recipient_ids, now)  # a faster one may be due by now


async def delete(connection: Connection, org_id: int, user_id: str, subscription_id: UUID) -> None:
    """Ends a subscription, and with it what waits because of it. Raises ``SubscriptionNotFound``."""
    if not affected(await connection.execute(DELETE, org_id, user_id, subscription_id)):
        raise SubscriptionNotFound


async def _demand_known(connection: Connection, org_id: int, rule: Rule) -> None:
    statement = {"lead": KEEP_LEAD, "account": ACCOUNT_EXISTS}.get(rule.kind)
    if statement is not None and not await connection.fetchval(statement, org_id, rule.value):
        detail = f"the organisation has no such {rule.kind}"
        raise Invalid(errors=[{"pointer": "/match/value", "code": f"unknown-{rule.kind}", "detail": detail}])


def _subscription(row: Any) -> Subscription:
    return Subscription(
        rule=Rule.of(row),
        recipient_ids=tuple(row["recipient_ids"]),
        frequency=row["frequency"],
        paused=row["paused"],
        id=row["subscription_id"],
        label=row["label"],
        created_at=row["created_at"],
    )
