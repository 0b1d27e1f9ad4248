"""One small feed, rendered as any other, for the OpenAPI document to show."""

import json
from datetime import UTC, datetime
from uuid import UUID

from leadfeed_api.feed.schemas import AccountCard, Contact, ContactItem, FeedItem, LeadCard
from leadfeed_api.syndication.render import FeedDocument, Format, render

_MINUTE = datetime(2026, 11, 23, 9, 12, tzinfo=UTC)
_FEED = FeedDocument(
    feed_id=UUID("2c5ea4c0-4067-5fe9-8bad-9b1deb4d3b7d"),
    user_name="Nora Lind",
    organization="Globex",
    home_url="https://leads.example.com/panel",
    urls={
        "rss": "https://leads.example.com/feeds/Zo3…/rss.xml",
        "atom": "https://leads.example.com/feeds/Zo3…/atom.xml",
        "json": "https://leads.example.com/feeds/Zo3…/feed.json",
    },
    created_at=_MINUTE,
)
_MOMENT = ContactItem(
    item=FeedItem(
        id=UUID("019ab0c1-7b00-7000-8000-00000000002a"),
        type="web",
        description="Visited the pricing page 3 times",
        occurred_at=_MINUTE,
        url="https://www.example.com/pricing",
        source="marketo",
        lead=LeadCard(id="00Q8d000004", name="Ana Ruiz", title="CTO", starred=True, stars=3, flames=2),
        account=AccountCard(id="a-3", name="Initech"),
        because=["owned"],
    ),
    contact=Contact(email="ana.ruiz@initech.example", phone="+1 512 555 0142"),
)


def example(form: Format) -> object:
    """A feed of one moment: text for the XML formats, a JSON value for JSON Feed."""
    document = render(_FEED, [_MOMENT], form).decode()
    return json.loads(document) if form == "json" else document
