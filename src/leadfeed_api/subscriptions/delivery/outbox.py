"""The mails on their way: when one is due, who may send it, and what became of it.

Owns ``mail``. A recipient has at most one mail on its way: what comes up meanwhile waits for the next one, so an hour
without a mail server ends in one mail and not in a hundred. What a mail says is decided by ``composing`` at each
attempt; this module knows only which waiting moments are meant for it.

A worker claims a mail for a while (``LEASE``); should it die, another takes the mail over. Right before it hands the
message over it notes a doubt, and takes the note back when the server answers: so after a crash it is known whether the
message may have left, and no message is handed over more than twice.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from uuid_utils.compat import uuid7

from leadfeed_api.db.session import Connection, Database, affected
from leadfeed_api.fields import clean
from leadfeed_api.subscriptions import recipients
from leadfeed_api.subscriptions.delivery import trouble
from leadfeed_api.subscriptions.digest import FREQUENCIES, Frequency, Plan, plan
from leadfeed_api.subscriptions.recipients import Recipient

LEASE = timedelta(minutes=4)  # what a worker needs up to the hand-over: twice ``smtp.READY_S``, and to compose
ANSWER_LEASE = timedelta(minutes=6)  # more than it waits for the answer to a message handed over
DOUBT_PAUSE = timedelta(minutes=2)  # after a connection was lost between the message and its answer
MAX_DOUBTS = 2
MOST_COUNTED = 30_000  # attempts, refusals, mails of a day: in a smallint, which holds few more
KEPT_DAYS = 30
# For a row, in an organisation's turn: all others wait for its end, and instant mail is to leave within 30 seconds.
# Not where an end is noted down: a message that left without that would be sent again.
LOCK_TIMEOUT_S = 1.0

FREQUENCY = "CASE WHEN p.held THEN 'daily' ELSE s.frequency END"
WAITING = f"""
SELECT p.recipient_id, {FREQUENCY} AS frequency, min(p.noticed_at) AS noticed_at
FROM mail_pending p JOIN subscription s ON s.org_id = $1 AND s.subscription_id = p.subscription_id
WHERE p.org_id = $1 AND p.recipient_id = ANY($2::uuid[]) AND p.mail_id IS NULL GROUP BY 1, 2
"""
INSERT_MAILS = """
INSERT INTO mail (org_id, mail_id, recipient_id, kind, digest, state, next_attempt_at, created_at)
SELECT o.org_id, x.mail_id, x.recipient_id, 'moments', x.digest, 'queued', $5, $5
FROM organization o
CROSS JOIN unnest($2::uuid[], $3::uuid[], $4::text[]) AS x (mail_id, recipient_id, digest) WHERE o.org_id = $1
"""
ASSIGN = f"""
UPDATE mail_pending p SET mail_id = x.mail_id
FROM unnest($2::uuid[], $3::uuid[], $4::text[]) AS x (recipient_id, mail_id, frequency), subscription s
WHERE p.org_id = $1 AND s.org_id = $1 AND s.subscription_id = p.subscription_id
AND p.recipient_id = x.recipient_id AND p.mail_id IS NULL AND {FREQUENCY} = x.frequency
"""
HOLD = f"""
UPDATE mail_pending p SET held = true, noticed_at = $4
FROM unnest($2::uuid[], $3::text[]) AS x (recipient_id, frequency), subscription s
WHERE p.org_id = $1 AND s.org_id = $1 AND s.subscription_id = p.subscription_id
AND p.recipient_id = x.recipient_id AND p.mail_id IS NULL AND {FREQUENCY} = x.frequency
"""
FORGET_WAITING = "DELETE FROM mail_pending WHERE org_id = $1 AND recipient_id = ANY($2::uuid[]) AND mail_id IS NULL"
WAKE = """
UPDATE mail_recipient r SET due_at = x.due_at
FROM unnest($2::uuid[], $3::timestamptz[]) AS x (recipient_id, due_at)
WHERE r.org_id = $1 AND r.recipient_id = x.recipient_id
"""

# Those in doubt come last, and wait ($4) while a server loses messages: others, which it may lose once, try it first.
CLAIMABLE = """
SELECT q.mail_id, q.recipient_id, q.kind, q.digest, q.attempts, q.refusals, q.doubts, q.created_at FROM mail q
WHERE q.org_id = $1 AND q.state = 'queued' AND q.next_attempt_at <= $2 AND (q.doubts = 0 OR NOT $4)
ORDER BY q.doubts, q.next_attempt_at, q.mail_id LIMIT $3 FOR NO KEY UPDATE SKIP LOCKED
"""
CLAIM = f"""
UPDATE mail SET attempts = least(attempts + 1, {MOST_COUNTED:d}), next_attempt_at = $3
WHERE org_id = $1 AND mail_id = ANY($2::uuid[])
"""
# Every later word about a mail is refused when another worker has taken it over meanwhile.
_STILL_MINE = "org_id = $1 AND mail_id = $2 AND attempts = $3 AND state = 'queued'"
DOUBT = f"UPDATE mail SET doubts = doubts + 1, next_attempt_at = $4 WHERE {_STILL_MINE}"
PUT_OFF = f"""
UPDATE mail SET next_attempt_at = $4, reason = $5, doubts = $6, refusals = $7 WHERE {_STILL_MINE}
"""
FINISH = f"UPDATE mail SET state = $4, finished_at = $5, reason = $6 WHERE {_STILL_MINE}"
FORGET_MAILED = """
DELETE FROM mail_pending WHERE org_id = $1 AND recipient_id = $2 AND (mail_id = $3 OR moment_id = ANY($4::uuid[]))
"""
# What was set aside because nobody knows whether it arrived, no other mail says: it may have been read.
FORGET_ELSEWHERE = """
DELETE FROM mail_pending p WHERE p.org_id = $1 AND p.recipient_id = $2 AND p.mail_id IS DISTINCT FROM $3
AND p.moment_id IN (
  SELECT x.moment_id FROM mail_pending x WHERE x.org_id = $1 AND x.recipient_id = $2 AND x.mail_id = $3)
"""
COUNT = f"""
UPDATE mail_recipient SET counted_on = $3,
  counted = CASE WHEN counted_on = $3 THEN least(counted, {MOST_COUNTED:d}) ELSE 0 END + 1
WHERE org_id = $1 AND recipient_id = $2
"""
REFUSED = "UPDATE mail_recipient SET refused_address = $3, refused_reason = $4 WHERE org_id = $1 AND recipient_id = $2"
LOOK_AGAIN = "UPDATE mail_recipient SET due_at = $3 WHERE org_id = $1 AND recipient_id = $2"
TRIM = "DELETE FROM mail WHERE org_id = $1 AND state IN ('sent', 'dropped', 'failed') AND finished_at < $2"

# The rare look for organisations with something to do, over all of them and without a lock.
DUE_ORGANIZATIONS = """
SELECT d.org_id FROM mail_reader d JOIN organization o ON o.org_id = d.org_id WHERE o.position > d.position
UNION SELECT r.org_id FROM mail_recipient r WHERE r.due_at <= $1
UNION SELECT q.org_id FROM mail q WHERE q.state = 'queued' AND q.next_attempt_at <= $1 AND $2
"""

State = Literal["sent", "dropped", "failed", "set_aside"]


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail as its worker claimed it; ``attempt`` is which attempt this is, from 1."""

    org_id: int
    id: UUID
    recipient_id: UUID
    kind: Literal["moments", "confirmation"]
    digest: Frequency | None
    attempt: int
    refusals: int
    doubts: int
    created_at: datetime
    tries_until: datetime | None  # this one tries, for all workers, a server that lost messages


async def organizations_with_work(connection: Connection, now: datetime, *, sending: bool) -> list[int]:
    """The organisations for which something is due; without ``sending``, mails on their way do not count."""
    return [row["org_id"] for row in await connection.fetch(DUE_ORGANIZATIONS, now, sending)]


async def plan_due(database: Database, org_id: int, now: datetime) -> bool:
    """Makes mails of what is due, for up to 100 recipients; whether there was anything to plan."""
    async with database.write(lock_timeout_s=LOCK_TIMEOUT_S) as connection:
        found = await recipients.due(connection, org_id, now)
        if not found:
            return False
        reachable = [one for one in found if one.standing == "active"]
        unreachable = [one.recipient_id for one in found if one.standing != "active"]
        if unreachable:
            await connection.execute(FORGET_WAITING, org_id, unreachable)
        waiting = await _waiting(connection, org_id, [one.recipient_id for one in reachable])
        plans = {
            one.recipient_id: plan(waiting.get(one.recipient_id, {}), one.wishes, one.counted_today(now), now)
            for one in reachable
        }
        await _carry_out(connection, org_id, plans, now)
        due = {**dict.fromkeys(unreachable), **{key: None if one.send else one.wake_at for key, one in plans.items()}}
        await connection.execute(WAKE, org_id, list(due), list(due.values()))
    return True


async def _waiting(
    connection: Connection, org_id: int, recipient_ids: Sequence[UUID]
) -> dict[UUID, dict[Frequency, datetime]]:
    waiting: dict[UUID, dict[Frequency, datetime]] = {}
    for row in await connection.fetch(WAITING, org_id, list(recipient_ids)):
        waiting.setdefault(row["recipient_id"], {})[row["frequency"]] = row["noticed_at"]
    return waiting


async def _carry_out(connection: Connection, org_id: int, plans: dict[UUID, Plan], now: datetime) -> None:
    mails = {recipient_id: uuid7() for recipient_id, one in plans.items() if one.send}
    if mails:
        digests = [max(plans[key].send, key=FREQUENCIES.index) for key in mails]
        await connection.execute(INSERT_MAILS, org_id, list(mails.values()), list(mails), digests, now)
        sent = [(key, mails[key], frequency) for key in mails for frequency in plans[key].send]
        await connection.execute(ASSIGN, org_id, *map(list, zip(*sent, strict=True)))
    held = [(recipient_id, frequency) for recipient_id, one in plans.items() for frequency in one.hold]
    if held:
        await connection.execute(HOLD, org_id, *map(list, zip(*held, strict=True)), now)


async def claim(database: Database, org_id: int, now: datetime, limit: int, server: str) -> list[Mail]:
    """Up to ``limit`` mails whose time has come, for this worker alone until the lease ends.

    While ``server`` loses messages it is one, for all workers together, and none that has been lost once.
    """
    until = None
    async with database.write(lock_timeout_s=LOCK_TIMEOUT_S) as connection:
        loss = await trouble.loss(connection, server)
        unproven = loss is not None and loss.proves_nothing(now)
        rows = await connection.fetch(CLAIMABLE, org_id, now, limit if loss is None else 1, unproven)
        if rows and loss is not None:
            until = now + LEASE + ANSWER_LEASE
            if not await trouble.may_try(connection, server, now, until):
                return []
        if rows:
            await connection.execute(CLAIM, org_id, [row["mail_id"] for row in rows], now + LEASE)
    return [
        Mail(
            org_id,
            row["mail_id"],
            row["recipient_id"],
            row["kind"],
            row["digest"],
            min(row["attempts"] + 1, MOST_COUNTED),
            row["refusals"],
            row["doubts"],
            row["created_at"],
            until,
        )
        for row in rows
    ]


async def hand_over(database: Database, mail: Mail, now: datetime) -> bool:
    """Notes, on disk, that the message leaves now. False when another worker took the mail over: then it must not."""
    async with database.write() as connection:
        noted = await connection.execute(DOUBT, mail.org_id, mail.id, mail.attempt, now + ANSWER_LEASE)
    return affected(noted) == 1


async def put_off(
    database: Database, mail: Mail, at: datetime, reason: str, *, refused: bool = False, in_doubt: bool = False
) -> None:
    """The mail stays on its way until ``at``. ``in_doubt``: still nobody knows whether this attempt's message left."""
    refusals, doubts = min(mail.refusals + refused, MOST_COUNTED), mail.doubts + in_doubt
    async with database.write() as connection:
        await connection.execute(PUT_OFF, mail.org_id, mail.id, mail.attempt, at, clean(reason), doubts, refusals)


async def finish(
    database: Database,
    mail: Mail,
    state: State,
    now: datetime,
    *,
    reason: str | None = None,
    mailed: Sequence[UUID] = (),
    counts_for: Recipient | None = None,
    refused_address: str | None = None,
) -> None:
    """What became of a mail, once and for all; its recipient may be mailed again.

    Args:
        database: where.
        mail: the mail, claimed by this worker; one that was taken over meanwhile is left alone.
        state: ``sent``, ``dropped`` (nothing was left to say), ``failed`` (refused for good), or ``set_aside``: kept,
            with what it was to say, until somebody looks at ``reason``.
        now: when.
        reason: in words, for whoever wonders.
        mailed: the moments it told of; they are not mailed to this recipient again.
        counts_for: the recipient towards whose day's cap it counts.
        refused_address: the address that no mail shall go to any more, because its server said so for good.
    """
    # A server answers in whatever bytes it likes, and an error of ours may quote anything: neither keeps an end from
    # being noted down.
    reason = None if reason is None else clean(reason)
    async with database.write() as connection:
        await recipients.lock(connection, mail.org_id, [mail.recipient_id])
        finished = await connection.execute(FINISH, mail.org_id, mail.id, mail.attempt, state, now, reason)
        if not affected(finished):
            return
        if state != "set_aside":
            await connection.execute(FORGET_MAILED, mail.org_id, mail.recipient_id, mail.id, list(mailed))
        elif mail.doubts:
            await connection.execute(FORGET_ELSEWHERE, mail.org_id, mail.recipient_id, mail.id)
        if counts_for is not None:
            await connection.execute(COUNT, mail.org_id, mail.recipient_id, counts_for.wishes.today(now))
        if refused_address is not None:
            await connection.execute(REFUSED, mail.org_id, mail.recipient_id, refused_address.lower(), reason)
        await connection.execute(LOOK_AGAIN, mail.org_id, mail.recipient_id, now)


async def trim(database: Database, org_id: int, now: datetime) -> None:
    """Forgets mails that ended ``KEPT_DAYS`` ago; those set aside stay."""
    async with database.write(lock_timeout_s=LOCK_TIMEOUT_S) as connection:
        await connection.execute(TRIM, org_id, now - timedelta(days=KEPT_DAYS))
