"""Watching and unwatching, in the log's order, with what it does to the feed.

Owns the table ``watch``. What the inbox looks like is ``feed.entries``' business.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from leadfeed_api.db.session import Connection, Database, affected
from leadfeed_api.errors import AccountNotFound, LeadNotFound
from leadfeed_api.feed import entries
from leadfeed_api.feed.cards import CARDS, account_card, lead_card
from leadfeed_api.feed.entries import Membership
from leadfeed_api.feed.log import Change, ChangeKind, Log, appending
from leadfeed_api.watchlist.schemas import WatchedLead

AT_A_TIME = 1_000  # leads of an account in one transaction: each may have many moments, and others wait for the lock
EXISTING = "SELECT lead_id FROM lead WHERE org_id = $1 AND lead_id = ANY($2::text[])"
OF_ACCOUNT = """
SELECT lead_id FROM lead WHERE org_id = $1 AND account_id = $2 AND lead_id > $3 ORDER BY lead_id LIMIT $4
"""
ACCOUNT_EXISTS = "SELECT 1 FROM account WHERE org_id = $1 AND account_id = $2"
INSERT_WATCHES = """
INSERT INTO watch (org_id, user_id, lead_id, created_at)
SELECT l.org_id, $2, l.lead_id, $4 FROM lead l WHERE l.org_id = $1 AND l.lead_id = ANY($3::text[])
ON CONFLICT DO NOTHING
RETURNING lead_id
"""
DELETE_WATCH = "DELETE FROM watch WHERE org_id = $1 AND user_id = $2 AND lead_id = $3"
WATCHED = f"""
SELECT {CARDS}, l.owner_id IS NOT DISTINCT FROM w.user_id AS owned, w.created_at
FROM watch w
JOIN lead l ON l.org_id = $1 AND l.lead_id = w.lead_id
LEFT JOIN account a ON a.org_id = $1 AND a.account_id = l.account_id
WHERE w.org_id = $1 AND w.user_id = $2 AND w.lead_id > $3
ORDER BY w.lead_id LIMIT $4
"""


@dataclass(frozen=True, slots=True)
class Watching:
    """What a bulk watch did: ids newly watched, and ids that are no lead."""

    added: list[str]
    already: int
    unknown: list[str]


async def watch_lead(database: Database, org_id: int, user_id: str, lead_id: str) -> None:
    """Follows one lead; again is no error. Raises ``LeadNotFound``."""
    done = await watch_leads(database, org_id, user_id, [lead_id])
    if done.unknown:
        raise LeadNotFound


async def watch_leads(database: Database, org_id: int, user_id: str, lead_ids: Sequence[str]) -> Watching:
    """Follows the leads among ``lead_ids`` that exist."""
    async with appending(database, org_id) as log:
        await log.lock()
        found = {row["lead_id"] for row in await log.connection.fetch(EXISTING, org_id, list(lead_ids))}
        added = await _watch(log, user_id, sorted(found))
    return Watching(added, len(found) - len(added), sorted(set(lead_ids) - found))


async def watch_account(database: Database, org_id: int, user_id: str, account_id: str) -> Watching:
    """Follows everyone who is now of the account. Raises ``AccountNotFound``."""
    added: list[str] = []
    found, after = 0, ""
    while True:
        async with appending(database, org_id) as log:
            await log.lock()
            if not await log.connection.fetchval(ACCOUNT_EXISTS, org_id, account_id):
                raise AccountNotFound
            rows = await log.connection.fetch(OF_ACCOUNT, org_id, account_id, after, AT_A_TIME)
            added += await _watch(log, user_id, [row["lead_id"] for row in rows])
        found += len(rows)
        if len(rows) < AT_A_TIME:
            return Watching(added, found - len(added), [])
        after = rows[-1]["lead_id"]


async def unwatch_lead(database: Database, org_id: int, user_id: str, lead_id: str) -> None:
    """Stops following a lead; one that was not followed, or never was, is no error."""
    async with appending(database, org_id) as log:
        await log.lock_entries()
        if affected(await log.connection.execute(DELETE_WATCH, org_id, user_id, lead_id)):
            left = await _tell(log, user_id, [lead_id], "unwatched")
            await entries.withdraw(log.connection, org_id, left)


async def _watch(log: Log, user_id: str, lead_ids: Sequence[str]) -> list[str]:
    rows = await log.connection.fetch(INSERT_WATCHES, log.org_id, user_id, list(lead_ids), datetime.now(UTC))
    added = sorted(row["lead_id"] for row in rows)
    if added:
        joined = await _tell(log, user_id, added, "watched")
        await entries.admit(log.connection, log.org_id, joined)
    return added


async def _tell(log: Log, user_id: str, lead_ids: Sequence[str], kind: ChangeKind) -> list[Membership]:
    """Takes a position for each lead, records the change there, and says what joined or left where."""
    before = await log.advance(len(lead_ids)) - len(lead_ids)
    members = [Membership(user_id, lead_id, before + n) for n, lead_id in enumerate(lead_ids, 1)]
    await log.tell([Change(user_id, member.position, kind, member.lead_id) for member in members])
    return members


async def watched(connection: Connection, org_id: int, user_id: str, *, after: str, limit: int) -> list[WatchedLead]:
    """The user's list by lead id, from the one after ``after``."""
    rows = await connection.fetch(WATCHED, org_id, user_id, after, limit)
    return [
        WatchedLead(
            lead=lead_card(row),
            account=account_card(row),
            owned=row["owned"],
            watched_since=row["created_at"],
        )
        for row in rows
    ]
