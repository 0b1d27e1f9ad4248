"""The feed link on the wire."""

from datetime import datetime

from pydantic import ConfigDict, Field

from leadfeed_api.fields import Flag, Incoming, Outgoing, example


class FeedLink(Outgoing):
    """The secret addresses of my feed. Whoever has one can read my feed without signing in: do not share them."""

    model_config = ConfigDict(
        populate_by_name=True,
        json_schema_extra={
            "examples": [
                {
                    "rss": "https://leads.example.com/feeds/Zo3…/rss.xml",
                    "atom": "https://leads.example.com/feeds/Zo3…/atom.xml",
                    "json": "https://leads.example.com/feeds/Zo3…/feed.json",
                    "contact_details": True,
                    "created_at": "2026-11-23T09:12:00Z",
                }
            ]
        },
    )

    rss: str = Field(description="The feed as RSS 2.0.")
    atom: str = Field(description="The same feed as Atom.")
    json_feed: str = Field(alias="json", description="The same feed as JSON Feed 1.1.")
    contact_details: bool = Field(
        description="Entries show e-mail address, phone, mobile, fax, company address and company URL where known."
    )
    created_at: datetime = Field(description="When these addresses were created, in UTC.")


class FeedLinkPatch(Incoming):
    """Changes to the feed link."""

    model_config = example(contact_details=False)

    contact_details: Flag = Field(description="`false`: entries leave out all contact details.")
