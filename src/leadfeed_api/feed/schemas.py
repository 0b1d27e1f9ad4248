"""The feed on the wire: what a moment looks like to everyone who reads one.

Page, stream and feeds for readers render the same :class:`FeedItem`. Owns shapes only: knows neither where items come
from nor who asks.
"""

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import Field

from leadfeed_api.fields import Outgoing, example

MomentType = Literal["web", "email", "milestone"]
Reason = Literal["owned", "watched"]


class LeadCard(Outgoing):
    """The person, as a row of the feed shows them."""

    id: str
    name: str
    title: str | None = None
    starred: bool = Field(False, description="A best bet: priority at or above the organisation's cut-off.")
    stars: int = Field(0, ge=0, le=3, description="Relative score, 0-3.")
    flames: int = Field(0, ge=0, le=3, description="Urgency, 0-3.")


class AccountCard(Outgoing):
    """The company, as a row of the feed shows it."""

    id: str
    name: str


class FeedItem(Outgoing):
    """One interesting moment, as one user sees it."""

    id: UUID
    type: MomentType
    description: str
    occurred_at: datetime = Field(description="When it happened, in UTC.")
    url: str | None = None
    source: str = Field(description="The system that reported it.")
    lead: LeadCard
    account: AccountCard | None = None
    because: list[Reason] = Field(description="Why it is in my feed.")
    subscribed: bool = Field(False, description="One of my subscriptions matches it.")
    read: bool = False
    bot: str | None = Field(None, description="Why this was probably automated, in words; null if nothing suggests it.")


class FeedPage(Outgoing):
    """One page, newest first."""

    model_config = example(
        items=[
            {
                "id": "019ab1de-8c3e-7d4b-9f0a-2b6f2f1f8a01",
                "type": "web",
                "description": "Visited the pricing page 3 times",
                "occurred_at": "2026-11-23T09:12:00Z",
                "url": None,
                "source": "marketo",
                "lead": {
                    "id": "00Q8d000004",
                    "name": "Ana Ruiz",
                    "title": "CTO",
                    "starred": True,
                    "stars": 3,
                    "flames": 2,
                },
                "account": {"id": "a-3", "name": "Initech"},
                "because": ["owned", "watched"],
                "subscribed": False,
                "read": False,
                "bot": None,
            }
        ],
        next_cursor="AQAGYPKVHgqyAaII2mXncAmC_QOKZU16QIwfYHq9pnrXBh-myg",
        live_cursor="2KReKaeQ-1042",
    )

    items: list[FeedItem]
    next_cursor: str | None = Field(description="The next, older page; null at the end.")
    live_cursor: str = Field(
        description="Where to start a stream so that page and stream together have no gap and no repeat."
    )


class Contact(Outgoing):
    """How to reach the person: what feeds for readers add where the link allows it."""

    email: str | None = None
    phone: str | None = None
    mobile: str | None = None
    fax: str | None = None
    address: str | None = Field(None, description="The company's address, one line or several.")
    url: str | None = Field(None, description="The company's web address.")


class ContactItem(Outgoing):
    """An item together with the contact details of its person and company."""

    item: FeedItem
    contact: Contact
