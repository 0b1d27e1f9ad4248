"""Marks and mutes on the wire."""

from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

from pydantic import Field, Strict, model_validator
from pydantic_core import PydanticCustomError

from leadfeed_api.feed.schemas import AccountCard, LeadCard, MomentType, Wire
from leadfeed_api.wire import Incoming, Instant, example

MomentIds = Annotated[list[Annotated[UUID, Strict(False)]], Field(min_length=1, max_length=1_000)]


class ReadIn(Incoming):
    """What to mark read: some moments, or everything shown up to a cursor. Exactly one of the two."""

    model_config = example(ids=["019ab1de-8c3e-7d4b-9f0a-2b6f2f1f8a01"])

    ids: MomentIds | None = Field(None, description="Moments by their ids; those not in my feed are passed over.")
    up_to: Annotated[str, Field(min_length=1, max_length=200)] | None = Field(
        None,
        description="A page's `next_cursor`: everything on the pages so far. A page's `live_cursor`: the whole feed.",
    )

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if (self.ids is None) == (self.up_to is None):
            raise PydanticCustomError("one_of_two", "give either ids or up_to")
        return self


class UnreadIn(Incoming):
    """What to mark unread."""

    model_config = example(ids=["019ab1de-8c3e-7d4b-9f0a-2b6f2f1f8a01"])

    ids: MomentIds = Field(description="Moments by their ids; those not in my feed are passed over.")


class Marked(Wire):
    """What a mark changed."""

    model_config = example(changed=1, ids=["019ab1de-8c3e-7d4b-9f0a-2b6f2f1f8a01"])

    changed: int = Field(description="Moments that were not so before.")
    ids: list[UUID] | None = Field(description="Their ids, so that it can be undone; null when more than 1,000.")


class UnreadCount(Wire):
    """How much there is to read."""

    model_config = example(unread=12, hidden=3, counted=1000)

    unread: int = Field(description="Unread among the newest `counted` moments that are not muted.")
    hidden: int = Field(description="Muted among the newest `counted` moments.")
    counted: int = Field(description="How many of the newest moments are looked at: at this many, read “or more”.")


class MuteIn(Incoming):
    """For how long."""

    model_config = example(until="2026-12-01T00:00:00Z")

    until: Instant | None = Field(None, description="When it ends (RFC 3339, in the future); null: when I say so.")


class MutedLead(Wire):
    """A person I do not want to see for a while."""

    lead: LeadCard
    account: AccountCard | None
    until: datetime | None = Field(description="When it ends; null: when I say so.")


class MutedType(Wire):
    """A kind of moment I do not want to see for a while."""

    type: MomentType
    until: datetime | None = Field(description="When it ends; null: when I say so.")


class Mutes(Wire):
    """Everything I muted that has not ended."""

    model_config = example(
        leads=[
            {
                "lead": {"id": "00Q8d000004", "name": "Ana Ruiz", "title": "CTO"},
                "account": {"id": "a-3", "name": "Initech"},
                "until": "2026-12-01T00:00:00Z",
            }
        ],
        types=[{"type": "email", "until": "2026-12-01T00:00:00Z"}],
    )

    leads: list[MutedLead]
    types: list[MutedType]
