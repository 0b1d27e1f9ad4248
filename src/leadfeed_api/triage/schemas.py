"""Marks and mutes on the wire."""

from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

from pydantic import Field, Strict, model_validator
from pydantic_core import PydanticCustomError

from leadfeed_api.feed.cursor import Cursor
from leadfeed_api.feed.schemas import AccountCard, LeadCard, MomentType
from leadfeed_api.fields import Incoming, Instant, Outgoing, example

MomentIds = Annotated[list[Annotated[UUID, Strict(False)]], Field(min_length=1, max_length=1_000)]


class ReadIn(Incoming):
    """What to mark read: either `ids`, or everything shown up to a cursor."""

    model_config = example(ids=["019ab1de-8c3e-7d4b-9f0a-2b6f2f1f8a01"])

    ids: MomentIds | None = Field(None, description="Ids of moments; any that are not in my feed are ignored.")
    up_to: Cursor | None = Field(
        None,
        description="A page's `next_cursor`: all pages so far. A page's `live_cursor`: the whole feed as of that page.",
    )

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if (self.ids is None) == (self.up_to is None):
            raise PydanticCustomError("one_of_two", "give either ids or up_to")
        return self


class UnreadIn(Incoming):
    """What to mark unread."""

    model_config = example(ids=["019ab1de-8c3e-7d4b-9f0a-2b6f2f1f8a01"])

    ids: MomentIds = Field(description="Ids of moments; any that are not in my feed are ignored.")


class Marked(Outgoing):
    """What the call changed."""

    model_config = example(changed=1, ids=["019ab1de-8c3e-7d4b-9f0a-2b6f2f1f8a01"])

    changed: int = Field(description="How many moments this call changed.")
    ids: list[UUID] | None = Field(description="Their ids, with which to undo it; null if there are more than 1,000.")


class UnreadCount(Outgoing):
    """Counts of unread and hidden moments."""

    model_config = example(unread=12, hidden=3, counted=1000)

    unread: int = Field(description="Unread among the newest `counted` moments that are not muted.")
    hidden: int = Field(description="Muted among the newest `counted` moments.")
    counted: int = Field(
        description="How many of the newest moments are counted; a count that reaches it means this many or more."
    )


class MuteIn(Incoming):
    """How long to mute."""

    model_config = example(until="2100-01-01T00:00:00Z")

    until: Instant | None = Field(
        None, description="When the mute ends (RFC 3339, in the future); null: when I unmute."
    )


class MutedLead(Outgoing):
    """A muted person."""

    lead: LeadCard
    account: AccountCard | None
    until: datetime | None = Field(description="When it ends; null: when I say so.")


class MutedType(Outgoing):
    """A muted type of moment."""

    type: MomentType
    until: datetime | None = Field(description="When it ends; null: when I say so.")


class Mutes(Outgoing):
    """Everything muted now."""

    model_config = example(
        leads=[
            {
                "lead": {"id": "00Q8d000004", "name": "Ana Ruiz", "title": "CTO"},
                "account": {"id": "a-3", "name": "Initech"},
                "until": "2100-01-01T00:00:00Z",
            }
        ],
        types=[{"type": "email", "until": "2100-01-01T00:00:00Z"}],
    )

    leads: list[MutedLead]
    types: list[MutedType]
