"""Whose turn it is to re-tier an organisation, and when the next turn comes.

One row of ``tiering`` an organisation. A run is claimed for a short lease and prolongs it while it lives; a process
that dies leaves a lease that ends. Whoever claims later wins: an older run finds its name gone and stops. So several
processes share the work without speaking to each other, and a crash costs a minute.
"""

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from uuid_utils.compat import uuid7

from leadfeed_api.db.session import Connection, affected
from leadfeed_api.errors import NotFound
from leadfeed_api.organizations.tier_settings import Tiers

LEASE = timedelta(seconds=60)
NIGHT = time(3, 0)  # of the organisation: a day is over then, and most clocks that change have changed
SETTLING = timedelta(minutes=1)

# The rare scan for due work, over all organisations; it takes no lock. Changed settings are due at once.
DUE = """
SELECT t.org_id FROM tiering t JOIN organization o ON o.org_id = t.org_id
WHERE t.due_at <= $1 OR t.made_with IS DISTINCT FROM o.tiers ORDER BY t.due_at
"""
FIRST_TIERING = "INSERT INTO tiering (org_id, due_at) VALUES ($1, $2) ON CONFLICT DO NOTHING"
STANDING = """
SELECT o.tiers, o.time_zone, t.due_at, t.run, t.made_with, t.leads FROM tiering t
JOIN organization o ON o.org_id = $1 WHERE t.org_id = $1 FOR UPDATE OF t
"""
CLAIM = "UPDATE tiering SET due_at = $2, run = $3, made_with = $4, asked = false WHERE org_id = $1"
PROLONG = "UPDATE tiering SET due_at = $3 WHERE org_id = $1 AND run = $2"
HOLDS = "SELECT 1 FROM tiering WHERE org_id = $1 AND run = $2"
FINISH = """
UPDATE tiering SET run = NULL, asked = false, leads = $4, tiered_at = $5,
  due_at = CASE WHEN asked THEN $5::timestamptz ELSE $3::timestamptz END
WHERE org_id = $1 AND run = $2 RETURNING due_at
"""
# Amid a run it is noted: that has read some scores already, and to begin it anew for each who asks would never end it.
DUE_NOW = """
UPDATE tiering SET due_at = CASE WHEN run IS NULL THEN $2::timestamptz ELSE due_at END, asked = run IS NOT NULL
WHERE org_id = $1
"""


class Superseded(Exception):
    """A later run has taken over: it does the whole work again, with newer settings."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A run that is ours to do. ``interrupted``: the one before did not come to its end, so nobody was told."""

    org_id: int
    run: UUID
    tiers: Tiers
    time_zone: str
    interrupted: bool
    leads_before: int

    def is_filling_up(self, leads: int) -> bool:
        """There are twice the leads of the run before, or more."""
        return leads >= 2 * max(self.leads_before, 1)


async def due(connection: Connection, now: datetime) -> list[int]:
    """The organisations whose re-tiering is due."""
    return [row["org_id"] for row in await connection.fetch(DUE, now)]


async def begin(connection: Connection, org_id: int, now: datetime) -> None:
    """Has an organisation that never was tiered due now; of any other nothing changes."""
    await connection.execute(FIRST_TIERING, org_id, now)


async def claim(
    connection: Connection, org_id: int, now: datetime, *, whether_due_or_not: bool = False
) -> Claim | None:
    """Takes the organisation's next run, inside a transaction; None when it is not due, or another process has it.

    Raises ``NotFound`` when there is no such organisation and the run was asked for.
    """
    if whether_due_or_not:
        await begin(connection, org_id, now)
    row = await connection.fetchrow(STANDING, org_id)
    if row is None:
        if whether_due_or_not:
            raise NotFound
        return None
    if not (whether_due_or_not or row["due_at"] <= now or row["made_with"] != row["tiers"]):
        return None
    run = uuid7()
    await connection.execute(CLAIM, org_id, now + LEASE, run, row["tiers"])
    interrupted = row["run"] is not None
    return Claim(org_id, run, Tiers(**row["tiers"]), row["time_zone"], interrupted, row["leads"])


async def prolong(connection: Connection, claimed: Claim, now: datetime) -> None:
    """Keeps the run ours for another lease. Raises ``Superseded``."""
    if not affected(await connection.execute(PROLONG, claimed.org_id, claimed.run, now + LEASE)):
        raise Superseded


async def confirm(connection: Connection, claimed: Claim) -> None:
    """That the run is still ours. Raises ``Superseded``."""
    if await connection.fetchval(HOLDS, claimed.org_id, claimed.run) is None:
        raise Superseded


async def finish(connection: Connection, claimed: Claim, leads: int, now: datetime) -> datetime:
    """Ends the run and returns when the next is due. Raises ``Superseded``.

    That is the next night; but an organisation that is filling up, with twice the leads of the run before, is tiered
    again shortly: its cut-offs were those of its first thousand. At once, where somebody asked for it meanwhile.
    """
    then = now + SETTLING if claimed.is_filling_up(leads) else next_night(now, claimed.time_zone)
    due_at: datetime | None = await connection.fetchval(FINISH, claimed.org_id, claimed.run, then, leads, now)
    if due_at is None:
        raise Superseded
    return due_at


async def make_due(connection: Connection, org_id: int, now: datetime) -> None:
    """Has the next run begin as soon as a process looks; one that is under way comes to its end before."""
    await begin(connection, org_id, now)
    await connection.execute(DUE_NOW, org_id, now)


def next_night(now: datetime, time_zone: str) -> datetime:
    """The next time after ``now`` that the organisation's clocks show ``NIGHT``, in UTC."""
    zone = ZoneInfo(time_zone)
    tonight = datetime.combine(now.astimezone(zone).date(), NIGHT, zone)
    if tonight <= now:
        tonight = datetime.combine(tonight.date() + timedelta(days=1), NIGHT, zone)
    return tonight.astimezone(now.tzinfo)
