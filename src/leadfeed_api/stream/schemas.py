"""The data of the stream's events, and the stream token, on the wire."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from leadfeed_api.feed.schemas import AccountCard, LeadCard
from leadfeed_api.fields import Outgoing, example

ResetReason = Literal["unknown-position", "future-position", "old-position", "many-changes"]
MembershipReason = Literal["watched", "unwatched", "assigned", "unassigned", "erased"]


class StreamToken(Outgoing):
    """A credential for one user's stream, fit for a URL."""

    model_config = example(token="eyJhbGciOi…", expires_at="2026-11-23T10:12:00Z")  # noqa: S106  an example's

    token: str
    expires_at: datetime = Field(description="When the token expires and the streams it opened end.")


class LeadEvent(LeadCard):
    """`lead`: a person looks different now."""

    account: AccountCard | None = None


class ChangedEvent(Outgoing):
    """`changed`: a lead came into my feed or left it."""

    reason: MembershipReason
    lead_id: str


class ResetEvent(Outgoing):
    """`reset`: reload the page, then go on from this event's id."""

    reason: ResetReason


class ExpiredEvent(Outgoing):
    """`expired`: the credential ended; get a new one."""

    reason: Literal["expired", "revoked"]
