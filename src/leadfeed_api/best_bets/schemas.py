"""Best bets on the wire."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, Field

from leadfeed_api.feed.schemas import AccountCard, LeadCard, MomentType
from leadfeed_api.fields import Incoming, Outgoing, example
from leadfeed_api.organizations.tier_settings import MAX_HIDE_DAYS, Tiers

Score = Annotated[float, Field(ge=-1e9, le=1e9, allow_inf_nan=False)]
_LEAD = {"id": "00Q8d000004", "name": "Ana Ruiz", "title": "CTO", "starred": True, "stars": 3, "flames": 2}
_MOMENT = {
    "id": "019ab1de-8c3e-7d4b-9f0a-2b6f2f1f8a01",
    "type": "web",
    "description": "Visited the pricing page 3 times",
    "occurred_at": "2026-11-23T09:12:00Z",
}
_BET = {
    "lead": _LEAD,
    "account": {"id": "a-3", "name": "Initech"},
    "score": 71,
    "change": 18,
    "owned": True,
    "hidden_until": None,
    "last_moment": _MOMENT,
}
_TIERS = Tiers().model_dump(exclude_none=True)


class ScoreIn(Incoming):
    """A lead's new score; null removes it."""

    model_config = example(score=71)

    score: Score | None


class LeadScore(Outgoing):
    """A lead's score, and the stars and flames it leads to."""

    model_config = example(id="00Q8d000004", score=71, stars=3, flames=2, starred=True)

    id: str
    score: float | None
    stars: int = Field(ge=0, le=3, description="Relative score, 0-3.")
    flames: int = Field(ge=0, le=3, description="Urgency, 0-3.")
    starred: bool = Field(description="A best bet: priority at or above the organisation's cut-off.")


class HideIn(Incoming):
    """How long to hide a best bet."""

    model_config = example(days=14)

    days: Annotated[int, Field(ge=1, le=MAX_HIDE_DAYS)] | None = Field(
        None, description="For how many days; default: the organisation's `hide_days`."
    )


class Hidden(Outgoing):
    """A hidden best bet."""

    model_config = example(lead_id="00Q8d000004", hidden_until="2026-12-07T09:12:00Z")

    lead_id: str
    hidden_until: datetime


class LastMoment(Outgoing):
    """The person's latest moment."""

    id: UUID
    type: MomentType
    description: str
    occurred_at: datetime


class BestBet(Outgoing):
    """A lead, its score, and its latest moment."""

    lead: LeadCard
    account: AccountCard | None
    score: float | None
    change: float | None = Field(
        description="By how much the score changed over `window_days`; null without a score, or if it stayed the same."
    )
    owned: bool = Field(description="I own this lead; otherwise I watch it.")
    hidden_until: datetime | None = Field(description="Until when I hid it; null when I did not.")
    last_moment: LastMoment | None


class BestBets(Outgoing):
    """One page, highest priority first."""

    model_config = example(items=[_BET], next_cursor=None)

    items: list[BestBet]
    next_cursor: str | None = Field(description="The next page; null at the end.")


class Brackets(BaseModel):
    """Leads per tier, and the value each tier begins at."""

    none: int
    one: int
    two: int
    three: int
    cutoffs: list[float | None] = Field(
        description="The lowest value for one, two, three; null for a tier that no lead reaches."
    )


class TiersPreview(BaseModel):
    """What the tiers would give the organisation's leads now."""

    model_config = example(
        tiers=_TIERS,
        leads=1_000,
        stars={"none": 512, "one": 290, "two": 148, "three": 50, "cutoffs": [12, 41, 77]},
        flames={"none": 962, "one": 26, "two": 9, "three": 3, "cutoffs": [6, 15, 30]},
        starred=74,
    )

    tiers: Tiers = Field(description="The previewed tiers, complete.")
    leads: int
    stars: Brackets
    flames: Brackets
    starred: int = Field(description="How many leads would be best bets.")


class Tiering(BaseModel):
    """The state of re-tiering."""

    model_config = example(
        tiered_at="2026-11-23T03:00:04Z",
        next_at="2026-11-24T03:00:00Z",
        running=False,
        stars=[12, 41, 77],
        flames=[6, 15, 30],
    )

    tiered_at: datetime | None = Field(description="When the last run ended; null before the first.")
    next_at: datetime | None = Field(description="When the next run is due; null until a lead has a score.")
    running: bool
    stars: list[float | None] | None = Field(
        description="The cut-offs of the stars in the last run; null before the first."
    )
    flames: list[float | None] | None = Field(
        description="The cut-offs of the flames in the last run; null before the first."
    )
