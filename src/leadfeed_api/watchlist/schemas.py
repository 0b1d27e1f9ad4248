"""The watch list on the wire."""

from datetime import datetime
from typing import Annotated, Self

from pydantic import BaseModel, Field, model_validator
from pydantic_core import PydanticCustomError

from leadfeed_api.feed.schemas import AccountCard, LeadCard
from leadfeed_api.fields import CrmId, Incoming, example


class WatchIn(Incoming):
    """Whom to watch: either `lead_ids`, or every lead of an account."""

    model_config = example(lead_ids=["00Q8d000004", "00Q8d000011"])

    lead_ids: Annotated[list[CrmId], Field(min_length=1, max_length=1_000)] | None = None
    account_id: CrmId | None = None

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if (self.lead_ids is None) == (self.account_id is None):
            raise PydanticCustomError("one_of_two", "give either lead_ids or account_id")
        return self


class WatchResult(BaseModel):
    """What the call did."""

    model_config = example(watched=1, already=1, unknown=[])

    watched: int = Field(description="How many leads are newly watched.")
    already: int = Field(description="How many leads were watched already.")
    unknown: list[str] = Field(description="Ids in `lead_ids` of no lead of this organisation.")


class WatchedLead(BaseModel):
    """A lead on the list."""

    lead: LeadCard
    account: AccountCard | None
    owned: bool = Field(description="I also own this lead: unwatching leaves it in my feed.")
    watched_since: datetime


class Watchlist(BaseModel):
    """A page of the list, by lead id."""

    model_config = example(
        items=[
            {
                "lead": {
                    "id": "00Q8d000004",
                    "name": "Ana Ruiz",
                    "title": "CTO",
                    "starred": True,
                    "stars": 3,
                    "flames": 2,
                },
                "account": {"id": "a-3", "name": "Initech"},
                "owned": False,
                "watched_since": "2026-11-20T08:00:00Z",
            }
        ],
        next_after="00Q8d000004",
    )

    items: list[WatchedLead]
    next_after: str | None = Field(description="Pass as `after` for the next page; null at the end.")
