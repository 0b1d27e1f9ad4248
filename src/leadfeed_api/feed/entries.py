"""The inbox: which moments are in whose feed.

One row per moment and entitled user, kept equal to its definition at every commit:
*entries = { moments of leads the user owns or watches }*.

Every function is a set-based statement or a few; those that write belong inside ``log.appending``. Owns ``feed_entry``,
and ``read_mark``, which keeps what was read of an entry while its lead is away; decides nothing about who should own or
watch. Whether they are equal, and what mends them, is ``feed.definition``'s.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from leadfeed_api.db.packed import uncounted, unpacked
from leadfeed_api.db.session import Connection, affected
from leadfeed_api.feed.order import is_late, watermark

# Who sees lead ``l``: its owner, and whoever watches it; nobody twice.
_WHO_SEES = """
CROSS JOIN LATERAL (
  SELECT l.owner_id AS user_id WHERE l.owner_id IS NOT NULL
  UNION ALL
  SELECT w.user_id FROM watch w
  WHERE w.org_id = $1 AND w.lead_id = l.lead_id AND w.user_id IS DISTINCT FROM l.owner_id
) s
"""
# Moments come as they were written down: to read them back by position would be to read all of an organisation's while
# PostgreSQL has not counted them. When each occurred, and whether late, is found once and not for each inbox it is in:
# that is what OFFSET 0 keeps apart. In the order of inboxes: what belongs on one index page is written to it at once.
FAN_OUT = f"""
INSERT INTO feed_entry (org_id, user_id, occurred_at, moment_id, lead_id, type, position, live, late)
SELECT o.org_id, s.user_id, m.occurred_at, m.moment_id, m.lead_id, m.type, m.position, true, m.late
FROM organization o
CROSS JOIN (
  SELECT t.*, {is_late(watermark("$2"), "t.occurred_at", "$7")} AS late FROM (
    SELECT
      x.moment_id, x.lead_id, x.type, {uncounted("x.occurred_at")} AS occurred_at, $2::bigint + x.ordinal AS position
    FROM unnest(
      {unpacked("$3", "uuid")}, {unpacked("$4")}, {unpacked("$5")}, {unpacked("$6", "bigint")}
    ) WITH ORDINALITY AS x (moment_id, lead_id, type, occurred_at, ordinal) OFFSET 0
  ) t OFFSET 0
) m
JOIN lead l ON l.org_id = $1 AND l.lead_id = m.lead_id
{_WHO_SEES}
WHERE o.org_id = $1
ORDER BY s.user_id
"""
ADMIT = """
INSERT INTO feed_entry (org_id, user_id, occurred_at, moment_id, lead_id, type, position, live)
SELECT o.org_id, x.user_id, m.occurred_at, m.moment_id, m.lead_id, m.type, x.position, false
FROM organization o
CROSS JOIN unnest($2::text[], $3::text[], $4::bigint[]) AS x (user_id, lead_id, position)
JOIN moment m ON m.org_id = $1 AND m.lead_id = x.lead_id
WHERE o.org_id = $1
ON CONFLICT DO NOTHING
"""
# A lead's entries are found by its moments, which bear the inbox's key but for the user. An index of entries by lead
# would be written at every ingest (decision 0017). OFFSET 0 keeps the inbox's key together, here and below: no planner,
# whatever it knows, looks an entry up by a part of it.
_LEAVING = """
unnest($2::text[], $3::text[]) AS x (user_id, lead_id)
CROSS JOIN LATERAL (
  SELECT x.user_id, m.occurred_at, m.moment_id FROM moment m WHERE m.org_id = $1 AND m.lead_id = x.lead_id OFFSET 0
) m
"""
_OF_LEAVING = """
e.org_id = $1 AND e.user_id = m.user_id AND e.occurred_at = m.occurred_at AND e.moment_id = m.moment_id
AND NOT EXISTS (SELECT FROM lead l WHERE l.org_id = $1 AND l.lead_id = x.lead_id AND l.owner_id = x.user_id)
AND NOT EXISTS (SELECT FROM watch w WHERE w.org_id = $1 AND w.lead_id = x.lead_id AND w.user_id = x.user_id)
"""
KEEP_MARKS = f"""
INSERT INTO read_mark (org_id, user_id, moment_id)
SELECT e.org_id, e.user_id, e.moment_id FROM {_LEAVING} JOIN feed_entry e ON {_OF_LEAVING}
WHERE e.org_id = $1 AND e.read
ON CONFLICT DO NOTHING
"""
WITHDRAW = f"DELETE FROM feed_entry e USING {_LEAVING} WHERE {_OF_LEAVING}"
# From the marks of those users, and not from the moments of those leads: each mark's moment is looked up by its key.
# PostgreSQL mostly knows the table of marks as an empty one; joined freely, all of a lead's moments were read for each
# mark, and the organisation stood still for a minute.
_COMING = "(SELECT x.user_id, x.lead_id FROM unnest($2::text[], $3::text[]) AS x (user_id, lead_id))"
MARK_AGAIN = f"""
UPDATE feed_entry e SET read = true
FROM (
  SELECT r.user_id, m.occurred_at, m.moment_id FROM read_mark r
  CROSS JOIN LATERAL (
    SELECT m.moment_id, m.occurred_at, m.lead_id FROM moment m
    WHERE m.org_id = $1 AND m.moment_id = r.moment_id OFFSET 0
  ) m
  WHERE r.org_id = $1 AND r.user_id = ANY($2) AND (r.user_id, m.lead_id) IN {_COMING} OFFSET 0
) k
WHERE e.org_id = $1 AND e.user_id = k.user_id AND e.occurred_at = k.occurred_at AND e.moment_id = k.moment_id
"""
FORGET_KEPT = f"""
DELETE FROM read_mark r WHERE r.org_id = $1 AND r.user_id = ANY($2)
AND (r.user_id, (SELECT m.lead_id FROM moment m WHERE m.org_id = $1 AND m.moment_id = r.moment_id)) IN {_COMING}
"""
# IS TRUE keeps it from being joined: the lead's moments are put into one hash table, and each mark is asked for there.
# There may be millions, of all the leads that somebody lost since retention began; a look-up for each took ten times as
# long, and joined while PostgreSQL takes them for none, all marks were read for each moment.
FORGET_MARKS_OF_LEAD = """
DELETE FROM read_mark r WHERE r.org_id = $1
AND (r.moment_id IN (SELECT m.moment_id FROM moment m WHERE m.org_id = $1 AND m.lead_id = $2)) IS TRUE
"""
FORGET_MARKS = "DELETE FROM read_mark WHERE org_id = $1 AND moment_id = ANY($2::uuid[])"
ENTITLED = """
SELECT l.lead_id, l.owner_id AS user_id FROM lead l
WHERE l.org_id = $1 AND l.lead_id = ANY($2::text[]) AND l.owner_id IS NOT NULL
UNION
SELECT w.lead_id, w.user_id FROM watch w WHERE w.org_id = $1 AND w.lead_id = ANY($2::text[])
"""
SEERS_OF_ACCOUNTS = f"""
SELECT DISTINCT s.user_id FROM lead l {_WHO_SEES}
WHERE l.org_id = $1 AND l.account_id = ANY($2::text[]) ORDER BY s.user_id
"""
DELETE_OF_LEAD = """
DELETE FROM feed_entry e
USING moment m CROSS JOIN LATERAL (
  SELECT x.user_id, m.occurred_at, m.moment_id FROM unnest($3::text[]) AS x (user_id) OFFSET 0
) s
WHERE m.org_id = $1 AND m.lead_id = $2
AND e.org_id = $1 AND e.user_id = s.user_id AND e.occurred_at = s.occurred_at AND e.moment_id = s.moment_id
"""
DELETE_OF_MOMENTS = f"""
DELETE FROM feed_entry e
USING unnest($2::uuid[]) AS x (moment_id)
CROSS JOIN LATERAL (
  SELECT s.user_id, m.occurred_at, m.moment_id FROM moment m
  JOIN lead l ON l.org_id = $1 AND l.lead_id = m.lead_id
  {_WHO_SEES}
  WHERE m.org_id = $1 AND m.moment_id = x.moment_id OFFSET 0
) m
WHERE e.org_id = $1 AND e.user_id = m.user_id AND e.occurred_at = m.occurred_at AND e.moment_id = m.moment_id
RETURNING e.user_id
"""


class Written(NamedTuple):
    """Moments in order of their positions, and of time; each column as one text (``db.packed``)."""

    moment_ids: str
    lead_ids: str
    types: str
    times: str  # counted
    recorded_at: datetime


@dataclass(frozen=True, slots=True)
class Membership:
    """A lead comes into, or leaves, a user's feed at a position."""

    user_id: str
    lead_id: str
    position: int


async def fan_out(connection: Connection, org_id: int, after: int, moments: Written) -> int:
    """Puts moments, written from position ``after`` + 1 on, into every entitled inbox; returns how many rows."""
    return affected(await connection.execute(FAN_OUT, org_id, after, *moments))


async def admit(connection: Connection, org_id: int, joined: Sequence[Membership]) -> None:
    """Backfills the past moments of leads that came into somebody's feed; what they had read is read."""
    if joined:
        users, leads = [one.user_id for one in joined], [one.lead_id for one in joined]
        await connection.execute(ADMIT, org_id, users, leads, [one.position for one in joined])
        for statement in (MARK_AGAIN, FORGET_KEPT):
            await connection.execute(statement, org_id, users, leads)


async def withdraw(connection: Connection, org_id: int, left: Sequence[Membership]) -> None:
    """Takes out the moments of leads that somebody neither owns nor watches any more."""
    if left:
        users, leads = [one.user_id for one in left], [one.lead_id for one in left]
        for statement in (KEEP_MARKS, WITHDRAW):
            await connection.execute(statement, org_id, users, leads)


async def entitled(connection: Connection, org_id: int, lead_ids: Sequence[str]) -> list[tuple[str, str]]:
    """Who sees these leads: pairs of lead and user."""
    return [(row["lead_id"], row["user_id"]) for row in await connection.fetch(ENTITLED, org_id, list(lead_ids))]


async def seers_of_accounts(connection: Connection, org_id: int, account_ids: Sequence[str]) -> list[str]:
    """Who sees any lead of these accounts."""
    return [row["user_id"] for row in await connection.fetch(SEERS_OF_ACCOUNTS, org_id, list(account_ids))]


async def delete_of_lead(connection: Connection, org_id: int, lead_id: str, user_ids: Sequence[str]) -> None:
    """Takes a lead's moments out of the inboxes of these users: before the moments themselves go."""
    await connection.execute(DELETE_OF_LEAD, org_id, lead_id, list(user_ids))
    await connection.execute(FORGET_MARKS_OF_LEAD, org_id, lead_id)


async def delete_of_moments(connection: Connection, org_id: int, moment_ids: Sequence[UUID]) -> list[str]:
    """Takes moments out of every inbox, before they themselves go; returns who had one."""
    touched = await connection.fetch(DELETE_OF_MOMENTS, org_id, moment_ids)
    await connection.execute(FORGET_MARKS, org_id, list(moment_ids))
    return sorted({row["user_id"] for row in touched})
