"""A score arrives: what it moved is remembered, and its lead is placed at once, by the last cut-offs.

Owns ``score_day``, the compact history: what a score was when a day on which it changed began. A first score is where
a lead starts and no rise; clearing a score forgets its past. Belongs inside the transaction that stores the score.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from leadfeed_api.best_bets import lease
from leadfeed_api.best_bets.cutoffs import provisional_rules, read_back
from leadfeed_api.best_bets.placing import place_leads
from leadfeed_api.best_bets.schemas import LeadScore
from leadfeed_api.best_bets.telling import tell_cards
from leadfeed_api.best_bets.tiers import Rules
from leadfeed_api.db.session import ANY_PLANS, Connection, Database
from leadfeed_api.errors import LeadNotFound, NotFound
from leadfeed_api.feed import entries
from leadfeed_api.feed.log import Log, appending
from leadfeed_api.organizations.tier_settings import Tiers

RULES_NOW = """
SELECT o.tiers, o.time_zone, t.rules
FROM organization o LEFT JOIN tiering t ON t.org_id = $1 WHERE o.org_id = $1
"""
# Nothing where a later day stands already: the organisation moved to where it is still yesterday, or a host's clock is
# behind. What that day began with is where the window would begin, and nearly all of a rise be lost.
REMEMBER = """
INSERT INTO score_day (org_id, lead_id, day, opening)
SELECT o.org_id, x.lead_id, $4, x.opening FROM organization o
CROSS JOIN unnest($2::text[], $3::float8[]) AS x (lead_id, opening)
WHERE o.org_id = $1 AND coalesce($4 > (
  SELECT s.day FROM score_day s WHERE s.org_id = $1 AND s.lead_id = x.lead_id ORDER BY s.day DESC LIMIT 1), true)
ON CONFLICT DO NOTHING
"""
FORGET = "DELETE FROM score_day WHERE org_id = $1 AND lead_id = ANY($2::text[])"
FORGET_BEFORE = "DELETE FROM score_day WHERE org_id = $1 AND day < $2"
SCORE = "SELECT score FROM lead WHERE org_id = $1 AND lead_id = $2"
SET_SCORE = "UPDATE lead SET score = $3 WHERE org_id = $1 AND lead_id = $2"
SCORED_LEAD = "SELECT score, stars, flames, starred FROM lead WHERE org_id = $1 AND lead_id = $2"


@dataclass(frozen=True, slots=True)
class Scored:
    """A lead whose score, or whose priority by the CRM, was stored differently."""

    lead_id: str
    before: float | None
    after: float | None


async def follow_scores(log: Log, scored: Sequence[Scored]) -> list[str]:
    """Remembers what moved and places the leads; returns those that look different now. At most seven statements."""
    if not scored:
        return []
    now = datetime.now(UTC)
    rules, today = await rules_now(log.connection, log.org_id, now)
    if rules.provisional:
        await lease.begin(log.connection, log.org_id, now)
    moved = [s for s in scored if s.before is not None and s.after is not None and s.before != s.after]
    if moved:
        ids, openings = [one.lead_id for one in moved], [one.before for one in moved]
        await log.connection.execute(REMEMBER, log.org_id, ids, openings, today)
    cleared = [one.lead_id for one in scored if one.before is not None and one.after is None]
    if cleared:
        await log.connection.execute(FORGET, log.org_id, cleared)
    placed = await place_leads(log.connection, log.org_id, rules, today, [one.lead_id for one in scored])
    await log.connection.execute(ANY_PLANS)  # again: leads may move in the same transaction
    return placed


async def set_score(database: Database, org_id: int, lead_id: str, score: float | None) -> LeadScore:
    """Stores one lead's score and tells those who see the lead if it looks different now. Raises ``LeadNotFound``."""
    async with appending(database, org_id) as log:
        await log.lock()
        row = await log.connection.fetchrow(SCORE, org_id, lead_id)
        if row is None:
            raise LeadNotFound
        if row["score"] != score:
            await log.connection.execute(SET_SCORE, org_id, lead_id, score)
            changed = await follow_scores(log, [Scored(lead_id, row["score"], score)])
            await tell_cards(log, await entries.entitled(log.connection, org_id, changed))
        stored = await log.connection.fetchrow(SCORED_LEAD, org_id, lead_id)
    return LeadScore.model_construct(id=lead_id, **dict(stored or {}))


async def forget_before(connection: Connection, org_id: int, day: date) -> None:
    """Drops the history that no window reaches any more."""
    await connection.execute(FORGET_BEFORE, org_id, day)


def local_day(now: datetime, time_zone: str) -> date:
    """The organisation's date."""
    return now.astimezone(ZoneInfo(time_zone)).date()


async def rules_now(connection: Connection, org_id: int, now: datetime) -> tuple[Rules, date]:
    """The rules by which a score is placed until the next re-tiering, and the organisation's date."""
    row = await connection.fetchrow(RULES_NOW, org_id)
    if row is None:
        raise NotFound
    rules = provisional_rules(Tiers(**row["tiers"])) if row["rules"] is None else read_back(row["rules"])
    return rules, local_day(now, row["time_zone"])
