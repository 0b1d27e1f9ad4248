"""Hiding a best bet for some days: its owner's private matter, seen by nobody else.

Owns ``hidden_lead``. A hidden lead leaves the list of best bets and nothing else; the feed goes on showing it.
"""

from datetime import datetime, timedelta

from leadfeed_api.best_bets.schemas import Hidden
from leadfeed_api.db.session import Connection
from leadfeed_api.errors import LeadNotFound, NotTheOwner
from leadfeed_api.organizations.queries import settings_of
from leadfeed_api.organizations.tier_settings import Tiers

# Keeps the lead from being erased until it is hidden; one that is erased first is not found.
HIDE = """
INSERT INTO hidden_lead (org_id, user_id, lead_id, hidden_until)
SELECT l.org_id, $2, l.lead_id, $4 FROM lead l WHERE l.org_id = $1 AND l.lead_id = $3 AND l.owner_id = $2
FOR KEY SHARE
ON CONFLICT (org_id, user_id, lead_id) DO UPDATE SET hidden_until = excluded.hidden_until
RETURNING lead_id
"""
LEAD_EXISTS = "SELECT 1 FROM lead WHERE org_id = $1 AND lead_id = $2"
SHOW = "DELETE FROM hidden_lead WHERE org_id = $1 AND user_id = $2 AND lead_id = $3"
FORGET_PAST = "DELETE FROM hidden_lead WHERE org_id = $1 AND hidden_until <= $2"


async def hide(
    connection: Connection, org_id: int, user_id: str, lead_id: str, days: int | None, now: datetime
) -> Hidden:
    """Hides the lead from its owner for so many days from now, or for as many as the organisation's setting says.

    Raises ``LeadNotFound``, or ``NotTheOwner`` for a lead of somebody else.
    """
    if days is None:
        days = Tiers(**(await settings_of(connection, org_id))["tiers"]).hide_days
    until = now + timedelta(days=days)
    if await connection.fetchval(HIDE, org_id, user_id, lead_id, until) is None:
        raise NotTheOwner if await connection.fetchval(LEAD_EXISTS, org_id, lead_id) else LeadNotFound
    return Hidden(lead_id=lead_id, hidden_until=until)


async def show(connection: Connection, org_id: int, user_id: str, lead_id: str) -> None:
    """Ends the hiding; a lead that is not hidden, or never was, is no error."""
    await connection.execute(SHOW, org_id, user_id, lead_id)


async def forget_past(connection: Connection, org_id: int, now: datetime) -> None:
    """Drops hidings that are over."""
    await connection.execute(FORGET_PAST, org_id, now)
