"""The outbox on the wire."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, Field

from leadfeed_api.fields import example

_ID = "019ab1de-8c3e-7d4b-9f0a-2b6f2f1f8a01"


class SetAside(BaseModel):
    """A mail that was not sent, and will not be until it is retried."""

    id: UUID
    address: str | None
    created_at: datetime
    set_aside_at: datetime
    reason: str


class Outbox(BaseModel):
    """The organisation's queued mails, and those set aside."""

    model_config = example(
        queued=2,
        oldest_at="2026-11-23T09:12:00Z",
        set_aside=[
            {
                "id": _ID,
                "address": "nora@crm.example",
                "created_at": "2026-11-23T08:00:00Z",
                "set_aside_at": "2026-11-23T08:00:02Z",
                "reason": "ValueError: the header To cannot be written",
            }
        ],
    )

    queued: int
    oldest_at: datetime | None = Field(description="Since when the oldest has been queued; null: none is.")
    set_aside: list[SetAside] = Field(description="The 200 that were set aside last.")
