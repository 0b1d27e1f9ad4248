"""What follows from a lead changing: who loses it, who gains it, who sees another card; and erasing a person.

Everything in the log's order. Knows the inbox by ``feed.entries`` and tells users by ``feed.log``.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from leadfeed_api.db.session import Database, affected
from leadfeed_api.errors import LeadNotFound, UnknownOwner
from leadfeed_api.feed import entries
from leadfeed_api.feed.entries import Membership
from leadfeed_api.feed.log import Change, Log, appending

OWNER = "SELECT owner_id FROM lead WHERE org_id = $1 AND lead_id = $2"
SET_OWNER = "UPDATE lead SET owner_id = $3 WHERE org_id = $1 AND lead_id = $2"
USER_EXISTS = "SELECT 1 FROM app_user WHERE org_id = $1 AND user_id = $2"
DELETE_MOMENTS = "DELETE FROM moment WHERE org_id = $1 AND lead_id = $2"
DELETE_SUBSCRIPTIONS = "DELETE FROM subscription WHERE org_id = $1 AND kind = 'lead' AND value = $2"
DELETE_LEAD = "DELETE FROM lead WHERE org_id = $1 AND lead_id = $2"


@dataclass(frozen=True, slots=True)
class LeadChange:
    """A lead that was stored differently, with its owner before and after."""

    lead_id: str
    owner_before: str | None
    owner_after: str | None


async def apply_changes(log: Log, changes: Sequence[LeadChange]) -> None:
    """Brings inboxes in line with stored changes: one position a lead, one change a user and lead.

    The old owner's feed loses the lead unless they watch it, the new owner's gains its past, and everyone else who
    sees the lead is told that its card changed. Where an owner changed, entries must be locked (``Log.lock_entries``).
    """
    if not changes:
        return
    before = await log.advance(len(changes)) - len(changes)
    at = {change.lead_id: before + n for n, change in enumerate(changes, 1)}
    moved = [change for change in changes if change.owner_before != change.owner_after]
    lost = [Membership(c.owner_before, c.lead_id, at[c.lead_id]) for c in moved if c.owner_before is not None]
    won = [Membership(c.owner_after, c.lead_id, at[c.lead_id]) for c in moved if c.owner_after is not None]
    told = [Change(m.user_id, m.position, "unassigned", m.lead_id) for m in lost]
    told += [Change(m.user_id, m.position, "assigned", m.lead_id) for m in won]
    already = {(change.user_id, change.lead_id) for change in told}
    told += [
        Change(user_id, at[lead_id], "lead", lead_id)
        for lead_id, user_id in await entries.entitled(log.connection, log.org_id, list(at))
        if (user_id, lead_id) not in already
    ]
    await log.tell(told)
    await entries.withdraw(log.connection, log.org_id, lost)
    await entries.admit(log.connection, log.org_id, won)


async def assign(database: Database, org_id: int, lead_id: str, owner_id: str | None) -> None:
    """Makes a user the lead's owner, or nobody. Raises ``LeadNotFound`` or ``UnknownOwner``."""
    async with appending(database, org_id) as log:
        await log.lock_entries()
        row = await log.connection.fetchrow(OWNER, org_id, lead_id)
        if row is None:
            raise LeadNotFound
        if owner_id is not None and not await log.connection.fetchval(USER_EXISTS, org_id, owner_id):
            raise UnknownOwner(errors=[{"pointer": "/owner_id", "detail": "is not a user of this organisation"}])
        if row["owner_id"] != owner_id:
            await log.connection.execute(SET_OWNER, org_id, lead_id, owner_id)
            await apply_changes(log, [LeadChange(lead_id, row["owner_id"], owner_id)])


async def erase(database: Database, org_id: int, lead_id: str) -> None:
    """Deletes the person: the lead, its moments, every inbox's entries, every watch and subscription.

    Raises ``LeadNotFound``. Those who saw the lead are told to forget it; what the log keeps of it is its id, until the
    log is trimmed (``feed.trimming``), and nothing from then on.
    """
    async with appending(database, org_id) as log:
        await log.lock_entries()
        seers = sorted({user for _, user in await entries.entitled(log.connection, org_id, [lead_id])})
        # The lead first, which takes along whatever refers to it by a key: watches, mutes, scores. It waits for those
        # who subscribe to it just now, so that what they wrote is deleted below.
        if not affected(await log.connection.execute(DELETE_LEAD, org_id, lead_id)):
            raise LeadNotFound
        await entries.delete_of_lead(log.connection, org_id, lead_id, seers)
        await log.connection.execute(DELETE_MOMENTS, org_id, lead_id)
        await log.connection.execute(DELETE_SUBSCRIPTIONS, org_id, lead_id)
        position = await log.advance(1)
        await log.tell([Change(user, position, "erased", lead_id) for user in seers])
