"""What settings would give, before they are saved; and where re-tiering stands. Reads only."""

from collections import Counter
from datetime import datetime

from leadfeed_api.best_bets import cutoffs, placing, scoring
from leadfeed_api.best_bets.placing import Share
from leadfeed_api.best_bets.schemas import Brackets, Tiering, TiersPreview
from leadfeed_api.db.session import Connection
from leadfeed_api.organizations.queries import settings_of
from leadfeed_api.organizations.tier_settings import Tiers, TiersPatch

TIERING = "SELECT due_at, run, rules, tiered_at FROM tiering WHERE org_id = $1"


async def preview(connection: Connection, org_id: int, change: TiersPatch, now: datetime) -> TiersPreview:
    """How many leads would stand where, if these tiers were set and everyone re-tiered now."""
    settings = await settings_of(connection, org_id)
    tiers, today = Tiers(**change.onto(settings["tiers"])), scoring.local_day(now, settings["time_zone"])
    rules = await cutoffs.find_rules(connection, org_id, tiers, today)
    shares = await placing.tally(connection, org_id, rules, today)
    return TiersPreview(
        tiers=tiers,
        leads=sum(share.leads for share in shares),
        stars=_brackets([(share.stars, share) for share in shares], cutoffs.shown(rules.stars)),
        flames=_brackets([(share.flames, share) for share in shares], cutoffs.shown(rules.flames)),
        starred=sum(share.leads for share in shares if share.starred),
    )


def _brackets(shares: list[tuple[int, Share]], begin: list[float | None]) -> Brackets:
    count: Counter[int] = Counter()
    for tier, share in shares:
        count[tier] += share.leads
    return Brackets(none=count[0], one=count[1], two=count[2], three=count[3], cutoffs=begin)


async def standing(connection: Connection, org_id: int) -> Tiering:
    """When the organisation was tiered, when it will be, and by which cut-offs scores are placed meanwhile."""
    row = await connection.fetchrow(TIERING, org_id)
    if row is None:
        return Tiering(tiered_at=None, next_at=None, running=False, stars=None, flames=None)
    rules = row["rules"] or {"stars": None, "flames": None}
    return Tiering(
        tiered_at=row["tiered_at"],
        next_at=row["due_at"],
        running=row["run"] is not None,
        stars=rules["stars"],
        flames=rules["flames"],
    )
